"""Run folders and result tables: names, schemas, reader and writer. Needs numpy only."""

from pid_lvlm.data.contract.manifest import Manifest, read_manifest
from pid_lvlm.data.contract.run_folder import Run, find_runs, read_run, validate_run, write_run
from pid_lvlm.data.contract.run_header import RunOutline, outline_run
from pid_lvlm.data.errors import ContractError, Fault, OutputExistsError, PidError

__all__ = [
    "ContractError",
    "Manifest",
    "OutputExistsError",
    "PidError",
    "Fault",
    "Run",
    "RunOutline",
    "find_runs",
    "outline_run",
    "read_manifest",
    "read_run",
    "validate_run",
    "write_run",
]
