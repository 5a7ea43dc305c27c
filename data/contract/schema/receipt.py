"""The receipt of a run: the checks on its first items before anything was measured, and their results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from pid_lvlm.data.contract.schema.fields import Label
from pid_lvlm.data.inputs.schema import STRICT, shown

LEAK_PICTURE: Final = "leak_picture"
LEAK_TEXT: Final = "leak_text"
LENS: Final = "lens"
BATCH: Final = "batch"
HOOKS: Final = "hooks"
HOOKS_LEFT: Final = "hooks_left"
SHARING: Final = "sharing"
CROSSED: Final = "crossed"

CHECKS: Final = {
    LEAK_PICTURE: "another picture moves no score under a condition that ablates it",
    LEAK_TEXT: "another text of equal length moves no score under a condition that ablates it",
    LENS: "the lens of the last layer is the model's output",
    BATCH: "an item has the same scores in a batch as alone",
    HOOKS: "writing back what a hook reads changes nothing",
    HOOKS_LEFT: "no hook is left on the model after measuring",
    SHARING: "a shared prefix changes no score",
}
"""Checks in order, and what each of them shows."""

CROSSED_CHECKS: Final = {CROSSED: "a crossed pair has the same scores in a batch as alone"}
"""Checks made only by a run with crossed pairs, after the others."""

NATS: Final = "nats"
UNITS: Final = {LENS: "logits", HOOKS: "logits", HOOKS_LEFT: "hooks"}
"""Units of the values found, if not nats."""

PASSED: Final = "passed"
FAILED: Final = "failed"
NOT_CHECKED: Final = "not checked"

Amount = Annotated[float, Field(ge=0, le=1e30)]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        found: largest difference, or number of hooks, rounded to two significant digits; None if it was not checked.
        limit: largest value that passes; None if it was not checked.
        visible: for a leak test, how much the same change moves scores under `both`, in nats.
        reason: why it was not checked.
    """

    __pydantic_config__ = STRICT

    found: Amount | None = None
    limit: Amount | None = None
    visible: Amount | None = None
    reason: str = ""

    @property
    def result(self) -> str:
        """`passed`, `failed` or `not checked`; a difference of NaN is a failure."""
        if self.found is None or self.limit is None:
            return NOT_CHECKED
        return PASSED if self.found <= self.limit else FAILED


def _known(checks: Mapping[str, Check]) -> Mapping[str, Check]:
    known = {**CHECKS, **CROSSED_CHECKS}
    if other := sorted(set(checks) - set(known)):
        raise ValueError(f"names the check {shown(other[0])}; known are {', '.join(known)}")
    return checks


@dataclass(frozen=True)
class Receipt:
    """The checks and their results.

    Attributes:
        items: ids of the items that were checked.
        batch_size: maximum number of items that went through the model together.
        checks: by name, in the order of `CHECKS`; then those of `CROSSED_CHECKS`, if pairs were crossed.
    """

    __pydantic_config__ = STRICT

    items: tuple[str, ...]
    batch_size: Annotated[int, Field(ge=1)]
    checks: Annotated[Mapping[Label, Check], AfterValidator(_known)] = field(default_factory=dict)

    def names(self, result: str) -> tuple[str, ...]:
        """Checks with this result."""
        return tuple(name for name, check in self.checks.items() if check.result == result)

    def __str__(self) -> str:
        """One line: what passed and with which differences, and what was not checked and why."""
        told = [_told(name, self.checks[name]) for name in self.names(PASSED)]
        passed = f"{len(told)} checks passed on {len(self.items)} items" + (f" ({', '.join(told)})" if told else "")
        failed = [f"{name} failed ({self.checks[name].found:.2g})" for name in self.names(FAILED)]
        skipped = [f"{name} not checked ({self.checks[name].reason})" for name in self.names(NOT_CHECKED)]
        return "; ".join([passed, *failed, *skipped])


def _told(name: str, check: Check) -> str:
    return f"{name} {check.found:.2g}"


def receipt_faults(receipt: Receipt) -> list[str]:
    """A run whose receipt failed is never finished: a manifest that says otherwise was altered."""
    return [f"`receipt` says that the check {name!r} failed; extract the run again" for name in receipt.names(FAILED)]
