"""The result table: one row per problem, and the single definition of its columns for the two steps that share it.

Every information column is in bits. `kind` is one of `text`, `int`, `float`, `list` (of integers).
"""

import math
from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.bounds import FIT_SEED, LAYERS, OPTIONS, RESULT_TEXT, SAMPLES, TEXT_FILE
from pid_lvlm.data.names import ABLATIONS, ATOMS, CONDITIONS, NOISE, POOLINGS

RESULT_SCHEMA_VERSION: Final = 5

SUCCESSFUL: Final = "successful"
JOINT_KNOWS_LESS: Final = "joint_knows_less"
WIDE_INTERVAL: Final = "wide_interval"
RESULTS: Final = (
    SUCCESSFUL,
    "sinkhorn_unconverged",
    "nonfinite_loss",
    "invalid_run",
    WIDE_INTERVAL,
    JOINT_KNOWS_LESS,
    "marginals_unreachable",
)
"""Values of the column `result`."""

USABLE: Final = (SUCCESSFUL, WIDE_INTERVAL, JOINT_KNOWS_LESS)
"""Results of usable rows: a certified interval that is wider than requested is still valid, and if the joint
conditionals hold less information than the sources, every atom except synergy is unaffected."""

INTERVALS: Final = ("seeds", "items", "items-uncorrected")
"""What an interval can cover: the seeds of the fits, or the sampling of the items (with or without correction of the
bias due to a finite number of items)."""

MARGINALS: Final = ("tilt", "rescale", "as-given")
STRATA: Final = ("none", "options")

CROSSED: Final = "crossed"
"""The ablation of crossed pairs, which replaces nothing: each picture is paired with the questions of several items."""

PROBES: Final = (*ABLATIONS, CROSSED)
"""Values of the column `ablation`, in the order of tables and figures."""

BATCH: Final = "batch"
EXACT: Final = "exact"

TERM_BITS: Final = 150
"""An information term is a mean of log-ratios of probabilities, and float32 has no values between 0 and 2^-149."""
ATOM_BITS: Final = 2 * TERM_BITS
"""An atom is a sum of at most three terms. Values between log2(K) and this can come from estimation error and from
probabilities whose marginals do not match, however unlikely; a value beyond it means damage."""

ROUNDING: Final = 1e-6
"""How far a float may exceed its range: shares are quotients."""


@dataclass(frozen=True)
class Range:
    """The valid values of a column.

    Attributes:
        least: the smallest number, for a list the smallest entry.
        most: the largest number or entry; for a text, its maximum number of characters.
        most_of: a column whose value in the same row is the maximum.
        choices: the only valid texts.
        is_json: whether a text is a JSON object.
    """

    least: float = -math.inf
    most: float = math.inf
    most_of: str = ""
    choices: tuple[str, ...] = ()
    is_json: bool = False

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(f"`{name}`" for name in self.choices)
        if self.is_json:
            return "a JSON object"
        if self.most_of:
            return f"{self.least:g} to `{self.most_of}`"
        if math.isinf(self.least):
            return f"at most {self.most:g} characters"
        return f"{self.least:.12g} to {self.most:.12g}"


SHARE: Final = Range(0, 1)
ROWS: Final = Range(0, SAMPLES.most)
NAME: Final = Range(most=RESULT_TEXT.most)
JSON: Final = Range(most=2 * TEXT_FILE.most, is_json=True)
TERM: Final = Range(-TERM_BITS, TERM_BITS)
ATOM: Final = Range(-ATOM_BITS, ATOM_BITS)
INTERVAL: Final = Range(-1e4, 1e4)
"""Student's factor for two seeds is 12.7, so an interval can be wider than the range of its values."""
LOSS: Final = Range(-1e6, 1e6)


