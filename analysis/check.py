"""`python -m pid_lvlm.analysis.check RESULTS...`: a table of estimates against the ground truth; exit 1 if one is off.

It judges the final layer of the final checkpoints, each estimator separately: the largest true atom of a problem may be
off by 0.15 bits, each atom of a mixture by 0.2 bits, or 0.1 with the exact estimator. An atom whose interval over items
contains the ground truth is not off. A failed fit with a known ground truth counts as off.
"""

if __name__ == "__main__":  # before the imports: Ctrl-C must work during them
    from pid_lvlm.commands import start

    start("pid_lvlm.analysis.check")

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import Version, epilog, make_app
from pid_lvlm.data.command.result import EXIT_DONE, EXIT_WITH_FAILURES
from pid_lvlm.data.names import ATOMS

if TYPE_CHECKING:
    import polars as pl

_PIPED_WIDTH = 140  # rich assumes 80 columns without a terminal, and would wrap the rows


def check(results: "pl.DataFrame") -> "tuple[pl.DataFrame, list[str]]":
    """Compare estimates with the ground truth.

    Returns:
        The table of `analysis.tables.ground_truth`, and one sentence per estimate that is off.

    Raises:
        NothingToShowError: no successful final fit has a known ground truth.
    """
    import polars as pl

    from pid_lvlm.analysis.frames.given import given, labelled
    from pid_lvlm.analysis.tables.ground_truth import ground_truth

    results = labelled(given(results))
    table = ground_truth(results)
    off = table.filter(pl.col("judged") & ~pl.col("within"))
    several = table["estimator"].n_unique() > 1
    return table, [_sentence(row, several) for row in off.to_dicts()] + _failed(results)


def _sentence(row: dict[str, Any], several: bool) -> str:
    by = f", {row['estimator']}" if several else ""
    where = f"{row['model']} on {row['dataset']}{by}: {row['atom']}"
    if row["difference"] is None:
        return f"{where} is not known"
    return f"{where} is off by {row['difference']:+.3f} bits (allowed {row['tolerance']})"


def _failed(results: "pl.DataFrame") -> list[str]:
    import polars as pl

    from pid_lvlm.analysis.frames.load import failed_fits
    from pid_lvlm.analysis.frames.reshape import final_checkpoint, final_layer, with_series

    final = failed_fits(final_layer(final_checkpoint(with_series(results))))
    known = final.filter(pl.col(f"true_{ATOMS[0]}").is_not_null())
    by = ", {estimator}" if results["estimator"].n_unique() > 1 else ""
    return [f"{{run}}, layer {{layer}}{by}: {{result}}".format(**row) for row in known.to_dicts()]


def _print(comparison: "pl.DataFrame") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pid_lvlm.analysis.frames.labels import SYMBOLS, bits

    title = "True → estimated atoms, bits (* decides"
    title += "; below: 95 % interval over items)" if comparison["low"].is_not_null().any() else ")"
    excess = comparison["excess"].is_not_null().any()
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("model", "dataset"):  # fold these on a narrow terminal to keep numbers whole
        table.add_column(heading, overflow="fold")
    table.add_column("estimator", no_wrap=True)
    for heading in (*SYMBOLS.values(), *(["excess"] if excess else []), "allowed", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in comparison.partition_by("run", "model", "dataset", "estimator", maintain_order=True):
        rows = group.to_dicts()
        within = all(row["within"] for row in rows if row["judged"])
        names = [Text(rows[0][name]) for name in ("model", "dataset", "estimator")]
        numbers = [
            *(["" if rows[0]["excess"] is None else bits(rows[0]["excess"])] if excess else []),
            bits(rows[0]["tolerance"]),
        ]
        verdict = "[green]within[/]" if within else "[bold red]OFF[/]"
        table.add_row(*names, *(Text(_cell(row)) for row in rows), *numbers, verdict)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPED_WIDTH)
    console.print(table)


def _cell(row: dict[str, Any]) -> str:
    from pid_lvlm.analysis.frames.labels import bits, interval

    estimated = "–" if row["estimated"] is None else bits(row["estimated"])
    cell = f"{bits(row['ground_truth'])} → {estimated}{'*' if row['judged'] else ' '}"
    below = interval(row["low"], row["high"])
    return f"{cell}\n{below} " if below else cell


app = make_app(completion=False)


@app.command(epilog=epilog("python -m pid_lvlm.analysis.check out/demo/results.parquet", failing="an estimate is off"))
def run(
    tables: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS", help="Result tables of pid-estimate.", show_default=False),
    ],
    version: Version = False,
) -> int:
    """Compare estimated atoms with the ground truth, at the final layer of the final checkpoints.

    Each estimator in the tables is compared. Excess is the certain part of BATCH's bias.
    """
    from pid_lvlm.analysis.frames.load import read_results

    comparison, off = check(read_results(*tables))
    _print(comparison)
    if off:
        sys.stdout.flush()
        sys.stderr.write("".join(f"off: {sentence}\n" for sentence in off))
    return EXIT_WITH_FAILURES if off else EXIT_DONE


def main() -> NoReturn:
    """Run the command."""
    run_command("python -m pid_lvlm.analysis.check", app, extra="analysis")
