"""Commands killed at any point of their progress, started again, and compared with commands left alone."""
