"""Two results are the same, or what differs is named."""

import re

import numpy as np
import polars as pl
import pytest

from pid_lvlm.analysis.compare import main


@pytest.fixture
def compared(monkeypatch, capsys):
    """Run the command; returns exit code, standard output and standard error."""

    def compare(*arguments):
        monkeypatch.setattr("sys.argv", ["compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return compare


@pytest.fixture
def table(tmp_path, make_row, make_frame):
    """Write a table of two layers, whose rows are changed by the columns given; returns its path."""

    def write(name, *, rows=2, **columns):
        made = [make_row(layer=layer, problem_id=f"p{layer}") | columns for layer in range(1, rows + 1)]
        make_frame(made).write_parquet(tmp_path / name)
        return tmp_path / name

    return write


def test_only_the_time_differs(compared, table):
    code, out, err = compared(table("a.parquet", seconds=1.0), table("b.parquet", seconds=2.0))
    assert (code, err) == (0, "")
    assert out == "identical: 1 file, 2 rows\n"


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [("synergy", 1.9, "1.9"), ("device", "gpu", '"gpu"'), ("seeds", [0], "[0]"), ("accuracy", None, "null")],
)
def test_the_first_difference_of_a_column_is_named(compared, table, column, value, shown):
    code, out, err = compared(table("a.parquet"), table("b.parquet", **{column: value}))
    assert (code, out) == (1, "")
    assert err.startswith(f"different: demo-llava-small__demo-fusion, layer 1: `{column}` is ")
    assert err.endswith(f"and {shown} (and in 1 more row)\n")
    assert err.count("\n") == 1


def test_missing_rows_and_another_order(compared, table, tmp_path):
    two, three = table("a.parquet"), table("b.parquet", rows=3)
    code, _, err = compared(two, three)
    assert (code, err) == (1, "different: demo-llava-small__demo-fusion, layer 3: only in the second table\n")
    pl.read_parquet(two).reverse().write_parquet(tmp_path / "c.parquet")
    code, _, err = compared(two, tmp_path / "c.parquet")
    assert (code, err) == (1, "different: the rows are in a different order\n")


def test_within_a_tolerance(compared, table):
    there = {"device": "gpu", "versions": "{}", "problem_id": "x", "seconds": 3.0, "synergy": 2.0005}
    ours, theirs = table("a.parquet", rows=1), table("b.parquet", rows=1, **there)
    code, out, err = compared(ours, theirs, "--tolerance", "0.001")
    assert (code, err) == (0, "")
    assert re.search(r"^synergy +0\.0005$", out, re.MULTILINE)
    assert "excess" not in out  # which neither table has
    assert out.endswith("within 0.001: 1 file, 1 row\n")
    code, out, err = compared(ours, theirs, "--tolerance", "0.0001")
    assert code == 1
    assert err == "different: demo-llava-small__demo-fusion, layer 1: `synergy` is 2.0 and 2.0005\n"
    assert compared(table("c.parquet", accuracy=None), table("d.parquet"), "--tolerance", "1")[0] == 1


def test_run_folders_are_compared_byte_by_byte(compared, make_run, tmp_path):
    first, second = (make_run(tmp_path / name / "run", n=6) for name in "ab")
    (second / ".leftover").write_text("")
    code, out, err = compared(tmp_path / "a", tmp_path / "b")
    assert (code, out, err) == (0, "identical: 2 files\n", "")
    shard = second / "shard-00000.npz"
    with np.load(shard) as arrays:
        np.savez(shard, **{**arrays, "label": arrays["label"][::-1]})
    (second / "manifest.json").write_text((first / "manifest.json").read_text().replace("vision_only", "other"))
    (second / "more.txt").write_text("")
    code, _, err = compared(first, second)
    assert code == 1
    assert err.splitlines() == [
        f"different: `more.txt` is only in `{second}`",
        "different: `manifest.json` differs in `conditions`",
        "different: `shard-00000.npz` differs in `label`",
    ]


def test_tables_in_folders(compared, table, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        table(f"{folder}/results.parquet", seconds=float(folder == "x"))
        (tmp_path / folder / "log.txt").write_text(folder)
    code, _, err = compared(tmp_path / "x", tmp_path / "y")
    assert (code, err) == (1, "different: `log.txt` differs from byte 0 on\n")


def test_what_cannot_be_compared(compared, table, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    for other, words in {
        "missing.parquet": "does not exist",
        "empty": "without files",
        "notes.txt": "is not a result table",
    }.items():
        code, out, err = compared(table("a.parquet"), tmp_path / other)
        assert (code, out) == (2, "")
        assert words in err
    (tmp_path / "empty" / "x").write_text("")
    assert "a file and a folder" in compared(tmp_path / "a.parquet", tmp_path / "empty")[2]
