"""An item becomes a prompt with a known language span."""
