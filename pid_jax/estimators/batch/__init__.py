"""BATCH (Liang et al. 2023) and nothing else."""
