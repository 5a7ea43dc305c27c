"""What a condition does to the inputs of a model: sites, noise, replacement, hooks."""
