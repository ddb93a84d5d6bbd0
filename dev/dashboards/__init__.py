"""The Grafana dashboards, as typed Python: `python -m dev.dashboards --write` makes the chart's files (or `--check`).

What is shown is in `of_operators` and `of_model`, how a panel is written in `panels`. No metric is made here.
"""
