"""Splits options of the form `KEY=VALUE`. Which keys and values are valid is up to each option."""

from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.errors import PidError


def key_and_value(text: str, option: str, example: str) -> tuple[str, str]:
    """Both sides of the first `=`, stripped of spaces; the value may be empty.

    Args:
        text: the value of the option.
        option: its name, for the message.
        example: a valid pair.

    Raises:
        PidError: there is no `=`, or no key before it.

    Example:
        >>> key_and_value("time = 1-0", "--slurm", "partition=gpu")
        ('time', '1-0')
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not (equals and key):
        raise PidError(f"{option}: expected KEY=VALUE, such as {example}, found `{cut(text)}`")
    return key, value
