"""What a condition does to a batch: noise in place of every input of the ablated source."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pid_lvlm.data.names import LANGUAGE_ONLY, SOURCES, VISION_ONLY
from pid_lvlm.extract.conditions.noise import NoiseStats, sample_generator
from pid_lvlm.extract.conditions.sites import DecoderInputs, Site, SpanMasks
from pid_lvlm.extract.errors import MisfitError

ABLATED: dict[str, str] = {VISION_ONLY: SOURCES[1], LANGUAGE_ONLY: SOURCES[0]}
"""Condition -> the source that noise replaces."""

SIDE_BY_SIDE: Final = 1 << 20
"""Size of a batch's noise from which its samples are drawn in parallel: numpy draws without Python's lock.

Drawn one after another, the noise of a 7B model takes as long as its decoder on a GPU. For smaller batches threads cost
more than they save.
"""


class Replacement:
    """The edit that ablates one source: its sites get the given noise wherever their input arrives.

    Args:
        masks: spans of the batch.
        noise: per site of the source its draws, (rows, width).
    """

    def __init__(self, masks: SpanMasks, noise: Sequence[tuple[Site, Tensor]]) -> None:
        self._masks = masks
        self._noise = noise
        self._written: set[str] = set()

    def __call__(self, inputs: DecoderInputs) -> DecoderInputs:
        """Replace the sites that lie in `inputs`."""
        for site, values in self._noise:
            if inputs.get(site.argument) is not None:
                inputs = site.write(inputs, self._masks, values)
                self._written.add(site.name)
        return inputs

    def check(self) -> None:
        """Every site was written: one that is left out would silently let the source through.

        Raises:
            MisfitError: names a site whose input never arrived.
        """
        missing = [site for site, _ in self._noise if site.name not in self._written]
        self._written.clear()
        if missing:
            message = (
                f"no noise was written to site `{missing[0].name}`: the model was given no `{missing[0].argument}`"
            )
            raise MisfitError(message)


class WriteBack:
    """An edit that must change nothing: every site gets what it holds, in the way in which it would get noise.

    Args:
        sites: all sites of the family.
        masks: spans of the batch.
    """

    def __init__(self, sites: Sequence[Site], masks: SpanMasks) -> None:
        self._sites = sites
        self._masks = masks

    def __call__(self, inputs: DecoderInputs) -> DecoderInputs:
        """Read and write the sites that lie in `inputs`."""
        for site in self._sites:
            if inputs.get(site.argument) is not None:
                values = site.held(inputs, self._masks).float().cpu()  # noise is float32, drawn on the host
                inputs = site.write(inputs, self._masks, values)
        return inputs


def replacement(
    sites: Sequence[Site], masks: SpanMasks, stats: NoiseStats, seed: int, ids: Sequence[str], condition: str
) -> Replacement:
    """The edit that ablates one source: every site of that source gets noise, every position its own draw.

    Args:
        sites: all sites of the family; those of other sources stay as they are.
        masks: spans of the batch.
        stats: distribution of the noise at each site.
        seed: the run's seed.
        ids: sample ids of the batch.
        condition: the condition, a key of `ABLATED`.
    """
    ablated = [site for site in sites if site.source == ABLATED[condition]]
    counts = [site.replaced(masks) for site in ablated]
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
    tensors = (torch.from_numpy(values) for values in noise)
    return Replacement(masks, list(zip(ablated, tensors, strict=True)))
