"""Result tables that were damaged, edited or made to harm: refused in a sentence, or read as they were written."""

import json
import math
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pid_jax.results.solution import Result
from pid_jax.results.table_file import read_existing
from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.analysis.frames.load import read_results
from pid_lvlm.data.contract.table.result_checks import TableError, checked_table
from pid_lvlm.data.contract.table.result_file import CHECKSUMS, MAGIC, write_frame
from pid_lvlm.data.contract.table.result_table import SCHEMA
from pid_lvlm.data.contract.table.results import COLUMNS, RESULT_SCHEMA_VERSION, RESULTS, Column
from pid_lvlm.data.errors import PidError
from tests import ROOT

ROWS = 3
COLUMN = {column.name: column for column in COLUMNS}
NUMBERS = [column for column in COLUMNS if column.kind in ("int", "float")]
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def usual(column: Column, row: int) -> object:
    """A value that the column can have."""
    if column.name == "schema_version":
        return RESULT_SCHEMA_VERSION
    if column.values.choices:
        return column.values.choices[0]
    if column.values.is_json:
        return json.dumps({"row": row})
    return {"text": f"{column.name} {row}", "int": 3, "float": 0.25, "list": [0, 1]}[column.kind]


def sound() -> pl.DataFrame:
    return pl.DataFrame([{column.name: usual(column, row) for column in COLUMNS} for row in range(ROWS)], SCHEMA)


def with_value(name: str, value: object, row: int = 1) -> pl.DataFrame:
    """The sound table with another value in one row, in the type that the value needs."""
    frame = sound()
    values = frame[name].to_list()
    values[row] = value
    return frame.with_columns(pl.Series(name, values, SCHEMA[name], strict=False))


def refusal(frame: pl.DataFrame) -> str:
    """Why a table is refused; empty if it is not."""
    try:
        checked_table(frame)
    except TableError as error:
        return str(error)
    return ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.parquet"


def test_a_table_is_read_as_it_was_written(path):
    write_frame(path, sound())
    assert read_results(path).equals(sound())
    assert list(read_existing(path).values()) == sound().to_dicts()
    kept = pl.read_parquet_metadata(path)
    assert len({kept[name] for name in CHECKSUMS}) == 1
    again = path.with_name("again.parquet")
    write_frame(again, sound())
    assert again.read_bytes() == path.read_bytes()


IMPOSSIBLE = [
    ("synergy", 1e300, "-6"),
    ("synergy", math.inf, ""),
    ("redundancy_raw", -1e9, "-300 to 300 bits"),
    ("accuracy", 7.0, "0 to 1"),
    ("synergy_share", 1.5, "0 to 1"),
    ("layer", 4, "0 to `num_layers`"),
    ("num_train", -1, "0 to 100000000 samples"),
    ("num_options", 1, "2 to"),
    ("tau", 1.5, "0 to 1 probability"),
    ("seeds", [-1], "0 to 4294967295"),
    ("seeds", [], "0 to 4294967295"),
    ("seeds", [2**40], "0 to 4294967295"),
    ("result", "fine", "`successful`, `sinkhorn_unconverged`"),
    ("pooling", "sum", "`mean`, `max`, `last`"),
    ("run", "a\x1b[2Jb", "text without control characters"),
    ("model", "a\u2028b", "text without control characters"),
    ("dataset", "x" * 5000, "at most 4096 characters"),
    ("recipe", "{", "a JSON object"),
    ("recipe", "[" * 3000, "a JSON object"),
    ("versions", "[1]", "a JSON object"),
    ("schema_version", 0, "1 to"),
    ("seconds", -1.0, "0 to"),
]


@pytest.mark.parametrize(("name", "value", "expected"), IMPOSSIBLE)
def test_a_value_that_cannot_be_is_refused_with_its_row_by_both_commands(path, name, value, expected):
    write_frame(path, with_value(name, value))
    for read in (read_results, read_existing):
        with pytest.raises(PidError) as caught:
            read(path)
        said = str(caught.value)
        assert f"row 1, column `{name}`: expected {expected.removeprefix('-6')}" in said
        assert "\n" not in said
        assert len(said) < 600


@QUICK
@given(
    st.sampled_from([column for column in NUMBERS if column.name != "schema_version"]),
    st.floats(allow_nan=False),
    st.integers(0, ROWS - 1),
)
def test_a_number_is_read_or_refused_by_its_range(column, value, row):
    value = max(min(int(value), 2**62), -(2**62)) if column.kind == "int" and math.isfinite(value) else value
    if column.kind == "int" and not isinstance(value, int):
        return
    limits = column.values
    most = 3 if limits.most_of else limits.most
    possible = limits.least <= value <= most and math.isfinite(value)
    if not possible and limits.least - 1e-5 <= value <= most + 1e-5:
        return  # rounding
    if column.name == "num_layers" and value < 3:
        return  # then the layer is above it
    said = refusal(with_value(column.name, value, row))
    assert (said == "") == possible
    assert possible or f"row {row}, column `{column.name}`" in said


