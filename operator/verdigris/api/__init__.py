"""The resources as pydantic models: what a user may ask for, what the operator tells, what people decide."""
