"""Tests of the child builders: golden files, properties over generated specs, and what a real API server says."""
