"""The numbers printed in the paper, as frames. They are stored in `published/`, one CSV file per table.

The paper: L. Xiu, X. Luo, H. Nakayama. A Comprehensive Information-Decomposition Analysis of Large Vision-Language
Models. ICLR 2026. arXiv:2603.29676. Numbers are copied from its text. Content that exists only as a figure is absent.
In particular, no spectrum and no accuracy of a single model is printed, except S and U2 of four models (Tables 4 and
5).

Every frame has the column `exhibit`, where the number is printed: `T1` to `T6` are tables, `TXT` is the running text,
or a figure. Models, datasets and families have the paper's names; atoms and terms have the column names of the result
table (`synergy` is S, `unique_language` is U2).
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

CITATION: Final = (
    "L. Xiu, X. Luo, H. Nakayama. A Comprehensive Information-Decomposition Analysis of Large Vision-Language Models. "
    "ICLR 2026. arXiv:2603.29676"
)

NUM_MODELS: Final = 26
"""Number of models in the paper."""

_FOLDER: Final = Path(__file__).parent / "published"

_TEXT: Final = pl.String()
_NUMBER: Final = pl.Float64()
_COUNT: Final = pl.Int64()
_FLAG: Final = pl.Boolean()


def exhibits() -> pl.DataFrame:
    """What the paper contains, and which parts are available as numbers.

    Returns:
        `exhibit`; `content`; `state`: `complete`, `partial` or `absent` (a figure only); `table`: the function of this
        module that returns it; `unit` of its numbers; `note`: what is unstated or wrong.
    """
    return _read("exhibits", dict.fromkeys(("exhibit", "content", "state", "table", "unit", "note"), _TEXT))


def datasets() -> pl.DataFrame:
    """The four datasets and the paper's random 3:1 split, which only the estimator uses (Table 1).

    Returns:
        `exhibit`, `dataset`, `part` (which part of it), `benchmark` (its name for `pid-extract`), `also` (other names
        of it, between `|`), `task`, `options` (how many), `train` and `test` (items), `regime`.
    """
    texts = ("exhibit", "dataset", "part", "benchmark", "also", "task", "options")
    return _read("datasets", {**dict.fromkeys(texts, _TEXT), "train": _COUNT, "test": _COUNT, "regime": _TEXT})


def models() -> pl.DataFrame:
    """The 26 models, as far as they can be identified, and candidates for the others.

    Returns:
        `model`, `family`, `size_b` (1e9 parameters); `hub_id` of the weights; `also` (other names, between `|`);
        `named`: in the paper's `text`, only in its `code`, or a `candidate`, of which three are among the 26;
        `layer_study`: whether it is in the layer-wise study; `model_type` and `read_from`: where `pid-extract` reads
        the same weights from (empty: your own conversion, or nowhere).
    """
    texts = dict.fromkeys(("hub_id", "also", "named"), _TEXT)
    last = {"layer_study": _FLAG, "model_type": _TEXT, "read_from": _TEXT}
    return _read("models", {"model": _TEXT, "family": _TEXT, "size_b": _NUMBER, **texts, **last})


def families() -> pl.DataFrame:
    """The eleven families.

    Returns:
        `family`; `strategy`, if the paper names the family as an example of it, or `outlier`; `named_in`: where;
        `backbone`: the language model, from model cards, not from the paper.
    """
    return _read("families", dict.fromkeys(("family", "strategy", "named_in", "backbone"), _TEXT))


def correlations() -> pl.DataFrame:
    """Spearman's correlations over 26 models (Table 2; D_vision in the text).

    Returns:
        `exhibit`, `dataset`, `outcome` (`accuracy`, or `d_vision`, the accuracy drop without the image), `column` and
        its symbol `quantity`, `rho`, `p` (two-sided), `p_below` (whether `p` is printed as a bound), `num_models`.
    """
    texts = dict.fromkeys(("exhibit", "dataset", "outcome", "column", "quantity"), _TEXT)
    return _read("correlations", {**texts, "rho": _NUMBER, "p": _NUMBER, "p_below": _FLAG, "num_models": _COUNT})


def scaling() -> pl.DataFrame:
    """Changes from one size of a family to the next on MMBench and POPE (Table 3).

    Returns:
        `exhibit`, `family`, `step`, `from_size`, `to_size` (1e9 parameters), `delta_accuracy`, and `delta_synergy` and
        `delta_unique_language` of the shares, in %; the paper does not say whether these are percentage points.
    """
    texts = dict.fromkeys(("exhibit", "family", "step"), _TEXT)
    numbers = ("from_size", "to_size", "delta_accuracy", "delta_synergy", "delta_unique_language")
    return _read("scaling", texts | dict.fromkeys(numbers, _NUMBER))


def ablations() -> pl.DataFrame:
    """S on MMBench and U2 on PMC-VQA of four models over pooling and τ (Tables 4 and 5).

    Returns:
        `exhibit`, `dataset`, `model`, `column`, `pooling`, `tau`, `value` in bits. Mean pooling with τ = 0.3 is the
        default, which each table prints twice.
    """
    texts = dict.fromkeys(("exhibit", "dataset", "model", "column", "pooling"), _TEXT)
    return _read("ablations", texts | {"tau": _NUMBER, "value": _NUMBER})


def single_values() -> pl.DataFrame:
    """Single values in figures and captions.

    Returns:
        `exhibit`, `dataset`, `model`, `column`, `value` in bits, `of` (what it is of).
    """
    return _read(
        "single_values",
        dict.fromkeys(("exhibit", "dataset", "model", "column"), _TEXT) | {"value": _NUMBER, "of": _TEXT},
    )


def estimator() -> pl.DataFrame:
    """Settings of the estimator (Table 6).

    Returns:
        `exhibit`, `setting` (its name in `pid-estimate`), `value` as text, `printed` (the paper's wording).
    """
    return _read("estimator", dict.fromkeys(("exhibit", "setting", "value", "printed"), _TEXT))


def _read(table: str, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return _cached(table, tuple(schema.items())).clone()


@functools.cache
def _cached(table: str, schema: tuple[tuple[str, pl.DataType], ...]) -> pl.DataFrame:
    return pl.read_csv(_FOLDER / f"{table}.csv", schema=dict(schema))
