"""`python -m benchmarks.replay_golden FILE...`: replay recorded fits with the baseline; largest differences, bits.

`gradient` is the relative difference of the first gradient. `half-steps` counts Sinkhorn runs over all options and
steps by their number of half-steps: 1000 means that it never stopped.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import torch

from benchmarks.baselines.golden_file import first_gradient_difference, read, replay


def main(arguments: list[str] | None = None) -> int:
    """Print one line per file; exit 1 if one differs by more than 1e-4 bits."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replay_golden",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--steps", type=int, help="only the first steps, without test batches")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    passed = True
    for path in given.files:
        record = read(path)
        train, test, outcomes = replay(record, given.steps)
        gradient = first_gradient_difference(record)
        counts = Counter(half_steps for outcome in outcomes for half_steps in outcome.half_steps)
        taken = " ".join(f"{half_steps}:{count}" for half_steps, count in sorted(counts.items()))
        shown = "-" if test is None else f"{test:.1e}"
        print(f"train {train:.1e} test {shown} gradient {gradient:.1e} {path.name} half-steps {taken}", flush=True)
        passed &= max(train, test or 0.0, gradient) < 1e-4
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
