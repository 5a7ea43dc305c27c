"""Which layers a run records, from the option text and the depth of the model."""

from pid_lvlm.extract.config import ALL_LAYERS, LAST_LAYER
from pid_lvlm.extract.errors import UsageError


def parse_layers(text: str, depth: int) -> tuple[int, ...]:
    """Recorded layers in ascending order; the output, `depth`, is always the last of them.

    Args:
        text: `all`, `last`, or comma-separated numbers from 1 to `depth`.
        depth: decoder blocks of the model.

    Raises:
        UsageError: a part is not a layer of this model.
    """
    if text == ALL_LAYERS:
        return tuple(range(1, depth + 1))
    if text == LAST_LAYER:
        return (depth,)
    chosen = set()
    for part in text.split(","):
        number = int(part) if part.strip().isdecimal() else 0
        if not 1 <= number <= depth:
            message = f"--layers: `{part.strip()}` is not a layer; expected `all`, `last` or numbers from 1 to {depth}"
            raise UsageError(message)
        chosen.add(number)
    return tuple(sorted(chosen | {depth}))
