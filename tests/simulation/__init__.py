"""The operator's own loop on a virtual clock, disturbed at each of its calls. Tests of single parts go elsewhere."""
