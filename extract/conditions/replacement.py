"""How a condition changes a batch: noise, or its mean, replaces every input of the ablated sources."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pid_lvlm.data.contract.schema.conditions import parse_condition
from pid_lvlm.data.names import MEAN, NOISE
from pid_lvlm.extract.conditions.noise import NoiseStats, sample_generator
from pid_lvlm.extract.conditions.sites import DecoderInputs, Site, SpanMasks
from pid_lvlm.extract.errors import MisfitError

REPLACED: Final = (NOISE, MEAN)
"""Ablations that replace inputs at the sites; the others give the model another picture or text."""

SIDE_BY_SIDE: Final = 1 << 20
"""Minimum size of a batch's noise for drawing its samples in parallel: numpy draws without holding the GIL.

Drawn sequentially, the noise for a 7B model takes as long as its decoder on a GPU. For smaller batches threads cost
more than they save.
"""


class Replacement:
    """The edit that ablates sources: writes the given vectors to their sites wherever the inputs arrive.

    Args:
        masks: spans of the batch.
        values: for each site of these sources, the vectors to write, (rows, width).
    """

    def __init__(self, masks: SpanMasks, values: Sequence[tuple[Site, Tensor]]) -> None:
        self._masks = masks
        self._values = values
        self._written: set[str] = set()

    def __call__(self, inputs: DecoderInputs) -> DecoderInputs:
        """Replace the sites in `inputs`."""
        for site, values in self._values:
            if inputs.get(site.argument) is not None:
                inputs = site.write(inputs, self._masks, values)
                self._written.add(site.name)
        return inputs

    def check(self) -> None:
        """Check that every site was written: a missed one would silently let the source through.

        Raises:
            MisfitError: names a site whose input never arrived.
        """
        missing = [site for site, _ in self._values if site.name not in self._written]
        self._written.clear()
        if missing:
            message = (
                f"no noise was written to site `{missing[0].name}`: the model was given no `{missing[0].argument}`"
            )
            raise MisfitError(message)


class WriteBack:
    """An edit that must change nothing: writes back to every site what it holds, the way noise would be written.

    Args:
        sites: all sites of the family.
        masks: spans of the batch.
    """

    def __init__(self, sites: Sequence[Site], masks: SpanMasks) -> None:
        self._sites = sites
        self._masks = masks

    def __call__(self, inputs: DecoderInputs) -> DecoderInputs:
        """Read and write the sites in `inputs`."""
        for site in self._sites:
            if inputs.get(site.argument) is not None:
                values = site.held(inputs, self._masks).float().cpu()  # noise is float32, drawn on the host
                inputs = site.write(inputs, self._masks, values)
        return inputs


def is_replaced(condition: str) -> bool:
    """Whether a condition ablates by replacing inputs with what `replacement` writes."""
    return parse_condition(condition).ablation in REPLACED


def replacement(
    sites: Sequence[Site], masks: SpanMasks, stats: NoiseStats, seed: int, ids: Sequence[str], condition: str
) -> Replacement:
    """The edit for a condition that ablates by noise or its mean, written to every site of the ablated sources.

    Args:
        sites: all sites of the family; those of other sources are left unchanged.
        masks: spans of the batch.
        stats: distribution of the noise at each site.
        seed: the run's seed.
        ids: sample ids of the batch.
        condition: a condition for which `is_replaced` holds. With noise, every position has its own draw.
    """
    parsed = parse_condition(condition)
    ablated = [site for site in sites if site.source in parsed.ablates]
    counts = [site.replaced(masks) for site in ablated]
    if parsed.ablation == MEAN:
        means = [np.tile(stats[site.name].mean, (sum(rows), 1)) for site, rows in zip(ablated, counts, strict=True)]
        return _written(masks, ablated, means)
    noise = [
        np.empty((sum(rows), len(stats[site.name].mean)), np.float32)
        for site, rows in zip(ablated, counts, strict=True)
    ]
    parts = [np.split(values, np.cumsum(rows)[:-1]) for values, rows in zip(noise, counts, strict=True)]

    def fill(sample: int) -> None:
        generator = sample_generator(seed, ids[sample], condition)
        for site, samples in zip(ablated, parts, strict=True):
            stats[site.name].fill(generator, samples[sample])

    if sum(values.size for values in noise) >= SIDE_BY_SIDE:
        with ThreadPoolExecutor() as pool:
            list(pool.map(fill, range(len(ids))))
    else:
        for sample in range(len(ids)):
            fill(sample)
    return _written(masks, ablated, noise)


def _written(masks: SpanMasks, sites: Sequence[Site], values: Sequence[NDArray[np.float32]]) -> Replacement:
    tensors = (torch.from_numpy(one) for one in values)
    return Replacement(masks, list(zip(sites, tensors, strict=True)))
