"""The two-player game of the sources: how much each adds to predicting the model's answers, exactly.

The value of a set of sources S is, in bits, how well the answers under S predict those with both sources,

    v(S) = mean over items of Σ_y p(y|x1,x2) log2 p_S(y),

where p_S is p(y|x1,x2), p(y|x1), p(y|x2), or the answer with both sources replaced. Then

    Shapley value of source 1 = (v(1) - v(0) + v(12) - v(2)) / 2        (source 2 alike)
    Harsanyi dividend         = v(12) - v(1) - v(2) + v(0).

The Shapley values add up to v(12) - v(0). The dividend is positive if both together add more than the sum of each
alone; it is neither synergy nor negative redundancy, but their balance under this value.
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float

FLOOR: Final = 1e-8
"""Floor for the probability of an option that a set of sources rules out, or one item could dominate a mean of
logarithms."""


class Game(NamedTuple):
    """Shapley values and dividend, bits."""

    shapley_vision: float
    shapley_language: float
    dividend: float


def play(
    p_y_x1: Float[np.ndarray, "n k"],
    p_y_x2: Float[np.ndarray, "n k"],
    p_y_x1x2: Float[np.ndarray, "n k"],
    p_y: Float[np.ndarray, "n k"],
) -> Game:
    """Values of the two sources.

    Args:
        p_y_x1: answers with the picture alone.
        p_y_x2: with the question alone.
        p_y_x1x2: with both.
        p_y: with neither.

    Example:
        >>> import numpy as np
        >>> sure, open_ = np.eye(2), np.full((2, 2), 0.5)
        >>> play(open_, open_, sure, open_)  # only the pair knows: each source is worth half a bit
        Game(shapley_vision=0.5, shapley_language=0.5, dividend=1.0)
    """
    both = np.asarray(p_y_x1x2, np.float64)
    v1, v2, v12, v0 = (
        float((both * np.log2(np.maximum(p, FLOOR))).sum(1).mean()) for p in (p_y_x1, p_y_x2, p_y_x1x2, p_y)
    )
    return Game((v1 - v0 + v12 - v2) / 2, (v2 - v0 + v12 - v1) / 2, v12 - v1 - v2 + v0)
