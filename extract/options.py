"""What the options of an extraction may be, for the command and for Python alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.inputs.schema import STRICT, SchemaError, Word, checked
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.fields import (
    BatchSize,
    Count,
    FileName,
    LayerList,
    ModelName,
    PathText,
    Pixels,
    Seed,
    ShardSize,
    SizeB,
    Step,
    as_options,
)


@dataclass(frozen=True)
class Options:
    """Values that are not checked elsewhere, under the options' names."""

    __pydantic_config__ = STRICT

    model: tuple[PathText, ...] = ()
    data: tuple[PathText, ...] = ()
    sweep: PathText | None = None
    out: PathText | None = None
    images: PathText | None = None
    check: tuple[PathText, ...] = ()
    verify: tuple[PathText, ...] = ()
    limit: Count | None = None
    preview: Count | None = None
    max_pixels: Pixels | None = None
    layers: LayerList | None = None
    seed: Seed = 0
    revision: Word | None = None
    name: ModelName | None = None
    size_b: SizeB | None = None
    stage: FileName | None = None
    step: Step | None = None
    batch_size: BatchSize = 1
    shard_size: ShardSize = 1
    device: Word = "auto"


def check_choice(option: str, value: str | None, known: Sequence[str]) -> None:
    """Refuses a value that is not one of the known ones; nothing was given if it is `None`.

    Raises:
        UsageError: with the nearest known value.
    """
    if value is not None and value not in known:
        raise UsageError(unknown_name(f"{option}: unknown value", value, known))


def check_options(**values: Any) -> None:
    """Refuse what no extraction can use.

    Args:
        **values: by the options' names; paths and numbers of numpy count as what they are. None is not looked at.

    Raises:
        UsageError: names every option with a wrong value.
    """
    given = {name: _plain(value) for name, value in values.items() if value is not None}
    try:
        checked(Options, given)
    except SchemaError as error:
        raise UsageError(as_options(error.faults)) from None


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value
