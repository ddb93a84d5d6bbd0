"""PURE builders: one module a child kind, `build(...) -> dict` in the form the API server gives back.

What belongs here: how a child looks. What does not: when it is made, changed or removed (rollout), and how (cluster).
"""
