"""Seconds to recognise a checkpoint: both ends of its files (earlier versions), all bytes, and all bytes remembered.

The checkpoint is simulated: shards of a repeated random block, written and deleted again.

Example: python -m benchmarks.fingerprint --gigabytes 15 --shard-gigabytes 5 --json
"""

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.measuring.machine import describe_machine
from pid_lvlm.extract.models.checkpoint.fingerprint import fingerprint, sampled_fingerprint
from pid_lvlm.extract.models.checkpoint.hash_cache import HashCache

BLOCK = 16 << 20
HASHES = ("sha256", "sha1", "blake2b", "blake2s")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    arguments = _arguments(argv)
    result = {
        "machine": describe_machine(["pid-lvlm"]),
        "gigabytes": arguments.gigabytes,
        "gigabytes_per_second_in_memory_one_thread": {name: _memory_speed(name) for name in HASHES},
        "seconds": _measure(arguments),
    }
    read = result["seconds"]["all_bytes"]
    result["gigabytes_per_second"] = {name: round(arguments.gigabytes / value, 2) for name, value in read.items()}
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary, "checkpoint")
        _write(folder, arguments.gigabytes, arguments.shard_gigabytes)
        cache = HashCache(Path(temporary, "hashes"))
        with patch("pid_lvlm.extract.models.checkpoint.hash_cache.SETTLED_SECONDS", -10.0):  # the files are new
            _drop_pages(folder)
            cold = _timed(lambda: fingerprint(folder, cache))
        warm = _timed(lambda: fingerprint(folder, HashCache(Path(temporary, "other"))))
        remembered = _timed(lambda: fingerprint(folder, cache))
        _drop_pages(folder)
        sampled = _timed(lambda: sampled_fingerprint(folder))
    return {"all_bytes": {"from_disk": cold, "from_memory": warm}, "remembered": remembered, "both_ends": sampled}


def _write(folder: Path, gigabytes: float, shard_gigabytes: float) -> None:
    folder.mkdir()
    block = os.urandom(BLOCK)
    left, number = int(gigabytes * 1e9), 0
    while left > 0:
        size = min(left, int(shard_gigabytes * 1e9))
        with (folder / f"model-{number:05d}.safetensors").open("wb") as file:
            for start in range(0, size, BLOCK):
                file.write(block[: size - start])
            file.flush()
            os.fsync(file.fileno())
        left, number = left - size, number + 1


def _drop_pages(folder: Path) -> None:
    """Drop the files from the system's page cache, if it supports that."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _memory_speed(name: str) -> float:
    content = memoryview(os.urandom(BLOCK))
    digest = hashlib.new(name)
    started = time.perf_counter()
    for _ in range(8):
        digest.update(content)
    return round(8 * BLOCK / 1e9 / (time.perf_counter() - started), 2)


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return round(time.perf_counter() - started, 4)


def _text(result: dict[str, Any]) -> str:
    lines = [f"{name}: {value}" for name, value in result.items() if name != "machine"]
    return "\n".join(lines)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.5, help="size of the checkpoint")
    parser.add_argument("--shard-gigabytes", type=float, default=5.0, help="size of each of its files")
    parser.add_argument("--folder", type=Path, help="where to write it; by default the system's temporary folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
