"""Reports a bug in pid-lvlm as one sentence and a log. Uses only the standard library, since the rest may be broken.

If something goes wrong here, such as a full disk, only the log is lost.
"""

import sys

EXIT_FAULT = 70
"""Exit code for a bug in pid-lvlm; EX_SOFTWARE in sysexits.h."""

SHOWN = 160
"""Characters of an exception's text shown in a sentence."""

_LOG_SIZE = 1_000_000


def fault_sentence(error: BaseException, log: str | None) -> str:
    """The message to the user about a bug in pid-lvlm."""
    where = f"with the log {log}" if log else f"with this sentence (a log cannot be written{_raised_at(error)})"
    return f"this is a bug in pid-lvlm, not a mistake in your input: {brief(error)}; please report it {where}"


def brief(error: BaseException) -> str:
    """An exception on one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


def write_log(error: BaseException) -> str | None:
    """Write version, arguments and traceback to a file in the temporary folder; return its path, or None on failure."""
    try:
        import os
        import tempfile

        content = _content(error)[:_LOG_SIZE].encode(errors="backslashreplace")
        handle, path = tempfile.mkstemp(prefix="pid-lvlm-", suffix=".log")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except OSError:
            os.unlink(path)  # noqa: PTH108
            return None
    except (Exception, KeyboardInterrupt):
        return None
    return path


def _content(error: BaseException) -> str:
    import platform
    import traceback
    from datetime import UTC, datetime

    import pid_lvlm

    head = (
        f"pid-lvlm {pid_lvlm.__version__}, Python {platform.python_version()} on {platform.platform()}\n"
        f"{datetime.now(UTC).isoformat(timespec='seconds')}\n"
        f"arguments: {sys.argv!r}\n\n"
    )
    return head + "".join(traceback.format_exception(error))


def _raised_at(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"; raised in {trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}"
