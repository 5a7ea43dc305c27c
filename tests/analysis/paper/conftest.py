"""Tables of models and benchmarks as the paper has them."""

import polars as pl
import pytest

from tests.analysis.conftest import FrameMaker, RowMaker

QWEN = {3: "Qwen/Qwen2.5-VL-3B-Instruct", 7: "Qwen/Qwen2.5-VL-7B-Instruct"}


@pytest.fixture
def two_sizes(make_row: RowMaker, make_frame: FrameMaker) -> pl.DataFrame:
    """Two sizes of Qwen2.5-VL on MMBench and POPE: accuracy +10 and +20 points, share of S +0.2 and +0.4."""
    atoms = {
        (3, "mmbench"): (0.0, 0.0, 0.6, 0.4),
        (7, "mmbench"): (0.0, 0.0, 0.4, 0.6),
        (3, "pope-adversarial"): (0.0, 0.0, 0.5, 0.5),
        (7, "pope-adversarial"): (0.0, 0.0, 0.1, 0.9),
    }
    accuracy = dict(zip(atoms, (0.6, 0.7, 0.5, 0.7), strict=True))
    rows = [
        make_row(
            dataset, values, model=QWEN[size], size_b=8.29 if size == 7 else 3.75, accuracy=accuracy[size, dataset]
        )
        for (size, dataset), values in atoms.items()
    ]
    return make_frame(rows)
