"""The recipe and the code that only the shipped demo needs."""
