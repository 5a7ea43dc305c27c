"""Running statistics of the embeddings of a span, and noise with these statistics.

Every replaced position draws from N(mean, diag variance) over the embeddings of its span across the source's records.
Embeddings move during training, so the statistics are running averages.
"""

from __future__ import annotations

import torch
from torch import Tensor


class SpanStatistics:
    """Running mean and second moment per source and dimension, over all positions of one span.

    Attributes:
        mean: Shape (sources, dimensions).
        square: Mean of the squares, same shape.
        seen: Which sources have statistics, shape (sources,).
    """

    def __init__(self, sources: int, dimensions: int, momentum: float = 0.9) -> None:
        self.momentum = momentum
        self.mean = torch.zeros(sources, dimensions)
        self.square = torch.ones(sources, dimensions)
        self.seen = torch.zeros(sources, dtype=torch.bool)

    def to(self, device: torch.device) -> None:
        """Move the statistics to a device."""
        self.mean, self.square, self.seen = (one.to(device) for one in (self.mean, self.square, self.seen))

    @torch.no_grad()
    def update(self, embeddings: Tensor, mask: Tensor, source: Tensor) -> None:
        """Update the statistics with one batch.

        Args:
            embeddings: Shape (batch, positions, dimensions), before any noise.
            mask: Positions of the span, shape (batch, positions).
            source: Source of each record, shape (batch,).
        """
        for one in source.unique():
            values = embeddings[(source == one)][mask[source == one]]
            if not len(values):
                continue
            keep = self.momentum if self.seen[one] else 0.0
            self.mean[one] = keep * self.mean[one] + (1 - keep) * values.mean(0)
            self.square[one] = keep * self.square[one] + (1 - keep) * values.square().mean(0)
            self.seen[one] = True

    def replace(self, embeddings: Tensor, mask: Tensor, source: Tensor, drawn: Tensor) -> Tensor:
        """Replace the masked positions by noise.

        Args:
            embeddings: Shape (batch, positions, dimensions).
            mask: Positions to replace, shape (batch, positions).
            source: Source of each record, shape (batch,).
            drawn: Standard normal numbers, shape (replaced positions, dimensions), in the order of `mask.nonzero()`.

        Returns:
            New embeddings of the same shape.
        """
        rows, columns = mask.nonzero(as_tuple=True)
        of = source[rows]
        spread = (self.square[of] - self.mean[of].square()).clamp_min(0).sqrt()
        noise = self.mean[of] + spread * drawn
        return embeddings.index_put((rows, columns), noise.to(embeddings.dtype))
