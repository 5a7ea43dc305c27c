"""A tiny checkpoint of each family in turn, loaded and measured with as a run would."""

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pid_lvlm.data.names import CONDITIONS
from pid_lvlm.extract.conditions.noise import Arrays
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.models.processor.answer_tokens import Candidates
from pid_lvlm.extract.prompts.prompt_plan import Plan, PlannedItem, make_plan
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

    @cached_property
    def _plan(self) -> Plan:
        return make_plan(self.adapter, self.dataset, "letters", "all")

    def plan(self, items: tuple[Item, ...] | None = None) -> tuple[PlannedItem, ...]:
        """The project's own plan of these items, the family's own by default."""
        if items is None:
            return self._plan.items
        return make_plan(self.adapter, replace(self.dataset, items=items), "letters", "all").items

    @cached_property
    def measurement(self) -> Measurement:
        """The project's own measurement, every layer."""
        plan = self._plan
        stats = measure(self.adapter, [plan.items], Batching(ITEMS), lambda _count: None)
        layers = tuple(range(1, len(self.adapter.layers) + 1))
        return Measurement(self.adapter, plan.candidates, stats, seed=0, layers=layers)

    def scores(self, items: tuple[Item, ...]) -> dict[str, np.ndarray]:
        """Finite scores (n, layers, options that all items have) per condition."""
        return by_condition(self.measure(self.plan(items)))

    def measure(self, planned: tuple[PlannedItem, ...]) -> Arrays:
        """Arrays of one batch."""
        return self.measurement.batch(planned)

    @cached_property
    def arrays(self) -> Arrays:
        """Arrays of the family's own items in one batch, measured once, by the adapter as it is."""
        return self.measure(self.plan())


def by_condition(arrays: Arrays) -> dict[str, np.ndarray]:
    """Scores (n, layers, options that all items have) per condition."""
    return {name: arrays["loglik"][:, index, :, :2] for index, name in enumerate(CONDITIONS)}


def with_long_letters(measurement: Measurement) -> Measurement:
    """Letters of one, two and three tokens."""
    spelling = measurement.candidates.spellings[0]
    first, second, third, *rest = spelling.ids
    ids = (first, (*second, first[0]), (*third, second[0], first[0]), *rest)
    return replace(measurement, candidates=Candidates((replace(spelling, ids=ids),)))


MakeTiny = Callable[[str], Tiny]


def lines(slow_but: Container[str] | None = None) -> list[Any]:
    """Every family as a parameter of `tiny`; slow are those that say so, and all but those that are named."""
    slow = {family.name for family in FAMILIES if family.slow or (slow_but is not None and family.name not in slow_but)}
    return [
        pytest.param(family, id=family.name, marks=[pytest.mark.slow] if family.name in slow else [])
        for family in FAMILIES
    ]


@pytest.fixture(scope="session")
def tiny_of(tmp_path_factory: pytest.TempPathFactory) -> MakeTiny:
    """A family's tiny checkpoint, made once."""
    made: dict[str, Tiny] = {}

    def get(name: str) -> Tiny:
        if name not in made:
            family = next(family for family in FAMILIES if family.name == name)
            made[name] = make_tiny(family, tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture(scope="session", params=lines())
def tiny(request: pytest.FixtureRequest, tiny_of: MakeTiny) -> Tiny:
    return tiny_of(request.param.name)


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


def two_pictures(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """The same questions about the first two pictures in turn."""
    return tuple(replace(item, picture=items[index % 2].picture) for index, item in enumerate(items))


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
