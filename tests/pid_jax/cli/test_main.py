"""pid-estimate end to end: the table, reuse of rows, plans, refusals."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from pid_jax.cli.main import main
from pid_jax.cli.progress import RichProgress
from pid_lvlm.data.names import MANIFEST_FILE, shard_file
from tests.shards import rewrite_shard

FAST = (
    *("--batch-size", "32", "--epochs", "1", "--seeds", "2", "--hidden", "4", "--hidden-layers", "1"),
    *("--estimator", "batch"),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_run) -> Path:
    root = tmp_path_factory.mktemp("cli")
    make_run(root / "one", "synergy", n=120, d=6, layers=2)
    make_run(root / "two", "language", n=120, d=6, layers=2)
    return root


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["pid-estimate", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        return int(left.value.code or 0), output.out + output.err

    return run


def test_a_folder_of_runs_becomes_a_table(call, runs, tmp_path):
    out = tmp_path / "results.parquet"
    code, said = call(runs, "--out", out, *FAST)
    assert code == 0, said
    frame = pl.read_parquet(out)
    assert frame.select("run", "layer").rows() == [("one", 1), ("one", 2), ("two", 1), ("two", 2)]
    assert "preset default: 2 seeds" in said
    assert "rows in" in said


@pytest.mark.usefixtures("no_fitting")
def test_rows_that_are_there_are_kept_and_new_ones_added(call, runs, tmp_path):
    out = tmp_path / "results.parquet"
    call(runs / "one", "--out", out, "--layers", "last", *FAST)
    first = pl.read_parquet(out)
    code, said = call(runs, "--out", out, "--layers", "last", *FAST, "--json", "--quiet")
    second = pl.read_parquet(out)
    assert code == 0, said
    content = json.loads(said)
    assert [content[name] for name in ("done", "skipped", "failed", "rows")] == [1, 1, 0, 2]
    assert (content["runs"], content["out"]) == (["one", "two"], str(out))
    planned = call(runs, "--out", out, "--layers", "last", "--dry-run", *FAST)[1]
    assert f"0 problems to fit (0 fits), 2 already in `{out}`" in planned
    assert second["run"].to_list() == ["one", "two"]
    assert second.filter(pl.col("run") == "one").equals(first)
    call(runs / "two", "--out", out, "--layers", "last", "--overwrite", *FAST)
    assert pl.read_parquet(out)["run"].to_list() == ["two"]


@pytest.mark.usefixtures("no_fitting")
def test_a_table_of_an_older_version_is_continued(call, runs, tmp_path):
    out = tmp_path / "results.parquet"
    call(runs / "one", "--out", out, "--layers", "last", *FAST)
    new = pl.read_parquet(out)
    old = new.drop("accuracy_circular").with_columns(schema_version=pl.lit(1, pl.Int64))
    old.write_parquet(out)
    code, said = call(runs, "--out", out, "--layers", "last", *FAST)
    assert code == 0, said
    both = pl.read_parquet(out)
    assert both.head(1).equals(new)
    assert both["run"].to_list() == ["one", "two"]
    old.drop("synergy").write_parquet(out)
    code, said = call(runs, "--out", out, "--layers", "last", *FAST)
    assert (code, "has no column `synergy`" in said) == (2, True)


@pytest.mark.usefixtures("no_fitting")
def test_other_numbers_in_a_run_of_the_same_name_are_fitted_again(call, runs, tmp_path, make_run):
    out = tmp_path / "results.parquet"
    call(runs / "one", "--out", out, "--layers", "last", *FAST)
    changed = make_run(tmp_path / "one", "synergy", n=120, d=6, layers=2, seed=9)
    call(changed, "--out", out, "--layers", "last", *FAST)
    assert pl.read_parquet(out)["problem_id"].n_unique() == 2


@pytest.mark.usefixtures("no_fitting")
def test_paper_preset_and_several_taus(call, runs, tmp_path):
    out = tmp_path / "results.parquet"
    code, said = call(
        runs / "one", "--out", out, "--layers", "last", "--preset", "paper", "--tau", 0.2, "--tau", 0.4,
        "--batch-size", 30, "--epochs", 1,
    )  # fmt: skip
    frame = pl.read_parquet(out)
    assert code == 0, said
    assert frame["tau"].to_list() == [0.2, 0.4]
    assert frame["preset"].to_list() == ["paper", "paper"]
    assert frame["seeds"].to_list() == [[42], [42]]
    assert frame["num_test"].to_list() == [30, 30]


def test_dry_run_writes_nothing(call, runs, tmp_path):
    code, said = call(runs, "--out", tmp_path / "x.parquet", "--dry-run", "--quiet", *FAST)
    assert code == 0
    assert "the estimate needs at least 43 rows: 75% of the rows train the coupling" in said
    assert "the smallest run has 120" in said
    assert f"2 runs, 4 problems to fit (8 fits), 0 already in `{tmp_path / 'x.parquet'}`" in said
    assert "MiB" not in said
    code, result = call(runs, "--out", tmp_path / "x.parquet", "--dry-run", "--json", "--quiet", *FAST)
    content = json.loads(result)
    assert (code, content["action"], content["done"], content["rows"]) == (0, "dry-run", 4, None)
    assert list(tmp_path.iterdir()) == []


def test_shapes_and_chunks_are_told_on_demand(call, runs, tmp_path):
    code, said = call(runs, "--out", tmp_path / "x.parquet", "--dry-run", "--verbose", *FAST)
    assert code == 0
    assert "BATCH: 2 runs of feature widths 6 and 6, 4 options; 4 problems, 8 fits of 2 steps; 1 chunk of" in said
    assert "\n2 programs to compile, unless in the cache\n" in said


@pytest.mark.usefixtures("no_fitting")
def test_quiet_says_nothing(call, runs, tmp_path):
    assert call(runs / "one", "--out", tmp_path / "x.parquet", "--layers", "last", "--quiet", *FAST) == (0, "")


def test_quiet_still_names_a_run_that_cannot_be_used(capsys):
    RichProgress(Console(stderr=True, quiet=True)).warn("left out: run `x` is damaged")
    assert capsys.readouterr().err == "warning: left out: run `x` is damaged\n"


def test_a_failed_fit_is_counted_and_the_others_are_written(call, runs, tmp_path, make_run):
    good = make_run(tmp_path / "good", n=120, d=6, layers=2)
    bad = make_run(tmp_path / "bad", n=120, d=6, layers=2)
    rewrite_shard(bad, x1_mean=np.full((120, 6), 3e38, np.float32))
    wide = ("--hidden", 32)  # where some sum is beyond the largest number
    arguments = (good, bad, "--out", tmp_path / "r.parquet", "--layers", "last", *FAST, *wide)
    code, said = call(*arguments)
    frame = pl.read_parquet(tmp_path / "r.parquet")
    assert code == 1
    assert dict(frame.select("run", "result").rows()) == {"good": "successful", "bad": "nonfinite_loss"}
    assert "nonfinite_loss: bad (layer 2); " in said
    assert "1 of 2 fits failed" in said
    code, said = call(*arguments, "--json", "--quiet")
    result, _, errors = said.partition("\n}\n")
    content = json.loads(result + "}")
    assert [content[name] for name in ("exit_code", "done", "skipped", "failed")] == [code, 0, 2, 1]
    (failure,) = content["failures"]
    assert failure["what"] == "bad, layer 2, mean, tau 0.3"
    assert failure["reason"].startswith("nonfinite_loss: ")
    assert any(warning.startswith("nonfinite_loss: bad") for warning in content["warnings"])
    assert errors.startswith("1 of 2 fits failed")


def damage(run: Path) -> Path:
    """A run whose features hold NaN: it looks well until its arrays are read."""
    with np.load(run / shard_file(0)) as archive:
        arrays = dict(archive)
    arrays["x1_mean"][3, 0] = np.nan
    np.savez(run / shard_file(0), **arrays)
    return run


def cut_short(run: Path) -> Path:
    """A run whose shard is truncated: its table of contents is gone."""
    shard = run / shard_file(0)
    shard.write_bytes(shard.read_bytes()[:-100])
    return run


@pytest.mark.usefixtures("no_fitting")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(damage, "array `x1_mean`, row 3: holds NaN or infinity"), (cut_short, "damaged or truncated")],
)
def test_a_broken_run_is_left_out_and_the_others_are_written(call, tmp_path, make_run, spoil, reason):
    good = make_run(tmp_path / "good", n=120, d=6, layers=2)
    bad = spoil(make_run(tmp_path / "bad", n=120, d=6, layers=2))
    out = tmp_path / "r.parquet"
    code, said = call(bad, good, "--out", out, "--layers", "last", *FAST)
    assert code == 1
    assert reason in said
    frame = pl.read_parquet(out)
    assert dict(frame.select("run", "result").rows()) == {"good": "successful", "bad": "invalid_run"}
    assert frame.filter(pl.col("run") == "bad")["synergy"].to_list() == [None]
    assert "--check" not in said
    assert "invalid_run: bad (layer 2); left out for the reason given when the run was read" in said
    whole = make_run(tmp_path / "again" / "bad", n=120, d=6, layers=2)
    code, said = call(whole, good, "--out", out, "--layers", "last", *FAST)
    assert code == 0, said
    assert f"1 problem to fit (2 fits), 1 already in `{out}`" in said
    assert set(pl.read_parquet(out)["result"]) == {"successful"}


def test_a_broken_run_alone_is_an_error(call, tmp_path, make_run):
    bad = damage(make_run(tmp_path / "bad", n=120, d=6))
    code, said = call(bad, "--out", tmp_path / "r.parquet", *FAST)
    assert code == 2
    assert said.splitlines()[-1].startswith("error: run folder")
    assert "array `x1_mean`, row 3: holds NaN" in said


@pytest.mark.usefixtures("no_fitting")
def test_settings_by_file_and_line(call, runs, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('batch-size = 32\nepochs = 9\nseeds = 2\nlayers = "last"\n')
    code, said = call(runs / "one", "--out", tmp_path / "r.parquet", "--settings", path, "--epochs", 1)
    assert code == 0, said
    row = pl.read_parquet(tmp_path / "r.parquet").row(0, named=True)
    recipe = json.loads(row["recipe"])
    assert (recipe["batch_size"], recipe["epochs"], recipe["seeds"], row["layer"]) == (32, 1, [0, 1], 2)


def text_file(folder: Path) -> Path:
    path = folder / "notes.parquet"
    path.write_text("mine")
    return path


def unfinished(folder: Path, make_run) -> Path:
    run = make_run(folder / "run", n=20)
    manifest = run / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace('"finished": true', '"finished": false'))
    return run


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        (lambda tmp, runs, make: [runs, "--out", text_file(tmp)], "is not a parquet file"),
        (lambda tmp, runs, make: [runs, "--out", tmp / "x.csv"], "x.parquet`, found `"),
        (lambda tmp, runs, make: [runs, "--out", tmp], "is a folder; expected a file such as"),
        (lambda tmp, runs, make: [tmp / "nowhere", "--out", tmp / "r.parquet"], "the folder does not exist"),
        (lambda tmp, runs, make: [tmp, "--out", tmp / "r.parquet"], "this is not a run folder"),
        (lambda tmp, runs, make: [runs, "--out", tmp / "r.parquet", "--tau", 7], "a number from 0 to 1, found 7"),
        (
            lambda tmp, runs, make: [runs, "--out", tmp / "r.parquet", "--estimator", "batch"],
            "the estimate needs at least 342 rows",
        ),
        (lambda tmp, runs, make: [runs, "--out", tmp / "r.parquet", *FAST, "--memory-budget", "x"], "such as 8GB"),
        (lambda tmp, runs, make: [runs, "--out", tmp / "r.parquet", *FAST, "--devices", 0], "--devices: expected"),
        (lambda tmp, runs, make: [runs, "--out", tmp / "r.parquet", *FAST, "--part", "3/2"], "--part: expected i/n"),
        (
            lambda tmp, runs, make: [runs, "--out", tmp / "r.parquet", "--part", "1/2", "--distributed"],
            "--part and --distributed both divide the work",
        ),
        (lambda tmp, runs, make: [unfinished(tmp, make), "--out", tmp / "r.parquet"], "unfinished run"),
        (lambda tmp, runs, make: [runs, "--out", "/dev/full/r.parquet", *FAST, "--layers", "last"], "cannot lock"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(call, runs, tmp_path, make_run, arrange, said):
    code, text = call(*arrange(tmp_path, runs, make_run))
    assert code == 2
    assert said in text
    assert text.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in text


def test_what_is_not_ours_is_left_untouched(call, runs, tmp_path):
    path = text_file(tmp_path)
    call(runs, "--out", path, "--overwrite")
    assert path.read_text() == "mine"
