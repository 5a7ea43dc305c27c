"""Options of the form `KEY=VALUE`: where key and value are told apart. What either may be is the option's own rule."""

from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.errors import PidError


def key_and_value(text: str, option: str, example: str) -> tuple[str, str]:
    """Both sides of the first `=`, without the spaces around them; the value may be empty.

    Args:
        text: what the option was given.
        option: its name, for the message.
        example: a pair that it takes.

    Raises:
        PidError: there is no `=`, or nothing before it.

    Example:
        >>> key_and_value("time = 1-0", "--slurm", "partition=gpu")
        ('time', '1-0')
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not (equals and key):
        raise PidError(f"{option}: expected KEY=VALUE, such as {example}, found `{cut(text)}`")
    return key, value
