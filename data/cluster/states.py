"""States of runs and their display."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pid_lvlm.data.command.shown import count

if TYPE_CHECKING:
    from rich.table import Table

NEW: Final = "new"
RUNNING: Final = "running"
INTERRUPTED: Final = "interrupted"
COMPLETE: Final = "complete"
FAILED: Final = "failed"


@dataclass(frozen=True)
class RunStatus:
    """The progress of a run.

    Attributes:
        run: its name.
        state: `new` (not started), `running`, `interrupted`, `complete` or `failed`.
        done: samples in complete files.
        total: samples of the finished run; None if not known yet.
        note: who is working on it and since when, or why it failed.
        log: log of the failed job.
    """

    run: str
    state: str
    done: int
    total: int | None
    note: str = ""
    log: str = ""

    @property
    def share(self) -> float:
        """The fraction done, 0 to 1."""
        if self.state == COMPLETE:
            return 1.0
        return self.done / self.total if self.total else 0.0


def all_done(statuses: Sequence[RunStatus]) -> float:
    """The fraction of several runs that is done, 0 to 1. Runs count equally, since the size of a new run is unknown."""
    return sum(status.share for status in statuses) / len(statuses) if statuses else 0.0


def status_table(statuses: Sequence[RunStatus]) -> "Table":
    """The states as a table for display."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, side in (("run", "left"), ("state", "left"), ("samples", "right"), ("", "left")):
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for one in statuses:
        total = "?" if one.total is None else f"{one.total:,}"
        samples = "" if one.state == NEW else f"{one.done:,} of {total}"
        note = one.note + (f" ({one.log})" if one.log else "")
        table.add_row(Text(one.run), Text(one.state), Text(samples), Text(note))
    return table


def summary(statuses: Sequence[RunStatus]) -> str:
    """One line that summarises all of them.

    Example:
        >>> summary([RunStatus("a", COMPLETE, 8, 8), RunStatus("b", INTERRUPTED, 4, 8), RunStatus("c", NEW, 0, None)])
        '3 runs: 1 complete, 1 interrupted, 1 new; 50 % done'
    """
    states = [one.state for one in statuses]
    parts = [
        f"{states.count(state)} {state}" for state in (COMPLETE, RUNNING, INTERRUPTED, FAILED, NEW) if state in states
    ]
    return f"{count(len(states), 'run')}: {', '.join(parts)}; {100 * all_done(statuses):.0f} % done"
