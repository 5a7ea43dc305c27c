"""Errors of this step: those that the user can fix, whose text is written for them, and a model that does not fit."""

from pid_lvlm.data.errors import PidError


class UsageError(PidError):
    """An option or a settings file asks for something that does not exist or does not fit together."""


class ModelError(PidError):
    """A model cannot be loaded or read by the adapter of its family."""


class MisfitError(RuntimeError):
    """A model or its processor does not behave as its adapter expects.

    For an adapter that tests have covered this is a bug, and surfaces as one. For an untested adapter it means that the
    model type needs an adapter of its own, and becomes a `ModelError` that says so
    (`pid_lvlm.extract.models.misfit.refuse_misfits`).
    """
