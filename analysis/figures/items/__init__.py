"""Single items as HTML cards: picture, question, and how each model answered."""
