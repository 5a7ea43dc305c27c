"""The contents of a run folder: names, types and meaning of arrays, manifest, conditions, receipt, items."""
