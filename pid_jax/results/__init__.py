"""From solutions to rows of the result table."""
