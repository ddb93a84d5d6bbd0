"""Tests of verdigris.api: the models by themselves, and the CRDs on the real API server (marked `cluster`)."""
