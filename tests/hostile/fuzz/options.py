"""Options of the three commands as targets."""

import json
from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests import CHECKPOINT
from tests.hostile.fuzz import mutate
from tests.hostile.fuzz.judge import command
from tests.hostile.fuzz.target import Target, items_file
from tests.hostile.kills.scenes import small_table, write_run

PLACES: Final = ("MODEL", "ITEMS", "OUT", "RUNS", "TABLE", "FOLDER")
"""Words of a command line that stand for paths, so that a case can be replayed anywhere."""


def _command_target(main: Callable[[], object], lines: Mapping[str, list[str]], places: Mapping[str, Path]) -> Target:
    work = places["OUT"].parent

    def parse(path: Path) -> object:
        words = json.loads(path.read_text())
        # What opens connections or changes devices has no place in one process; where jax keeps programs is the user's.
        refused = {"--distributed", "--coordinator", "--processes", "--process", "--devices", "--cache"}
        if refused & {word.partition("=")[0] for word in words}:
            return None
        for place, file in places.items():
            words = [word.replace(place, str(file)) for word in words]
        with chdir(work):  # a damaged `--out` takes the next word for the name of a folder
            return command(main, *words, "--dry-run")

    seeds = {f"{name}.json": json.dumps(line).encode() for name, line in lines.items()}
    return Target(seeds, mutate.of_arguments, parse)


def extract_options(folder: Path) -> Target:
    """Options of `pid-extract`."""
    import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers
    from pid_lvlm.extract.cli.main import main

    need = ["--model", "MODEL", "--data", "ITEMS", "--out", "OUT"]
    more = {
        "numbers": ["--layers", "1,2", "--prompt", "plain", "--language-span", "question_options", "--seed", "3"],
        "names": ["--name", "mine", "--size-b", "0.5", "--stage", "tune", "--step", "7"],
        "work": ["--batch-size", "2", "--shard-size", "2", "--limit", "3", "--part", "1/1", "--device", "cpu"],
        "batches": ["--batch-tokens", "300", "--workers", "0"],
        "data": ["--columns", "question=question", "--images", "FOLDER", "--on-bad", "skip", "--dtype", "float32"],
    }
    places = {"MODEL": CHECKPOINT, "ITEMS": items_file(folder), "OUT": folder / "out", "FOLDER": folder}
    return _command_target(main, {"need": need, **{name: need + line for name, line in more.items()}}, places)


def estimate_options(folder: Path) -> Target:
    """Options of `pid-estimate`."""
    from pid_jax.cli.main import main
    from pid_jax.cli.options import OPTIONS
    from pid_jax.config import make_config

    need = ["RUNS", "--out", "OUT", "--batch-size", "32"]
    config = make_config("default")
    values = {name: option.value_in(config) for name, option in OPTIONS.items()}
    given = {name: value[0] if isinstance(value, tuple) and value else value for name, value in values.items()}
    given["batch-size"] = 16  # the run is small
    more = {
        name: need + [f"--{name}", str(value)]
        for name, value in given.items()
        if not isinstance(value, bool | tuple | None)
    }
    more["how"] = [*need, "--layers", "1,last", "--memory-budget", "1GB", "--part", "1/2", "--preset", "default"]
    write_run(folder / "runs" / "one", 0) if not (folder / "runs" / "one").exists() else None
    places = {"RUNS": folder / "runs", "OUT": folder / "results.parquet"}
    return _command_target(main, {"need": need, **more}, places)


def report_options(folder: Path) -> Target:
    """Options of `pid-report`."""
    from pid_lvlm.analysis.cli import main

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.parquet").write_bytes(small_table())
    need = ["TABLE", "--out", "OUT"]
    more = {"title": [*need, "--title", "A title", "--format", "svg", "--format", "png"]}
    places = {"TABLE": folder / "results.parquet", "OUT": folder / "out"}
    return replace(_command_target(main, {"need": need, **more}, places), limited=False)
