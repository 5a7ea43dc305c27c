"""Baselines of the studies: BATCH as published, recorded fits, a conic solver, plain `generate`."""
