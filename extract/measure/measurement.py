"""Second pass: one batch through all conditions, and a shard's arrays from its batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pid_lvlm.data.names import CONDITIONS, SOURCES, feature_key
from pid_lvlm.extract.conditions.noise import Arrays, NoiseStats
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.embeddings import pool, read_inputs
from pid_lvlm.extract.measure.encode import Batch, encode_batch, host_inputs
from pid_lvlm.extract.measure.kept_batches import KeptBatches
from pid_lvlm.extract.measure.logit_lens import layer_states, unembed
from pid_lvlm.extract.measure.option_scores import Scores, option_scores
from pid_lvlm.extract.measure.passes import Passes
from pid_lvlm.extract.measure.swapped import Prepared, prepare_swapped
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.processor.answer_tokens import Candidates
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem
from pid_lvlm.extract.prompts.swaps import Swaps

Tensors = dict[str, Tensor]
"""Results of a batch, a row for each item, by name of the array that they become part of."""

LOGLIK: Final = "loglik"
FIRST_TOKEN: Final = "first_token"


@dataclass(frozen=True)
class Measurement:
    """Everything needed to measure a batch.

    Attributes:
        adapter: the model.
        candidates: tokens of the option letters.
        stats: distribution of the replacement noise per site.
        seed: the run's seed.
        layers: recorded layers; the last is the output.
        max_options: size of the options axis of the scores; None for one entry per letter.
        share_prefix: whether passes and rows with a common prefix compute it once, if the family allows it.
        conditions: the conditions of the run, in the order of its manifest.
        swaps: the items under conditions that give the model another picture or text; needed only for these.
        kept: batches that were encoded before.
    """

    adapter: Adapter
    candidates: Candidates
    stats: NoiseStats
    seed: int
    layers: tuple[int, ...]
    max_options: int | None = None
    share_prefix: bool = True
    conditions: tuple[str, ...] = CONDITIONS
    swaps: Swaps | None = None
    kept: KeptBatches | None = None

    def shard(self, items: Sequence[PlannedItem], batching: Batching, advance: Callable[[int], None]) -> Arrays:
        """Arrays of one shard, rows in the order of `items`; `advance` is called with the number of items done."""
        return next(self.shards([items], batching, advance))

    def shards(
        self, shards: Sequence[Sequence[PlannedItem]], batching: Batching, advance: Callable[[int], None]
    ) -> Iterator[Arrays]:
        """Arrays of one shard after the other, each as soon as its last batch is measured; see `shard`.

        Results of batches stay on the device until then, so that no batch waits for the previous one.
        """
        parts: list[Tensors] = []
        order: list[int] = []
        for done in batching.each(shards, partial(self.prepare, conditions=self.conditions), self._measured):
            parts.append(done.result)
            order += done.indices
            advance(len(done.indices))
            if len(order) == len(shards[done.group]):
                yield self._arrays(shards[done.group], parts, np.argsort(order))
                parts, order = [], []

    @property
    def width(self) -> int:
        """Size of the options axis of the scores."""
        return self.max_options or len(self.candidates.spellings[0].ids)

    def batch(self, items: Sequence[PlannedItem], host: Prepared | None = None) -> Arrays:
        """Arrays of one batch, rows in the order of `items`; `host` is the result of `prepare` for it, if known."""
        return self._arrays(items, [self._measured(items, host)], np.arange(len(items)))

    @torch.inference_mode()
    def _measured(self, items: Sequence[PlannedItem], host: Prepared | None = None) -> Tensors:
        """The model's results for one batch, on its device."""
        batch = self._encoded(items, host)
        scores = self._scores(batch, items, self.conditions, host)
        return {
            LOGLIK: torch.stack([scores[name].loglik for name in self.conditions], dim=1),
            FIRST_TOKEN: torch.stack([scores[name].first_token for name in self.conditions], dim=1),
            **self._features(batch),
        }

    def _arrays(self, items: Sequence[PlannedItem], parts: Sequence[Tensors], back: NDArray[np.int64]) -> Arrays:
        """Arrays of some items; row i of the concatenated `parts` belongs to item `back[i]`."""
        found = {name: torch.cat([part[name] for part in parts]).cpu().numpy()[back] for name in parts[0]}
        letters = [planned.item.letters for planned in items]
        scores, first = found.pop(LOGLIK), found.pop(FIRST_TOKEN)
        return {
            "sample_id": np.array([planned.item.id for planned in items], dtype=np.str_),
            "group_id": np.array([planned.item.group for planned in items], dtype=np.str_),
            "num_options": np.array([len(names) for names in letters], dtype=np.int64),
            "letters": np.array(letters, dtype=np.str_),
            "label": np.array([planned.item.label for planned in items], dtype=np.int64),
            **_rotations([planned.item for planned in items]),
            LOGLIK: option_scores(scores, letters, self.width),
            **found,
            FIRST_TOKEN: first,
            "first_token_text": self._decoded(first),
        }

    @torch.inference_mode()
    def letter_scores(
        self, items: Sequence[PlannedItem], conditions: Sequence[str], host: Prepared | None = None
    ) -> Tensor:
        """Scores of all letters, (items, conditions, layers, letters) nats, on the model's device."""
        scores = self._scores(self._encoded(items, host), items, conditions, host)
        return torch.stack([scores[name].loglik for name in conditions], dim=1)

    def scores(self, items: Sequence[PlannedItem], conditions: Sequence[str]) -> NDArray[np.float32]:
        """Scores of one batch under some conditions, (items, conditions, layers, options) nats."""
        return self.own_options(items, self.letter_scores(items, conditions))

    def own_options(self, items: Sequence[PlannedItem], scores: Tensor) -> NDArray[np.float32]:
        """Scores (items, …, options) of each item's options, from those of all letters, (items, …, letters)."""
        return option_scores(scores.cpu().numpy(), [planned.item.letters for planned in items], self.width)

    def prepare(self, items: Sequence[PlannedItem], conditions: Sequence[str] = ()) -> Prepared:
        """The work on a batch that can be done ahead of the device, for those `conditions` that need other inputs."""
        kept = self.kept is not None and self.kept.has(items)
        own = None if kept else host_inputs(self.adapter, items, self.share_prefix)
        return prepare_swapped(self.adapter, self.swaps, conditions, items, own, share=self._shares)

    @property
    def _shares(self) -> bool:
        return self.share_prefix and self.adapter.can_share_prefix

    def _encoded(self, items: Sequence[PlannedItem], host: Prepared | None = None) -> Batch:
        own = None if host is None else host.own
        if own is None and self.kept is not None and (batch := self.kept.take(items)) is not None:
            return batch
        return encode_batch(self.adapter, items, own or host_inputs(self.adapter, items, self.share_prefix))

    def _scores(
        self, batch: Batch, items: Sequence[PlannedItem], conditions: Sequence[str], host: Prepared | None
    ) -> dict[str, Scores]:
        passes = Passes(
            self.adapter, self.candidates, self.stats, self.seed, self.layers[:-1], self._shares, self.swaps
        )
        return passes.scores(batch, items, conditions, {} if host is None else host.swapped)

    def _features(self, batch: Batch) -> Tensors:
        """Pooled spans and their lengths; the features of a source come from its first site."""
        adapter = self.adapter
        inputs = read_inputs(adapter, batch)
        features: Tensors = {}
        for number, source in enumerate(SOURCES, start=1):
            site = adapter.first_site(source)
            rows = site.rows(batch.masks)
            pooled = pool(site.read(inputs, batch.masks), rows)
            features |= {feature_key(number, name): vectors for name, vectors in pooled.items()}
            features[f"x{number}_tokens"] = torch.tensor(rows)
        return features

    def _decoded(self, tokens: NDArray[np.int64]) -> NDArray[np.str_]:
        texts = {token: self.adapter.decode([token]) for token in np.unique(tokens).tolist()}
        return np.array([[texts[token] for token in row] for row in tokens.tolist()], dtype=np.str_)


def _rotations(items: Sequence[Item]) -> Arrays:
    """Which rows ask the same question, for benchmarks that reorder options; empty for others."""
    if not all(item.rotation_of for item in items):
        return {}
    return {
        "rotation_of": np.array([item.rotation_of for item in items], dtype=np.str_),
        "rotations": np.array([item.rotations for item in items], dtype=np.int64),
    }


def lens_difference(adapter: Adapter, items: Sequence[PlannedItem]) -> float:
    """Largest difference between the last layer's lens and the model's logits: 0 up to rounding if both are correct."""
    with torch.inference_mode():
        batch = encode_batch(adapter, items)
        states, logits = layer_states(adapter, batch.inputs, None, [len(adapter.layers)], keep=1)
        return float((unembed(adapter, states[0]) - logits.float()).abs().max())
