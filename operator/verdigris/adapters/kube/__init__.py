"""Kubernetes: the client, watches, reads that make a picture, writes that carry out a plan."""
