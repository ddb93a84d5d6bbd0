"""What was seen, as immutable values: of the cluster, of Prometheus, and which revision the spec asks for."""
