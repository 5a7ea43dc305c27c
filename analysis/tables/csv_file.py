"""A table as a CSV file that a spreadsheet opens as data: no text in it is a formula."""

from typing import Final

import polars as pl

from pid_lvlm.data.command.display import displayable

_FORMULA: Final = r"^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]"
"""First characters of text that a spreadsheet would evaluate, including full-width forms."""


def csv_bytes(frame: pl.DataFrame) -> bytes:
    r"""The table in CSV, UTF-8; texts are quoted, numbers are not.

    Text that a spreadsheet would take for a formula gets a leading apostrophe, as OWASP advises against CSV injection.
    Control characters are written as their Unicode pictures to keep every row on one line.

    Example:
        >>> csv_bytes(pl.DataFrame({"model": ["=1+1"], "synergy": [-0.5]}))
        b'"model","synergy"\n"\'=1+1",-0.5\n'
    """
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return frame.with_columns(_harmless(frame[name]) for name in texts).write_csv(quote_style="non_numeric").encode()


def _harmless(column: pl.Series) -> pl.Series:
    texts = column.drop_nulls().unique()
    shown = pl.Series([displayable(text) for text in texts.to_list()], dtype=pl.String)
    marked = pl.select(pl.when(texts.str.contains(_FORMULA)).then(pl.lit("'") + shown).otherwise(shown)).to_series()
    return column.replace_strict(texts, marked, default=None, return_dtype=pl.String)
