"""The paper's whole grid, about 520 fits of synthetic problems of the same sizes: seconds per part after compilation.

26 models on four benchmarks, a layer study (six models of 32 layers on two of them) and a checkpoint study (eight
checkpoints of two models on two of them), 4096-wide features, one seed. The whole grid is meant for a GPU; `--share`
takes a share of the problems, to try it on a CPU. Example: python -m benchmarks.grid --json
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.estimate import LIBRARIES, split_cpu, time_ours
from benchmarks.inputs.problems import make_stack
from benchmarks.measuring.machine import describe_machine
from pid_jax.config import BATCH, FitSettings, make_config
from pid_jax.problems.splits import make_layout
from pid_jax.problems.types import Shape
from pid_jax.sweep.ahead import compiling
from pid_jax.sweep.capacity import Capacity, rounded_up
from pid_jax.sweep.chunks import BatchGroup, choose_pace, this_machine
from pid_jax.sweep.memory import TABLES_SHARE, default_budget
from pid_jax.sweep.registry import SOLVERS

LAYERS: Final = 32


@dataclass(frozen=True)
class Part:
    """Problems of one shape; `feature_sets` of them have their own features, which the others share."""

    name: str
    problems: int
    rows: int
    options: int
    feature_sets: int


GRID: Final = (
    # Rows of the paper's Table 1: MMBench en_dev, POPE adversarial, Reefknot perception, PMC-VQA test_clean.
    Part("models, MMBench", 26, 4329, 4, 26),
    Part("models, POPE", 26, 3000, 2, 26),
    Part("models, Reefknot", 26, 2150, 4, 26),
    Part("models, PMC-VQA", 26, 2000, 4, 26),
    Part("layers, MMBench", 6 * LAYERS, 4329, 4, 6),
    Part("layers, PMC-VQA", 6 * LAYERS, 2000, 4, 6),
    Part("checkpoints, MMBench", 16, 4329, 4, 16),
    Part("checkpoints, PMC-VQA", 16, 2000, 4, 16),
)
"""It is not published which two benchmarks the layer and checkpoint studies used; these are the largest and the
smallest of the four."""


def measure(part: Part, given: argparse.Namespace, devices: int) -> dict[str, Any]:
    """Fit one part; its problems stay on the device, as in an estimate."""
    problems, sets = (max(1, round(count * given.share)) for count in (part.problems, part.feature_sets))
    sizes = {"problems": problems, "rows": given.rows or part.rows, "features": given.features}
    drawn = argparse.Namespace(**sizes, options=part.options, feature_sets=sets, epochs=given.epochs, seed=given.seed)
    timed = time_ours(make_stack(drawn), given.repeat, FitSettings(), devices)
    return {
        **asdict(part),
        **sizes,
        "feature_sets": sets,
        "seconds": timed.seconds,
        "compile_seconds": timed.compile_seconds,
        "peak_bytes": timed.peak_bytes,
    }


def compile_cold(parts: Sequence[Part], given: argparse.Namespace, devices: int) -> float:
    """Seconds to compile the programs of all parts in parallel, as `pid-estimate` does; needs no data."""
    config = make_config("default", estimator=BATCH, epochs=given.epochs, seeds=(given.seed,))
    machine, solver = this_machine(devices, default_budget()), SOLVERS[BATCH]
    groups = []
    for part in parts:
        problems, sets = (max(1, round(count * given.share)) for count in (part.problems, part.feature_sets))
        rows = given.rows or part.rows
        train = int(config.train_share * rows)
        layout = make_layout([(train, rows - train)], config.batch_size, config.drop_incomplete)
        steps = config.epochs * layout.per_epoch
        batches = (steps, config.batch_size, layout.test_batches)
        shape = Shape(given.features, given.features, part.options, *batches)
        pace = choose_pace(problems, shape, FitSettings.of(config), machine)
        at_once = min(problems, pace.per_call)
        runs = -(-sets * at_once // problems)
        least = Capacity(runs * rows, at_once * rows, runs, steps, layout.test_batches)
        capacity = rounded_up(least, shape, int(TABLES_SHARE * machine.budget))
        groups.append(BatchGroup(BATCH, (), shape, capacity, pace))
    started = time.perf_counter()
    with compiling(groups, config, {BATCH: solver}) as wait:
        for group in groups:
            wait(group)
    return time.perf_counter() - started


def main(arguments: list[str] | None = None) -> int:
    """Print one line per part, then the sum; with --json a single line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grid", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", type=int, help="only the first parts")
    parser.add_argument("--share", type=float, default=1.0, help="share of each part's problems; default all")
    parser.add_argument("--rows", type=int, help="rows per problem instead of the benchmark's")
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument(
        "--cold", action="store_true", help="only measure the seconds to compile all programs in parallel"
    )
    parser.add_argument("--repeat", type=int, default=2, help="runs per part; the fastest counts")
    parser.add_argument("--devices", type=int, help="devices that share the fits; default one per CPU core, or one GPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="a single JSON line instead of one per part")
    given = parser.parse_args(arguments)
    devices = split_cpu(given.devices)
    if given.cold:
        seconds = compile_cold(GRID[: given.parts], given, devices)
        print(json.dumps({"benchmark": "grid", "cold_compile_seconds": seconds, **describe_machine(LIBRARIES)}))
        return 0
    found = []
    for part in GRID[: given.parts]:
        found.append(measure(part, given, devices))
        if not given.json:
            print(json.dumps(found[-1]), flush=True)
    total = {
        "benchmark": "grid",
        "problems": sum(part["problems"] for part in found),
        "seconds": sum(part["seconds"] for part in found),
        "compile_seconds": sum(part["compile_seconds"] for part in found),
        "share": given.share,
        **describe_machine(LIBRARIES),
    }
    print(json.dumps(total | {"parts": found} if given.json else total))
    return 0


if __name__ == "__main__":
    sys.exit(main())
