"""Single items: atoms per item joined with scores and questions of the run folders, and the rules that choose some."""
