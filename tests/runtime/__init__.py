"""Tests of verdigris.cluster: on the real API server, and with a fake that `test_api_contract` keeps honest."""
