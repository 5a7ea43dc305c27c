"""Limits of the diagnostics in the result table. pid-estimate warns about them at its end, pid-report on its page."""

from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.contract.table.results import BATCH, EXACT, JOINT_KNOWS_LESS, WIDE_INTERVAL
from pid_lvlm.data.names import ATOMS, REQUIRED_CONDITIONS

SINKHORN_ERROR: Final = 0.01
"""L1 error of a coupling's marginal (mass 1) above which the coupling counts as not converged."""

UNIFORM_SHARE: Final = 0.2
MARGINAL_MISMATCH: Final = 0.05
NEGATIVE_BITS: Final = -0.05
SPREAD_BITS: Final = 0.1
LOSS_RISE_NATS: Final = 0.01
EXCESS_BITS: Final = 0.05
MARGINALS_SPREAD_BITS: Final = 0.05


@dataclass(frozen=True)
class Limit:
    """A diagnostic and the value beyond which it matters.

    Attributes:
        diagnostic: its name.
        limit: the largest value without a warning, or the smallest if `below`.
        meaning: what a value beyond the limit means, a clause.
        advice: what to do about it, a clause.
        below: whether values below the limit matter.
        difference: the two columns whose difference is the diagnostic; by default the diagnostic is itself a column.
        output_only: whether to warn only about the output layer.
        estimator: the only estimator that the limit applies to; empty for all.
        except_result: a result that explains the value; rows with it are exempt.
    """

    diagnostic: str
    limit: float
    meaning: str
    advice: str
    below: bool = False
    difference: tuple[str, str] | None = None
    output_only: bool = False
    estimator: str = ""
    except_result: str = ""


@dataclass(frozen=True)
class ResultWarning:
    """A result whose rows are usable, with care.

    Attributes:
        result: what the column `result` says.
        meaning: what it means, a clause.
        advice: what to do about it, a clause.
    """

    result: str
    meaning: str
    advice: str


LIMITS: Final = (
    *(
        Limit(
            f"uniform_{condition}",
            UNIFORM_SHARE,
            f"under {condition} more than {UNIFORM_SHARE:.0%} of the rows fell back to uniform probabilities, "
            "because the model gave the option letters less than tau",
            "look at the prompts with pid-extract --preview",
            output_only=True,  # earlier layers often do not answer with an option letter yet
        )
        for condition in REQUIRED_CONDITIONS
    ),
    Limit(
        "marginal_mismatch",
        MARGINAL_MISMATCH,
        f"P(Y) differs between the conditions by more than {MARGINAL_MISMATCH:g}, so that no coupling matches both "
        "sources and the atoms are only approximately defined",
        "read these atoms with care",
    ),
    Limit(
        "sinkhorn_error",
        SINKHORN_ERROR,
        f"the couplings miss their marginals by more than {SINKHORN_ERROR:g} (L1): Sinkhorn did not converge",
        "allow Sinkhorn more sweeps (--sinkhorn-sweeps)",
        estimator=BATCH,
    ),
    *(
        Limit(
            f"{atom}_raw",
            NEGATIVE_BITS,
            f"raw {atom.replace('_', ' ')} is below {NEGATIVE_BITS:g} bits, which is estimation error",
            "extract more items",
            below=True,
            except_result=JOINT_KNOWS_LESS if atom == "synergy" else "",
        )
        for atom in ATOMS
    ),
    *(
        Limit(
            f"{atom}_sd",
            SPREAD_BITS,
            f"the seeds disagree about {atom.replace('_', ' ')} by more than {SPREAD_BITS:g} bits (standard deviation)",
            "extract more items, or average more seeds (--seeds)",
            estimator=BATCH,
        )
        for atom in ATOMS
    ),
    Limit(
        "loss_rise",
        LOSS_RISE_NATS,
        f"the training loss rose by more than {LOSS_RISE_NATS:g} nats: the coupling was hardly trained",
        "extract more items, and look for extreme values in the features",
        difference=("loss_last", "loss_first"),
        estimator=BATCH,
    ),
    Limit(
        "excess",
        EXCESS_BITS,
        f"BATCH is biased by at least {EXCESS_BITS:g} bits: its I_q exceeds the optimum for its own test batches, "
        "which lowers redundancy and synergy and raises both unique atoms",
        "use the atoms of the exact estimator",
        estimator=BATCH,
    ),
    Limit(
        "marginals_spread",
        MARGINALS_SPREAD_BITS,
        f"an atom changes by more than {MARGINALS_SPREAD_BITS:g} bits depending on how the sources are brought to "
        "one P(Y)",
        "do not interpret differences smaller than that",
        estimator=EXACT,
    ),
)
"""All limits, in the order of the warnings."""

RESULT_WARNINGS: Final = (
    ResultWarning(
        JOINT_KNOWS_LESS,
        "the answers under both sources hold less information than those under the single sources imply, so that "
        "synergy cannot be computed and is left out",
        "the other atoms hold; look at how many rows are uniform under both",
    ),
    ResultWarning(
        WIDE_INTERVAL,
        "the certified interval on I_q is wider than was asked for",
        "the optimum is inside it; read each atom as its certified interval",
    ),
)
"""All results of usable rows that need a warning, in the order of the warnings."""
