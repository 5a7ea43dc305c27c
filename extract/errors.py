"""Errors of this step: user errors, whose messages are written for the user, and models that do not fit."""

from pid_lvlm.data.errors import PidError


class UsageError(PidError):
    """An option or a settings file asks for something nonexistent or inconsistent."""


class ModelError(PidError):
    """A model cannot be loaded, or its family's adapter cannot use it."""


class MisfitError(RuntimeError):
    """A model or its processor does not behave as its adapter expects.

    For an adapter covered by tests this is a bug, and surfaces as one. For an untested adapter it means that the model
    type needs its own adapter, and it becomes a `ModelError` that says so
    (`pid_lvlm.extract.models.misfit.refuse_misfits`).
    """
