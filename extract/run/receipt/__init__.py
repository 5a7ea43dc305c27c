"""The receipt: what a run checks on its first items before it measures anything."""
