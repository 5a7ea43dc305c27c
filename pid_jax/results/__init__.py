"""A solution becomes a row of the result table."""
