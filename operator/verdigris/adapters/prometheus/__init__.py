"""Prometheus, behind a port: questions in, evidence out. No verdicts."""
