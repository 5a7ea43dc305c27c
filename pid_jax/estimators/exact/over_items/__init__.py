"""How far the atoms would move with other items: influence values, halves, intervals, the curve."""
