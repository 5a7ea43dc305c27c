"""Questions, options and thumbnails as kept in the run folders."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from pid_lvlm import data
from pid_lvlm.data.command.shown import backticked
from pid_lvlm.data.errors import PidError


def with_questions(rows: pl.DataFrame, folders: Mapping[str, Path]) -> pl.DataFrame:
    """The rows with `question`, `options` and `thumbnail`, empty if no run folder of the dataset has the item.

    Args:
        rows: with `dataset`, `run` and `sample_id`; a dataset's ids are the same in all its runs.
        folders: run folder of each run; damaged ones are skipped.
    """
    kept = {
        (str(dataset), name): item
        for (dataset,), part in rows.group_by("dataset", maintain_order=True)
        for name, item in _of_dataset(part, folders).items()
    }
    found = [kept.get(key) for key in rows.select("dataset", "sample_id").iter_rows()]
    return rows.with_columns(
        pl.Series("question", [item and _asked(item) for item in found], pl.String),
        pl.Series("options", [item and list(item.options) for item in found], pl.List(pl.String)),
        pl.Series("thumbnail", [item and item.thumbnail for item in found], pl.Binary),
    )


def without_questions(frame: pl.DataFrame, folders: Mapping[str, Path]) -> list[str]:
    """Sentences about datasets without questions in any run folder, and about damaged kept items.

    Args:
        frame: see `with_questions`; the first item of each run is looked up.
        folders: run folder of each run.
    """
    sentences, without = [], []
    firsts = frame.filter(pl.col("run").is_in(list(folders))).unique("run", keep="first", maintain_order=True)
    for (dataset,), part in firsts.group_by("dataset", maintain_order=True):
        for run, sample_id in part.select("run", "sample_id").iter_rows():
            try:
                if data.read_items(folders[run], {sample_id}):
                    break
            except PidError as error:
                sentences.append(f"{error}; its questions are not shown.")
        else:
            without.append(str(dataset))
    if without:
        sentences.append(f"The run folders of {backticked(without)} keep no questions (`pid-extract --keep-items`).")
    return sentences


def _of_dataset(rows: pl.DataFrame, folders: Mapping[str, Path]) -> dict[str, data.KeptItem]:
    found: dict[str, data.KeptItem] = {}
    for (run,), part in rows.group_by("run", maintain_order=True):
        if str(run) in folders and (wanted := set(part["sample_id"]) - set(found)):
            try:
                found |= data.read_items(folders[str(run)], wanted)
            except PidError:
                continue
    return found


def _asked(item: data.KeptItem) -> str:
    """The question, preceded by its hint."""
    return f"{item.hint}\n{item.question}" if item.hint else item.question
