"""Solves problems between a lower and an upper bound."""
