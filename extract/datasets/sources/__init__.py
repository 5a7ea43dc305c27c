"""Sources of rows: files, folders, the hub."""
