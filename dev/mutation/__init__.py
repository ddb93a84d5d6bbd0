"""Mutation testing of the core's decisions: small faults are put in one by one, and the tests must notice."""
