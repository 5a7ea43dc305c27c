"""Training losses: what `pid-train` writes next to its checkpoints, one row per logged step."""

from dataclasses import asdict, dataclass, fields
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
from pydantic import Field

from pid_lvlm.analysis.errors import LossesError
from pid_lvlm.analysis.frames.given import having
from pid_lvlm.data.bounds import LABEL, LOSSES_FILE, TRAIN_STEPS
from pid_lvlm.data.command.shown import cut, shown
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.inputs.paths import is_there
from pid_lvlm.data.inputs.schema import STRICT, SchemaError, checked
from pid_lvlm.data.inputs.text import TextError, parse_json, read_text

FILE: Final = "losses.jsonl"
"""Name of the file in a training folder."""
TRAINING: Final = "training.json"
"""The file next to it whose `recipe.name` is the model's name in result tables."""

LOSS_SCHEMA: Final = {
    "model": pl.String,
    "stage": pl.String,
    "step": pl.Int64,
    "loss": pl.Float64,
    "held_out_loss": pl.Float64,
    "learning_rate": pl.Float64,
    "grad_norm": pl.Float64,
}
"""Columns of `read_losses`."""


@dataclass(frozen=True)
class _Row:
    """A row of the file; `step` counts within the stage, losses are in nats per answer token."""

    __pydantic_config__ = STRICT

    stage: Annotated[str, Field(min_length=1, max_length=LABEL.most)]
    step: Annotated[int, Field(ge=0, le=TRAIN_STEPS.most)]
    loss: Annotated[float, Field(ge=0)] | None
    held_out_loss: Annotated[float, Field(ge=0)] | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None


@dataclass(frozen=True)
class LossFile:
    """The losses of one training.

    Attributes:
        model: its name in result tables.
        path: the file.
    """

    model: str
    path: Path


def read_losses(*files: str | PathLike[str]) -> pl.DataFrame:
    """Read training losses into one frame with the columns of `LOSS_SCHEMA`.

    Args:
        files: for each training, the file `losses.jsonl` of `pid-train`, or its folder, next to `training.json`, which
            names the model; or `NAME=FILE`, if the losses are elsewhere.

    Returns:
        Rows in training order: `model`, `stage`, `step` within the stage, `loss` (nats per answer token, mean since the
        previous row), `held_out_loss` (the same on held-out records, null if not measured), `learning_rate`,
        `grad_norm`.

    Raises:
        LossesError: a file is missing, is not such a file, has an impossible value or a repeated step, or does not name
            its model; or two files are for the same model.
    """
    frames: dict[str, pl.DataFrame] = {}
    for given in files:
        found = loss_file(given)
        if found.model in frames:
            message = (
                f"belongs to the model `{cut(found.model)}`, as does another file; give each training's losses once"
            )
            raise LossesError(str(found.path), message)
        rows = [{"model": found.model, **asdict(row)} for row in _rows(found.path)]
        frames[found.model] = pl.DataFrame(rows, schema=LOSS_SCHEMA)
    return pl.concat(frames.values()) if frames else pl.DataFrame(schema=LOSS_SCHEMA)


def loss_file(given: str | PathLike[str]) -> LossFile:
    """The file and the model that it belongs to.

    Raises:
        LossesError: the model is not named.
    """
    text = fspath(given)
    name, equals, path = text.partition("=")
    if not is_there(Path(text)) and equals:
        if not name or len(name) > LABEL.most:
            raise LossesError(text, f"expected NAME=FILE with a name of 1 to {LABEL.most:,} characters")
        return LossFile(name, _file(Path(path)))
    found = _file(Path(text))
    return LossFile(_model(found), found)


def check_models(losses: pl.DataFrame, results: pl.DataFrame) -> None:
    """Refuse losses of a model that is not in the result table.

    Raises:
        LossesError: there are such losses.
    """
    known = results["model"].drop_nulls().unique().to_list()
    for model in having(losses, tuple(LOSS_SCHEMA), "losses")["model"].unique(maintain_order=True):
        if model not in known:
            raise LossesError(model, unknown_name("the result tables have no model", model, known))


def _file(path: Path) -> Path:
    try:
        return path / FILE if path.is_dir() else path
    except (OSError, ValueError):
        return path


def _model(path: Path) -> str:
    """The model's name in the training file next to the losses."""
    beside = path.with_name(TRAINING)
    advice = f"name the model yourself: --losses NAME={FILE}"
    if not is_there(path):
        raise LossesError(str(path), f"no such file; `pid-train` writes {FILE} into the folder of a training")
    try:
        training = parse_json(read_text(beside))
    except FileNotFoundError:
        raise LossesError(str(path), f"has no {TRAINING} next to it to name the model; {advice}") from None
    except TextError as error:
        raise LossesError(str(beside), f"{error}; {advice}") from None
    recipe = training.get("recipe") if isinstance(training, dict) else None
    name = recipe.get("name") if isinstance(recipe, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= LABEL.most:
        raise LossesError(str(beside), f"expected the model's name as `recipe.name`, found {shown(name)}; {advice}")
    return name


def _rows(path: Path) -> list[_Row]:
    try:
        text = read_text(path, LOSSES_FILE)
    except FileNotFoundError:
        raise LossesError(str(path), "no such file") from None
    except TextError as error:
        raise LossesError(str(path), str(error)) from None
    rows: dict[tuple[str, int], _Row] = {}
    for number, line in _lines(text):
        try:
            row = _row(parse_json(line))
        except (TextError, SchemaError) as error:
            raise LossesError(str(path), f"line {number:,}: {error}") from None
        if (row.stage, row.step) in rows:
            twice = f"line {number:,}: step {row.step:,} of stage `{cut(row.stage)}` occurs twice; keep one of the rows"
            raise LossesError(str(path), twice)
        rows[row.stage, row.step] = row
    if not rows:
        raise LossesError(str(path), "has no rows; has the training begun?")
    stages = list(dict.fromkeys(row.stage for row in rows.values()))
    return sorted(rows.values(), key=lambda row: (stages.index(row.stage), row.step))


def _lines(text: str) -> list[tuple[int, str]]:
    """Lines with their number, without an unfinished last row of a running training."""
    lines = text.split("\n")
    try:
        parse_json(lines[-1])
    except TextError:
        lines.pop()
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _row(value: Any) -> _Row:
    if isinstance(value, dict):  # a later version may write more
        value = {item.name: value[item.name] for item in fields(_Row) if item.name in value}
    return checked(_Row, value)
