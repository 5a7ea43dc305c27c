"""The arrays of a shard, as a table: the single definition for writer, reader, validator and documentation.

Axes: `n` samples of the shard, `c` conditions, `l` recorded layers, `k` options, `m` questions of a picture, `d1` and
`d2` feature widths.
"""

from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.names import CROSSED_ARRAYS, POOLINGS, feature_key


@dataclass(frozen=True)
class ArraySpec:
    """One array: name, kind of its dtype (`U` text, `i` integer, `f` float32), axes, unit and meaning."""

    name: str
    kind: str
    axes: tuple[str, ...]
    unit: str
    meaning: str
    required: bool = True


def _feature_specs() -> tuple[ArraySpec, ...]:
    spans = {1: ("d1", "visual span"), 2: ("d2", "language span")}
    return tuple(
        ArraySpec(
            feature_key(source, pooling),
            "f",
            ("n", axis),
            "embedding",
            f"source {source}: {pooling} over the {span}'s input embeddings",
            required=pooling == POOLINGS[0],
        )
        for source, (axis, span) in spans.items()
        for pooling in POOLINGS
    )


ARRAYS: Final[tuple[ArraySpec, ...]] = (
    ArraySpec("sample_id", "U", ("n",), "-", "unique in the dataset, the same for every model"),
    ArraySpec("group_id", "U", ("n",), "-", "rows of one group (usually one image) are never divided by a split"),
    ArraySpec("num_options", "i", ("n",), "-", "options of this item, at least 2"),
    ArraySpec("label", "i", ("n",), "-", "index of the correct option, -1 if unknown; used for accuracy only"),
    ArraySpec(
        "loglik",
        "f",
        ("n", "c", "l", "k"),
        "nats",
        "mean token log-likelihood of each option under the full vocabulary; -inf for options that the item lacks",
    ),
    *_feature_specs(),
    ArraySpec("letters", "U", ("n",), "-", "letters of the options in order, such as ABCD or ABD", required=False),
    ArraySpec(
        "rotation_of",
        "U",
        ("n",),
        "-",
        "question of the item, for benchmarks that repeat a question with reordered options",
        required=False,
    ),
    ArraySpec("rotations", "i", ("n",), "rows", "number of rows of this question in the benchmark", required=False),
    ArraySpec("first_token", "i", ("n", "c"), "token id", "greedy first token", required=False),
    ArraySpec("first_token_text", "U", ("n", "c"), "-", "greedy first token, decoded", required=False),
    ArraySpec("x1_tokens", "i", ("n",), "tokens", "length of the visual span", required=False),
    ArraySpec("x2_tokens", "i", ("n",), "tokens", "length of the language span", required=False),
    ArraySpec(
        CROSSED_ARRAYS[0],
        "i",
        ("n", "m"),
        "sample",
        "index of the item whose question is asked about this picture; column 0 is the item itself",
        required=False,
    ),
    ArraySpec(
        CROSSED_ARRAYS[1],
        "f",
        ("n", "m", "l", "k"),
        "nats",
        "log-likelihoods of these pairs, as in `loglik` under `both`; -inf for options that the question lacks",
        required=False,
    ),
)

ARRAY_BY_NAME: Final = {spec.name: spec for spec in ARRAYS}

KIND_NAMES: Final = {"U": "unicode text", "i": "integers", "f": "float32"}
