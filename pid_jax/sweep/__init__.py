"""Many problems: planned, cut into chunks, stacked, spread over devices, streamed."""
