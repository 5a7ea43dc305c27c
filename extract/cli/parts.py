"""The part of a command's runs that one process takes, and the processes that share one run."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from pid_lvlm.data.command.part import parse_part
from pid_lvlm.extract.config import DatasetSpec, ModelSpec

WORK: Final = "How it runs"

PartOption = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Only part I of N of the models (or datasets), such as 2/8: for several processes or a job array.",
        rich_help_panel=WORK,
    ),
]
ProcessesOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Processes that measure a run together, each with a copy of the model: on a GPU each, or with a share of "
        "the cores.",
        rich_help_panel=WORK,
    ),
]


def select_part(
    part: str, models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec]
) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    """Part `i/n` of the runs: every n-th model from the i-th on, or every n-th dataset where models are fewer.

    The n parts together are all runs, each once; a part may be empty.

    Raises:
        PidError: not of the form i/n with 1 ≤ i ≤ n.
    """
    number, total = parse_part(part)
    if len(models) >= len(datasets):
        return list(models[number - 1 :: total]), list(datasets)
    return list(models), list(datasets[number - 1 :: total])
