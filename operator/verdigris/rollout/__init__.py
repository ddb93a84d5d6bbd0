"""PURE decisions: what to do next, given what was seen. No clock, no I/O, no randomness, no Kubernetes client."""
