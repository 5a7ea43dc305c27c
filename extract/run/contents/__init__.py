"""Contents of a run folder: conditions and layers, manifest, shards, kept items."""
