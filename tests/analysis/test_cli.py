import json
import sys

import polars as pl
import pytest

from pid_lvlm.analysis import cli


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


def test_a_report_is_written_and_named(command, table, tmp_path):
    code, out, err = command(table, "--out", tmp_path / "report", "--format", "svg")
    assert (code, out) == (0, "")
    assert str(tmp_path / "report" / "index.html") in err
    assert not list((tmp_path / "report").rglob("*.png"))


@pytest.mark.slow
def test_quiet_says_nothing(command, table, tmp_path):
    assert command(table, "--out", tmp_path / "report", "--format", "svg", "--quiet") == (0, "", "")


def test_a_dry_run_lists_files_and_writes_none(command, table, tmp_path):
    code, out, _ = command(table, "--out", tmp_path / "report", "--dry-run", "--quiet")
    assert code == 0
    assert "figures/spectrum-one-column.pdf" in out
    code, result, err = command(table, "--out", tmp_path / "report", "--dry-run", "--json")
    content = json.loads(result)
    assert (code, content["action"], content["done"]) == (0, "dry-run", len(content["files"]))
    assert content["files"] == err.splitlines()[1:]
    assert not (tmp_path / "report").exists()


def test_failed_fits_give_code_1(command, make_row, make_frame, tmp_path):
    path = tmp_path / "results.parquet"
    make_frame([make_row(), make_row("demo-sight", result="nonfinite_loss")]).write_parquet(path)
    code, out, err = command(path, "--out", tmp_path / "report", "--format", "svg", "--json")
    assert code == 1
    content = json.loads(out)
    assert [content[name] for name in ("exit_code", "failed", "rows")] == [1, 1, 2]
    assert content["page"] == str(tmp_path / "report" / "index.html")
    (failure,) = content["failures"]
    assert failure["what"].endswith("layer 4, mean, tau 0.3")
    assert failure["reason"] == "nonfinite_loss"
    assert err.splitlines()[-1] == "1 of 2 fits failed; the report lists them"


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


@pytest.mark.slow
def test_the_estimator_that_is_shown(command, both_estimators, tmp_path):
    path = tmp_path / "results.parquet"
    both_estimators.write_parquet(path)
    for estimator, rows in {"exact": 1024, "batch": 375}.items():
        command(path, "--out", tmp_path / "report", "--format", "svg", "--estimator", estimator)
        assert pl.read_csv(tmp_path / "report" / "tables" / "summary.csv")["num_test"].unique().to_list() == [rows]
    assert command(path, "--out", tmp_path / "report", "--estimator", "other")[0] == 2


@pytest.mark.slow
def test_a_failed_fit_without_pooling_is_named_by_its_estimator(command, make_exact, make_frame, tmp_path):
    path = tmp_path / "results.parquet"
    make_frame([make_exact(result="wide_interval"), make_exact(result="marginals_unreachable", layer=3)]).write_parquet(
        path
    )
    code, out, _ = command(path, "--out", tmp_path / "report", "--format", "svg", "--json")
    assert code == 1
    assert [failure["what"] for failure in json.loads(out)["failures"]] == [
        "demo-llava-small__demo-fusion, layer 3, exact, tau 0.3"
    ]


@pytest.mark.slow
def test_the_papers_numbers_beside_a_table(command, make_row, make_frame, tmp_path):
    path = tmp_path / "results.parquet"
    make_frame([make_row("mmbench", model="google/gemma-3-4b-it"), make_row("toy")]).write_parquet(path)
    code, out, _ = command(path, "--out", tmp_path / "report", "--format", "svg", "--compare", "paper", "--json")
    assert code == 0
    compared = json.loads(out)["comparison"]
    assert [(row["exhibit"], row["published"], row["here"]) for row in compared if row["unit"] == "bits"] == [
        ("T4", 0.167, 0.6)
    ]
    written = pl.read_csv(tmp_path / "report" / "tables" / "paper.csv")
    assert written["published"].to_list() == [row["published"] for row in compared]
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Comparison with the paper" in page
    assert '<td class="" data-order="0.167">0.167 bits</td>' in page
    assert "Not named in the paper: models demo-llava-small; benchmarks toy." in page


def test_without_compare_there_is_no_such_section(command, table, tmp_path):
    _, out, _ = command(table, "--out", tmp_path / "report", "--dry-run", "--json")
    content = json.loads(out)
    assert content["comparison"] is None
    assert not [name for name in content["files"] if name.endswith("paper.csv")]


@pytest.mark.slow
def test_compare_with_nothing_in_common_has_no_table(command, table, tmp_path):
    code, out, _ = command(table, "--out", tmp_path / "report", "--compare", "paper", "--dry-run", "--json")
    content = json.loads(out)
    assert (code, content["comparison"]) == (0, [])
    assert not [name for name in content["files"] if name.endswith("paper.csv")]


def test_compare_knows_only_what_was_published(command, table, tmp_path):
    code, _, err = command(table, "--out", tmp_path / "report", "--compare", "other.parquet")
    assert code == 2
    assert "paper" in err


def test_losses_of_an_unknown_model_are_one_sentence(command, table, tmp_path):
    (tmp_path / "losses.jsonl").write_text('{"stage": "align", "step": 1, "loss": 2.5}\n')
    given = (table, "--out", tmp_path / "report", "--losses")
    code, _, err = command(*given, f"demo-llava-smal={tmp_path}/losses.jsonl")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean `demo-llava-small`?" in err
    code, _, err = command(*given, tmp_path / "losses.jsonl")
    assert (code, err.count("\n")) == (2, 1)
    assert "no training.json next to it" in err
    assert not (tmp_path / "report").exists()
