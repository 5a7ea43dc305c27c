"""Why a value is drawn hollow: it is impossible, or it or its row is beyond a limit."""

import polars as pl

from pid_lvlm.analysis.frames.reshape import atoms_long
from pid_lvlm.data.contract.table.limits import LIMITS, Limit
from pid_lvlm.data.contract.table.result_table import worth_a_warning
from pid_lvlm.data.contract.table.results import WIDE_INTERVAL
from pid_lvlm.data.names import ATOMS

BELOW_ZERO = "below 0, impossible for an atom: estimation error"
"""For a value below 0 whose certified interval, if any, is also below 0."""


def noted_atoms(frame: pl.DataFrame) -> pl.DataFrame:
    """`atoms_long` with the column `note`: why a value should not be read as an amount of information, else null.

    Values below 0 get a note; with a certificate, only if the whole certified interval is below 0. Limits of
    diagnostics are those of `pid-report`'s warnings; limits of one atom are noted for that atom only.

    Args:
        frame: rows of the result table.
    """
    of_row = [limit for limit in LIMITS if _atom_of(limit) is None]
    frame = frame.with_columns(
        _joined([*map(_beyond, of_row), _wide()]).alias("_row"),
        *(_joined([*map(_beyond, _of_atom(atom))]).alias(f"_{atom}") for atom in ATOMS),
    )
    own = [pl.when(pl.col("atom") == atom).then(f"_{atom}") for atom in ATOMS]
    note = _joined([_below_zero(), pl.coalesce(own), pl.col("_row")])
    known = pl.col("raw").is_not_null()
    return (
        atoms_long(frame)
        .with_columns(pl.when(known).then(note).alias("note"))
        .drop("_row", *(f"_{atom}" for atom in ATOMS))
    )


def _below_zero() -> pl.Expr:
    return pl.when(pl.coalesce("certified_high", "raw") < 0).then(pl.lit(BELOW_ZERO))


def _wide() -> pl.Expr:
    said = "certified interval wider than requested; the optimum is inside"
    return pl.when(pl.col("result") == WIDE_INTERVAL).then(pl.lit(said))


def _beyond(limit: Limit) -> pl.Expr:
    side = "below" if limit.below else "above"
    said = f"{limit.diagnostic.replace('_', ' ')} {side} {limit.limit:g}"
    return pl.when(worth_a_warning(limit)).then(pl.lit(said))


def _of_atom(atom: str) -> list[Limit]:
    """The limits of one atom, except the one for values below 0, which all have a note already."""
    return [limit for limit in LIMITS if _atom_of(limit) == atom and not limit.below]


def _atom_of(limit: Limit) -> str | None:
    return next((atom for atom in ATOMS if limit.diagnostic.startswith(f"{atom}_")), None)


def _joined(texts: list[pl.Expr]) -> pl.Expr:
    joined = pl.concat_str(texts, separator="; ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)
