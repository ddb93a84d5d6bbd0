"""What each pod is stuck in: a chain of checks, one module a part of a pod's life, and what that means for a candidate.

What is done about it is in `remedies`; whether a version crashes is in `core.judges`.
"""
