"""Shows what a run would measure, without measuring: dry run, data check, preview."""
