"""Turns an item into a prompt with a known language span."""
