"""The verdict of a receipt: the limits of its checks, and the message with which a failed check stops a run."""

from typing import Final

import numpy as np

from pid_lvlm.data.contract.schema.receipt import (
    BATCH,
    CROSSED,
    FAILED,
    HOOKS,
    HOOKS_LEFT,
    LEAK_PICTURE,
    LEAK_TEXT,
    LENS,
    NOT_CHECKED,
    SHARING,
    Receipt,
)
from pid_lvlm.data.names import LANGUAGE_ONLY, VISION_ONLY
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.registry import refused

VISIBLE: Final = 1e-3
"""Nats by which scores must change if a source is visible; otherwise a leak test would be meaningless."""

LIMITS: Final = {
    LENS: {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.5},
    BATCH: {"float32": 1e-3, "float16": 0.2, "bfloat16": 1.0},
    SHARING: {"float32": 1e-3, "float16": 0.2, "bfloat16": 1.0},
}
"""Largest differences that still count as rounding, by dtype; logits for the lens, nats for the others.

The tiny test models, with three layers, differ by up to 1e-5, 0.03 and 0.17 nats in a batch; deep models round more
often.
"""

SOURCE: Final = {LEAK_PICTURE: ("picture", LANGUAGE_ONLY), LEAK_TEXT: ("text", VISION_ONLY)}


def dtype_of(adapter: Adapter) -> str:
    """The dtype in which a model rounds most; some parts always stay in float32."""
    names = {str(parameter.dtype).removeprefix("torch.") for parameter in adapter.model.parameters()}
    return next((name for name in ("bfloat16", "float16") if name in names), "float32")


def limit_of(adapter: Adapter, check: str) -> float:
    """Largest difference that still counts as rounding in the model's dtype."""
    return LIMITS[check][dtype_of(adapter)]


def require(adapter: Adapter, receipt: Receipt) -> None:
    """Stop if a check failed, or if a leak test of an untested adapter could not be made.

    Raises:
        ModelError: one sentence about the first such check.
    """
    if found := complaints(adapter, receipt):
        raise ModelError(found[0])


def complaints(adapter: Adapter, receipt: Receipt) -> tuple[str, ...]:
    """A sentence about every check that prevents a run."""
    refusals = () if adapter.leak_tested else _refusals(adapter, receipt)
    told = SOURCE if refusals else ()
    others = (explain(adapter, name, receipt) for name in receipt.names(FAILED) if name not in told)
    return (*refusals, *(f"{sentence}; nothing was measured" for sentence in others))


def _refusals(adapter: Adapter, receipt: Receipt) -> tuple[str, ...]:
    """Why an untested adapter must not run this model."""
    reasons = []
    for name, (source, _) in SOURCE.items():
        check = receipt.checks[name]
        if check.result == FAILED:
            shift = f"the {source} still moves scores by {check.found:.2g} once replaced by noise"
            reasons.append(f"fails the leak test: {shift}")
        elif check.visible is not None and check.result == NOT_CHECKED:
            reasons.append(f"fails the leak test: another {source} does not change what the model answers")
        elif check.result == NOT_CHECKED:
            reasons.append(f"cannot be tested for leaks: {check.reason}")
    return tuple(str(refused(adapter.model.config.model_type, reason)) for reason in reasons)


def explain(adapter: Adapter, name: str, receipt: Receipt) -> str:
    """What a failed check means, and what to do about it."""
    check, dtype = receipt.checks[name], dtype_of(adapter)
    found, limit = check.found, check.limit
    if found is None or limit is None or not np.isfinite(found):
        return f"the model's scores are not numbers in {dtype} (check `{name}`); try --dtype bfloat16 or float32"
    rounds_less = "" if dtype == "float32" else ", and --dtype float32 rounds less"
    if name in SOURCE:
        source, condition = SOURCE[name]
        return (
            f"the model leaks: another {source} moves scores by {found:.2g} nats under conditions that "
            f"replace it, such as `{condition}`; {OTHER_VERSIONS}"
        )
    if name == LENS:
        return not_the_output(found)
    if name == BATCH:
        return (
            f"the same item scores {found:.2g} nats differently in a batch of {receipt.batch_size} than alone, and "
            f"rounding in {dtype} is at most {limit:g}; --batch-size 1 measures every item alone{rounds_less}"
        )
    if name == CROSSED:
        return (
            f"a crossed pair scores {found:.2g} nats differently in a batch than alone, and rounding in {dtype} is at "
            f"most {limit:g}; --batch-size 1 measures every pair alone{rounds_less}"
        )
    if name == SHARING:
        return (
            f"scores differ by {found:.2g} nats between passes that share a prefix and passes that do not, and "
            f"rounding in {dtype} is at most {limit:g}; {OTHER_VERSIONS}"
        )
    if name == HOOKS:
        return f"logits move by {found:.2g} when hooks write back what they read; {OTHER_VERSIONS}"
    assert name == HOOKS_LEFT
    return f"measuring left {found:.0f} hooks on the model, which would affect the next pass; {OTHER_VERSIONS}"


OTHER_VERSIONS: Final = (
    "the adapter does not fit this checkpoint or this version of transformers: install the versions of "
    "constraints.txt, and report it if that does not help"
)


def not_the_output(difference: float) -> str:
    """The message about a wrong lens."""
    return (
        f"the last layer read through norm and head differs from the model's logits by {difference:.3g}; "
        "the adapter does not fit this checkpoint"
    )
