"""How a condition changes the inputs of a model: sites, noise, replacement, hooks."""