@dataclass(frozen=True)
class Column:
    """One column: name, kind, unit and meaning; `nullable` columns may be empty if nothing is known.

    `since` is the schema version that introduced it. Later columns are nullable: older tables are read with them empty.
    `formerly` lists its names in older versions; `older` is its value in rows of older tables. A table with a value
    outside `values` is rejected when it is read.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    values: Range
    nullable: bool = False
    since: int = 1
    formerly: tuple[str, ...] = ()
    older: str | None = None


def _identifiers() -> tuple[Column, ...]:
    return (
        Column(
            "problem_id",
            "text",
            "-",
            "hash of the run's name, its arrays, the layer and every setting of the estimate",
            NAME,
        ),
        Column("run", "text", "-", "name of the run folder", NAME),
        Column("model", "text", "-", "model or checkpoint", NAME),
        Column("family", "text", "-", "model family", NAME),
        Column("size_b", "float", "1e9 parameters", "size of the model", Range(0, 1e9), nullable=True),
        Column("dataset", "text", "-", "benchmark", NAME),
        Column(
            "layer",
            "int",
            "-",
            "decoder block, 1 to num_layers; num_layers is the model's output",
            Range(0, most_of="num_layers"),
        ),
        Column("num_layers", "int", "-", "decoder blocks of the model", Range(0, LAYERS.most)),
        Column("stage", "text", "-", "training stage of a checkpoint", NAME, nullable=True),
        Column("step", "int", "steps", "training step of a checkpoint", Range(0, 10**18), nullable=True),
    )


def _settings() -> tuple[Column, ...]:
    return (
        Column("preset", "text", "-", "preset that the settings started from", NAME),
        Column("estimator", "text", "-", "how the coupling was found", NAME),
        Column(
            "tau", "float", "probability", "minimum total option probability; below it a row counts as uniform", SHARE
        ),
        Column(
            "ablation",
            "text",
            "-",
            "what replaced an ablated source; `crossed` if nothing did and pictures and questions were crossed",
            Range(choices=PROBES),
            nullable=True,
            since=5,
            older=NOISE,
        ),
        Column(
            "pairs",
            "int",
            "questions",
            "questions per picture (M) of crossed pairs",
            Range(1, SAMPLES.most),
            nullable=True,
            since=5,
        ),
        Column("pooling", "text", "-", "how spans became features", Range(choices=POOLINGS), nullable=True),
        Column("seeds", "list", "-", "seeds that were averaged", Range(0, FIT_SEED.most), nullable=True),
        Column("num_train", "int", "samples", "rows that trained the coupling", ROWS, formerly=("n_train",)),
        Column("num_test", "int", "samples", "rows that the atoms are measured on", ROWS, formerly=("n_test",)),
        Column("num_options", "int", "options", "largest number of options of an item (K)", Range(2, OPTIONS.most)),
        Column("recipe", "text", "-", "every estimator setting as JSON", JSON),
        Column(
            "interval",
            "text",
            "-",
            "what the 95 % interval of each atom covers",
            Range(choices=INTERVALS),
            nullable=True,
            since=4,
        ),
        Column(
            "marginals",
            "text",
            "-",
            "how the sources were brought to one P(Y)",
            Range(choices=MARGINALS),
            nullable=True,
            since=4,
        ),
        Column(
            "strata",
            "text",
            "-",
            "whether the atoms are conditional on the number of options",
            Range(choices=STRATA),
            nullable=True,
            since=4,
        ),
    )


_EXACT_PARTS: Final = {
    "certified_low": "the optimum for these items is not below this",
    "certified_high": "the optimum for these items is not above this",
    "corrected": "estimate for infinitely many items, the middle of the interval over items",
}


def _atoms() -> tuple[Column, ...]:
    columns: list[Column] = []
    for atom in ATOMS:
        columns += [
            Column(atom, "float", "bits", f"{atom}, mean over seeds, clipped at 0", Range(0, ATOM_BITS)),
            Column(f"{atom}_raw", "float", "bits", f"{atom} before clipping; a small negative value is error", ATOM),
            Column(
                f"{atom}_low",
                "float",
                "bits",
                f"{atom}: lower end of the 95 % interval that `interval` names",
                INTERVAL,
                nullable=True,
            ),
            Column(
                f"{atom}_high",
                "float",
                "bits",
                f"{atom}: upper end of the 95 % interval that `interval` names",
                INTERVAL,
                nullable=True,
            ),
            Column(
                f"{atom}_sd",
                "float",
                "bits",
                f"{atom}: standard deviation over seeds",
                Range(0, ATOM_BITS),
                nullable=True,
            ),
            Column(f"{atom}_share", "float", "1", f"{atom} over the sum of the four (cut) atoms", SHARE, nullable=True),
            Column(
                f"true_{atom}",
                "float",
                "bits",
                f"ground truth of {atom}, where it is known",
                Range(-1000, 1000),
                nullable=True,
                formerly=(f"planted_{atom}",),
            ),
            *(
                Column(f"{atom}_{name}", "float", "bits", f"{atom}: {meaning}", ATOM, nullable=True, since=4)
                for name, meaning in _EXACT_PARTS.items()
            ),
        ]
    return tuple(columns)


SHAPLEY_COLUMNS: Final = {
    "shapley_vision": "Shapley value of the picture for predicting the model's answers",
    "shapley_language": "Shapley value of the question for the same",
    "dividend": "what both sources add jointly: Harsanyi dividend of the pair",
}
"""Columns of the cooperative game between the two sources (`pid_jax.problems.game`)."""


def _terms() -> tuple[Column, ...]:
    return (
        Column("i_vision", "float", "bits", "I(X1;Y)", TERM),
        Column("i_language", "float", "bits", "I(X2;Y)", TERM),
        Column("i_joint", "float", "bits", "I(X1,X2;Y)", TERM),
        Column("i_coupling", "float", "bits", "information of the coupling, I_q", ATOM),
        Column(
            "redundancy_mmi",
            "float",
            "bits",
            "redundancy by another definition, min(I1, I2)",
            TERM,
            nullable=True,
            since=4,
        ),
        Column(
            "redundancy_imin",
            "float",
            "bits",
            "redundancy by another definition, I_min of Williams and Beer",
            TERM,
            nullable=True,
            since=4,
        ),
        Column("coinformation", "float", "bits", "I(X1;X2;Y) = redundancy_raw - synergy_raw", ATOM),
        *(
            Column(name, "float", "bits", meaning, TERM, nullable=True, since=5)
            for name, meaning in SHAPLEY_COLUMNS.items()
        ),
        Column("accuracy", "float", "1", "share of items with the correct best option", SHARE, nullable=True),
        Column(
            "accuracy_circular",
            "float",
            "1",
            "share of questions with a correct best option in every rotation of their options",
            SHARE,
            nullable=True,
            since=2,
        ),
        Column(
            "accuracy_no_image",
            "float",
            "1",
            "`accuracy` without the image",
            SHARE,
            nullable=True,
            formerly=("accuracy_noimage",),
        ),
        Column("d_vision", "float", "1", "accuracy - accuracy_no_image", Range(-1, 1), nullable=True),
        Column(
            "accuracy_strict",
            "float",
            "1",
            "share of items with the correct letter as first greedy token",
            SHARE,
            nullable=True,
        ),
        Column(
            "accuracy_strict_no_image",
            "float",
            "1",
            "`accuracy_strict` without the image",
            SHARE,
            nullable=True,
            formerly=("accuracy_strict_noimage",),
        ),
    )


def _diagnostics() -> tuple[Column, ...]:
    return (
        *(
            Column(
                f"uniform_{condition}",
                "float",
                "1",
                f"share of rows that fell back to uniform under {condition}",
                SHARE,
            )
            for condition in CONDITIONS[:3]
        ),
        Column(
            "marginal_mismatch", "float", "1", "largest total variation between the P(Y) of the three conditions", SHARE
        ),
        Column(
            "sinkhorn_error",
            "float",
            "1",
            "largest L1 error of a coupling's marginal of mass 1",
            Range(0, 1e6),
            nullable=True,
        ),
        Column("loss_first", "float", "nats", "training loss, first step, mean over seeds", LOSS, nullable=True),
        Column("loss_last", "float", "nats", "training loss, last step, mean over seeds", LOSS, nullable=True),
        Column("gap", "float", "bits", "width of the certified interval on I_q", ATOM, nullable=True),
        Column(
            "excess",
            "float",
            "bits",
            "BATCH's I_q minus the optimum for the same test batches, mean over batches and seeds",
            ATOM,
            nullable=True,
            since=4,
        ),
        Column(
            "marginals_spread",
            "float",
            "bits",
            "largest range of an atom over the ways to bring the sources to one P(Y)",
            Range(0, ATOM_BITS),
            nullable=True,
            since=4,
        ),
        Column("result", "text", "-", "`successful`, or what went wrong", Range(choices=RESULTS)),
        Column("schema_version", "int", "-", "version of this table", Range(1, RESULT_SCHEMA_VERSION)),
        Column("versions", "text", "-", "versions of the libraries of both steps, as JSON", JSON),
        Column("device", "text", "-", "what the estimate ran on", NAME),
        Column("seconds", "float", "s", "time of this problem: its share of its chunk's time", Range(0, 1e10)),
    )


COLUMNS: Final[tuple[Column, ...]] = (*_identifiers(), *_settings(), *_atoms(), *_terms(), *_diagnostics())
