"""Figures over layers and over training: curves of the atoms, one model's or several models' overlaid."""
