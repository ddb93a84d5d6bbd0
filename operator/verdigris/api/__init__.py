"""The two resources as pydantic models, and the CRDs made from them. No decisions, no effects."""
