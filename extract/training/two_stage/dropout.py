"""Modality dropout: in a share of the records one span is replaced by noise with the statistics of its embeddings.

A model that is then asked with one source gives a calibrated answer, which the unimodal conditions of the decomposition
ask for. Embeddings move while a model trains, so that the statistics are running averages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from pid_lvlm.extract.training.two_stage.noise import SpanStatistics
from pid_lvlm.extract.training.two_stage.records.stage_data import DROP_PICTURE, DROP_TEXT

FILE: Final = "noise.pt"
DROPPED: Final = (DROP_PICTURE, DROP_TEXT)


class ModalityDropout:
    """Replaces spans among the inputs of a decoder while a model trains.

    Args:
        decoder: the text decoder, which is called with `inputs_embeds`.
        width: numbers of an embedding.
        seed: seed of the noise.
        sources: sources of records, each of which has statistics of its own.
    """

    def __init__(self, decoder: nn.Module, width: int, seed: int, sources: int = 1) -> None:
        self.seed, self.width = seed, width
        self.statistics = {span: SpanStatistics(sources, width) for span in DROPPED}
        self._batch: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
        self._handle = decoder.register_forward_pre_hook(self._replace, with_kwargs=True)

    def announce(self, spans: Tensor, dropped: Tensor, places: Tensor, sources: Tensor) -> None:
        """Say what the next forward pass is about.

        Args:
            spans: span of every token, shape (batch, tokens).
            dropped: span of each record that is replaced, shape (batch,).
            places: place of each record in the training, shape (batch,), by which noise is drawn.
            sources: source of each record, shape (batch,).
        """
        self._batch = (spans, dropped, places, sources)

    def remove(self) -> None:
        """Leave the decoder as it was."""
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
        """Standard normal numbers of all replaced positions in order; those of a record depend on its place only."""
        rows = [torch.empty(0, self.width)]
        for count, place in zip(replaced.sum(1).tolist(), places.tolist(), strict=True):
            if count:
                generator = torch.Generator().manual_seed(_seed(self.seed, place, span))
                rows.append(torch.randn(count, self.width, generator=generator))
        return torch.cat(rows)

    def save(self, folder: Path) -> None:
        """Keep the statistics beside a state that a training continues from."""
        torch.save(
            {span: (one.mean.cpu(), one.square.cpu(), one.seen.cpu()) for span, one in self.statistics.items()},
            folder / FILE,
        )

    def load(self, folder: Path) -> None:
        """Go on with kept statistics."""
        for span, (mean, square, seen) in torch.load(folder / FILE, weights_only=True).items():
            one = self.statistics[span]
            one.mean, one.square, one.seen = mean, square, seen


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
