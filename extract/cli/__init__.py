"""User input: options, sweep files, checkpoint series."""
