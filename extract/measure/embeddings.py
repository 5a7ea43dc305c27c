"""What is computed from the input embeddings: one vector per sample and source, and the noise statistics."""

from collections.abc import Callable, Sequence
from functools import partial, reduce

import torch
from torch import Tensor

from pid_lvlm.data.names import POOLINGS
from pid_lvlm.extract.conditions.hooks import decoder_inputs
from pid_lvlm.extract.conditions.noise import Moments, NoiseStats
from pid_lvlm.extract.conditions.sites import DecoderInputs
from pid_lvlm.extract.errors import MisfitError
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.encode import Batch, HostBatch, encode_batch, host_inputs
from pid_lvlm.extract.measure.kept_batches import KeptBatches
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem

SiteMoments = dict[str, Moments]
"""Moments by site name."""


def pool(vectors: Tensor, rows: Sequence[int]) -> dict[str, Tensor]:
    """Mean, max and last of each sample's vectors.

    Args:
        vectors: (total, width), all rows of the first sample first; upcast to float32 before pooling.
        rows: vectors of each sample, each at least 1.

    Returns:
        Pooling name -> (samples, width) float32, on the device of the vectors. Samples are pooled separately, so that
        the numbers do not depend on the batch.
    """
    parts = vectors.float().split(list(rows))
    pooled = {
        "mean": [part.mean(dim=0) for part in parts],
        "max": [part.amax(dim=0) for part in parts],
        "last": [part[-1] for part in parts],
    }
    return {name: torch.stack(pooled[name]) for name in POOLINGS}


def measure(
    adapter: Adapter,
    groups: Sequence[Sequence[PlannedItem]],
    batching: Batching,
    advance: Callable[[int], None],
    kept: KeptBatches | None = None,
) -> NoiseStats:
    """Mean and standard deviation of every site over all items.

    Args:
        adapter: the model.
        groups: the items, such as those of each shard.
        batching: how to batch them.
        advance: called with the number of items done.
        kept: keeps encoded batches for the next pass over the same groups.
    """
    return statistics(group_moments(adapter, groups, batching, advance, kept))


def group_moments(
    adapter: Adapter,
    groups: Sequence[Sequence[PlannedItem]],
    batching: Batching,
    advance: Callable[[int], None],
    kept: KeptBatches | None = None,
) -> list[SiteMoments]:
    """Moments of every site over each group; see `measure`. The moments of a group do not depend on other groups."""
    found: list[SiteMoments] = [{} for _ in groups]
    series = None if kept is None else kept.series

    def prepare(items: Sequence[PlannedItem]) -> HostBatch | None:
        return None if series is not None and series.has(items) else host_inputs(adapter, items)

    def work(items: Sequence[PlannedItem], host: HostBatch | None) -> SiteMoments:
        if series is not None and host is None:
            host = series.get(items)
        elif series is not None and host is not None:
            series.keep(items, host)
        return batch_moments(adapter, items, host, kept)

    for done in batching.each(groups, prepare, work):
        found[done.group] = _merged(found[done.group], done.result)
        advance(len(done.indices))
    return found


def statistics(groups: Sequence[SiteMoments]) -> NoiseStats:
    """Mean and standard deviation of every site from the moments of each group, added in order."""
    none: SiteMoments = {}
    return {site: total.gaussian() for site, total in reduce(_merged, groups, none).items()}


def _merged(one: SiteMoments, other: SiteMoments) -> SiteMoments:
    return {site: one[site].merge(new) if site in one else new for site, new in other.items()}


def read_inputs(adapter: Adapter, batch: Batch) -> DecoderInputs:
    """The inputs of the decoder and the adapter's other hook points for a batch, by name.

    Raises:
        MisfitError: the forward does not reach the decoder, or a site's input does not arrive.
    """
    with model_code(adapter):
        inputs = decoder_inputs(adapter.decoder, partial(adapter.forward, batch.inputs, 1), adapter.hook_points)
    for site in adapter.sites:
        if inputs.get(site.argument) is None:
            message = f"the model was given no `{site.argument}`, where its {site.source} should enter"
            raise MisfitError(message)
    return inputs


@torch.inference_mode()
def batch_moments(
    adapter: Adapter, items: Sequence[PlannedItem], host: HostBatch | None = None, kept: KeptBatches | None = None
) -> SiteMoments:
    """Moments of every site over one batch, which `kept` keeps.

    Args:
        adapter: the model.
        items: items of the batch.
        host: the result of `host_inputs` for them, if already computed.
        kept: keeps encoded batches.
    """
    batch = encode_batch(adapter, items, host)
    inputs = read_inputs(adapter, batch)
    if kept is not None:
        kept.keep(batch)
    return {site.name: Moments.of(site.read(inputs, batch.masks).float().cpu().numpy()) for site in adapter.sites}
