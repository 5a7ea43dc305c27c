"""Why a value is drawn hollow: what it cannot be, or which limits its row or itself is beyond."""

import polars as pl

from pid_lvlm.analysis.frames.reshape import atoms_long
from pid_lvlm.data.contract.table.limits import LIMITS, Limit
from pid_lvlm.data.contract.table.result_table import worth_a_warning
from pid_lvlm.data.contract.table.results import WIDE_INTERVAL
from pid_lvlm.data.names import ATOMS

BELOW_ZERO = "below 0, which no atom is: estimation error"
"""Of a value whose certified interval, where it has one, is below 0 as well."""


def noted_atoms(frame: pl.DataFrame) -> pl.DataFrame:
    """`atoms_long` with the column `note`: why a value is not to be read as an amount of information; null if it is.

    An atom is not below 0; of one with a certificate it counts that the whole certified interval is. The limits of the
    diagnostics are those of `pid-report`'s warnings; those of one atom are in the notes of that atom only.

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
    said = "certified interval wider than asked for; the optimum is inside"
    return pl.when(pl.col("result") == WIDE_INTERVAL).then(pl.lit(said))


def _beyond(limit: Limit) -> pl.Expr:
    side = "below" if limit.below else "above"
    said = f"{limit.diagnostic.replace('_', ' ')} {side} {limit.limit:g}"
    return pl.when(worth_a_warning(limit)).then(pl.lit(said))


def _of_atom(atom: str) -> list[Limit]:
    """The limits of one atom but that for values below 0, of which all have a note."""
    return [limit for limit in LIMITS if _atom_of(limit) == atom and not limit.below]


def _atom_of(limit: Limit) -> str | None:
    return next((atom for atom in ATOMS if limit.diagnostic.startswith(f"{atom}_")), None)


def _joined(texts: list[pl.Expr]) -> pl.Expr:
    joined = pl.concat_str(texts, separator="; ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)
