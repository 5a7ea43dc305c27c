"""Shards that hold other numbers than those written, with a manifest that agrees."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.files import sha256
from pid_lvlm.data.names import MANIFEST_FILE, shard_file


def rewrite_shard(run: Path, **changed: NDArray) -> None:
    """Replace arrays of a run's first shard as if it had been written so."""
    shard, manifest = run / shard_file(0), run / MANIFEST_FILE
    with np.load(shard) as archive:
        arrays = dict(archive)
    np.savez(shard, **arrays | changed)
    fields = json.loads(manifest.read_text())
    fields["checksums"][shard.name] = sha256(shard.read_bytes())
    manifest.write_text(json.dumps(fields))
