"""A command that takes no time to start, for jobs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pid_lvlm.data.cluster.job import PartJob
from pid_lvlm.data.cluster.records import Records
from pid_lvlm.data.command.part import Part

COMMAND = """
import json, pathlib, sys, time
mode, part = sys.argv[1], sys.argv[sys.argv.index("--part") + 1]
began = pathlib.Path(f"began-{part[0]}")
again = began.exists()
began.touch()
print("working on", part, file=sys.stderr, flush=True)
if mode == "wait" or (mode == "once" and not again):
    time.sleep(300)
if mode == "die":
    sys.exit(70)
failures = [{"what": "run-1", "reason": "it is broken"}] if mode == "fail" and part == "1/2" else []
ending = {"error": "no such file"} if mode == "refuse" else {"failures": failures}
print(json.dumps(ending))
sys.exit({"refuse": 2}.get(mode, 1 if failures else 0))
"""

MakeJobs = Callable[..., list[PartJob]]


@pytest.fixture
def make_jobs(tmp_path: Path) -> MakeJobs:
    """Jobs of a command that does as its argument says: `work`, `wait`, `once` (wait the first time), `fail`, …"""
    (tmp_path / "command_of_test.py").write_text(COMMAND)

    def make(mode: str, total: int = 2) -> list[PartJob]:
        records = Records.of(tmp_path / "runs", [mode], [["run"]])
        records.folder.mkdir(parents=True, exist_ok=True)
        return [
            PartJob("command_of_test", (mode,), Part(number, total), (f"run-{number}",), records, tmp_path)
            for number in range(1, total + 1)
        ]

    return make
