"""Part i of n of a command's work, so that several processes, or the tasks of a job array, share it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pid_lvlm.data.bounds import PARTS
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.errors import PidError

_FORM = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


class Part(NamedTuple):
    """Part `number` of `total`, counted from 1."""

    number: int
    total: int

    @property
    def text(self) -> str:
        """As `parse_part` reads it: `2/8`."""
        return f"{self.number}/{self.total}"

    def share(self, problems: Sequence[Any]) -> slice:
        """This part's share of a group's problems: consecutive ones, so that each process reads few runs."""
        return slice(len(problems) * (self.number - 1) // self.total, len(problems) * self.number // self.total)

    def table(self, out: Path) -> Path:
        """Where this part's rows are kept until they are merged into `out`."""
        return out.with_name(f"{out.stem}.part-{self.number}-of-{self.total}{out.suffix}")


WHOLE = Part(1, 1)


def part_tables(out: Path) -> list[Path]:
    """Tables of parts next to `out`."""
    name = re.compile(rf"{re.escape(out.stem)}\.part-[0-9]+-of-[0-9]+{re.escape(out.suffix)}")
    return sorted(path for path in out.parent.glob("*") if name.fullmatch(path.name))


def parse_part(text: str) -> Part:
    """Parse a part from `i/n`.

    Raises:
        PidError: not of the form i/n with 1 ≤ i ≤ n, or too many parts.
    """
    found = _FORM.fullmatch(text.strip())
    part = Part(*map(int, found.groups())) if found else Part(0, 0)
    if not 1 <= part.number <= part.total:
        raise PidError(f"--part: expected i/n with 1 <= i <= n, such as 2/8, found `{cut(text)}`")
    if part.total > PARTS.most:
        raise PidError(f"--part: expected at most {PARTS}, found {part.total:,}")
    return part
