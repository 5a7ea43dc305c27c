"""One adapter per model family: the few things that families do not agree on."""
