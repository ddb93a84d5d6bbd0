"""What is done about stuck pods, and every gate that a removal must pass."""
