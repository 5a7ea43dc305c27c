"""The part of a command's runs that one process takes."""

from collections.abc import Sequence

from pid_lvlm.data.command.part import parse_part
from pid_lvlm.extract.config import DatasetSpec, ModelSpec


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
