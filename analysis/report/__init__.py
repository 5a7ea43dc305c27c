"""The report: one HTML file that needs no network, and beside it every figure and table as a file of its own."""
