"""Writing of run folders from arbitrary arrays."""
