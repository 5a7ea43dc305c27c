import subprocess
import sys
import time

import pytest

from pid_lvlm.analysis import cli

HEAVY = {"polars", "altair", "jinja2", "vl_convert", "torch", "jax"}


@pytest.fixture
def table(tmp_path, five_tasks):
    path = tmp_path / "results.parquet"
    five_tasks.write_parquet(path)
    return path


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `pid-report` with arguments; returns exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pid-report", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return run


def test_help_is_quick_grouped_and_ends_with_an_example():
    command = [sys.executable, "-m", "pid_lvlm.analysis.cli", "--help"]
    seconds = []
    for _ in range(3):  # the quickest of three: the machine may be busy with something else
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1
    assert "Output" in done.stdout
    assert "Example: pid-report out/demo/results.parquet --out out/demo/report" in done.stdout.rstrip().splitlines()[-1]


def test_import_pulls_in_nothing_heavy():
    code = f"import sys, pid_lvlm.analysis.cli; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_report_is_written_and_named(command, table, tmp_path):
    code, out, err = command(table, "--out", tmp_path / "report", "--format", "svg")
    assert (code, err) == (0, "")
    assert str(tmp_path / "report" / "index.html") in out
    assert not list((tmp_path / "report").rglob("*.png"))


def test_quiet_says_nothing(command, table, tmp_path):
    assert command(table, "--out", tmp_path / "report", "--format", "svg", "--quiet") == (0, "", "")


def test_a_dry_run_lists_files_and_writes_none(command, table, tmp_path):
    code, out, _ = command(table, "--out", tmp_path / "report", "--dry-run")
    assert code == 0
    assert "figures/spectrum.png" in out
    assert not (tmp_path / "report").exists()


def test_problems_without_an_answer_give_code_1(command, make_row, make_frame, tmp_path):
    path = tmp_path / "results.parquet"
    make_frame([make_row(), make_row("demo-sight", result="nonfinite_loss")]).write_parquet(path)
    code, _, err = command(path, "--out", tmp_path / "report", "--format", "svg")
    assert code == 1
    assert err.splitlines()[-1] == "1 of 2 problems have no answer; the report lists them"


def test_bad_input_is_one_sentence_and_code_2(command, tmp_path):
    code, out, err = command(tmp_path / "none.parquet", "--out", tmp_path / "report")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("error: result table")


def test_a_folder_that_is_not_ours_is_code_2(command, table, tmp_path):
    code, _, err = command(table, "--out", tmp_path)
    assert code == 2
    assert "is not an earlier report; choose another --out" in err


def test_wrong_usage_is_code_2(command, table):
    assert command(table)[0] == 2
    assert command(table, "--out", "x", "--format", "gif")[0] == 2


def test_interruption_is_code_130(command, table, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pid_lvlm.analysis.report.build.build_report", interrupt)
    assert command(table, "--out", tmp_path / "report")[0] == 130


def test_a_folder_that_cannot_be_written_is_code_2(command, table):
    code, _, err = command(table, "--out", "/proc/report", "--format", "svg")
    assert code == 2
    assert "choose another --out" in err
