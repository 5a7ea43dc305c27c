"""Modality dropout: in a share of the records, noise with the statistics of the embeddings replaces one span.

A model trained this way gives calibrated answers when asked with one source, as the unimodal conditions of the
decomposition require. Embeddings move during training, so the statistics are running averages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from pid_lvlm.extract.training.two_stage.noise import SpanStatistics
from pid_lvlm.extract.training.two_stage.records.dropped import DROP_PICTURE, DROP_TEXT

FILE: Final = "noise.pt"
DROPPED: Final = (DROP_PICTURE, DROP_TEXT)


class ModalityDropout:
    """Replaces spans in the inputs of a decoder during training.

    Args:
        decoder: the text decoder, which is called with `inputs_embeds`.
        width: width of an embedding.
        seed: seed of the noise.
        sources: number of record sources, each with its own statistics.
    """

    def __init__(self, decoder: nn.Module, width: int, seed: int, sources: int = 1) -> None:
        self.seed, self.width = seed, width
        self.statistics = {span: SpanStatistics(sources, width) for span in DROPPED}
        self._batch: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
        self._handle = decoder.register_forward_pre_hook(self._replace, with_kwargs=True)

    def announce(self, spans: Tensor, dropped: Tensor, places: Tensor, sources: Tensor) -> None:
        """Prepare for the next forward pass.

        Args:
            spans: span of every token, shape (batch, tokens).
            dropped: the span of each record to replace, shape (batch,).
            places: position of each record in the training, shape (batch,), which determines its noise.
            sources: source of each record, shape (batch,).
        """
        self._batch = (spans, dropped, places, sources)

    def remove(self) -> None:
        """Restore the decoder."""
        self._handle.remove()

    def _replace(self, _: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        embeddings = kwargs.get("inputs_embeds")
        if self._batch is None or embeddings is None:
            return None
        (spans, dropped, places, sources), self._batch = self._batch, None
        pictured = (spans == DROP_PICTURE).any(1)
        for span in DROPPED:
            statistics = self.statistics[span]
            statistics.to(embeddings.device)
            mask = (spans == span) & pictured[:, None]
            if torch.is_grad_enabled():
                statistics.update(embeddings.detach().float(), mask, sources)
            replaced = mask & (dropped == span)[:, None]
            drawn = self._drawn(replaced, places, span).to(embeddings.device)
            embeddings = statistics.replace(embeddings, replaced, sources, drawn)
        return args, {**kwargs, "inputs_embeds": embeddings}

    def _drawn(self, replaced: Tensor, places: Tensor, span: int) -> Tensor:
        """Standard normal numbers for all replaced positions in order; those of a record depend only on its place."""
        rows = [torch.empty(0, self.width)]
        for count, place in zip(replaced.sum(1).tolist(), places.tolist(), strict=True):
            if count:
                generator = torch.Generator().manual_seed(_seed(self.seed, place, span))
                rows.append(torch.randn(count, self.width, generator=generator))
        return torch.cat(rows)

    def save(self, folder: Path) -> None:
        """Save the statistics with a state from which a training can continue."""
        torch.save(
            {span: (one.mean.cpu(), one.square.cpu(), one.seen.cpu()) for span, one in self.statistics.items()},
            folder / FILE,
        )

    def load(self, folder: Path) -> None:
        """Restore saved statistics."""
        for span, (mean, square, seen) in torch.load(folder / FILE, weights_only=True).items():
            one = self.statistics[span]
            one.mean, one.square, one.seen = mean, square, seen


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
