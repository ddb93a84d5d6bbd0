"""Both dashboards during a rollout on the local cluster: whether every query has data, and a picture of each."""
