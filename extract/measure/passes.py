"""One batch under all conditions: which pass computes what, and which passes continue from another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pid_lvlm.data.names import BOTH, NO_IMAGE
from pid_lvlm.extract.conditions.noise import NoiseStats
from pid_lvlm.extract.conditions.prefix import Begun, SharedPrefix, common_length
from pid_lvlm.extract.conditions.replacement import Replacement, is_replaced, replacement
from pid_lvlm.extract.measure.encode import Batch, HostBatch, encode_batch, encode_text_only
from pid_lvlm.extract.measure.going_on import begins, begun_by, swapped, with_other_texts
from pid_lvlm.extract.measure.option_scores import Scores, score_batch
from pid_lvlm.extract.measure.same_picture import begun_by_leaders
from pid_lvlm.extract.measure.swapped import encode_swapped
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.processor.answer_tokens import Candidates
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem
from pid_lvlm.extract.prompts.swaps import Swaps, is_swapped

Hosts = Mapping[str, HostBatch]
"""Prepared inputs for conditions that give the model another picture or text, by condition."""


@dataclass(frozen=True)
class Passes:
    """How batches are scored.

    Attributes:
        adapter: the model.
        candidates: tokens of the option letters.
        stats: distribution of the replacement noise per site.
        seed: the run's seed.
        lens_layers: layers to read through the lens, without the output.
        share: whether passes with a common prefix compute it once; only in families that allow it.
        swaps: the items under conditions that give the model another picture or text.
    """

    adapter: Adapter
    candidates: Candidates
    stats: NoiseStats
    seed: int
    lens_layers: tuple[int, ...]
    share: bool
    swaps: Swaps | None

    def scores(
        self, batch: Batch, items: Sequence[PlannedItem], conditions: Sequence[str], hosts: Hosts
    ) -> dict[str, Scores]:
        """Scores under each condition, in order."""
        found: dict[str, Scores] = {}
        for first, others in self._sharing(items, conditions).items():
            found |= self._begun(first, others, batch, items, hosts)
        for condition in conditions:
            if condition not in found:
                found[condition] = self._alone(condition, batch, items, hosts)
        return {condition: found[condition] for condition in conditions}

    def _sharing(self, items: Sequence[PlannedItem], conditions: Sequence[str]) -> dict[str, list[str]]:
        """Starting condition -> conditions that continue from it. It is measured even if only those are requested."""
        groups: dict[str, list[str]] = {}
        for condition in conditions if self.share else ():
            if begins(condition):
                groups.setdefault(condition, [])
            elif (first := begun_by(self.swaps, items, condition)) is not None:
                groups.setdefault(first, []).append(condition)
        return groups

    def _begun(
        self, first: str, others: Sequence[str], batch: Batch, items: Sequence[PlannedItem], hosts: Hosts
    ) -> Iterator[tuple[str, Scores]]:
        """A condition and those that continue from it; the kept prefix can be as large as the weights of some layers.

        If several rows share a picture, all of them continue from the picture's prefix.
        """
        adapter, own = self.adapter, list(items)
        if first != BOTH:
            own = swapped(self.swaps, items, first)
            batch = encode_batch(adapter, own, hosts.get(first))
        reach = common_length(batch.masks)
        begun = Begun(SharedPrefix())
        if batch.leaders is not None:
            begun = begun_by_leaders(adapter, batch.leaders, batch.inputs, reach)
        yield first, self._pass(batch.inputs, None, begun)
        for condition in others:
            if is_swapped(condition):
                changed = swapped(self.swaps, items, condition)
                inputs, reach = with_other_texts(adapter, batch, own, changed, reach)
                yield condition, self._pass(inputs, None, begun.up_to(reach, gaps=True))
            else:
                yield condition, self._pass(batch.inputs, self._edit(condition, batch), begun.up_to(reach))

    def _alone(self, condition: str, batch: Batch, items: Sequence[PlannedItem], hosts: Hosts) -> Scores:
        """Scores of a condition that computes its whole prompt."""
        inputs, edit = batch.inputs, None
        if condition == NO_IMAGE:
            inputs = encode_text_only(self.adapter, items)
        elif is_swapped(condition):
            inputs = encode_swapped(self.adapter, swapped(self.swaps, items, condition), hosts.get(condition))
        elif is_replaced(condition):
            edit = self._edit(condition, batch)
        kept = self.share and self.candidates.longest > 1
        return self._pass(inputs, edit, Begun(SharedPrefix()) if kept else None)

    def _edit(self, condition: str, batch: Batch) -> Replacement:
        return replacement(self.adapter.sites, batch.masks, self.stats, self.seed, batch.ids, condition)

    def _pass(self, inputs: ModelInputs, edit: Replacement | None, begun: Begun | None) -> Scores:
        return score_batch(self.adapter, inputs, edit, self.candidates, self.lens_layers, begun)
