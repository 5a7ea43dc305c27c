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

from pid_lvlm.extract.training.noise import SpanStatistics
from pid_lvlm.extract.training.two_stage.records.stage_data import DROP_PICTURE, DROP_TEXT

FILE: Final = "noise.pt"
SPANS: Final = (DROP_PICTURE, DROP_TEXT)


class ModalityDropout:
    """Replaces spans among the inputs of a decoder while a model trains.

    Args:
        decoder: the text decoder, which is called with `inputs_embeds`.
        width: numbers of an embedding.
        seed: seed of the noise.
    """

    def __init__(self, decoder: nn.Module, width: int, seed: int) -> None:
        self.seed = seed
        self.statistics = {span: SpanStatistics(1, width) for span in SPANS}
        self._batch: tuple[Tensor, Tensor, Tensor] | None = None
        self._handle = decoder.register_forward_pre_hook(self._replace, with_kwargs=True)

    def announce(self, spans: Tensor, dropped: Tensor, places: Tensor) -> None:
        """Say what the next forward pass is about: spans (batch, tokens), which is dropped, place in the training."""
        self._batch = (spans, dropped, places)

    def remove(self) -> None:
        """Leave the decoder as it was."""
        self._handle.remove()

    def _replace(self, _: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        embeddings = kwargs.get("inputs_embeds")
        if self._batch is None or embeddings is None:
            return None
        (spans, dropped, places), self._batch = self._batch, None
        for span in SPANS:
            statistics = self.statistics[span]
            self._to(statistics, embeddings.device)
            pictured = (spans == DROP_PICTURE).any(1)
            mask = (spans == span) & pictured[:, None]
            task = torch.zeros(len(spans), dtype=torch.long, device=embeddings.device)
            if torch.is_grad_enabled():
                statistics.update(embeddings.detach().float(), mask, task)
            for row in (dropped == span).nonzero().flatten().tolist():
                embeddings = self._with_noise(embeddings, row, mask[row], statistics, span, int(places[row]))
        return args, {**kwargs, "inputs_embeds": embeddings}

    def _with_noise(
        self, embeddings: Tensor, row: int, mask: Tensor, statistics: SpanStatistics, span: int, place: int
    ) -> Tensor:
        (columns,) = mask.nonzero(as_tuple=True)
        generator = torch.Generator().manual_seed(_seed(self.seed, place, span))
        drawn = torch.randn(len(columns), embeddings.shape[-1], generator=generator).to(embeddings.device)
        spread = (statistics.square[0] - statistics.mean[0].square()).clamp_min(0).sqrt()
        noise = (statistics.mean[0] + spread * drawn).to(embeddings.dtype)
        return embeddings.index_put((torch.full_like(columns, row), columns), noise)

    @staticmethod
    def _to(statistics: SpanStatistics, device: torch.device) -> None:
        statistics.mean = statistics.mean.to(device)
        statistics.square = statistics.square.to(device)
        statistics.seen = statistics.seen.to(device)

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
