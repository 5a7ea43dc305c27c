"""What a run folder holds: names, types and meaning of arrays, manifest, conditions, receipt, items."""
