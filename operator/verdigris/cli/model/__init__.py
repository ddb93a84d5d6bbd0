"""Documents of the cluster as values: what a person wants to know of a model. PURE; how it looks is for `views`."""
