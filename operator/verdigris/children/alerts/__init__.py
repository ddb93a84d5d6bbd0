"""Alerts, all of them: what Prometheus is to tell people about models (`of_models`, `burning`), and about the operator
itself (`of_operator`, which the chart installs). PURE. No query of a rollout belongs here: those are the judges'."""
