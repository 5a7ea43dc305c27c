"""One run and many: leak test, folder, manifest, dry run, preview, jobs."""
