"""The demo with known ground truth: shipped items and checkpoints, and the driver of `make demo`."""
