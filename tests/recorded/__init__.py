"""What a real API server told of each fault of `dev/faults`, looked at again without a cluster."""
