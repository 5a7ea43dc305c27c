"""Which questions are asked about each picture: shifts of a keyed cyclic order. Every question is asked equally often.

Pictures and questions are exchanged among items with the same number of options. In the order, items about one picture
are adjacent, and shifts are at least as long as the longest such run of items, so that except for its own pair
(column 0) no picture meets a question that belongs to it. Every shift is a permutation of the items: each question is
asked once per column, and the pairs have equal weights. Order and shifts depend only on the seed and the items' ids,
and the columns for fewer questions are the first columns for more.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.command.shown import shown
from pid_lvlm.extract.config import WITHIN_GROUP, Crossing
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.errors import UsageError


@dataclass(frozen=True)
class Stratum:
    """Items among which questions are exchanged.

    Attributes:
        name: what they have in common, such as `4 options`.
        rows: indices of the items in the keyed order.
        longest: maximum number of items about one picture.
    """

    name: str
    rows: tuple[int, ...]
    longest: int

    @property
    def most(self) -> int:
        """Maximum number of questions per picture, including its own."""
        return max(1, len(self.rows) - 2 * self.longest + 2)


def crossed_partners(dataset: Dataset, crossing: Crossing, seed: int) -> NDArray[np.int64]:
    """Index of the item whose question is asked about each picture, (items, pairs); column 0 is the item itself.

    Args:
        dataset: the items.
        crossing: how many questions, and among which items.
        seed: seed of the order and the shifts.

    Raises:
        UsageError: there are too few items of some kind; names the kind and the maximum number of questions.
    """
    strata = _strata(dataset.items, crossing.within, seed)
    least = min(strata, key=lambda stratum: stratum.most)
    if least.most < crossing.pairs:
        raise UsageError(_too_few(dataset, crossing, least))
    partners = np.empty((len(dataset.items), crossing.pairs), dtype=np.int64)
    for stratum in strata:
        rows = np.array(stratum.rows)
        shifts = range(stratum.longest, len(rows) - stratum.longest + 1)
        chosen = sorted(shifts, key=lambda shift: _key(seed, f"shift {shift}"))[: crossing.pairs - 1]
        for column, shift in enumerate([0, *chosen]):
            partners[rows, column] = np.roll(rows, -shift)
    return partners


def _strata(items: Sequence[Item], within: str, seed: int) -> list[Stratum]:
    members: dict[tuple[int, str], dict[Hashable, list[int]]] = {}
    for row, item in enumerate(items):
        kind = (len(item.options), item.group if within == WITHIN_GROUP else "")
        members.setdefault(kind, {}).setdefault(item.picture_key, []).append(row)

    def keyed(row: int) -> bytes:
        return _key(seed, items[row].id)

    found = []
    for (size, group), pictures in members.items():
        blocks = sorted(pictures.values(), key=lambda rows: keyed(rows[0]))
        order = tuple(row for rows in blocks for row in sorted(rows, key=keyed))
        name = f"{size} options" + (f" in group {shown(group)}" if within == WITHIN_GROUP else "")
        found.append(Stratum(name, order, max(map(len, blocks))))
    return found


def _key(seed: int, text: str) -> bytes:
    return sha256(f"{seed} {text}".encode(errors="surrogatepass")).digest()


def _too_few(dataset: Dataset, crossing: Crossing, stratum: Stratum) -> str:
    count = len(stratum.rows)
    items = f"{count} {'item' if count == 1 else 'items'} with {stratum.name}"
    about = f", up to {stratum.longest} of them about one picture" if stratum.longest > 1 else ""
    ways = [f"choose --crossed {stratum.most} at most"] if stratum.most > 1 else []
    ways += (
        ["exchange questions over the dataset (without --crossed-within)"] if crossing.within == WITHIN_GROUP else []
    )
    ways += ["leave these items out (`where` in a dataset card)"]
    head = (
        f"--crossed {crossing.pairs}: `{dataset.file}` has only {items}{about}, among which questions can be exchanged"
    )
    return f"{head}; {', or '.join(ways)}"
