"""One problem is solved between a lower and an upper bound."""
