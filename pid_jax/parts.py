"""One estimate shared by several processes: each fits its part and writes its own table beside the common one."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from data import PidError
from pid_jax.output import read_existing

_FORM = re.compile(r"(\d+)/(\d+)")


class Part(NamedTuple):
    """Part `number` of `total`, counted from 1."""

    number: int
    total: int

    def share(self, problems: Sequence[Any]) -> slice:
        """This part's share of a group's problems: neighbours, so that a process reads few runs."""
        return slice(len(problems) * (self.number - 1) // self.total, len(problems) * self.number // self.total)

    def table(self, out: Path) -> Path:
        """Where this part's rows are kept until they are merged into `out`."""
        return out.with_name(f"{out.stem}.part-{self.number}-of-{self.total}{out.suffix}")


WHOLE = Part(1, 1)


def parse_part(text: str) -> Part:
    """Part from `i/n`.

    Raises:
        PidError: not of the form i/n with 1 ≤ i ≤ n.
    """
    found = _FORM.fullmatch(text.strip())
    part = Part(*map(int, found.groups())) if found else Part(0, 0)
    if not 1 <= part.number <= part.total:
        raise PidError(f"--part: expected i/n with 1 <= i <= n, such as 2/8, found `{text}`")
    return part


def part_tables(out: Path) -> list[Path]:
    """Tables of parts that lie beside `out`."""
    return sorted(out.parent.glob(f"{out.stem}.part-*-of-*{out.suffix}"))


def read_with_parts(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of `out` and of the parts beside it, by problem id.

    Raises:
        OutputExistsError: one of them is no result table of this version.
    """
    rows = read_existing(out)
    for path in part_tables(out):
        rows |= read_existing(path)
    return rows


def join_processes(coordinator: str | None, processes: int | None, process: int | None) -> Part:
    """Join the other processes through `jax.distributed`; the answer is this process's part.

    Args:
        coordinator: `host:port` of process 0; found out by jax under Slurm, Open MPI and the like.
        processes: how many there are, found out likewise.
        process: which one this is, from 0.

    Raises:
        PidError: jax cannot find out, or the others do not answer.
    """
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise PidError(
            f"--distributed: the processes did not find each other ({reason}); outside Slurm and MPI pass "
            "--coordinator, --processes and --process"
        ) from error
    return Part(jax.process_index() + 1, jax.process_count())


def wait_for_all(name: str) -> None:
    """Wait until every process has come here."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(name)
