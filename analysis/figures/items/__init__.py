"""Single items as cards of HTML: picture, question, and what each model made of it."""
