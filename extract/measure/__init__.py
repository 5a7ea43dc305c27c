"""Forward passes: what is measured on a batch under every condition."""
