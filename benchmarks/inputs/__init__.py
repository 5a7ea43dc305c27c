"""Problems, rows and populations that the studies draw."""
