"""The order of training checkpoints: by stage, then by step.

A table does not say which stage came first, and its rows can be in any order. So stages are ordered by name: no stage
first, then the stages listed here in this order, then all others alphabetically. Steps sort as numbers.
"""

from typing import Final

import polars as pl

KNOWN_STAGES: Final = (
    "pretrain",
    "pretraining",
    "align",
    "alignment",
    "stage1",
    "tune",
    "finetune",
    "sft",
    "stage2",
    "rl",
)
"""Names of training stages in their usual order (LLaVA: align, then tune)."""

STAGE_RANK: Final[pl.Expr] = (
    pl.when(pl.col("stage").is_null())
    .then(-1)
    .otherwise(
        pl.col("stage")
        .str.to_lowercase()
        .replace_strict(
            {stage: rank for rank, stage in enumerate(KNOWN_STAGES)}, default=len(KNOWN_STAGES), return_dtype=pl.Int64
        )
    )
    .alias("stage_rank")
)
"""Position of a row's stage; equal for all unknown stages, which are then ordered by name."""


def is_checkpoint() -> pl.Expr:
    """Whether a row is a checkpoint of a training run and not a finished model."""
    return pl.col("stage").is_not_null() | pl.col("step").is_not_null()


def checkpoints(frame: pl.DataFrame) -> pl.DataFrame:
    """The distinct checkpoints of a table in training order: columns `stage`, `step`, `checkpoint`, `opens_stage`."""
    points = frame.filter(is_checkpoint()).select("stage", "step", STAGE_RANK).unique()
    return points.sort("stage_rank", "stage", "step", nulls_last=False).select(
        "stage",
        "step",
        checkpoint_name(),
        (pl.col("stage").ne_missing(pl.col("stage").shift()) | (pl.int_range(pl.len()) == 0)).alias("opens_stage"),
    )


def in_training_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort rows by model and dataset, then stage, step (as a number) and layer.

    >>> steps = pl.DataFrame({"step": [240, 15, 100]}).with_columns(model=pl.lit("m"), dataset=pl.lit("d"))
    >>> in_training_order(steps.with_columns(stage=pl.lit("align"), layer=pl.lit(1)))["step"].to_list()
    [15, 100, 240]
    """
    return frame.sort("model", "dataset", STAGE_RANK, "stage", "step", "layer", maintain_order=True)


def checkpoint_name() -> pl.Expr:
    """Stage and step as one text, such as `align 400`."""
    stage = pl.col("stage").fill_null("")
    step = pl.col("step").cast(pl.String).fill_null("end")
    return pl.concat_str(stage, step, separator=" ").str.strip_chars().alias("checkpoint")
