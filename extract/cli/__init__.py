"""What the user types: options, sweep files, checkpoint series."""
