"""Who writes a table: one command at a time, parts side by side, and no row is lost whoever merges when."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from pid_jax.cli.main import main
from pid_lvlm.data.command.part import part_tables
from pid_lvlm.data.locks import locked

FAST = (
    *("--batch-size", "32", "--epochs", "1", "--seeds", "2", "--hidden", "4", "--hidden-layers", "1"),
    *("--estimator", "batch"),
)
RUNS = ("one", "two", "three")

pytestmark = pytest.mark.usefixtures("no_fitting")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_run) -> Path:
    root = tmp_path_factory.mktemp("outputs")
    for index, name in enumerate(RUNS):
        make_run(root / name, n=120, d=6, layers=2, seed=index)
    return root


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    def run(*arguments: object) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["pid-estimate", *map(str, arguments), *FAST])
            with pytest.raises(SystemExit) as left:
                main()
        output = capsys.readouterr()
        return int(left.value.code or 0), output.out + output.err

    return run


def content(path: Path) -> set[tuple[str, int, str]]:
    return set(pl.read_parquet(path.read_bytes()).select("run", "layer", "result").rows())


WHOLE = {(run, layer, "successful") for run in RUNS for layer in (1, 2)}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.parquet"


@pytest.fixture
def between_chunks(monkeypatch) -> Callable[[Callable[[], object]], None]:
    """Something that happens while an estimate fits, after its first chunk."""

    def set_up(happens: Callable[[], object]) -> None:
        from pid_jax.cli import job

        real, done = job.fit_groups, []

        def fit_groups(*arguments: object) -> Iterator[list[dict[str, object]]]:
            for rows in real(*arguments):
                yield rows
                if rows and not done:
                    done.append(True)
                    happens()

        monkeypatch.setattr(job, "fit_groups", fit_groups)

    return set_up


def test_the_second_of_two_commands_says_who_writes_the_table(call, runs, out, between_chunks):
    said = []
    between_chunks(lambda: said.append(call(runs, "--out", out)))
    code, first = call(runs, "--out", out)
    assert code == 0, first
    ((code, second),) = said
    assert code == 2
    assert f"`{out}` is being written by pid-estimate (process {os.getpid()} on " in second
    assert " since 20" in second
    assert content(out) == WHOLE


def test_a_dry_run_neither_waits_nor_writes(call, runs, out):
    with locked(out, "someone"):
        assert call(runs, "--out", out, "--dry-run")[0] == 0
    assert list(out.parent.iterdir()) == []
    assert call(runs, "--out", out.parent / "new" / "r.parquet", "--dry-run")[0] == 0
    assert list(out.parent.iterdir()) == []


def test_a_command_that_finds_nothing_to_do_leaves_no_lock(call, out):
    assert call(out.parent / "nowhere", "--out", out)[0] == 2
    assert list(out.parent.iterdir()) == []


def test_parts_work_side_by_side_and_twice_the_same_part_does_not(call, runs, out, between_chunks):
    said = []
    between_chunks(lambda: said.extend([call(runs, "--out", out, "--part", part) for part in ("1/2", "2/2")]))
    assert call(runs, "--out", out, "--part", "1/2")[0] == 0
    assert [code for code, _ in said] == [2, 0]
    assert "results.part-1-of-2.parquet` is being written by pid-estimate" in said[0][1]
    assert call(runs, "--out", out)[0] == 0
    assert content(out) == WHOLE
    assert [path.name for path in out.parent.iterdir() if path.suffix == ".parquet"] == ["results.parquet"]


def test_a_part_that_is_still_written_is_left_to_its_process(call, runs, out, between_chunks):
    """A whole estimate ends while a part is at work: the part's table stays, and the next estimate takes it in."""
    said = []
    between_chunks(lambda: said.append(call(runs, "--out", out)))
    code, part = call(runs, "--out", out, "--part", "1/2", "--memory-budget", "1KB")
    assert code == 0, part
    assert "results.part-1-of-2.parquet` is still being written; run the same command again" in said[0][1]
    assert content(out) == WHOLE
    assert len(part_tables(out)) == 1
    assert call(runs, "--out", out)[0] == 0
    assert content(out) == WHOLE
    assert part_tables(out) == []


