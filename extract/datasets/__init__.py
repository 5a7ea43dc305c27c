"""A benchmark file becomes checked items. No torch."""
