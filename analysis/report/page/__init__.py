"""The page: charts and tables to one HTML file that loads nothing, and the item browser."""