@QUICK
@given(st.sampled_from([c.name for c in COLUMNS if c.kind == "text"]), st.text(max_size=40))
def test_a_text_is_read_or_refused(name, text):
    said = refusal(with_value(name, text.encode(errors="replace").decode()))
    assert said.isprintable()
    assert said or not any(ord(mark) < 32 or mark in "\x7f\u2028\u2029" for mark in text)


@pytest.mark.parametrize("step", range(11))
def test_a_flipped_bit_anywhere_is_found(path, step):
    write_frame(path, sound())
    whole = path.read_bytes()
    for place in range(step, len(whole), 331):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(ResultTableError, match=r"is damaged: it differs from what|is not a parquet|is truncated"):
            read_results(path)


@pytest.mark.parametrize("spoil", ["footer", "pages", "length", "panic"])
def test_damage_in_a_table_without_a_checksum_is_a_sentence(path, spoil, capfd):
    sound().write_parquet(path)
    content = bytearray(path.read_bytes())
    if spoil == "footer":
        content[-3000:-500] = bytes(range(250)) * 10
    elif spoil == "pages":
        content[20:400] = b"\xff" * 380
    elif spoil == "length":
        content[-8:-4] = b"\xff\xff\xff\x7f"
    else:
        content = bytearray(MAGIC + b"\x00" * 40 + b"\x08\x00\x00\x00" + MAGIC)
    path.write_bytes(content)
    with pytest.raises(ResultTableError, match=r"cannot be read as parquet \(.+\); copy it again"):
        read_results(path)
    assert capfd.readouterr().err == ""


def test_a_table_that_polars_wrote_again_is_read(path):
    """Filtering a table and writing it again drops the checksum, and that is fine."""
    write_frame(path, sound())
    pl.read_parquet(path).head(2).write_parquet(path)
    assert len(read_results(path)) == 2
    assert len(read_existing(path)) == 2


def test_rows_that_nobody_wrote_are_not_allocated(path):
    pl.DataFrame({"a": pl.repeat(0, 6_000_000, dtype=pl.Int8, eager=True)}).write_parquet(path)
    with pytest.raises(ResultTableError, match="it claims 6,000,000 rows"):
        read_results(path)


def test_too_many_columns_are_refused(path):
    pl.DataFrame({f"c{i}": [0] for i in range(501)}).write_parquet(path)
    with pytest.raises(ResultTableError, match="has 501 columns; at most 500 columns"):
        read_results(path)


def test_two_rows_of_one_problem(path):
    frame = sound()
    write_frame(path, pl.concat([frame, frame.head(1)]))
    assert read_results(path).equals(frame)
    write_frame(path, pl.concat([frame, frame.head(1).with_columns(synergy=pl.lit(0.5))]))
    for read in (read_results, read_existing):
        with pytest.raises(PidError, match="rows 0 and 3 are both problem `problem_id 0` and differ"):
            read(path)


def test_columns_of_the_user_are_not_dropped_from_a_table_that_is_continued(path):
    write_frame(path, sound().with_columns(mine=pl.lit(1)))
    assert len(read_results(path)) == ROWS
    with pytest.raises(PidError, match="has the column `mine`, which no result table has and which would be lost"):
        read_existing(path)


def test_a_failed_fit_may_hold_what_a_sound_one_may_not(path):
    failed = with_value("result", "nonfinite_loss").with_columns(
        loss_last=pl.when(pl.col("result") == "nonfinite_loss").then(math.inf).otherwise("loss_last")
    )
    write_frame(path, failed)
    assert read_results(path)["loss_last"].to_list() == [0.25, None, 0.25]


def test_the_table_knows_every_result():
    assert tuple(code.label for code in Result) == RESULTS
    assert COLUMN["schema_version"].values.most == RESULT_SCHEMA_VERSION


@pytest.mark.parametrize("name", ["res[1].parquet", "res*.parquet", "res?.parquet", "a b.parquet", "{x}.parquet"])
def test_a_name_with_marks_of_a_pattern_is_that_file(tmp_path, name):
    write_frame(tmp_path / "res1.parquet", sound().head(1))
    write_frame(tmp_path / name, sound())
    assert len(read_results(tmp_path / name)) == ROWS
    assert len(read_existing(tmp_path / name)) == ROWS


def test_the_report_reads_a_table_by_its_exact_name(tmp_path, monkeypatch, capsys):
    from pid_lvlm.analysis.cli import main

    write_frame(tmp_path / "res[1].parquet", with_value("accuracy", 7.0))
    monkeypatch.setattr(
        sys, "argv", ["pid-report", str(tmp_path / "res[1].parquet"), "--out", str(tmp_path / "report")]
    )
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "row 1, column `accuracy`: expected 0 to 1, found 7.0" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_every_range_is_on_the_page(column):
    page = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8").partition("**Allowed values.**")[2]
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    (values,) = (values for values, columns in rows if f"`{column.name}`" in columns)
    unit = "" if column.unit in ("-", "1") else f" {column.unit}"
    assert values == f"{column.values}{unit}"
