"""Forward passes: what is read from a batch under every condition."""
