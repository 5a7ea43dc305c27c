"""Each model once per dataset, and what is computed over models: regimes, families, correlates, scaling."""
