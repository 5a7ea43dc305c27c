"""The report: one HTML file that needs no network, with every figure and table also as a separate file."""
