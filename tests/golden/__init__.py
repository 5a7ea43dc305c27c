"""Reference fits of the published estimator and their replay; README.md describes the files."""
