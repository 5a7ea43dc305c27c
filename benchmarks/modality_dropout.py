"""The effect of modality dropout: trains the demo's tiny recipe with and without it, and compares the atoms.

Same seed, same records, same order. Every step is a command that a user would type, in its own process: `pid-train`,
`pid-extract` on the five tasks of the synthetic world, `pid-estimate` with the exact estimator. The table compares the
atoms of both final checkpoints with the known ones of the world. `--steps-share 0.02` is only a smoke test.

Example: python -m benchmarks.modality_dropout --out out/dropout
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import polars as pl

from pid_lvlm.data.names import ATOMS
from pid_lvlm.extract.training.two_stage.recipe import find_recipe

WITH, WITHOUT = "with", "without"
FILES = ("pid_lvlm.extract.training", "--files", "--model", "demo-llava-tiny", "--out")
"""Module and options that write the recipe's model and training records."""
TRAIN, EXTRACT, ESTIMATE = (
    "pid_lvlm.extract.training.two_stage.cli",
    "pid_lvlm.extract.cli.main",
    "pid_jax.cli.main",
)
CARDS = sorted((Path(__file__).parents[1] / "data" / "demo" / "items").glob("*.toml"))
TASKS = ("fusion", "sight", "knowledge", "agreement", "blend")
"""Order of the tasks in the table."""


def call(module: str, *arguments: object) -> None:
    """Run a command of ours.

    Raises:
        SystemExit: it failed; its output is on standard error.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    print(f"== {shlex.join(command[1:])}", file=sys.stderr, flush=True)
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    if done.returncode:
        raise SystemExit(f"error: the command ended with exit code {done.returncode}")


def variant(text: str, kind: str, share: float) -> str:
    """A recipe with other steps and another name; optionally without modality dropout.

    Raises:
        SystemExit: the recipe has no modality dropout to compare.
    """
    dropout = re.compile(r"^modality_dropout = [0-9.e-]+", re.MULTILINE)
    if not dropout.search(text):
        raise SystemExit("error: the recipe has no `modality_dropout`; give one that does, with --recipe")
    text = re.sub(
        r"^steps = (\d+)", lambda at: f"steps = {max(1, round(int(at[1]) * share))}", text, flags=re.MULTILINE
    )
    text = re.sub(r'^name = "[^"]*"', f'name = "{kind}"', text, count=1, flags=re.MULTILINE)
    return dropout.sub("modality_dropout = 0.0", text) if kind == WITHOUT else text


def last_checkpoints(out: Path) -> str:
    """A sweep file with the last checkpoint of both trainings."""
    tables = []
    for kind in (WITH, WITHOUT):
        models = tomllib.loads((out / kind / "series.toml").read_text(encoding="utf-8"))["models"]
        (last,) = [model for model in models if model["final"]]
        entries = {**last, "model": f"{kind}/{last['model']}", "layers": "last"}
        tables.append("\n".join(["[[models]]", *(f"{key} = {json.dumps(value)}" for key, value in entries.items())]))
    datasets = [f"[[datasets]]\nfile = {json.dumps(str(card))}" for card in CARDS]
    return "\n\n".join([*tables, *datasets]) + "\n"


def study(given: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Train, extract and estimate; skips what is already in the folder.

    Returns:
        Rows of the comparison, and each training's last losses.
    """
    world = given.world or out / "world"
    if not world.exists():
        call(*FILES, world)
    recipe = find_recipe(given.recipe).read_text(encoding="utf-8")
    for kind in (WITH, WITHOUT):
        path = out / f"{kind}.toml"
        path.write_text(variant(recipe, kind, given.steps_share), encoding="utf-8")
        options = ("--data-folder", world, "--out", out / kind, "--device", "cpu", "--threads", given.threads)
        call(TRAIN, path, *options, "--quiet")
    (out / "sweep.toml").write_text(last_checkpoints(out), encoding="utf-8")
    limited = () if given.limit is None else ("--limit", given.limit)
    call(EXTRACT, "--sweep", out / "sweep.toml", "--out", out / "runs", "--batch-size", 64, "--quiet", *limited)
    table = out / "results.parquet"
    exact = ("--estimator", "exact", "--layers", "last", "--tol-bits", given.tol_bits, "--overwrite", "--quiet")
    call(ESTIMATE, out / "runs", "--out", table, *exact)
    return {
        "benchmark": "modality_dropout",
        "recipe": given.recipe,
        "steps_share": given.steps_share,
        "rows": comparison(pl.read_parquet(table)),
        "last_losses": {kind: last_loss(out / kind / "losses.jsonl") for kind in (WITH, WITHOUT)},
    }


def comparison(results: pl.DataFrame) -> list[dict[str, Any]]:
    """For each task and atom, the world's value and those of both models, also corrected with intervals, bits."""
    rows = []
    by = {(row["dataset"].removeprefix("demo-"), row["model"]): row for row in results.to_dicts()}
    for task in TASKS:
        for atom in ATOMS:
            row: dict[str, Any] = {"task": task, "atom": atom, "ground_truth": by[task, WITH][f"true_{atom}"]}
            for kind in (WITH, WITHOUT):
                found = by[task, kind]
                row[kind] = found[atom]
                row |= {f"{kind}_{part}": found[f"{atom}_{part}"] for part in ("corrected", "low", "high")}
            rows.append(row)
    return rows


def last_loss(path: Path) -> dict[str, float | None]:
    """The last row of the losses: on the records of the last steps, and on held-out ones."""
    row = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    return {name: row[name] for name in ("loss", "held_out_loss")}


def as_table(found: dict[str, Any]) -> str:
    """The comparison for docs/training.md: one line per task, with atoms as ground truth, with, without."""
    lines = [
        "| task | " + " | ".join(atom.replace("_", " ") for atom in ATOMS) + " |",
        "|---|" + "---|" * len(ATOMS),
    ]
    for task in TASKS:
        cells = [
            f"{row['ground_truth']:.2f}: {row[WITH]:.2f}, {row[WITHOUT]:.2f}"
            for row in found["rows"]
            if row["task"] == task
        ]
        lines.append(f"| {task} | " + " | ".join(cells) + " |")
    sums = {
        kind: sum(abs(row[kind] - row["ground_truth"]) for row in found["rows"]) / len(found["rows"])
        for kind in (WITH, WITHOUT)
    }
    lines += ["", "ground truth: with, without modality dropout; bits"]
    lines += [f"mean distance from the ground truth: {sums[WITH]:.3f} with, {sums[WITHOUT]:.3f} without"]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.modality_dropout",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recipe", default="demo-tiny", help="recipe with a stage that has modality dropout")
    parser.add_argument("--world", type=Path, help="folder with the recipe's model and records; created by default")
    parser.add_argument("--out", type=Path, help="folder to keep, where an interrupted study resumes")
    parser.add_argument("--steps-share", type=float, default=1.0, help="share of the recipe's steps")
    parser.add_argument("--limit", type=int, help="items per task; default: all 1024")
    parser.add_argument("--tol-bits", type=float, default=1e-3, help="certified interval of the exact estimator")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    given = parser.parse_args(arguments)
    if not 0 < given.steps_share <= 1:
        parser.error("--steps-share should be above 0 and at most 1")
    with tempfile.TemporaryDirectory() as scratch:
        out = (given.out or Path(scratch)).absolute()
        out.mkdir(parents=True, exist_ok=True)
        found = study(given, out)
    print(json.dumps(found) if given.json else as_table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
