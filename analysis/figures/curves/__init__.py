"""Figures over layers and over training: curves of the atoms for one model, or overlaid for several models."""
