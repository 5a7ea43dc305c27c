"""Matches rows of a result table to the paper's models and datasets."""

import functools
import re

import polars as pl

from pid_lvlm.analysis.frames.checkpoints import is_checkpoint
from pid_lvlm.analysis.paper import published


def model_in_paper(name: str) -> str | None:
    """The paper's name of a model; None if the paper does not have it.

    Accepts the hub id of the same weights, its last part, or the paper's own name, in any case and with any of `-`,
    `_`, `.` and blanks. Names with anything else (a base model, a quantisation, further training) belong to other
    models, and so does a hub id of another owner. Candidates for the models that the paper does not name do not count.

    Example:
        >>> model_in_paper("Qwen/Qwen2.5-VL-7B-Instruct"), model_in_paper("internvl3_8b"), model_in_paper("gpt2")
        ('Qwen2.5-VL-7B', 'InternVL3-8B', None)
        >>> [model_in_paper(f"OpenGVLab/{name}") for name in ("InternVL2_5-8B-MPO-hf", "InternVL3-8B-Instruct")]
        [None, None]
        >>> model_in_paper("meta-llama/Llama-3.2-11B-Vision") is None  # the paper's is -Instruct
        True
    """
    return _models().get(_key(name))


def dataset_in_paper(name: str) -> str | None:
    """The paper's name of a dataset; None if the paper does not have it.

    In the paper, POPE is its adversarial part, Reefknot its multiple-choice perception part, and MMBench has all
    rotations: `mmbench-base`, `pope-random` and a plain `pope` are different datasets.

    Example:
        >>> dataset_in_paper("mmbench"), dataset_in_paper("coco_pope_adversarial"), dataset_in_paper("pope-random")
        ('MMBench', 'POPE', None)
    """
    return _datasets().get(_key(name))


def in_paper(results: pl.DataFrame) -> pl.DataFrame:
    """The table with the columns `paper_model` and `paper_dataset`, empty if the paper does not have them.

    A training checkpoint (a row with stage or step) is never one of the paper's models, whatever its name.
    """
    models = {name: model_in_paper(name) for name in results["model"].unique().to_list()}
    datasets = {name: dataset_in_paper(name) for name in results["dataset"].unique().to_list()}
    finished = pl.when(~is_checkpoint())
    return results.with_columns(
        finished.then(_replaced("model", models)).alias("paper_model"),
        _replaced("dataset", datasets).alias("paper_dataset"),
    )


def _replaced(column: str, names: dict[str, str | None]) -> pl.Expr:
    return pl.col(column).cast(pl.String).replace_strict(names, default=None, return_dtype=pl.String)


def _key(name: str) -> str:
    """A name normalised for case and separators; the owner of a hub id is kept."""
    return re.sub(r"[\s_.-]+", "-", name.strip().lower()).strip("-")


@functools.cache
def _models() -> dict[str, str]:
    named = published.models().filter(pl.col("named") != "candidate")
    return _keys(named, "model", ("model", "hub_id", "read_from"))


@functools.cache
def _datasets() -> dict[str, str]:
    return _keys(published.datasets(), "dataset", ("benchmark",))


def _keys(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> dict[str, str]:
    """All keys of all names; a hub id also matches without its owner."""
    found: dict[str, str] = {}
    for row in frame.to_dicts():
        names = [each for each in (*(row[column] for column in columns), *(row["also"] or "").split("|")) if each]
        found |= {_key(each): row[name] for full in names for each in (full, full.rpartition("/")[2])}
    return found
