"""Timings against a baseline in the same run, and the baseline itself; README.md explains how to repeat them."""
