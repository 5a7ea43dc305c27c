"""The one place where the model is touched: a forward pre-hook that reads or replaces the decoder's inputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from data.names import LANGUAGE_ONLY, SOURCES, VISION_ONLY
from extract.noise import NoiseStats, sample_generator
from extract.sites import DecoderInputs, Site, SpanMasks

Edit = Callable[[DecoderInputs], DecoderInputs]
"""Takes the decoder's keyword arguments, returns those it shall get instead."""

SILENCED: dict[str, str] = {VISION_ONLY: SOURCES[1], LANGUAGE_ONLY: SOURCES[0]}
"""Condition -> the source that noise replaces."""


class _Stopped(Exception):
    """Ends a forward pass before the decoder's layers; never leaves this module."""


@contextmanager
def edited_inputs(decoder: nn.Module, edit: Edit) -> Iterator[None]:
    """While active, `edit` sees and may replace the decoder's inputs."""

    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        return args, edit(kwargs)

    handle = decoder.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def decoder_inputs(decoder: nn.Module, forward: Callable[[], object]) -> DecoderInputs:
    """What `forward` would give to the decoder, without running the decoder."""
    seen: dict[str, Any] = {}

    def stop(inputs: DecoderInputs) -> DecoderInputs:
        seen.update(inputs)
        raise _Stopped

    with edited_inputs(decoder, stop):
        try:
            forward()
        except _Stopped:
            return seen
    message = "the model's forward never reached its decoder; the adapter's `decoder` is wrong"
    raise RuntimeError(message)


def replacement(
    sites: Sequence[Site], masks: SpanMasks, stats: NoiseStats, seed: int, ids: Sequence[str], condition: str
) -> Edit:
    """The edit that silences one source: every site of that source gets noise, every position its own draw.

    Args:
        sites: all sites of the family; those of other sources stay as they are.
        masks: spans of the batch.
        stats: distribution of the noise at each site.
        seed: the run's seed.
        ids: sample ids of the batch.
        condition: the condition, a key of `SILENCED`.
    """
    silenced = [site for site in sites if site.source == SILENCED[condition]]
    generators = [sample_generator(seed, sample_id, condition) for sample_id in ids]
    noise: dict[str, Tensor] = {}
    for site in silenced:
        draws = [stats[site.name].draw(g, rows) for g, rows in zip(generators, site.rows(masks), strict=True)]
        noise[site.name] = torch.cat([torch.from_numpy(draw) for draw in draws])

    def edit(inputs: DecoderInputs) -> DecoderInputs:
        for site in silenced:
            inputs = site.write(inputs, masks, noise[site.name])
        return inputs

    return edit
