"""Replace one modality by noise while training, with the statistics that the extraction will use.

Every replaced position draws from N(mean, diag variance) over the embeddings of its span across the task's samples.
Embeddings move while a model trains, so the statistics are running averages.
"""

from __future__ import annotations

import torch
from torch import Tensor


class SpanStatistics:
    """Running mean and second moment per task and dimension, over all positions of one span.

    Attributes:
        mean: Shape (tasks, dimensions).
        square: Mean of the squares, same shape.
    """

    def __init__(self, sources: int, dimensions: int, momentum: float = 0.9) -> None:
        self.momentum = momentum
        self.mean = torch.zeros(sources, dimensions)
        self.square = torch.ones(sources, dimensions)
        self.seen = torch.zeros(sources, dtype=torch.bool)

    @torch.no_grad()
    def update(self, embeddings: Tensor, mask: Tensor, source: Tensor) -> None:
        """Take in one batch.

        Args:
            embeddings: Shape (batch, positions, dimensions), before any noise.
            mask: Positions of the span, shape (batch, positions).
            source: Task of each sample, shape (batch,).
        """
        for task in source.unique():
            values = embeddings[(source == task)][mask[source == task]]
            if not len(values):
                continue
            keep = self.momentum if self.seen[task] else 0.0
            self.mean[task] = keep * self.mean[task] + (1 - keep) * values.mean(0)
            self.square[task] = keep * self.square[task] + (1 - keep) * values.square().mean(0)
            self.seen[task] = True

    def replace(self, embeddings: Tensor, mask: Tensor, source: Tensor, generator: torch.Generator) -> Tensor:
        """Put noise at the masked positions.

        Args:
            embeddings: Shape (batch, positions, dimensions).
            mask: Positions to replace, shape (batch, positions).
            source: Task of each sample, shape (batch,).
            generator: Source of the noise.

        Returns:
            New embeddings of the same shape.
        """
        rows, columns = mask.nonzero(as_tuple=True)
        task = source[rows]
        spread = (self.square[task] - self.mean[task].square()).clamp_min(0).sqrt()
        noise = self.mean[task] + spread * torch.randn(spread.shape, generator=generator)
        return embeddings.index_put((rows, columns), noise.to(embeddings.dtype))
