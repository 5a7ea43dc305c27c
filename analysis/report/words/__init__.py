"""The report in words: findings, warnings, captions, and where the numbers come from."""
