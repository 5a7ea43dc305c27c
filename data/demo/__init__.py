"""The known-answer demo: shipped items and checkpoints, and the driver of `make demo`."""
