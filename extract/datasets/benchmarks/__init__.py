"""Known benchmarks as data: how the file that users download becomes items. No file of a benchmark is shipped."""
