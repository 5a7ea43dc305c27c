"""The report in words: findings and warnings, captions, where the numbers come from."""
