"""Timings against a baseline in the same run, and the baseline itself; README.md says how to repeat them."""
