"""Cards: what people and tools that keep an inventory are told of a model, from what is known of it."""
