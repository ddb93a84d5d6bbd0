"""One turn from beginning to end: which revision has which role, which step is next, what the children must be."""
