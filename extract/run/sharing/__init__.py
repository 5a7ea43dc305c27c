"""Measures the shards of one run in one process or several."""
