"""The progress of runs, from their folders, locks and jobs alone: reads no models, items or arrays."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pid_lvlm.data.cluster.records import results
from pid_lvlm.data.cluster.states import COMPLETE, FAILED, INTERRUPTED, NEW, RUNNING, RunStatus
from pid_lvlm.data.contract.reading.run_folder import is_run
from pid_lvlm.data.contract.schema.manifest import Manifest, read_manifest
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.locks import lock_holder
from pid_lvlm.data.names import shard_file


def run_statuses(out: Path, runs: Iterable[str]) -> list[RunStatus]:
    """The progress of the runs in a folder.

    Args:
        out: the folder of run folders.
        runs: their names.
    """
    failed = _failures(out)
    return [_status(out / run, *failed.get(run, ("", ""))) for run in runs]


def _failures(out: Path) -> Mapping[str, tuple[str, str]]:
    """Why runs failed, with the log, from the latest job for each."""
    found: dict[str, tuple[str, str]] = {}
    for result in results(out):
        reasons = result.reasons()
        for run in result.runs:
            if run in reasons:
                found[run] = (reasons[run], result.log)
            else:
                found.pop(run, None)
    return found


def _status(folder: Path, reason: str, log: str) -> RunStatus:
    manifest, done, total = None, 0, None
    if is_run(folder):
        try:
            manifest = read_manifest(folder)
        except PidError as error:
            return RunStatus(folder.name, FAILED, 0, None, str(error).partition("\n")[0])
        done, total = samples_there(folder, manifest), manifest.num_samples
    if manifest is not None and manifest.finished and done == total:
        return RunStatus(folder.name, COMPLETE, done, total)
    if (holder := lock_holder(folder)) is not None:
        return RunStatus(folder.name, RUNNING, done, total, holder)
    if reason:
        return RunStatus(folder.name, FAILED, done, total, reason, log)
    return RunStatus(folder.name, NEW if manifest is None else INTERRUPTED, done, total)


def samples_there(folder: Path, manifest: Manifest) -> int:
    """Number of samples in a run's files, judged by their names."""
    written = manifest.checksums
    return sum(
        manifest.shard_rows(index)
        for index in range(manifest.num_shards)
        if (not written or shard_file(index) in written) and (folder / shard_file(index)).is_file()
    )
