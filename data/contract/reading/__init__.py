"""Reading of run folders, which are not trusted: archives, rules for every row, items, shards."""
