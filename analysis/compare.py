"""`python -m pid_lvlm.analysis.compare A B`: two result tables, run folders, or folders of them; exit 1 if they differ.

Run folders are the same if every byte is. Result tables are the same if every value except `seconds` is: an estimate
that was killed and resumed takes a different time. With a tolerance, for results from another machine, numbers may
differ by that many bits, rows are matched by what was estimated, and columns about the machine are ignored.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import Version, epilog, make_app
from pid_lvlm.data.command.result import EXIT_DONE, EXIT_WITH_FAILURES
from pid_lvlm.data.command.shown import count, cut
from pid_lvlm.data.errors import PidError

if TYPE_CHECKING:
    import polars as pl

TIMING: Final = ("seconds",)
"""Columns that differ between any two estimates."""
WHERE: Final = (*TIMING, "device", "versions", "problem_id")
"""Columns that differ between machines: a problem's hash depends on the arrays of its run."""
PROBLEM: Final = ("run", "layer", "pooling", "tau", "preset", "estimator", "seeds", "recipe")
"""Columns that say what was estimated; rows from two machines are matched by them."""
TABLE: Final = ".parquet"
SHOWN: Final = 60
"""Characters of a value to quote in a sentence."""
CHUNK: Final = 1 << 20
"""Bytes compared at a time."""


@dataclass(frozen=True)
class Comparison:
    """What was compared, and how it differs.

    Attributes:
        files: number of files on both sides.
        rows: number of table rows on both sides.
        differences: sentences about the first difference of each file or column.
        largest: column -> largest difference between two numbers, for tables compared with a tolerance.
    """

    files: int
    rows: int
    differences: tuple[str, ...]
    largest: Mapping[str, float]


def compare(first: Path, second: Path, tolerance: float | None = None) -> Comparison:
    """Compare two result tables, or two folders recursively. Hidden files do not count.

    Args:
        first: a result table or a folder.
        second: another.
        tolerance: largest allowed difference between two numbers in a table; None requires equal numbers.

    Raises:
        PidError: one of them does not exist, or one is a file and the other a folder.
        ResultTableError: a table cannot be read.
    """
    ours, theirs = _files(first), _files(second)
    if first.is_dir() != second.is_dir():
        raise PidError(f"`{first}` and `{second}` are a file and a folder; compare two tables or two folders")
    differences = [f"`{name}` is only in `{first}`" for name in ours if name not in theirs]
    differences += [f"`{name}` is only in `{second}`" for name in theirs if name not in ours]
    rows, largest = 0, dict[str, float]()
    both = [name for name in ours if name in theirs]
    for name in both:
        if ours[name].suffix == TABLE:
            found = compare_tables(_read(ours[name]), _read(theirs[name]), tolerance)
            rows += found.rows
            largest |= {column: max(value, largest.get(column, 0.0)) for column, value in found.largest.items()}
            differences += [f"`{name}`: {text}" if len(ours) > 1 else text for text in found.differences]
        elif (text := _different_bytes(ours[name], theirs[name])) is not None:
            differences.append(f"`{name}` {text}")
    return Comparison(len(both), rows, tuple(differences), largest)


def compare_tables(first: "pl.DataFrame", second: "pl.DataFrame", tolerance: float | None = None) -> Comparison:
    """Compare two result tables; each column that differs gives one sentence, about the first row that differs.

    Args:
        first: from `read_results`.
        second: another.
        tolerance: see `compare`.
    """
    keys = ["problem_id"] if tolerance is None else list(PROBLEM)
    ignored = TIMING if tolerance is None else WHERE
    differences = [*_alone(first, second, keys, "first"), *_alone(second, first, keys, "second")]
    ours = first.join(second, on=keys, how="semi", nulls_equal=True, maintain_order="left")
    theirs = second.join(first, on=keys, how="semi", nulls_equal=True, maintain_order="left")
    if not ours.select(keys).equals(theirs.select(keys)):
        if tolerance is None:
            differences.append("the rows are in a different order")
        theirs = ours.select(keys).join(theirs, on=keys, how="left", nulls_equal=True, maintain_order="left")
    largest: dict[str, float] = {}
    for column in (name for name in first.columns if name not in (*keys, *ignored)):
        differs, most = _differing(ours[column], theirs[column], tolerance)
        if most is not None:
            largest[column] = most
        rows = differs.arg_true()
        if len(rows):
            where, here, there = _fit(ours.row(rows[0], named=True)), ours[column][rows[0]], theirs[column][rows[0]]
            more = f" (and in {count(len(rows) - 1, 'more row')})" if len(rows) > 1 else ""
            differences.append(f"{where}: `{column}` is {_shown(here)} and {_shown(there)}{more}")
    return Comparison(1, len(ours), tuple(differences), largest)


