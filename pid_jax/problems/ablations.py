"""Which ablations a run was measured under, and which of them are estimated."""

from collections.abc import Sequence
from typing import Final

from pid_jax.config import ALL
from pid_lvlm.data import Manifest, PidError
from pid_lvlm.data.contract.schema.conditions import parse_condition
from pid_lvlm.data.contract.table.results import BATCH, CROSSED
from pid_lvlm.data.names import ABLATIONS, LANGUAGE_ONLY, NEITHER, VISION_ONLY

NOT_BATCH: Final = (
    "BATCH is not run on crossed pairs, which have no row per item with features of its own picture and question; "
    "exact is"
)


def conditions_of(manifest: Manifest, role: str, ablation: str) -> tuple[str, ...]:
    """The conditions of a run with this role and ablation: several for draws of `other`, none if absent.

    Args:
        manifest: manifest of the run.
        role: `vision_only`, `language_only` or `neither`.
        ablation: one of `ABLATIONS`.
    """
    parsed = {name: parse_condition(name) for name in manifest.conditions}
    return tuple(name for name, found in parsed.items() if (found.role, found.ablation) == (role, ablation))


def ablations_of(manifest: Manifest) -> tuple[str, ...]:
    """The ablations that a run can be decomposed under: with either source ablated, or with crossed pairs.

    Crossed pairs need the questions of all items, so the whole run.
    """
    found = tuple(
        ablation
        for ablation in ABLATIONS
        if all(conditions_of(manifest, role, ablation) for role in (VISION_ONLY, LANGUAGE_ONLY))
    )
    return (*found, CROSSED) if manifest.pairs and manifest.finished else found


def neither_of(manifest: Manifest, ablation: str) -> tuple[str, ...]:
    """The conditions of a run that ablate both sources in this way."""
    return () if ablation == CROSSED else conditions_of(manifest, NEITHER, ablation)


def select_ablations(manifest: Manifest, wanted: Sequence[str], estimator: str) -> tuple[str, ...]:
    """The ablations that an estimator decomposes a run under.

    Args:
        manifest: manifest of the run.
        wanted: names of ablations, or `all`.
        estimator: `batch` has no crossed pairs.

    Raises:
        PidError: the run lacks one of them.
    """
    held = ablations_of(manifest)
    if missing := [name for name in wanted if name not in (*held, ALL)]:
        raise PidError(_lacks(manifest, missing[0], held))
    chosen = held if ALL in wanted else tuple(name for name in held if name in wanted)
    return tuple(name for name in chosen if not (name == CROSSED and estimator == BATCH))


def _lacks(manifest: Manifest, name: str, held: Sequence[str]) -> str:
    if name == CROSSED and manifest.pairs:
        return f"run `{manifest.run}` is not finished, and crossed pairs need all of its items; finish it first"
    option = "--crossed M" if name == CROSSED else f"--ablation {name}"
    return (
        f"run `{manifest.run}` has no ablation `{name}`; it has {', '.join(held)} (`pid-extract {option}` measures it)"
    )
