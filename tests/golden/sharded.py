"""`python -m tests.golden.sharded DEVICES OUT`: golden fits of one shape in one group, spread over fake CPU devices.

Writes the summaries of all fits as npz. The tests start it with 8 devices and compare with one.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from pid_jax.estimators.batch.fit import Params
from pid_jax.problems.types import Conditionals, FitSpec, Tables
from pid_jax.sweep.devices import on_every, split_cpu, split_over
from pid_jax.sweep.fits import FitSummary, run_fits
from tests.golden.replay import PUBLISHED, Golden, load

STEMS = ("inconsistent_k4", "synergy_k4")
COPIES = 4
"""Fits of each file: 8 in all, one per fake device."""

PADDED_ROWS = 100


def stack(goldens: list[Golden]) -> tuple[FitSpec, Tables, Params]:
    """Tables with the rows of every file and rows that nothing points at, and `COPIES` fits of every file in turn."""

    def join(*slices: jax.Array) -> np.ndarray:
        return np.concatenate([np.asarray(part) for part in slices])

    tables = jax.tree.map(join, *[golden.tables for golden in goldens])
    extra = ((0, PADDED_ROWS), (0, 0))
    tables = tables._replace(
        x1=np.pad(tables.x1, extra, constant_values=7.0),
        x2=np.pad(tables.x2, extra, constant_values=-7.0),
        conditionals=Conditionals(*(np.pad(p, extra, constant_values=0.25) for p in tables.conditionals)),
    )
    chosen = np.arange(len(goldens) * COPIES) % len(goldens)
    first_rows = np.cumsum([0, *(len(golden.tables.x1) for golden in goldens)])
    place, row = jnp.asarray(chosen), jnp.asarray(first_rows[chosen])
    p_y = jnp.stack([goldens[i].spec.p_y for i in chosen])
    keys = jax.random.split(goldens[0].spec.key, len(chosen))
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[goldens[i].params for i in chosen])
    return FitSpec(row, row, place, p_y, keys), tables, params


def fit_all(goldens: list[Golden], devices: int, calls: int) -> FitSummary:
    """Every fit, in several calls of one shape, spread over devices; two side by side where there are two."""
    specs, tables, params = stack(goldens)
    whole = on_every(tables, devices)
    share = len(specs.draw) // calls
    parts = []
    with jax.default_matmul_precision("highest"):
        for start in range(0, len(specs.draw), share):
            at = slice(start, start + share)
            chosen = split_over(jax.tree.map(lambda leaf, at=at: leaf[at], (specs, params)), devices)
            side_by_side = min(share // devices, 2)
            parts.append(jax.device_get(run_fits(chosen[0], whole, PUBLISHED, side_by_side, devices, chosen[1])))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def main(devices: str, out: str) -> None:
    """Fit on that many devices and write the summaries."""
    split_cpu(int(devices))
    if len(jax.local_devices()) != int(devices):
        sys.exit(f"jax sees {len(jax.local_devices())} devices, expected {devices}")
    goldens = [load(f"tests/golden/{stem}.npz") for stem in STEMS]
    found = fit_all(goldens, int(devices), calls=1)
    np.savez(out, loss=found.loss, terms=np.stack(found.terms, axis=-1))


if __name__ == "__main__":
    main(*sys.argv[1:])
