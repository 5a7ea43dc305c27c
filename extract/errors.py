"""Errors of this step that are the user's to fix; the text is written for them."""

from pid_lvlm.data.errors import PidError


class UsageError(PidError):
    """An option or a settings file asks for something that does not exist or does not fit together."""


class ModelError(PidError):
    """A model cannot be loaded or read by the adapter of its family."""
