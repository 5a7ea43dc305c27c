"""`pid-extract --verify`: checks of models as a readable table and as a result for `--json`."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

from pid_lvlm.data.command.result import CommandResult, Failure
from pid_lvlm.data.contract.schema.receipt import CHECKS, FAILED, NATS, NOT_CHECKED, PASSED, UNITS, Receipt
from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec

if TYPE_CHECKING:
    from pid_lvlm.extract.run.verify import Verified

PIPED_WIDTH: Final = 120
STYLES: Final = {PASSED: "green", FAILED: "bold red", NOT_CHECKED: "yellow"}


@dataclass(frozen=True)
class CheckResult:
    """One check: its name, what it shows, the result, the value found (None for NaN), the limit and its unit."""

    check: str
    what: str
    result: str
    found: float | None
    limit: float | None
    unit: str
    reason: str


@dataclass(frozen=True)
class VerifiedModel:
    """A model on a dataset, what was found, and advice about each check that would stop a run."""

    model: str
    dataset: str
    dtype: str
    device: str
    passed: bool
    items: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verification(CommandResult):
    """The result of `--verify`: `done` counts the model-dataset pairs whose runs would start, `failed` the others."""

    action: str = "verify"
    models: tuple[VerifiedModel, ...]


def verify_models(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, *, quiet: bool
) -> Verification:
    """Verify every model on every dataset and print a table for each.

    Raises:
        PidError: the only model, or a dataset, cannot be used.
    """
    from rich.text import Text

    from pid_lvlm.extract.run.progress import Reporter
    from pid_lvlm.extract.run.verify import verify

    verified: list[VerifiedModel] = []
    failures: list[Failure] = []
    for spec in models:
        try:
            found = verify(spec, datasets, config, Reporter(quiet=quiet))
        except PidError as error:
            if len(models) == 1:
                raise
            failures.append(Failure(spec.model, str(error)))
            print_lines([Text(f"failed: {spec.model}: {error}")])
            continue
        for one in found:
            verified.append(_result(one))
            _print(verified[-1])
    failures += [Failure(one.model, sentence) for one in verified for sentence in one.advice]
    passed = sum(one.passed for one in verified)
    return Verification(
        done=passed,
        failed=len(verified) - passed + len({failure.what for failure in failures} - {one.model for one in verified}),
        failures=tuple(failures),
        models=tuple(verified),
    )


def _result(found: "Verified") -> VerifiedModel:
    receipt = found.receipt
    checks = tuple(_check(name, receipt) for name in receipt.checks)
    return VerifiedModel(
        found.model,
        found.dataset,
        found.dtype,
        found.device,
        not found.advice,
        receipt.items,
        checks,
        found.advice,
    )


def _check(name: str, receipt: Receipt) -> CheckResult:
    check = receipt.checks[name]
    number = check.found if check.found is not None and isfinite(check.found) else None
    return CheckResult(name, CHECKS[name], check.result, number, check.limit, UNITS.get(name, NATS), check.reason)


def _print(one: VerifiedModel) -> None:
    from rich.table import Table
    from rich.text import Text

    title = f"{one.model}, {one.dtype} on {one.device}, {len(one.items)} items ({one.dataset})"
    table = Table(box=None, pad_edge=False)
    table.add_column("check", overflow="fold")
    for heading in ("found", "limit", "unit"):
        table.add_column(heading, justify="left" if heading == "unit" else "right", no_wrap=True)
    table.add_column("result", overflow="fold")
    for check in one.checks:
        numbers = (["", ""] if check.limit is None else [_number(check.found), f"{check.limit:g}"]) + [check.unit]
        reason = f" ({check.reason})" if check.reason else ""
        table.add_row(Text(check.what), *map(Text, numbers), Text(check.result + reason, STYLES[check.result]))
    print_lines([Text(title), table, *(Text(f"- {sentence}") for sentence in one.advice)])
    print_lines([Text("a run would stop here" if one.advice else "a run would start")])


def _number(found: float | None) -> str:
    return "NaN" if found is None else f"{found:.2g}"


def print_lines(lines: Sequence[object]) -> None:
    """Print requested output on standard output."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    for line in lines:
        console.print(line, soft_wrap=not hasattr(line, "columns"))
