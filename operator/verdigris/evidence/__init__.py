"""EFFECTS that fetch evidence: the port, Prometheus behind it, and the fake that the contract test keeps honest."""
