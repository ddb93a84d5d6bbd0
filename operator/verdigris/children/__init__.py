"""PURE: one module a child kind, `build(...) -> dict`. No decisions."""
