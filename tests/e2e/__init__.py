"""The operator on the real cluster, seen from outside: what a user applies, and what the API server and clients see."""
