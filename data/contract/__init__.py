"""The files that the steps share: run folders and the result table."""
