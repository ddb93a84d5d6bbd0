"""The model registry: one narrow port, and MLflow's REST API behind it. Decides nothing."""
