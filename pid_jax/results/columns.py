"""Result-table columns filled by every estimator: atoms, their intervals and shares, information terms."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy import special

from pid_jax.information import AtomsInBits, TermsInBits
from pid_lvlm.data.names import ATOMS

INTERVAL: Final = 0.95

Columns = dict[str, float | str | None]


def atom_columns(
    estimates: Sequence[float], ground_truth: Mapping[str, float] | None, **parts: AtomsInBits | None
) -> Columns:
    """Every atom after and before clipping at 0, its share of the total, its ground truth and further columns, bits.

    Args:
        estimates: the four atoms before clipping.
        ground_truth: true atoms by name, if known.
        **parts: further columns per atom, by name suffix such as `low`; None leaves them empty.
    """
    clipped = [max(float(value), 0.0) for value in estimates]
    total = sum(clipped)
    columns: Columns = {}
    for place, (atom, raw, cut) in enumerate(zip(ATOMS, estimates, clipped, strict=True)):
        columns |= {
            atom: cut,
            f"{atom}_raw": float(raw),
            f"{atom}_share": cut / total if total > 0 else None,
            f"true_{atom}": None if ground_truth is None else ground_truth.get(atom),
        }
        columns |= {f"{atom}_{end}": None if part is None else float(part[place]) for end, part in parts.items()}
    return columns


def term_columns(terms: TermsInBits) -> Columns:
    """The four information terms (mean over seeds, if any) and the co-information I1 + I2 - I12, bits."""
    i1, i2, i12, iq = (float(np.mean(term)) for term in terms)
    return {"i_vision": i1, "i_language": i2, "i_joint": i12, "i_coupling": iq, "coinformation": i1 + i2 - i12}


def seed_spread(values: Float[np.ndarray, " seeds"]) -> tuple[float, float] | None:
    """Standard deviation over seeds and half the 95 % Student interval of their mean; None for one seed."""
    if len(values) < 2:
        return None
    sd = float(values.std(ddof=1))
    quantile = float(special.stdtrit(len(values) - 1, (1 + INTERVAL) / 2))
    return sd, quantile * sd / len(values) ** 0.5
