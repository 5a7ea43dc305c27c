"""The known-answer demo: shipped items and checkpoints, and the driver behind `make demo`."""
