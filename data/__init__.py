"""The contract between the steps: names, schemas, reader and writer. Needs numpy only."""

from data.errors import ContractError, OutputExistsError, PidError, Problem
from data.manifest import Manifest, read_manifest
from data.outline import RunOutline, outline_run
from data.runs import Run, find_runs, read_run, validate_run, write_run

__all__ = [
    "ContractError",
    "Manifest",
    "OutputExistsError",
    "PidError",
    "Problem",
    "Run",
    "RunOutline",
    "find_runs",
    "outline_run",
    "read_manifest",
    "read_run",
    "validate_run",
    "write_run",
]
