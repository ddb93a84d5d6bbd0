"""The Verdigris operator: decisions in `rollout` and `resources`, effects in `cluster` and `evidence`."""

__version__ = "0.1.0"
