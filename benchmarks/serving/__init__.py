"""The serving image beside its peers, all on one pinned core with one model: `python -m benchmarks.serving`.

What is compared, why that is fair and what it does not say: docs/design/0012-bench.md.
"""
