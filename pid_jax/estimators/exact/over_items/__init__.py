"""How much the atoms would change with other items: influence values, halves, intervals, curves."""
