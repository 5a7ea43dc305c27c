"""`python -m benchmarks.record_golden NAME... --out DIR`: record fits of the published procedure in hard regimes."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.baselines.golden_file import record_fit
from benchmarks.inputs.regimes import REGIMES, draw


def main(arguments: list[str] | None = None) -> int:
    """Write one file per regime and print its contents."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record_golden", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all by default; {', '.join(REGIMES)}")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for NAME.npz; replay with python -m tests.golden"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(REGIMES):
        parser.error(f"no such regime: {', '.join(sorted(unknown))}; there are {', '.join(REGIMES)}")
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names or REGIMES:
        started = time.perf_counter()
        record = record_fit(*draw(REGIMES[name], given.seed), REGIMES[name].epochs, given.seed)
        path = given.out / f"{name}.npz"
        np.savez_compressed(path, allow_pickle=False, **record)
        atoms = " ".join(f"{atom:.4f}" for atom in record["pid_bits_raw"])
        print(
            f"{path}: {path.stat().st_size / 1000:.0f} kB, {time.perf_counter() - started:.0f} s, bits {atoms}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
