"""Without a cluster: a model served or asked on one's own machine. Nothing that runs in a pod imports this."""
