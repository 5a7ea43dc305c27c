"""Which datasets each model runs on: all of a command, or those named in its sweep-file entry."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.extract.config import DatasetSpec, ModelSpec
from pid_lvlm.extract.datasets.load import outline_dataset
from pid_lvlm.extract.errors import UsageError


class Named(Protocol):
    """A dataset, read or not."""

    @property
    def name(self) -> str:
        """The name used in run names."""

    @property
    def file(self) -> str:
        """Its file, for messages."""


OneDataset = TypeVar("OneDataset", bound=Named)


def datasets_of(spec: ModelSpec, datasets: Sequence[OneDataset]) -> list[OneDataset]:
    """The datasets that a model runs on, in order."""
    return [dataset for dataset in datasets if spec.datasets is None or dataset.name in spec.datasets]


def check_named(models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec]) -> None:
    """Check that every dataset that a model names is one of the command's.

    Raises:
        UsageError: one is not.
        PidError: a dataset's card cannot be used.
    """
    if all(spec.datasets is None for spec in models):
        return
    known = [outline_dataset(dataset).name for dataset in datasets]
    for spec in models:
        for name in spec.datasets or ():
            if name not in known:
                raise UsageError(unknown_name(f"`datasets` of the model `{spec.display_name}` names", name, known))


def needed(models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec]) -> list[DatasetSpec]:
    """The datasets that at least one of the models runs on, so that no others are read.

    Raises:
        PidError: a dataset's card cannot be used.
    """
    if any(spec.datasets is None for spec in models):
        return list(datasets)
    named = {name for spec in models for name in spec.datasets or ()}
    return [dataset for dataset in datasets if outline_dataset(dataset).name in named]
