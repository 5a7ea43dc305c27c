"""A run folder is written from arrays that may be anything."""
