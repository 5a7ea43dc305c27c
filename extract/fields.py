"""Types of the values in dataset cards, sweep files and options, in one place."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, Field

from pid_lvlm.data.bounds import (
    BATCH,
    BATCH_TOKENS,
    CROSSED,
    LAYERS,
    OTHER_DRAWS,
    RUN_PROCESSES,
    SAMPLES,
    SEED,
    SHARD,
    SIZE,
    STEP,
    WORKERS,
)
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.schema import SchemaError, Word, checked
from pid_lvlm.data.names import ABLATIONS, file_name
from pid_lvlm.extract.config import ALL_LAYERS, LAST_LAYER, OPTION_SEPARATOR

T = TypeVar("T")

NAME_BYTES: Final = 255
PATH_BYTES: Final = 4096
"""File system limits: on one part of a path, and on the whole."""

_LAYER_LIST: Final = re.compile(r" *[0-9]{1,6} *(, *[0-9]{1,6} *)*")
_OPTION: Final = re.compile(r"^`([a-z_]+)(\[\d+\])?`")


def checked_file(kind: type[T], raw: Any, error: Callable[[str], PidError], where: str = "") -> T:
    """Values from a file, as from `checked`; all faults become one error made by `error`."""
    try:
        return checked(kind, raw)
    except SchemaError as wrong:
        raise error(where + "; ".join(wrong.faults)) from None


def as_options(faults: tuple[str, ...]) -> str:
    """Rewrite sentences about fields to name options: `size_b` becomes --size-b."""
    return "; ".join(_OPTION.sub(lambda found: f"--{found[1].replace('_', '-')}", fault) for fault in faults)


def _rule(test: Callable[[Any], Any]) -> AfterValidator:
    """A custom rule: `test` returns the value or raises `ValueError` with a clause about it."""
    return AfterValidator(test)


def _path(text: str) -> str:
    if "\0" in text:
        raise ValueError("should be a path without null characters")
    size = max(len(part.encode(errors="surrogateescape")) for part in text.split("/"))
    if size > NAME_BYTES or len(text) > PATH_BYTES:
        raise ValueError(f"should be a path with parts of at most {NAME_BYTES} bytes")
    return text


def _one_file_name(text: str) -> str:
    try:
        return file_name(text)
    except PidError as error:
        raise ValueError("cannot" + str(error).partition(" cannot")[2]) from None


def _model_name(text: str) -> str:
    for part in text.split("/"):
        _one_file_name(part)
    return text


def _layer_list(text: str) -> str:
    if text not in (ALL_LAYERS, LAST_LAYER) and not _LAYER_LIST.fullmatch(text):
        message = f"should be {ALL_LAYERS}, {LAST_LAYER}, or numbers of layers such as 8,16,32"
        raise ValueError(message)
    if text.count(",") >= LAYERS.most:
        raise ValueError(f"should name at most {LAYERS}")
    return text


def _column(value: Any) -> str:
    """A column's name, or several as `A|B|C`."""
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        raise ValueError("should be the name of a column or a list of names")
    if isinstance(value, list) and any(OPTION_SEPARATOR in part for part in parts):
        raise ValueError(f"should list names without `{OPTION_SEPARATOR}`")
    return OPTION_SEPARATOR.join(parts)


def _values(value: Any) -> tuple[str, ...]:
    """One value of a column, or several."""
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, str | int | float) for part in parts):
        raise ValueError("should be a value or a list of values")
    return tuple(map(str, parts))


def _ablation(text: str) -> str:
    if text not in ABLATIONS:
        raise ValueError(f"should be one of {', '.join(ABLATIONS)}")
    return text


PathText = Annotated[Word, _rule(_path)]
FileName = Annotated[Word, _rule(_one_file_name)]
ModelName = Annotated[Word, _rule(_model_name)]
LayerList = Annotated[Word, _rule(_layer_list)]
Column = Annotated[Any, _rule(_column)]
Values = Annotated[Any, _rule(_values)]
Count = Annotated[int, Field(ge=1, le=SAMPLES.most)]
Step = Annotated[int, Field(ge=0, le=STEP.most)]
SizeB = Annotated[float, Field(gt=0, le=SIZE.most)]
Seed = Annotated[int, Field(ge=-SEED.most - 1, le=SEED.most)]
BatchSize = Annotated[int, Field(ge=1, le=BATCH.most)]
BatchTokens = Annotated[int, Field(ge=1, le=BATCH_TOKENS.most)]
Crossed = Annotated[int, Field(ge=2, le=CROSSED.most)]
Workers = Annotated[int, Field(ge=0, le=WORKERS.most)]
Processes = Annotated[int, Field(ge=1, le=RUN_PROCESSES.most)]
ShardSize = Annotated[int, Field(ge=1, le=SHARD.most)]
Pixels = Annotated[int, Field(ge=1, le=10**11)]
Bits = Annotated[float, Field(ge=-100, le=100)]
Draws = Annotated[int, Field(ge=1, le=OTHER_DRAWS.most)]
Ablations = Annotated[tuple[Annotated[Word, _rule(_ablation)], ...], Field(max_length=100)]
OnBad = Literal["error", "skip"]
KeepItems = Literal["none", "text", "pictures"]
Dtype = Literal["float32", "bfloat16", "float16"]
HeadDtype = Literal["float32", "model"]
FirstIndex = Annotated[int, Field(ge=0, le=1)]
