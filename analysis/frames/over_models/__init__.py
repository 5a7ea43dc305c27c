"""One row per model and dataset, and statistics over models: regimes, families, correlates, scaling."""
