"""Tests of the model server, its init step and the artifact tools; real processes and sockets, no cluster."""
