"""The model registry: what is promised of it, held against MLflow."""
