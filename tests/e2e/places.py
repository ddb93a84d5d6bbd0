"""Where the end-to-end tests have put what all scenes share. Imports nothing: who installs the operator asks it."""

NAMESPACE = "e2e-artifacts"
MLFLOW_PORT = 5000
MLFLOW = f"http://mlflow.{NAMESPACE}.svc:{MLFLOW_PORT}"
"""The model registry that the operator of the tests asks."""
