"""Programs that measure and print; what they found stands in docs/. Nothing here is imported by the product."""
