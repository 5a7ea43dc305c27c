"""Figures over models: each model once per dataset."""
