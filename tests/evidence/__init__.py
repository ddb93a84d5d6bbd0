"""Tests of the metrics port: one contract for the fake and for a real Prometheus, and every way to answer badly."""
