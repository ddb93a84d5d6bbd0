"""Tests of the pure decisions, in a simulated cluster."""
