"""Tests of the demo's own parts, without a cluster: a demo that miscounts would prove nothing."""
