"""`pid-estimate --executor` and `--status`: parts as jobs, merged into the table of one plain command."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pid_jax.cli.main import main
from pid_jax.cli.status import wanted_rows
from pid_jax.config import ESTIMATORS, make_config
from pid_jax.sweep.plan import problem_keys
from pid_lvlm.data.cluster.records import PartResult, Records
from pid_lvlm.data.command.part import Part, part_tables
from pid_lvlm.data.contract.schema.manifest import read_manifest
from pid_lvlm.data.locks import locked
from tests import ROOT

SETTINGS = ("--estimator", "exact", "--interval", "none", "--no-spread", "--tol-bits", "0.01")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_run) -> Path:
    root = tmp_path_factory.mktemp("jobs")
    for index, name in enumerate(("one", "two")):
        make_run(root / name, n=120, d=6, layers=2, seed=index)
    return root


@pytest.fixture
def call(monkeypatch, capsys) -> Call:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pid-estimate", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return (int(left.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.parquet"


@pytest.mark.usefixtures("no_fitting")
def test_status_and_plan_of_a_half_finished_estimate(call, runs, out):
    assert call(runs, "--out", out, *SETTINGS, "--part", "1/2", "--quiet")[0] == 0
    with locked(part_tables(out)[0], "pid-estimate"):
        code, said, _ = call(runs, "--out", out, *SETTINGS, "--status")
    assert code == 0
    assert "results.part-1-of-2.parquet`: 2 rows, being written by pid-estimate (process " in said
    assert "2 runs, 4 problems; 50 % done" in said
    found = json.loads(call(runs, "--out", out, *SETTINGS, "--status", "--json")[1])
    assert [(one["run"], one["state"], one["done"], one["total"]) for one in found["runs"]] == [
        ("one", "complete", 2, 2),
        ("two", "new", 0, 2),
    ]
    # Other settings are other problems.
    others = json.loads(call(runs, "--out", out, *SETTINGS[:-1], "0.02", "--status", "--json")[1])
    assert others["share"] == 0
    line = (runs, "--out", out, *SETTINGS, "--executor", "slurm", "--jobs", "2", "--dry-run")
    assert "part 1/2: done already, not submitted" in call(*line)[1]
    plan = json.loads(call(*line, "--json")[1])
    assert [one["complete"] for one in plan["parts"]] == [True, False]
    assert "--job-name=pid-estimate" in plan["script"]
    assert call(runs, "--out", out, *SETTINGS, "--quiet")[0] == 0
    assert json.loads(call(runs, "--out", out, *SETTINGS, "--status", "--json")[1])["share"] == 1
    code, said, _ = call(runs, "--out", out, *SETTINGS, "--executor", "local", "--json", "--quiet")
    assert (code, json.loads(said)["skipped"]) == (0, 4)


def test_a_part_that_failed_is_named(call, runs, out):
    Records.of(out, [], []).write(PartResult("1/2", ("one",), 2, "no such file", log="a.log"), Part(1, 2))
    assert "part 1/2: no such file (log: a.log)" in call(runs, "--out", out, *SETTINGS, "--status")[1]


@pytest.mark.parametrize("estimator", ["batch", "exact", "both"])
def test_the_rows_that_are_counted_are_the_problems(runs, estimator):
    config = make_config("default", estimator=estimator, taus=(0.2, 0.3), poolings=("mean", "max"))
    manifest = read_manifest(runs / "one")
    keys = {
        (key.estimator, key.layer, key.tau, key.pooling)
        for name in ESTIMATORS[estimator]
        for key in problem_keys(manifest, config, (), name)
    }
    assert {row[1:5] for row in wanted_rows(manifest, config, ())} == keys


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--overwrite",), "--overwrite: jobs that restart"),
        (("--distributed",), "--distributed and --executor both"),
        (("--pointwise", "items.parquet"), "--pointwise: each part would write its own file"),
        (("--part", "1/2"), "--part and --executor both"),
    ],
)
def test_what_one_process_must_do(call, runs, out, options, sentence):
    code, said, errors = call(runs, "--out", out, *SETTINGS, "--executor", "local", *options)
    assert (code, said) == (2, "")
    assert sentence in errors


def test_status_loads_no_jax(runs, out):
    script = (
        "import sys; from pid_jax.cli.main import main\n"
        f"sys.argv = ['x', {str(runs)!r}, '--out', {str(out)!r}, '--status']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit(str(set(sys.modules) & {'torch', 'jax', 'submitit'} or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr.strip() == ""


@pytest.mark.slow
def test_two_jobs_make_the_table_of_one_command(call, runs, out, monkeypatch):
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # as this process
    code, said, errors = call(runs, "--out", out, *SETTINGS, "--executor", "local", "--jobs", "2", "--json")
    assert code == 0, errors
    assert json.loads(said)["done"] == 4
    assert part_tables(out) == []
    plain = out.with_name("plain.parquet")
    assert call(runs, "--out", plain, *SETTINGS, "--quiet")[0] == 0
    first, second = (pl.read_parquet(path).drop("seconds") for path in (out, plain))
    assert [name for name in first.columns if not first[name].equals(second[name])] == []
