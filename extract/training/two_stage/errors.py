"""Training errors that a user can fix."""

from pid_lvlm.data.errors import PidError


class RecordError(PidError):
    """A training record cannot be used; the message is a clause that says why."""


class DataError(PidError):
    """A file of training records cannot be used; the message names the file and the records."""


class RecipeError(PidError):
    """A recipe asks for something nonexistent or inconsistent."""


class ResumeError(PidError):
    """The output folder holds another training, or one that cannot be continued."""


class SpaceError(PidError):
    """The disk has too little space for what the training will write."""
