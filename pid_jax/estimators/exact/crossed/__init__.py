"""Crossed pairs: every picture with the questions of several items; their atoms, bias and intervals."""
