"""Tests of the pure judge: its counting, its statistics and its sentences. Nothing here asks a Prometheus."""
