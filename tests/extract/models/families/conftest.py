"""A tiny checkpoint of each family in turn, loaded and measured with as a run would."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pid_lvlm.data.names import CONDITIONS
from pid_lvlm.extract.conditions.noise import Arrays
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.measurement import Measurement, choose_candidates
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, make_plan
from tests.extract.models.families.catalogue import FAMILIES
from tests.extract.models.families.tiny import DEVICE, Family

WORDS = ("red", "green", "blue", "yellow")
ITEMS = 4


@dataclass(frozen=True)
class Tiny:
    """A loaded tiny checkpoint with a few items."""

    family: Family
    folder: Path
    adapter: Adapter
    dataset: Dataset

    def plan(self, items: tuple[Item, ...] | None = None) -> tuple[PlannedItem, ...]:
        """The project's own plan of these items."""
        dataset = self.dataset if items is None else Dataset("toy", "toy.jsonl", "0" * 64, items)
        return make_plan(self.adapter, dataset, "letters", "all").items

    @cached_property
    def measurement(self) -> Measurement:
        """The project's own measurement, every layer."""
        plan = make_plan(self.adapter, self.dataset, "letters", "all")
        stats = measure(self.adapter, plan.items, ITEMS, lambda _count: None)
        candidates = choose_candidates(self.adapter, plan.variants, plan.items, ITEMS)
        layers = tuple(range(1, len(self.adapter.layers) + 1))
        return Measurement(self.adapter, candidates, stats, seed=0, layers=layers)

    def scores(self, items: tuple[Item, ...]) -> dict[str, np.ndarray]:
        """Finite scores (n, layers, options that all items have) per condition."""
        loglik = self.measure(self.plan(items))["loglik"]
        return {name: loglik[:, index, :, :2] for index, name in enumerate(CONDITIONS)}

    def measure(self, planned: tuple[PlannedItem, ...]) -> Arrays:
        """Arrays of one batch."""
        return self.measurement.batch(planned)


MakeTiny = Callable[[str], Tiny]

LINES = [pytest.param(family, id=family.name, marks=[pytest.mark.slow] if family.slow else []) for family in FAMILIES]


@pytest.fixture(scope="package")
def tiny_of(tmp_path_factory: pytest.TempPathFactory) -> MakeTiny:
    """A family's tiny checkpoint, made once."""
    made: dict[str, Tiny] = {}

    def get(name: str) -> Tiny:
        if name not in made:
            family = next(family for family in FAMILIES if family.name == name)
            made[name] = make_tiny(family, tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture(scope="package", params=LINES)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return make_tiny(request.param, tmp_path_factory.mktemp(request.param.name))


def make_tiny(family: Family, folder: Path) -> Tiny:
    """Save the family's checkpoint, load it as any other, and give it items."""
    checkpoint = family.save(folder / "tiny")
    pictures = [save_picture(folder, index, family) for index in range(ITEMS)]
    return Tiny(family, checkpoint, load_adapter(spec_of(checkpoint)), dataset_of(pictures))


def spec_of(checkpoint: Path, dtype: str = "float32") -> ModelSpec:
    """How the suite loads a checkpoint."""
    return ModelSpec(str(checkpoint), dtype=dtype, device=DEVICE)


def save_picture(folder: Path, index: int, family: Family, seed: int = 0) -> Path:
    """A picture of noise in the size that item `index` has; another seed gives other content."""
    rng = np.random.default_rng([seed, index])
    height, width = family.pictures[index % len(family.pictures)]
    path = folder / f"picture-{seed}-{index}.png"
    Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
    return path


def dataset_of(pictures: list[Path]) -> Dataset:
    """Items of different lengths and numbers of options."""
    items = tuple(
        Item(
            id=f"item-{i}",
            group=picture.name,
            picture=picture,
            question="which " + "very " * (i % 3) + "colour?",
            options=WORDS[: 2 + i % 3],
            label=i % 2,
            hint="look closely" if i % 2 else "",
        )
        for i, picture in enumerate(pictures)
    )
    return Dataset("toy", "toy.jsonl", "0" * 64, items)
