"""Second pass: one batch through all conditions, and a shard's arrays from its batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from pid_lvlm.data.names import BOTH, CONDITIONS, LANGUAGE_ONLY, NO_IMAGE, SOURCES, VISION_ONLY, feature_key
from pid_lvlm.extract.conditions.noise import Arrays, NoiseStats
from pid_lvlm.extract.conditions.prefix import Begun, SharedPrefix, common_length
from pid_lvlm.extract.conditions.replacement import ABLATED, replacement
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.embeddings import pool, read_inputs
from pid_lvlm.extract.measure.encode import Batch, encode_batch, encode_text_only, host_inputs
from pid_lvlm.extract.measure.logit_lens import layer_states, unembed
from pid_lvlm.extract.measure.option_scores import Scores, option_scores, score_batch
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.answer_tokens import Candidates
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem


@dataclass(frozen=True)
class Measurement:
    """Everything a batch is measured with.

    Attributes:
        adapter: the model.
        candidates: tokens of the option letters.
        stats: distribution of the replacement noise per site.
        seed: the run's seed.
        layers: recorded layers; the last is the output.
        max_options: size of the options axis of the scores; None for one entry per letter.
        share_prefix: whether passes that begin alike compute their beginning once, where the family allows it.
    """

    adapter: Adapter
    candidates: Candidates
    stats: NoiseStats
    seed: int
    layers: tuple[int, ...]
    max_options: int | None = None
    share_prefix: bool = True

    def shard(self, items: Sequence[PlannedItem], batching: Batching, advance: Callable[[int], None]) -> Arrays:
        """Arrays of one shard, rows in the order of `items`; `advance` is told how many items were done."""
        return next(self.shards([items], batching, advance))

    def shards(
        self, shards: Sequence[Sequence[PlannedItem]], batching: Batching, advance: Callable[[int], None]
    ) -> Iterator[Arrays]:
        """Arrays of one shard after the other, each as soon as its last batch is measured; see `shard`."""
        parts: list[Arrays] = []
        order: list[int] = []
        for done in batching.each(shards, partial(host_inputs, self.adapter), self.batch):
            parts.append(done.result)
            order += done.indices
            advance(len(done.indices))
            if len(order) == len(shards[done.group]):
                back = np.argsort(order)
                yield {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}
                parts, order = [], []

    @property
    def width(self) -> int:
        """Size of the options axis of the scores."""
        return self.max_options or len(self.candidates.spellings[0].ids)

    @torch.inference_mode()
    def batch(self, items: Sequence[PlannedItem], host: ModelInputs | None = None) -> Arrays:
        """Arrays of one batch, rows in the order of `items`; `host` is what `host_inputs` made of it, if known."""
        batch = encode_batch(self.adapter, items, host)
        scores = self._scores(batch, items)
        letters = [planned.item.letters for planned in items]
        first = np.stack([scores[condition].first_token for condition in CONDITIONS], axis=1)
        return {
            "sample_id": np.array([planned.item.id for planned in items], dtype=np.str_),
            "group_id": np.array([planned.item.group for planned in items], dtype=np.str_),
            "num_options": np.array([len(names) for names in letters], dtype=np.int64),
            "letters": np.array(letters, dtype=np.str_),
            "label": np.array([planned.item.label for planned in items], dtype=np.int64),
            **_rotations([planned.item for planned in items]),
            "loglik": np.stack(
                [option_scores(scores[name].loglik, letters, self.width) for name in CONDITIONS], axis=1
            ),
            **self._features(batch),
            "first_token": first,
            "first_token_text": self._decoded(first),
        }

    @torch.inference_mode()
    def scores(
        self, items: Sequence[PlannedItem], conditions: Sequence[str], host: ModelInputs | None = None
    ) -> NDArray[np.float32]:
        """Scores of one batch under some conditions, (items, conditions, layers, options) nats.

        Where passes share a prefix, `both` must be among them: `vision_only` goes on from it.
        """
        scores = self._scores(encode_batch(self.adapter, items, host), items, conditions)
        letters = [planned.item.letters for planned in items]
        return np.stack([option_scores(scores[name].loglik, letters, self.width) for name in conditions], axis=1)

    def _scores(
        self, batch: Batch, items: Sequence[PlannedItem], conditions: Sequence[str] = CONDITIONS
    ) -> dict[str, Scores]:
        """By condition. `vision_only` goes on where `both` has computed the picture and what precedes it."""
        prefix = SharedPrefix()
        begun = {BOTH: Begun(prefix), VISION_ONLY: Begun(prefix, common_length(batch.masks))}
        wanted = [condition for condition in begun if condition in conditions]
        scores = {condition: self._condition(condition, batch, items, begun[condition]) for condition in wanted}
        del prefix, begun  # as large as the weights of some layers
        for condition in (name for name in (LANGUAGE_ONLY, NO_IMAGE) if name in conditions):
            alone = Begun(SharedPrefix()) if self.candidates.longest > 1 else None
            scores[condition] = self._condition(condition, batch, items, alone)
        return scores

    def _condition(self, condition: str, batch: Batch, items: Sequence[PlannedItem], begun: Begun | None) -> Scores:
        adapter = self.adapter
        inputs = encode_text_only(adapter, items) if condition == NO_IMAGE else batch.inputs
        edit = None
        if condition in ABLATED:
            edit = replacement(adapter.sites, batch.masks, self.stats, self.seed, batch.ids, condition)
        shared = begun if self.share_prefix and adapter.can_share_prefix else None
        return score_batch(adapter, inputs, edit, self.candidates, self.layers[:-1], shared)

    def _features(self, batch: Batch) -> Arrays:
        """Pooled spans and their lengths; the features of a source come from its first site."""
        adapter = self.adapter
        inputs = read_inputs(adapter, batch)
        features: Arrays = {}
        for number, source in enumerate(SOURCES, start=1):
            site = adapter.first_site(source)
            rows = site.rows(batch.masks)
            pooled = pool(site.read(inputs, batch.masks), rows)
            features |= {feature_key(number, name): vectors for name, vectors in pooled.items()}
            features[f"x{number}_tokens"] = np.array(rows, dtype=np.int64)
        return features

    def _decoded(self, tokens: NDArray[np.int64]) -> NDArray[np.str_]:
        texts = {token: self.adapter.decode([token]) for token in np.unique(tokens).tolist()}
        return np.array([[texts[token] for token in row] for row in tokens.tolist()], dtype=np.str_)


def _rotations(items: Sequence[Item]) -> Arrays:
    """Which rows ask the same question, for benchmarks that reorder its options; nothing for others."""
    if not all(item.rotation_of for item in items):
        return {}
    return {
        "rotation_of": np.array([item.rotation_of for item in items], dtype=np.str_),
        "rotations": np.array([item.rotations for item in items], dtype=np.int64),
    }


def lens_difference(adapter: Adapter, items: Sequence[PlannedItem]) -> float:
    """Largest difference between the last layer's lens and the model's logits: 0 up to rounding if both are right."""
    with torch.inference_mode():
        batch = encode_batch(adapter, items)
        states, logits = layer_states(adapter, batch.inputs, None, [len(adapter.layers)], keep=1)
        return float((unembed(adapter, states[0]) - logits.float()).abs().max())
