"""One part of a command's runs, so that several processes, or the tasks of a job array, share the work."""

from collections.abc import Sequence

from extract.config import DatasetSpec, ModelSpec
from extract.errors import UsageError


def select_part(
    part: str, models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec]
) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    """Part `i/n` of the runs: every n-th model from the i-th on, or every n-th dataset where models are fewer.

    The n parts together are all runs, each once; a part may be empty.

    Raises:
        UsageError: not of the form i/n with 1 ≤ i ≤ n.
    """
    index, _, count = part.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        message = f"--part: expected i/n with 1 <= i <= n, such as 2/8, found `{part}`"
        raise UsageError(message)
    start, stride = int(index) - 1, int(count)
    if len(models) >= len(datasets):
        return list(models[start::stride]), list(datasets)
    return list(models), list(datasets[start::stride])
