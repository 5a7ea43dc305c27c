"""The recipe and the parts that only the shipped demo needs."""
