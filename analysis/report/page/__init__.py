"""The page: charts, tables and the item browser in one HTML file that loads nothing."""
