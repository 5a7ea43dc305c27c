"""The result table: columns, limits of trust, checks, the file; the table of atoms per item."""
