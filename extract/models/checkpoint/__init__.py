"""Files of a checkpoint: where they are, what they say, whose weights they hold."""
