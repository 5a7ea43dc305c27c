"""First pass over a run's items: noise statistics of every site, without running the decoder's layers."""

from collections.abc import Callable, Sequence
from functools import partial

import torch

from extract.adapters.base import Adapter
from extract.batch import encode_batch
from extract.interception import decoder_inputs
from extract.noise import Moments, NoiseStats
from extract.plan import PlannedItem, batches


def measure(
    adapter: Adapter, items: Sequence[PlannedItem], batch_size: int, advance: Callable[[int], None]
) -> NoiseStats:
    """Mean and standard deviation of every site over `items`; `advance` is told how many items were done."""
    moments: dict[str, Moments] = {}
    for indices in batches(items, batch_size):
        part = batch_moments(adapter, [items[index] for index in indices])
        moments = {site: moments[site].merge(new) if site in moments else new for site, new in part.items()}
        advance(len(indices))
    return {site: total.gaussian() for site, total in moments.items()}


@torch.inference_mode()
def batch_moments(adapter: Adapter, items: Sequence[PlannedItem]) -> dict[str, Moments]:
    """Moments of every site over one batch."""
    batch = encode_batch(adapter, items)
    inputs = decoder_inputs(adapter.decoder, partial(adapter.forward, batch.inputs, 1), adapter.entrances)
    return {site.name: Moments.of(site.read(inputs, batch.masks).float().cpu().numpy()) for site in adapter.sites}
