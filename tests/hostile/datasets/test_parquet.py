"""Parquet files that claim more than they hold, or that a reader does not survive."""

import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import polars as pl
import pyarrow as pa
import pytest

from pid_lvlm.data.inputs.tables import TableError, read_parquet
from tests.hostile.datasets.item_files import parquet, refused

CORPUS = Path(__file__).parents[1] / "corpus"


def test_a_footer_that_lies_about_rows(folder: Path) -> None:
    path = folder / "many.parquet"
    pl.select(pl.repeat(1, 1_000_001).alias("id")).write_parquet(path)
    assert path.stat().st_size < 10**5
    refused(path, "it says that it has 1,000,001 rows; at most 1,000,000 rows are read")
    pl.select(pl.repeat(1, 500_000).alias(f"c{column}") for column in range(101)).write_parquet(path)
    refused(path, "it says that it has 500,000 rows of 101 columns; at most 50,000,000 values are read")


def test_texts_inside_lists_and_mappings_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pid_lvlm.data.inputs.tables.UNPACKED_FROM", 0)
    text = "z" * 1000
    for name, value in (
        ("list", [text]),
        ("mapping", {"a": {"b": text}}),
        ("both", [{"a": text}]),
        ("bytes", [b"z" * 1000]),
    ):
        path = folder / f"{name}.parquet"
        pl.DataFrame({"id": [value] * 2000}).write_parquet(path)
        refused(path, "it has more than ", " bytes of values in ")


def test_a_text_that_stands_in_every_row(folder: Path) -> None:
    """The file of one kilobyte holds a text of 100,000 characters once, and says that 50,000 rows have it."""
    path = folder / "same.parquet"
    shutil.copy(CORPUS / "one_text_in_every_row.parquet", path)
    refused(path, "bytes of values in 1,044 bytes; at most 100 bytes per byte of the file are read")


def test_a_page_that_polars_does_not_survive(folder: Path) -> None:
    """Found by fuzzing: the header of a page says that it has a negative number of values."""
    path = folder / "page.parquet"
    shutil.copy(CORPUS / "page_of_a_negative_number_of_values.parquet", path)
    refused(path, "cannot be read as parquet: Invalid page header (negative number of values); download it again")


def test_failures_of_polars_itself_are_sentences(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        os.write(2, b"thread panicked\n")
        raise pl.exceptions.PanicException("called `Option::unwrap()`")

    path = folder / "items.parquet"
    path.write_bytes(parquet())
    monkeypatch.setattr(pl, "from_arrow", fail)
    with pytest.raises(TableError, match=r"polars cannot read it \(called `Option::unwrap"):
        read_parquet(path)
    refused(path, "polars cannot read it (called")


def test_what_pyarrow_refuses_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, said in (
        (pa.ArrowMemoryError("malloc"), "it does not fit into memory"),
        (pa.ArrowNotImplementedError("a codec"), "a codec; download it again"),
        (pa.ArrowCapacityError("too long"), "too long; download it again"),
    ):
        monkeypatch.setattr("pyarrow.parquet.ParquetFile", Mock(side_effect=error))
        with pytest.raises(TableError, match=f"^{said}$"):
            read_parquet(parquet())
