"""Divides a command's runs into parts for several processes; options of the processes that share one run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from pid_lvlm.data.command.part import parse_part
from pid_lvlm.extract.cli.work import WORK
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.run.contents.conditions import run_conditions

PartOption = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Run only part I of N of the models (or datasets), such as 2/8, in one of several processes or jobs.",
        rich_help_panel=WORK,
    ),
]
ProcessesOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Number of processes that share a run, each with its own copy of the model, on its own GPU or with a "
        "share of the CPU cores.",
        rich_help_panel=WORK,
    ),
]


def select_part(
    part: str, models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec]
) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    """Part `i/n` of the runs: some of the models, or every n-th dataset if there are fewer models than parts.

    Models are assigned by cost, most expensive first, each to the part with the least work so far; models of equal
    cost go to the parts in turn. The n parts together contain each run exactly once; a part may be empty.

    Raises:
        PidError: not of the form i/n with 1 ≤ i ≤ n.
    """
    number, total = parse_part(part)
    if len(models) < len(datasets):
        return list(models), list(datasets[number - 1 :: total])
    costs = _costs(models, len(datasets))
    dealt: list[list[int]] = [[] for _ in range(total)]
    spent = [0.0] * total
    for index in sorted(range(len(models)), key=lambda index: -costs[index]):
        least = spent.index(min(spent))
        dealt[least].append(index)
        spent[least] += costs[index]
    return [models[index] for index in sorted(dealt[number - 1])], list(datasets)


USUAL_ITEMS: Final = 1000
"""Assumed number of items of a dataset that has not been read."""

CROSSED_PASS: Final = 2 / 3
"""Cost of a crossed pair in passes: the picture's tokens are shared with other pairs."""


def _costs(models: Sequence[ModelSpec], datasets: int) -> list[float]:
    """Passes of each model over items, times its size if the sizes of all models are given."""
    sizes = [spec.size_b for spec in models]
    found = []
    for spec in models:
        runs = datasets if spec.datasets is None else min(len(set(spec.datasets)), datasets)
        conditions = len(run_conditions(spec, ExtractionConfig(Path())))
        passes = conditions + CROSSED_PASS * max(0, (spec.crossed or 1) - 1)
        items = USUAL_ITEMS if spec.limit is None else min(spec.limit, USUAL_ITEMS)
        size = 1.0 if None in sizes or spec.size_b is None else spec.size_b
        found.append(float(f"{runs * passes * items * size:.6g}"))
    return found
