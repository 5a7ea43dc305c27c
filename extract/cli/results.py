"""Results of `pid-extract` for `--json`, one class per kind of command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pid_lvlm.data.cluster.states import COMPLETE as COMPLETE
from pid_lvlm.data.cluster.states import FAILED, RunStatus, all_done
from pid_lvlm.data.command.result import EXIT_BAD_INPUT, EXIT_DONE, CommandResult, Failure
from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.datasets.benchmarks.registry import BENCHMARKS
from pid_lvlm.extract.models.registry import ADAPTERS

if TYPE_CHECKING:
    from pid_lvlm.data.contract.schema.receipt import Receipt
    from pid_lvlm.extract.run.jobs import FinishedJobs, PlannedRun


@dataclass(frozen=True)
class RunFolder:
    """One run folder: its samples, how many this command measured and in how many seconds, and its kept items.

    `state` is `complete`, `unfinished`, `new` (nothing there yet) or `preview`; `items_bytes` is the size of the kept
    items, an estimate in a plan.
    """

    run: str
    folder: Path
    state: str
    samples: int
    measured: int = 0
    seconds: float = 0.0
    items_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Extraction(CommandResult):
    """Runs made, planned or previewed in the folder `out`."""

    out: Path
    runs: tuple[RunFolder, ...]


def finished(out: Path, jobs: "FinishedJobs") -> Extraction:
    """The result of an extraction."""
    return Extraction(
        done=sum(outcome.measured > 0 for outcome in jobs.outcomes),
        skipped=sum(outcome.measured == 0 for outcome in jobs.outcomes),
        failed=len(jobs.failures),
        failures=tuple(Failure(failure.run, str(failure.error)) for failure in jobs.failures),
        out=out,
        runs=tuple(
            RunFolder(
                one.folder.name, one.folder, COMPLETE, one.samples, one.measured, round(one.seconds, 3), one.items_bytes
            )
            for one in jobs.outcomes
        ),
    )


def planned(out: Path, runs: Sequence["PlannedRun"]) -> Extraction:
    """The result of `--dry-run`: runs that are already complete count as skipped."""
    folders = tuple(
        RunFolder(run.folder.name, run.folder, _state(run.folder), run.samples, items_bytes=run.items_bytes)
        for run in runs
    )
    complete = sum(folder.state == COMPLETE for folder in folders)
    return Extraction(action="dry-run", done=len(runs) - complete, skipped=complete, out=out, runs=folders)


def _state(folder: Path) -> str:
    from pid_lvlm.data.contract.reading.run_folder import is_run
    from pid_lvlm.data.contract.schema.manifest import read_manifest
    from pid_lvlm.extract.run.contents.run_folder import is_complete

    if not is_run(folder):
        return "new"
    return COMPLETE if is_complete(folder, read_manifest(folder)) else "unfinished"


def previewed(out: Path, runs: Sequence["PlannedRun"]) -> Extraction:
    """The result of `--preview`."""
    folders = tuple(RunFolder(run.folder.name, run.folder, "preview", run.samples) for run in runs)
    return Extraction(action="preview", done=len(runs), out=out, runs=folders)


@dataclass(frozen=True, kw_only=True)
class Statuses(CommandResult):
    """The result of `--status`: `done` counts complete runs, `share` is the fraction of all work done, 0 to 1."""

    action: str = "status"
    out: Path
    share: float
    runs: tuple[RunStatus, ...]

    @classmethod
    def of(cls, out: Path, runs: Sequence[RunStatus]) -> "Statuses":
        """Make the result from the status of every run."""
        failures = tuple(Failure(one.run, one.note) for one in runs if one.state == FAILED)
        complete = sum(one.state == COMPLETE for one in runs)
        share = round(all_done(runs), 4)
        return cls(done=complete, failed=len(failures), failures=failures, out=out, share=share, runs=tuple(runs))


@dataclass(frozen=True)
class CheckedFolder:
    """A run folder, all its faults, and its receipt in words if it is valid and has one."""

    folder: Path
    valid: bool
    faults: tuple[str, ...]
    receipt: str | None = None


@dataclass(frozen=True, kw_only=True)
class Check(CommandResult):
    """The result of `--check`: `done` counts the valid folders, `failed` the others."""

    action: str = "check"
    folders: tuple[CheckedFolder, ...]

    @property
    def exit_code(self) -> int:
        """An invalid folder counts as bad input."""
        return EXIT_BAD_INPUT if self.failed else EXIT_DONE


def checked(faults: Mapping[Path, Sequence[Fault]], receipts: Mapping[Path, "Receipt | None"]) -> Check:
    """Make the result from the faults of every folder and the receipts of the valid ones."""
    words = {folder: str(receipt) for folder, receipt in receipts.items() if receipt is not None}
    folders = tuple(
        CheckedFolder(folder, not found, tuple(str(fault) for fault in found), words.get(folder))
        for folder, found in faults.items()
    )
    bad = [folder for folder in folders if not folder.valid]
    return Check(
        done=len(folders) - len(bad),
        failed=len(bad),
        failures=tuple(Failure(str(folder.folder), fault) for folder in bad for fault in folder.faults),
        folders=folders,
    )


@dataclass(frozen=True)
class ModelType:
    """A supported model type, with example checkpoints."""

    model_type: str
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ModelTypes(CommandResult):
    """The result of `--list-models`."""

    action: str = "list-models"
    models: tuple[ModelType, ...]


def model_types() -> ModelTypes:
    """Every model type, in alphabetical order."""
    return ModelTypes(models=tuple(ModelType(name, entry.examples) for name, entry in sorted(ADAPTERS.items())))


@dataclass(frozen=True)
class KnownBenchmark:
    """A known benchmark; `rows` is None if the number is not certain."""

    name: str
    title: str
    rows: int | None
    options: str
    prompt: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Benchmarks(CommandResult):
    """The result of `--list-datasets`."""

    action: str = "list-datasets"
    datasets: tuple[KnownBenchmark, ...]


def benchmarks() -> Benchmarks:
    """Every known benchmark."""
    return Benchmarks(
        datasets=tuple(
            KnownBenchmark(one.name, one.title, one.expected, one.options, one.prompt, one.source)
            for one in BENCHMARKS.values()
        )
    )
