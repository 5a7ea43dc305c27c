"""Scores as an argument: an array with the original conditions, or an array for each condition by name."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.contract.schema.conditions import condition_faults
from pid_lvlm.data.contract.writing.arguments import Arguments
from pid_lvlm.data.errors import ARGUMENTS, Fault
from pid_lvlm.data.inputs.schema import shown
from pid_lvlm.data.names import CONDITIONS

LOGLIK: Final = "loglik"


def scores_of(given: Arguments, loglik: Any) -> tuple[NDArray, tuple[str, ...]] | None:
    """Scores of shape (n, c, l, k), and the names of their conditions; None if they are invalid.

    Args:
        given: collects the faults.
        loglik: (n, c, k) or (n, c, l, k) with three or four conditions, or condition -> (n, k) or (n, l, k).
    """
    if isinstance(loglik, Mapping):
        return _by_condition(given, loglik)
    expected = "(n, c, k) or (n, c, l, k) with 3 or 4 conditions c"
    scores = given.numbers(LOGLIK, loglik, expected)
    if scores is None:
        return None
    wide = scores[:, :, None, :] if scores.ndim == 3 else scores
    if wide.ndim != 4 or wide.shape[1] not in (3, 4):
        given.fail(LOGLIK, f"expected shape {expected}; name further conditions in a mapping; found {scores.shape}")
    elif 0 in wide.shape:
        given.fail(LOGLIK, f"expected at least one row, layer and option, found shape {scores.shape}")
    else:
        return wide, CONDITIONS[: wide.shape[1]]
    return None


def _by_condition(given: Arguments, loglik: Mapping[Any, Any]) -> tuple[NDArray, tuple[str, ...]] | None:
    """The original conditions come first, the others in the order of the mapping."""
    if odd := [name for name in loglik if not isinstance(name, str)]:
        given.fail(LOGLIK, f"expected names of conditions, found {shown(odd[0])}")
        return None
    names = (*(name for name in CONDITIONS if name in loglik), *(name for name in loglik if name not in CONDITIONS))
    if faults := condition_faults(names):
        given.faults += [
            Fault(ARGUMENTS, sentence.removeprefix("`conditions`").lstrip(": "), LOGLIK) for sentence in faults
        ]
        return None
    arrays = [given.numbers(f'{LOGLIK}["{name}"]', loglik[name], "(n, k) or (n, l, k)") for name in names]
    scores = [array for array in arrays if array is not None]
    if len(scores) < len(names):
        return None
    for name, array in zip(names, scores, strict=True):
        if array.ndim not in (2, 3) or 0 in array.shape:
            message = f"expected shape (n, k) or (n, l, k) with at least one row, layer and option, found {array.shape}"
            given.fail(f'{LOGLIK}["{name}"]', message)
        elif array.shape != scores[0].shape:
            message = f"expected the shape of `{names[0]}`, {scores[0].shape}, found {array.shape}"
            given.fail(f'{LOGLIK}["{name}"]', message)
    if given.faults:
        return None
    stacked = np.stack(scores, axis=1)
    return (stacked[:, :, None] if stacked.ndim == 3 else stacked), names
