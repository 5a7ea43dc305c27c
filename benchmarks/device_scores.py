"""Scores of a model on two devices: the largest difference in nats, for each array of scores in the run folders.

Not a timing. In float32 the devices should agree to about 1e-4; a larger difference means that one of them is wrong.
Example: python -m benchmarks.device_scores --devices cpu cuda --json
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.measuring.further_conditions import largest_difference
from benchmarks.measuring.machine import describe_machine

DEMO: Final = Path(__file__).parents[1] / "data" / "demo"
COMMAND: Final = "from pid_lvlm.commands import pid_extract; pid_extract()"


def extracted(folder: Path, device: str, given: argparse.Namespace) -> Path:
    """The run folder that `pid-extract` wrote on one device.

    Raises:
        SystemExit: the command failed; with its message.
    """
    options = ["--model", given.model, "--data", given.data, "--limit", given.items, "--crossed", given.crossed]
    command = [*options, "--dtype", given.dtype, "--device", device, "--out", folder / device, "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, command)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"on {device}: {done.stderr}")
    return next((folder / device).glob("*/manifest.json")).parent


def differences(one: Path, other: Path) -> dict[str, float]:
    """Largest difference for each floating-point array in the shards of two runs."""
    found: dict[str, float] = {}
    for path in sorted(one.glob("*.npz")):
        with np.load(path) as first, np.load(other / path.name) as second:
            for name in first.files:
                if first[name].dtype.kind == "f":
                    worst = largest_difference(first[name], second[name])
                    found[name] = float(np.maximum(found.get(name, 0.0), worst))  # max() would lose a NaN
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print the differences."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.device_scores",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default=str(DEMO / "checkpoints/qwen2-vl-small/tune-4000"), help="checkpoint")
    parser.add_argument("--data", default=str(DEMO / "items/blend.toml"), help="benchmark file or dataset card")
    parser.add_argument("--items", type=int, default=256)
    parser.add_argument("--crossed", type=int, metavar="M", default=4, help="questions per picture")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--devices", nargs=2, default=["cpu", "cuda"], metavar="DEVICE")
    parser.add_argument("--json", action="store_true", help="one line instead of one field per line")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        one, other = (extracted(Path(scratch) / str(place), each, given) for place, each in enumerate(given.devices))
        found: dict[str, Any] = {"benchmark": "device_scores", "devices": given.devices, **differences(one, other)}
    found |= describe_machine(("pid-lvlm", "torch", "transformers", "numpy"))
    print(json.dumps(found, indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
