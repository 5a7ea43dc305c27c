"""A checkpoint becomes an adapter."""
