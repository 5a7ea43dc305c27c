"""Turns a benchmark file into checked items. No torch."""
