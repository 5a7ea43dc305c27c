"""Known benchmarks: how to turn the file that users download into items. No benchmark file is shipped."""
