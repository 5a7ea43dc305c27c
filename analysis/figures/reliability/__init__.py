"""Figures about what the numbers depend on: probes, items, settings."""
