"""A run folder is read, with suspicion: archives, rules for every row, items, shards."""
