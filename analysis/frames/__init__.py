"""The result table becomes tidy frames."""