def test_rows_that_a_part_adds_while_a_whole_estimate_runs_are_kept(
    call, runs, out, between_chunks, make_run, tmp_path
):
    other = make_run(tmp_path / "other", n=120, d=6, layers=2, seed=9)
    between_chunks(lambda: call(other, "--out", out, "--part", "1/1000"))  # writes rows of its own, and ends
    assert call(runs, "--out", out)[0] == 0
    assert content(out) >= WHOLE
    before = content(out)
    between_chunks(lambda: call(other, "--out", out, "--part", "1/1"))
    assert call(other, "--out", out, "--part", "1/1")[0] in (0, 2)
    assert content(out) >= before


def test_overwriting_drops_earlier_rows_and_not_those_that_a_part_adds_meanwhile(
    call, runs, out, between_chunks, make_run, tmp_path
):
    call(runs / "two", "--out", out)
    call(runs / "one", "--out", out, "--part", "1/1000")
    call(runs / "one", "--out", out, "--part", "1000/1000")
    assert len(part_tables(out)) == 2
    other = make_run(tmp_path / "other", n=120, d=6, layers=2, seed=9)
    between_chunks(lambda: call(other, "--out", out, "--part", "2/2"))
    assert call(runs / "three", "--out", out, "--overwrite")[0] == 0
    assert {run for run, _, _ in content(out)} == {"three", "other"}


def test_a_damaged_part_table_does_not_cost_what_was_fitted(call, runs, out, between_chunks):
    part = out.with_name("results.part-1-of-2.parquet")
    between_chunks(lambda: part.write_bytes(b"PAR1 and no more"))
    code, said = call(runs, "--out", out)
    assert code == 0, said
    assert "left where it is" in said
    assert content(out) == WHOLE
    assert part.exists()
    code, said = call(runs, "--out", out)
    assert (code, "is truncated" in said) == (2, True)


@pytest.mark.parametrize("name", ["res[1].parquet", "res*.parquet", "[red].parquet", "a b{0}.parquet"])
def test_a_table_with_marks_in_its_name_is_continued_with_its_parts(call, runs, tmp_path, name):
    mine = tmp_path / "res1.part-old-of-mine.parquet"
    mine.write_bytes(b"mine")
    out = tmp_path / name
    assert call(runs, "--out", out, "--part", "1/2")[0] == 0
    code, said = call(runs, "--out", out)
    assert code == 0, said
    assert f"in `{out}`" in said
    assert "3 already in" in said
    assert content(out) == WHOLE
    assert mine.read_bytes() == b"mine"
    assert "6 already in" in call(runs, "--out", out, "--dry-run")[1]


def test_runs_by_a_pattern_and_a_run_that_is_called_like_one(call, runs, out, make_run, tmp_path):
    code, said = call(runs / "t*", "--out", out)
    assert code == 0, said
    assert "t*` is a pattern that matches 2 folders: three, two" in said
    assert {run for run, _, _ in content(out)} == {"two", "three"}
    for name in ("run[1]", "run1"):
        make_run(tmp_path / name, n=120, d=6)
    assert call(tmp_path / "run[1]", "--out", tmp_path / "one.parquet")[0] == 0
    assert {run for run, _, _ in content(tmp_path / "one.parquet")} == {"run[1]"}


def test_names_that_rich_would_read_as_markup(call, make_run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("[red]", ":smile:", "[link=x]", "long" * 50):
        make_run(tmp_path / "runs" / name, n=120, d=6)
    code, said = call(tmp_path / "runs", "--out", tmp_path / "r.parquet")
    assert code == 0, said
    assert all(name in said for name in ("[red]", ":smile:", "[link=x]", "longlong"))


def test_a_folder_that_cannot_be_written(call, runs, tmp_path):
    (tmp_path / "file").write_text("")
    code, said = call(runs, "--out", tmp_path / "file" / "r.parquet")
    assert code == 2
    assert said.splitlines()[-1].startswith("error: cannot lock ")
    assert said.splitlines()[-1].endswith(f"`{tmp_path / 'file'}` is not a folder; choose another --out")


@pytest.mark.slow
def test_two_processes_with_one_table_lose_no_row(runs, out):
    program = "from pid_jax.cli.main import main; main()"
    commands = [
        [sys.executable, "-c", program, str(runs / name), "--out", str(out), *FAST, "--json", "--quiet"]
        for name in ("one", "two")
    ]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    results = [json.loads(process.communicate(timeout=300)[0]) for process in both]
    assert sorted(result["exit_code"] for result in results) in ([0, 0], [0, 2])
    refused = [command for command, result in zip(commands, results, strict=True) if result["exit_code"]]
    assert all("is being written by pid-estimate" in result["error"] for result in results if result["exit_code"])
    for command in refused:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    assert {run for run, _, _ in content(out)} == {"one", "two"}
