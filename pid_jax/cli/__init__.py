"""pid-estimate: options, settings files, messages, progress."""
