"""Loads a checkpoint as an adapter."""
