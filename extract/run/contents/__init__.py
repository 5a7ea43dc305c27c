"""What is in a run's folder: its conditions and layers, manifest, shards, kept items."""
