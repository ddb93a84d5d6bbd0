"""What is seen: watches, a look at one model, nodes and quotas, and raw objects as the views of the pure core."""
