"""The estimator BATCH (Liang et al. 2023)."""
