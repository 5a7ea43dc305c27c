"""The result table: one row per problem, one definition of its columns for the two steps that share it.

Every information column is in bits. `kind` is one of `text`, `int`, `float`, `list` (of integers).
"""

from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.names import ATOMS, CONDITIONS

RESULT_SCHEMA_VERSION: Final = 3


@dataclass(frozen=True)
class Column:
    """One column: name, kind, unit and meaning; `nullable` columns may be empty where nothing is known.

    `since` is the schema version that it came with. Later ones are nullable: older tables are read with them empty.
    `formerly` are its names in older versions.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    nullable: bool = False
    since: int = 1
    formerly: tuple[str, ...] = ()


def _identifiers() -> tuple[Column, ...]:
    return (
        Column(
            "problem_id", "text", "-", "hash of the run's name, its arrays, the layer and every setting of the estimate"
        ),
        Column("run", "text", "-", "name of the run folder"),
        Column("model", "text", "-", "model or checkpoint"),
        Column("family", "text", "-", "model family"),
        Column("size_b", "float", "1e9 parameters", "size of the model", nullable=True),
        Column("dataset", "text", "-", "benchmark"),
        Column("layer", "int", "-", "decoder block, 1 to num_layers; num_layers is the model's output"),
        Column("num_layers", "int", "-", "decoder blocks of the model"),
        Column("stage", "text", "-", "training stage of a checkpoint", nullable=True),
        Column("step", "int", "steps", "training step of a checkpoint", nullable=True),
    )


def _settings() -> tuple[Column, ...]:
    return (
        Column("preset", "text", "-", "preset that the settings started from"),
        Column("estimator", "text", "-", "how the coupling was found"),
        Column("tau", "float", "probability", "least total option probability before a row counts as uniform"),
        Column("pooling", "text", "-", "how spans became features"),
        Column("seeds", "list", "-", "seeds that were averaged"),
        Column("num_train", "int", "samples", "rows that trained the coupling", formerly=("n_train",)),
        Column("num_test", "int", "samples", "rows that the atoms are measured on", formerly=("n_test",)),
        Column("num_options", "int", "options", "largest number of options of an item (K)"),
        Column("recipe", "text", "-", "every estimator setting as JSON"),
    )


def _atoms() -> tuple[Column, ...]:
    columns: list[Column] = []
    for atom in ATOMS:
        columns += [
            Column(atom, "float", "bits", f"{atom}, mean over seeds, cut at 0"),
            Column(f"{atom}_raw", "float", "bits", f"{atom} before the cut; a small negative value is error"),
            Column(f"{atom}_low", "float", "bits", f"{atom}: lower end of the interval over seeds", nullable=True),
            Column(f"{atom}_high", "float", "bits", f"{atom}: upper end of the interval over seeds", nullable=True),
            Column(f"{atom}_sd", "float", "bits", f"{atom}: standard deviation over seeds", nullable=True),
            Column(f"{atom}_share", "float", "1", f"{atom} over the sum of the four (cut) atoms", nullable=True),
            Column(
                f"true_{atom}",
                "float",
                "bits",
                f"ground truth of {atom}, where it is known",
                nullable=True,
                formerly=(f"planted_{atom}",),
            ),
        ]
    return tuple(columns)


def _terms() -> tuple[Column, ...]:
    return (
        Column("i_vision", "float", "bits", "I(X1;Y)"),
        Column("i_language", "float", "bits", "I(X2;Y)"),
        Column("i_joint", "float", "bits", "I(X1,X2;Y)"),
        Column("i_coupling", "float", "bits", "information of the coupling, I_q"),
        Column("coinformation", "float", "bits", "I(X1;X2;Y) = redundancy_raw - synergy_raw"),
        Column("accuracy", "float", "1", "share of items with the correct best option", nullable=True),
        Column(
            "accuracy_circular",
            "float",
            "1",
            "share of questions with a correct best option in every rotation of their options",
            nullable=True,
            since=2,
        ),
        Column(
            "accuracy_no_image",
            "float",
            "1",
            "`accuracy` without the image",
            nullable=True,
            formerly=("accuracy_noimage",),
        ),
        Column("d_vision", "float", "1", "accuracy - accuracy_no_image", nullable=True),
        Column(
            "accuracy_strict",
            "float",
            "1",
            "share of items with the correct letter as first greedy token",
            nullable=True,
        ),
        Column(
            "accuracy_strict_no_image",
            "float",
            "1",
            "`accuracy_strict` without the image",
            nullable=True,
            formerly=("accuracy_strict_noimage",),
        ),
    )


def _diagnostics() -> tuple[Column, ...]:
    return (
        *(
            Column(f"uniform_{condition}", "float", "1", f"share of rows that fell back to uniform under {condition}")
            for condition in CONDITIONS[:3]
        ),
        Column("marginal_mismatch", "float", "1", "largest total variation between the P(Y) of the three conditions"),
        Column("sinkhorn_error", "float", "1", "largest L1 error of a coupling's marginal of mass 1"),
        Column("loss_first", "float", "nats", "training loss, first step, mean over seeds", nullable=True),
        Column("loss_last", "float", "nats", "training loss, last step, mean over seeds", nullable=True),
        Column("gap", "float", "bits", "certified gap of the estimate", nullable=True),
        Column("result", "text", "-", "`successful`, or what went wrong"),
        Column("schema_version", "int", "-", "version of this table"),
        Column("versions", "text", "-", "versions of the libraries of both steps, as JSON"),
        Column("device", "text", "-", "what the estimate ran on"),
        Column("seconds", "float", "s", "time of this problem: its share of its chunk's time"),
    )


COLUMNS: Final[tuple[Column, ...]] = (*_identifiers(), *_settings(), *_atoms(), *_terms(), *_diagnostics())