def _alone(here: "pl.DataFrame", there: "pl.DataFrame", keys: list[str], which: str) -> list[str]:
    """One sentence about rows in only one table."""
    rows = here.join(there, on=keys, how="anti", nulls_equal=True, maintain_order="left")
    if rows.is_empty():
        return []
    more = f" and {count(len(rows) - 1, 'more row')}" if len(rows) > 1 else ""
    return [f"{_fit(rows.row(0, named=True))}{more}: only in the {which} table"]


def _differing(first: "pl.Series", second: "pl.Series", tolerance: float | None) -> "tuple[pl.Series, float | None]":
    """Where two columns differ, and, with a tolerance, the largest difference between their numbers."""
    same = first.eq_missing(second)
    if tolerance is None or not first.dtype.is_float():
        return ~same, None
    apart = (first - second).abs()
    most = apart.max()
    within = same | (apart <= tolerance).fill_null(value=False)
    return ~within, most if isinstance(most, float) else None


def _fit(row: Mapping[str, Any]) -> str:
    return f"{cut(row['run'], SHOWN)}, layer {row['layer']}"


def _read(path: Path) -> "pl.DataFrame":
    from pid_lvlm.analysis.frames.load import read_results

    return read_results(path)


def _files(path: Path) -> dict[str, Path]:
    """Name below a folder -> file; a single file is named by its kind."""
    if path.is_dir():
        found = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
        shown = {
            name: file for name, file in found.items() if not any(part.startswith(".") for part in name.split("/"))
        }
        if not shown:
            raise PidError(f"`{path}` is a folder without files; expected run folders or result tables")
        return shown
    if not path.exists():
        raise PidError(f"`{path}` does not exist; expected a result table or a folder")
    if path.suffix != TABLE:
        raise ResultTableError(str(path), "is not a result table (.parquet) and not a folder")
    return {TABLE: path}


def _different_bytes(first: Path, second: Path) -> str | None:
    """How two files differ; None if they do not."""
    at = _first_different_byte(first, second)
    if at is None:
        return None
    for what in (_entries, _arrays):
        here, there = what(first), what(second)
        if here is not None and there is not None:
            names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
            if names:
                return f"differs in `{names[0]}`{f' and {len(names) - 1} more' if len(names) > 1 else ''}"
    return f"differs from byte {at} on"


def _first_different_byte(first: Path, second: Path) -> int | None:
    """Position of the first byte that differs or is in only one file."""
    at = 0
    with first.open("rb") as here, second.open("rb") as there:
        while True:
            one, other = here.read(CHUNK), there.read(CHUNK)
            if one != other:
                common = zip(one, other, strict=False)
                return at + next((place for place, (a, b) in enumerate(common) if a != b), min(len(one), len(other)))
            if not one:
                return None
            at += len(one)


def _entries(path: Path) -> dict[str, Any] | None:
    """Fields of a manifest, or of any JSON object."""
    from pid_lvlm.data.inputs.text import TextError, parse_json, read_text

    if path.suffix != ".json":
        return None
    try:
        found = parse_json(read_text(path))
    except TextError:
        return None
    return found if isinstance(found, dict) else None


def _arrays(path: Path) -> dict[str, tuple[int, int]] | None:
    """Size and checksum of each array in an npz file, from its table of contents."""
    import zipfile

    if path.suffix != ".npz":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return {info.filename.removesuffix(".npy"): (info.file_size, info.CRC) for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None


def _shown(value: object) -> str:
    text = json.dumps(value, default=lambda series: series.to_list())  # polars returns a list as a series
    return cut(text, SHOWN)


app = make_app(completion=False)


@app.command(
    epilog=epilog(
        "python -m pid_lvlm.analysis.compare results.parquet again.parquet",
        "python -m pid_lvlm.analysis.compare runs other-machine/runs",
        failing="they differ",
    )
)
def run(
    first: Annotated[Path, typer.Argument(metavar="A", help="A result table, a run folder or a folder of both.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="BITS",
            help="Allowed difference between numbers in tables, for results from another machine; also prints the "
            "largest difference in each column.",
        ),
    ] = None,
    version: Version = False,
) -> int:
    """Say whether two results are the same, or list the first difference in each file and column."""
    found = compare(first, second, tolerance)
    for column, most in found.largest.items():
        typer.echo(f"{column:<{max(map(len, found.largest))}}  {most:.3g}")
    if found.differences:
        sys.stdout.flush()
        sys.stderr.write("".join(f"different: {text}\n" for text in found.differences))
        return EXIT_WITH_FAILURES
    rows = f", {count(found.rows, 'row')}" if found.rows else ""
    typer.echo(f"{'identical' if tolerance is None else f'within {tolerance:g}'}: {count(found.files, 'file')}{rows}")
    return EXIT_DONE


def main() -> NoReturn:
    """Run the command."""
    run_command("python -m pid_lvlm.analysis.compare", app, extra="analysis")


if __name__ == "__main__":
    main()
