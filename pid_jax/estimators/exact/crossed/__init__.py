"""Crossed pairs: every picture with the questions of several items; atoms, bias and intervals."""
