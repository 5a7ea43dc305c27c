"""The result table: columns, diagnostic limits, checks, the file; and the table of atoms per item."""
