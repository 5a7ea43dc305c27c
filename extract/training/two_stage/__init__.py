"""`pid-train`: LLaVA's two stages on real data, from a recipe file to a series of checkpoints for `pid-extract`."""
