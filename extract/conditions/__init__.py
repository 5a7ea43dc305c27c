"""What a condition does to a model's inputs: sites, noise, replacement, hooks."""
