"""Tests of the gate program: its arithmetic, its documents, its verdicts; real servers and processes, no cluster."""
