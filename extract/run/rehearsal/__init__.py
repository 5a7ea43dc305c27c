"""What a run would measure, without measuring: dry run, check of the data, preview."""
