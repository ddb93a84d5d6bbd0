"""What the operator suggests and never does by itself."""
