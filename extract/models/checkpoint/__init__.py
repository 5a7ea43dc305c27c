"""Files of a checkpoint: their location, settings and identity."""
