"""Load a benchmark's file and count what came of it."""

from collections import Counter
from pathlib import Path
from typing import Any

from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset

Row = dict[str, Any]


def load(benchmark: str, file: Path, **settings: Any) -> Dataset:
    return load_dataset(DatasetSpec(file, benchmark=benchmark, **settings))


def option_counts(dataset: Dataset) -> dict[int, int]:
    return dict(Counter(len(item.options) for item in dataset.items))


def group_sizes(dataset: Dataset) -> dict[int, int]:
    return dict(Counter(Counter(item.group for item in dataset.items).values()))


def right_letters(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(item.letters[item.label] for item in dataset.items))
