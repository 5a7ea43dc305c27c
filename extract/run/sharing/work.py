"""The work on one shard of a run, in any process: the moments of its sites, then its arrays."""

from collections.abc import Callable
from dataclasses import dataclass

from pid_lvlm.data.names import BOTH, CONDITIONS
from pid_lvlm.extract.conditions.noise import Arrays, NoiseStats
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.crossed import crossed_arrays
from pid_lvlm.extract.measure.embeddings import SiteMoments, group_moments
from pid_lvlm.extract.measure.kept_batches import KeptBatches
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.processor.answer_tokens import Candidates
from pid_lvlm.extract.prompts.crossed_plan import CrossedPlan
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem
from pid_lvlm.extract.prompts.swaps import Swaps, plan_swaps

Advance = Callable[[int], None]


@dataclass(frozen=True)
class RunShare:
    """What a process must know about a run to measure any of its shards; can be sent to another process.

    Attributes:
        items: planned items of the run.
        shard_size: number of items per shard.
        candidates: tokens of the option letters.
        max_options: size of the options axis.
        seed: the run's seed.
        layers: recorded layers.
        conditions: conditions of the run.
        template: name of the prompt template.
        language_span: what counts as source 2.
        crossed: which questions are asked about each picture; None without crossed pairs.
    """

    items: tuple[PlannedItem, ...]
    shard_size: int
    candidates: Candidates
    max_options: int
    seed: int
    layers: tuple[int, ...]
    conditions: tuple[str, ...]
    template: str
    language_span: str
    crossed: CrossedPlan | None = None

    def rows(self, shard: int) -> range:
        """Indices of a shard's items in the run."""
        first = shard * self.shard_size
        return range(first, min(first + self.shard_size, len(self.items)))

    def shard(self, shard: int) -> tuple[PlannedItem, ...]:
        """Items of a shard."""
        rows = self.rows(shard)
        return self.items[rows.start : rows.stop]

    def swaps(self, adapter: Adapter) -> Swaps | None:
        """The changed items for a copy of the model, as from `plan_swaps`."""
        return plan_swaps(adapter, self.items, self.conditions, self.template, self.language_span, self.seed)


@dataclass(frozen=True)
class ShardWork:
    """A run's shards, measured with one copy of the model.

    Attributes:
        adapter: the model.
        batching: the batches of all its runs.
        share: the run.
        kept: batches that the first pass keeps for the second.
        swaps: the items under conditions that give the model another picture or text, if there are any.
    """

    adapter: Adapter
    batching: Batching
    share: RunShare
    kept: KeptBatches
    swaps: Swaps | None

    def measurement(self, stats: NoiseStats) -> Measurement:
        """How items are measured under given statistics."""
        share = self.share
        return Measurement(
            self.adapter,
            share.candidates,
            stats,
            share.seed,
            share.layers,
            share.max_options,
            conditions=share.conditions,
            swaps=self.swaps,
            kept=self.kept,
        )

    def moments(self, shard: int, advance: Advance) -> SiteMoments:
        """Moments of every site over a shard; `advance` is called with the number of items done."""
        return group_moments(self.adapter, [self.share.shard(shard)], self.batching, advance, self.kept)[0]

    def arrays(self, shard: int, stats: NoiseStats, advance: Advance, advance_pairs: Advance) -> Arrays:
        """All arrays of a shard's file."""
        measurement = self.measurement(stats)
        measured = measurement.shard(self.share.shard(shard), self.batching, advance)
        return measured | self.pairs(shard, measured, measurement, advance_pairs)

    def pairs(self, shard: int, measured: Arrays, measurement: Measurement, advance: Advance) -> Arrays:
        """The arrays that crossed pairs add to a shard; empty if the run has none."""
        if self.share.crossed is None:
            return {}
        both = measured["loglik"][:, CONDITIONS.index(BOTH)]
        return crossed_arrays(measurement, self.share.crossed, self.share.rows(shard), both, self.batching, advance)
