"""Valid values of the options of an extraction, for both the command and Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pid_lvlm.data.bounds import NESTING, TEXT
from pid_lvlm.data.command.pairs import key_and_value
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.schema import STRICT, SchemaError, Word, checked
from pid_lvlm.data.inputs.text import TextError, parse_json
from pid_lvlm.data.names import ABLATIONS
from pid_lvlm.extract.config import CROSSED_WITHIN, DTYPES, HEAD_DTYPES, KEEP_ITEMS, LANGUAGE_SPANS, LETTERS, ON_BAD
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.fields import (
    BatchSize,
    BatchTokens,
    Column,
    Count,
    Crossed,
    Draws,
    FileName,
    LayerList,
    ModelName,
    PathText,
    Pixels,
    Processes,
    Seed,
    ShardSize,
    SizeB,
    Step,
    Workers,
    as_options,
)


@dataclass(frozen=True)
class Options:
    """Values that are not checked elsewhere, named like the options."""

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
    batch_tokens: BatchTokens | None = None
    workers: Workers | None = None
    processes: Processes = 1
    shard_size: ShardSize = 1
    crossed: Crossed | None = None
    ablation: tuple[Word, ...] = ()
    other_draws: Draws = 1
    device: Word = "auto"
    processor: Mapping[Word, Any] = field(default_factory=dict)
    columns: Mapping[Word, Column] = field(default_factory=dict)
    on_bad: Word | None = None
    prompt: Word | None = None
    language_span: Word | None = None
    letters: Word | None = None
    dtype: Word | None = None
    head_dtype: Word | None = None
    keep_items: Word | None = None
    crossed_within: Word | None = None


CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "on_bad": ON_BAD,
    "language_span": LANGUAGE_SPANS,
    "letters": LETTERS,
    "dtype": DTYPES,
    "head_dtype": HEAD_DTYPES,
    "keep_items": KEEP_ITEMS,
    "crossed_within": CROSSED_WITHIN,
    "ablation": ABLATIONS,
}
"""Options with a few known values."""


def check_choice(option: str, value: str | None, known: Sequence[str]) -> None:
    """Reject a value that is not one of the known ones; `None` means that nothing was given.

    Raises:
        UsageError: suggests the nearest known value.
    """
    if value is not None and value not in known:
        raise UsageError(unknown_name(f"{option}: unknown value", value, known))


def check_options(**values: Any) -> None:
    """Reject values that no extraction can use.

    Args:
        **values: values by option name; paths and numpy numbers are accepted, None is ignored.

    Raises:
        UsageError: names every option with an invalid value, or the first whose value is not a known one.
    """
    given = {name: _plain(value) for name, value in values.items() if value is not None}
    try:
        options = checked(Options, given)
    except SchemaError as error:
        raise UsageError(as_options(error.faults)) from None
    for name, known in CHOICES.items():
        found = getattr(options, name)
        for value in found if isinstance(found, tuple) else (found,):
            check_choice(f"--{name.replace('_', '-')}", value, known)


SETTING: Final = "max_pixels=1003520"
"""An example pair for `--processor`, for messages."""


def parse_settings(given: Sequence[str], option: str) -> dict[str, Any]:
    """`KEY=VALUE` pairs as a mapping; a value is parsed as JSON if possible, else it is text.

    Raises:
        UsageError: a pair has no `=` or no key, a value is too long or too deeply nested, or a key occurs twice.

    Example:
        >>> parse_settings(["max_pixels=1003520", 'size={"height": 336, "width": 336}'], "--processor")
        {'max_pixels': 1003520, 'size': {'height': 336, 'width': 336}}
    """
    settings: dict[str, Any] = {}
    for pair in given:
        try:
            key, value = key_and_value(pair, option, SETTING)
        except PidError as error:
            raise UsageError(str(error)) from None
        if not value:
            raise UsageError(f"{option}: `{cut(key)}` has no value; expected KEY=VALUE, such as {SETTING}")
        if key in settings:
            raise UsageError(f"{option}: `{cut(key)}` is given twice; leave one out")
        settings[key] = _value(value, f"{option} {cut(key)}")
    return settings


def _value(text: str, option: str) -> Any:
    if len(text) > TEXT.most:
        raise UsageError(f"{option}: the value has more than {TEXT} characters")
    try:
        return parse_json(text)
    except TextError as error:
        if text[0] in "[{":
            message = f"{option}: {error}; lists and objects are JSON, at most {NESTING} deep"
            raise UsageError(message) from None
        return text


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value
