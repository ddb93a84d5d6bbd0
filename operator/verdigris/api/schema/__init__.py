"""What makes a CustomResourceDefinition from the models: field types, bounds, rules, quantities."""
