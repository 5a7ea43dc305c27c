"""Seconds per problem of the published procedure and of `pid_jax`, from the same weights, batches and data.

Example: python -m benchmarks.estimate --problems 32 --rows 1500 --features 512 --options 4 --baseline-steps 4 --json
"""

import argparse
import json
import sys
import time
from typing import Any, NamedTuple

import jax
import numpy as np
import torch

from benchmarks.baselines.golden_file import load_weights
from benchmarks.baselines.published import Networks, measure, train
from benchmarks.inputs.problems import BATCH, Stack, baseline_rows, make_stack, torch_weights
from benchmarks.measuring.machine import describe_machine, peak_host_bytes, torch_device_name
from pid_jax.config import FitSettings
from pid_jax.information import atoms_from_terms, bits_from_nats
from pid_jax.sweep import devices as devices_module
from pid_jax.sweep.chunks import FITS_PER_CALL, FITS_SIDE_BY_SIDE
from pid_jax.sweep.fits import FitSummary, run_fits

LIBRARIES = ("pid-lvlm", "torch", "jax", "jaxlib", "flax", "optax", "ott-jax", "lineax", "numpy")


class Timed(NamedTuple):
    """Our fits of all problems: results, seconds of the fastest repetition, seconds of compilation, peak memory."""

    summary: FitSummary
    seconds: float
    compile_seconds: float
    peak_bytes: int


class Baseline(NamedTuple):
    """One problem of the baseline: seconds of the steps that ran, of the test batches, losses and test atoms."""

    train_seconds: float
    test_seconds: float
    losses: np.ndarray
    test_atoms: np.ndarray


def split_cpu(devices: int | None) -> int:
    """Devices to use: `devices`, by default one per CPU core or one GPU. Call it before jax initialises its devices.

    On a CPU, one program per core is faster than one program whose operations share the cores.
    """
    devices_module.split_cpu(devices)
    return devices or (jax.local_device_count() if jax.default_backend() == "cpu" else 1)


