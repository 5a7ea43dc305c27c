"""Single and multiple runs: leak test, folder, manifest, dry run, preview, jobs."""
