"""Plans crossed pairs: the prompt of one item with the picture of another."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.command.shown import shown
from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.config import Crossing
from pid_lvlm.extract.datasets.crossing import crossed_partners
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import Plan, PlannedItem, too_long


@dataclass(frozen=True)
class CrossedPlan:
    """Which questions a run asks about each picture.

    Attributes:
        items: the run's items.
        partner: (items, pairs) index of the item whose question is asked; column 0 is the item itself.
    """

    items: tuple[PlannedItem, ...]
    partner: NDArray[np.int64]

    @property
    def pairs(self) -> int:
        """Number of questions per picture, including its own."""
        return int(self.partner.shape[1])

    def of(self, rows: Iterable[int]) -> list[PlannedItem]:
        """Pairs of some items' pictures with the questions of others, one picture after the other."""
        return [
            crossed_pair(self.items[row], self.items[other]) for row in rows for other in self.partner[row, 1:].tolist()
        ]


def plan_crossed(adapter: Adapter, dataset: Dataset, plan: Plan, crossing: Crossing, seed: int) -> CrossedPlan:
    """Choose the questions of every picture.

    Args:
        adapter: the model.
        dataset: the items.
        plan: the same items, planned.
        crossing: how many questions, and among which items.
        seed: seed of the choice.

    Raises:
        UsageError: there are too few items of some kind.
        DatasetError: a question is too long for the model together with a picture of another item.
    """
    partner = crossed_partners(dataset, crossing, seed)
    crossed = CrossedPlan(plan.items, partner)
    if faults := _too_long(adapter, crossed, dataset.file):
        raise DatasetError(dataset.file, faults, "or leave out --crossed")
    return crossed


def crossed_pair(picture: PlannedItem, question: PlannedItem) -> PlannedItem:
    """The prompt of `question` with the picture of `picture`; messages name both."""
    name = f"{question.item.id} with the picture of {picture.item.id}"
    item = replace(question.item.with_picture_of(picture.item), id=name)
    return replace(question, item=item, picture_tokens=picture.picture_tokens)


def _too_long(adapter: Adapter, crossed: CrossedPlan, file: str) -> list[Fault]:
    """Pairs that do not fit into the context, as far as the number of picture tokens is known."""
    if adapter.context is None:
        return []
    texts = np.array([planned.tokens for planned in crossed.items])
    pictures = np.array([planned.picture_tokens for planned in crossed.items])
    lengths = texts[crossed.partner] + np.maximum(0, pictures - 1)[:, None]
    faults = []
    for row, column in np.argwhere(lengths > adapter.context).tolist():
        picture, question = crossed.items[row], crossed.items[crossed.partner[row, column]]
        why = too_long(question.tokens, picture.picture_tokens, adapter.context)
        asked = f"with the picture of item {shown(picture.item.id)}, row {picture.item.row}, which --crossed asks about"
        faults.append(Fault(file, f"{asked}: {why}", row=question.item.row))
    return faults
