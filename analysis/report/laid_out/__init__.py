"""Tables laid out for reading: few digits, values with their intervals in one cell."""
