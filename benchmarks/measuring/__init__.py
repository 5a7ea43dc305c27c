"""How work is counted, and what a study keeps and says about its machine."""
