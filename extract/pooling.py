"""From a span of token embeddings to one vector per sample."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from data.names import POOLINGS


def pool(vectors: Tensor, rows: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    """Mean, max and last of each sample's vectors.

    Args:
        vectors: (total, width), all rows of the first sample first; upcast to float32 before pooling.
        rows: vectors of each sample, each at least 1.

    Returns:
        Pooling name -> (samples, width) float32. Every sample is pooled on its own, so that its numbers do
        not depend on the batch.
    """
    parts = vectors.float().cpu().split(list(rows))
    pooled = {
        "mean": [part.mean(dim=0) for part in parts],
        "max": [part.amax(dim=0) for part in parts],
        "last": [part[-1] for part in parts],
    }
    return {name: np.stack([vector.numpy() for vector in pooled[name]]) for name in POOLINGS}
