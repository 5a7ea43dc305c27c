"""What a parser may answer to anything: a value, or one short sentence. All else is a finding."""

import faulthandler
import io
import re
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pid_lvlm.data.errors import PidError
from tests import ROOT

SECONDS: Final = 5.0
"""A case hangs that computes for longer, or takes `BUSY` times as long on the clock: the machine may be busy."""
BUSY: Final = 6.0
MESSAGE: Final = 2_000
"""Characters of a message."""
MEMORY: Final = 2**30
"""Bytes that a case may need."""
OUTPUT: Final = 100_000
"""Characters that a command may print."""
CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters but the end of a line, and what cannot be written."""
ROOMS: Final = tuple(str(ROOT / name) for name in ("data", "extract", "pid_jax", "analysis"))


class TooSlow(BaseException):
    """A case took too long. Not an `Exception`, so that it is not taken for a fault of the input."""


class Unacceptable(AssertionError):
    """A target's own rule was broken, such as that two commands agree."""


@dataclass(frozen=True)
class Verdict:
    """Why a case is a finding.

    Attributes:
        key: the same for what has the same cause: kind and place.
        text: all that is known.
    """

    key: str
    text: str


@dataclass(frozen=True)
class Judged:
    """What became of a case: a finding or None, whether it was refused with a sentence, and what it needed."""

    verdict: Verdict | None
    refused: bool
    seconds: float
    peak: int


def judge(parse: Callable[[], object], seconds: float = SECONDS) -> Judged:
    """Parse once, and look at the answer, the time and the memory."""
    refused = False
    verdict: Verdict | None = None
    before = _reset_peak()
    started = time.perf_counter()
    try:
        with _limited(seconds), warnings.catch_warnings(action="ignore"):
            parse()
    except PidError as error:
        refused = True
        verdict = _bad_message(error, str(error))
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # of polars, a panic is none of the `Exception`s
        verdict = _found(error)
    taken = time.perf_counter() - started
    peak = max(0, _peak() - before)
    if verdict is None and peak > MEMORY:
        verdict = Verdict(f"memory {refused=}", f"{peak / 2**20:.0f} MB above what the process had")
    return Judged(verdict, refused, taken, peak)


def command(main: Callable[[], object], *arguments: object) -> str:
    """Run a command in this process; returns what it printed.

    Raises:
        PidError: it ended with exit code 2; the message is what it said.
        Unacceptable: it ended in any other way than with 0, 1 or 2, or printed a traceback or very much.
    """
    output, errors = io.StringIO(), io.StringIO()
    code: object = "none"
    argv, sys.argv = sys.argv, ["command", *map(str, arguments)]
    try:
        with redirect_stdout(output), redirect_stderr(errors):
            main()
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.argv = argv
    printed, said = output.getvalue(), errors.getvalue()
    if code not in (0, 1, 2):
        raise Unacceptable(f"exit code {code}: {said[-1500:]}")
    if "Traceback (most recent" in said + printed or len(said + printed) > OUTPUT:
        raise Unacceptable(f"exit code {code}, {len(said + printed)} characters: {(said + printed)[:1500]}")
    if code == 2:
        sentence = said[said.rfind("error: ") :] if "error: " in said else printed + said
        raise PidError(sentence.strip())
    return printed


def replays(case: Callable[[], object]) -> Judged:
    """A case that was too slow gets a second try: the machine may have been busy."""
    judged = judge(case)
    if judged.verdict is not None and judged.verdict.key.startswith(TooSlow.__name__):
        return judge(case)
    return judged


def _bad_message(error: PidError, message: str) -> Verdict | None:
    if len(message) > MESSAGE:
        return Verdict(f"long message at {_place(error)}", f"{len(message)} characters: {message[:500]}")
    if odd := CONTROL.search(message):
        return Verdict(f"control character at {_place(error)}", f"{odd[0]!r} in {message!r}")
    if not message.strip():
        return Verdict(f"empty message at {_place(error)}", "")
    return None


def _found(error: BaseException) -> Verdict:
    lines = "".join(traceback.format_exception(error, limit=-12))
    place = _place(error)
    if isinstance(error, Unacceptable):
        place += f" {_outline(str(error))}"
    return Verdict(f"{type(error).__name__} at {place}", lines[-6000:])


def _place(error: BaseException) -> str:
    """The last line of ours that an error passed through, else the last line."""
    frames = [(frame.f_code.co_filename, number) for frame, number in traceback.walk_tb(error.__traceback__)]
    frames = [frame for frame in frames if frame[0] != __file__]
    ours = [frame for frame in frames if frame[0].startswith(ROOMS)]
    if not ours and isinstance(error, PidError):  # what a command said
        return _outline(str(error))
    file, line = (ours or frames or [("unknown", 0)])[-1]
    return f"{Path(file).relative_to(ROOT) if ours else Path(file).name}:{line}"


def _outline(message: str) -> str:
    """A message without names and numbers, which differ where the cause is the same."""
    return re.sub(r"[`'\"].*?[`'\"]|[\d/.]+", "…", message)[:120]


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Interrupt after so many seconds. Another timer of the process goes on afterwards."""

    started, computed = time.monotonic(), time.process_time()

    def interrupt(*_: object) -> None:
        if time.process_time() - computed < seconds and time.monotonic() - started < BUSY * seconds:
            signal.setitimer(signal.ITIMER_REAL, seconds / 5)
            return
        raise TooSlow(f"more than {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, interrupt)
    left, every = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, every)
        signal.signal(signal.SIGALRM, handler)


@contextmanager
def killed_when_stuck() -> Iterator[None]:
    """End this process, with a traceback of every thread, where a case cannot be interrupted."""
    faulthandler.dump_traceback_later(2.5 * BUSY * SECONDS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _reset_peak() -> int:
    """Forget the largest size of this process so far; returns its size."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return sys.maxsize
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    with Path("/proc/self/status").open() as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0
