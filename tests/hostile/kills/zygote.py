"""A process that has imported a command's libraries and runs the command in copies of itself: seconds become tenths.

Requests and answers are lines of JSON on standard input and output: `start` a command, `wait` until it ends or stops.
"""

import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.hostile.kills.points import Points


def _count_passes(points: Points) -> None:
    points.after_passes()


def _count_chunks(points: Points) -> None:
    points.around(import_module("pid_jax.sweep.batch"), "launch")
    points.around(import_module("pid_jax.cli.job"), "write_table")


def _count_files(points: Points) -> None:
    """Files are all there is to count."""


def _fake_fits(points: Points) -> None:
    from tests.pid_jax.fake_fits import FakeFits

    import_module("pid_jax.sweep.batch").launch = lambda stack, config, pace, lengths: FakeFits(stack)  # type: ignore[attr-defined]
    _count_chunks(points)


COMMANDS: Final[dict[str, tuple[str, tuple[str, ...], Callable[[Points], None]]]] = {
    "pid-extract": (
        "pid_lvlm.extract.cli.main",
        ("pid_lvlm.extract.models.torchvision_compat", "pid_lvlm.extract.run.jobs", "pid_lvlm.extract.run.extract_run"),
        _count_passes,
    ),
    "pid-estimate": ("pid_jax.cli.main", ("pid_jax.cli.job",), _count_chunks),
    "pid-report": ("pid_lvlm.analysis.cli", ("pid_lvlm.analysis.report.build", "altair", "vl_convert"), _count_files),
    "pid-estimate without fits": ("pid_jax.cli.main", ("pid_jax.cli.job", "tests.pid_jax.fake_fits"), _fake_fits),
}
"""Command -> the module with its `main`, what to import before copies are made, and what counts as progress besides."""


def serve(command: str) -> None:
    """Answer requests until standard input ends."""
    module, libraries, progress = COMMANDS[command]
    for library in (*libraries, module):
        import_module(library)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "warm up":
            _warm_up(import_module(module).main, request["arguments"])
            answer = {"threads": len(list(Path("/proc/self/task").iterdir()))}
        elif request["do"] == "start":
            answer = {"pid": _start(import_module(module).main, progress, request)}
        else:
            answer = _wait(request["pid"])
        print(json.dumps(answer), flush=True)


def _warm_up(main: Callable[[], object], arguments: list[str]) -> None:
    """Run once, for what libraries import and build late."""
    sys.argv = ["warm-up", *arguments]
    with suppress(SystemExit), redirect_stdout(sys.stderr):
        main()


def _start(main: Callable[[], object], progress: Callable[[Points], None], request: dict[str, Any]) -> int:
    sys.stdout.flush()
    with warnings.catch_warnings(action="ignore"):  # jax warns of copies of processes with threads; it has none yet
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        points = Points(Path(request["root"]), request["at"], signal.Signals(request["act"]))
        progress(points)
        points.install()
        sys.argv = [request["command"], *request["arguments"]]
        try:
            main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
        at, points.at = points.count, None
        Path(request["log"]).with_suffix(".points").write_text(str(at))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int) -> dict[str, Any]:
    _, status, used = os.wait4(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return {"stopped": True, "code": None}
    return {"stopped": False, "code": os.waitstatus_to_exitcode(status), "cpu": used.ru_utime + used.ru_stime}


if __name__ == "__main__":
    serve(sys.argv[1])
