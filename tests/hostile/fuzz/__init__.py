"""Fuzzing of everything that reads files or options: `python -m tests.hostile.fuzz --help`."""
