"""Estimators: from a problem to its information terms."""
