"""Many problems at once: plan, chunks, stacks, devices, streaming."""
