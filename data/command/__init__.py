"""What the three commands share: exit codes, suggestions, parts of a job."""