def time_ours(stack: Stack, repeat: int, settings: FitSettings, devices: int) -> Timed:
    """Compile, then fit all problems `repeat` times."""
    total = len(stack.specs.draw)
    per_device = -(-min(FITS_PER_CALL, total) // devices)
    side_by_side = min(FITS_SIDE_BY_SIDE.get(jax.default_backend(), per_device), per_device)
    per_call = devices * side_by_side * -(-per_device // side_by_side)
    places = [np.minimum(np.arange(start, start + per_call), total - 1) for start in range(0, total, per_call)]
    calls = [jax.tree.map(lambda leaf, at=at: leaf[at], stack.specs) for at in places]
    with jax.default_matmul_precision("highest"):
        started = time.perf_counter()
        program = run_fits.lower(calls[0], stack.tables, settings, side_by_side, devices).compile()
        compiled = time.perf_counter() - started
        seconds = []
        for _ in range(repeat):
            started = time.perf_counter()
            parts = jax.device_get([program(specs, stack.tables) for specs in calls])
            seconds.append(time.perf_counter() - started)
    summary = jax.tree.map(lambda *leaves: np.concatenate(leaves)[:total], *parts)
    return Timed(summary, min(seconds), compiled, peak_bytes())


def peak_bytes() -> int:
    """Peak memory of the device if jax knows it, else of this process."""
    statistics = jax.devices()[0].memory_stats() or {}
    return int(statistics.get("peak_bytes_in_use", peak_host_bytes()))


def time_baseline(stack: Stack, problem: int, steps: int | None, device: str) -> Baseline:
    """Run the published procedure on one problem, only the first `steps` steps if given."""
    train_rows, test_rows = (rows.to(device) for rows in baseline_rows(stack, problem))
    networks = Networks(train_rows.x1.shape[1], train_rows.x2.shape[1], train_rows.p_y_x1.shape[1])
    load_weights(networks, torch_weights(stack, problem), "init")
    networks.to(device)
    p_y = torch.from_numpy(np.array(stack.specs.p_y[problem])).to(device)
    batches = torch.from_numpy(np.array(stack.tables.train_rows[problem][:steps], np.int64)).to(device)
    started = time.perf_counter()
    losses = [float(outcome.loss) for outcome in train(networks, train_rows, batches, p_y)]
    trained = time.perf_counter()
    tests = [outcome.atoms.cpu().numpy() for outcome in measure(networks, test_rows, p_y, BATCH)]
    done = time.perf_counter()
    return Baseline(trained - started, done - trained, np.array(losses), np.mean(tests, axis=0))


def largest_difference(summary: FitSummary, problem: int, baseline: Baseline) -> float:
    """Largest difference in bits, of unique2 (the loss) at every step that both ran, and of all test atoms at the end.

    In training only I_q depends on the fit, and the loss is I_q - I(X1;Y).
    """
    ours = summary.loss[problem]
    difference = np.abs(ours[: len(baseline.losses)] - baseline.losses).max()
    if len(ours) == len(baseline.losses):
        terms = jax.tree.map(lambda term: term[problem], summary.terms)
        difference = max(difference, np.abs(np.stack(atoms_from_terms(terms)) - baseline.test_atoms).max())
    return float(bits_from_nats(difference))


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """Run both and return the line to print."""
    devices = split_cpu(given.devices)
    stack = make_stack(given)
    ours = time_ours(stack, given.repeat, FitSettings(sinkhorn_stop=given.sinkhorn_stop), devices)
    device = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
    chosen = range(min(given.baseline_problems, given.problems))
    baselines = [time_baseline(stack, problem, given.baseline_steps, device) for problem in chosen]
    steps, ran = ours.summary.loss.shape[1], len(baselines[0].losses)
    published = float(np.mean([b.train_seconds * steps / ran + b.test_seconds for b in baselines]))
    per_problem = ours.seconds / given.problems
    notes = []
    if len(baselines) < given.problems:
        notes.append(f"baseline ran {len(baselines)} of {given.problems} problems; its mean is used for the others")
    if ran < steps:
        notes.append(f"baseline ran {ran} of {steps} training steps and was scaled; test batches after step {ran}")
    differences = [largest_difference(ours.summary, problem, b) for problem, b in zip(chosen, baselines, strict=True)]
    return {
        "benchmark": "estimate",
        **{
            name: getattr(given, name)
            for name in ("problems", "rows", "features", "options", "epochs", "seed", "sinkhorn_stop")
        },
        "feature_sets": given.feature_sets or given.problems,
        "steps": steps,
        "test_batches": int(stack.tables.test_rows.shape[1]),
        "baseline_seconds_per_problem": published,
        "our_seconds_per_problem": per_problem,
        "ratio": published / per_problem,
        "largest_difference_bits": max(differences),
        "steps_compared": ran,
        "compile_seconds": ours.compile_seconds,
        "scaled": ran < steps,
        "notes": notes,
        "our_peak_bytes": ours.peak_bytes,
        "peak_host_bytes": peak_host_bytes(),
        "our_devices": devices,
        "our_device": f"{jax.default_backend()}: {jax.devices()[0].device_kind}",
        "baseline_device": torch_device_name(device),
        **describe_machine(LIBRARIES),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.estimate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument(
        "--rows", type=int, default=1500, help="three quarters train; at least 1024, to leave 256 for testing"
    )
    parser.add_argument("--features", type=int, default=512, help="width of both sources")
    parser.add_argument("--options", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument(
        "--feature-sets", type=int, help="number of feature sets that problems share in turn; default one each"
    )
    parser.add_argument(
        "--baseline-steps", type=int, help="run only this many training steps and scale up; default all"
    )
    parser.add_argument("--baseline-problems", type=int, default=1, help="problems that the baseline runs")
    parser.add_argument("--sinkhorn-stop", choices=("converged", "published"), default="converged", help="of ours")
    parser.add_argument("--repeat", type=int, default=3, help="our runs; the fastest counts")
    parser.add_argument("--devices", type=int, help="devices that share our fits; default one per CPU core, or one GPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one line instead of one field per line")
    given = parser.parse_args(arguments)
    if given.rows < 4 * BATCH:
        parser.error(f"--rows: expected at least {4 * BATCH}, found {given.rows}")
    print(json.dumps(compare(given), indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
