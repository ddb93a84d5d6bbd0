"""EFFECTS on Kubernetes: client, watches, queue, lease, apply, events, settings. Decides nothing about rollouts."""
