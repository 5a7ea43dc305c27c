"""Single items: atoms per item joined with scores and questions from run folders, and rules that choose items."""
