"""What to do next, for each reason that the operator gives. What a reason means stands in its own message already."""
