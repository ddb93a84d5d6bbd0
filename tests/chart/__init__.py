"""Tests of the Helm chart, of its admission policy on a real API server, and of the workflows; none of the operator."""
