"""Shared fixtures: synthetic runs whose decomposition is known, and strict jax switches."""

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import install_import_hook

from pid_lvlm import data

SHAPED = tuple(
    f"pid_jax.{name}"
    for name in (
        "arguments",
        "decomposition",
        "exact_arguments",
        "crossed_decomposition",
        "exact_decomposition",
        "exact_items",
        "information",
        "estimators",
        "problems",
        "results",
        "sweep.exact",
        "sweep.fits",
        "sweep.launch",
        "sweep.stack",
    )
)
"""Modules and rooms of pid_jax whose annotations are checked at every call (jaxtyping and beartype): those with arrays.

Not the others: wrong settings must get as far as the sentence that refuses them, and files, plans, devices and text
have no shapes. Processes that a test starts run unchecked, as a user's do.
"""

install_import_hook(list(SHAPED), "beartype.beartype")


class LibrariesFirst(MetaPathFinder):
    """Imports jax and its relatives before the first checked module.

    While jaxtyping imports a module, Python looks for bytecode under another name, for whatever that module imports,
    too: hundreds of modules of jax, scipy and ott would be compiled from source, which takes longer than many a test.
    """

    done = False

    def find_spec(self, name: str, *_: object) -> None:
        if not self.done and name.startswith(SHAPED):
            self.done = True  # not taken out of the list, which is being gone through
            with warnings.catch_warnings(action="ignore"):
                for library in ("ott", "flax.linen", "scipy.stats"):
                    import_module(library)


sys.meta_path.insert(0, LibrariesFirst())

NOISE = 0.1

CACHE = "JAX_COMPILATION_CACHE_DIR"
_made = []

LONGEST = (
    "test_solve.py",  # of the slow tests
    "test_families.py",
    "test_known_answers.py",
    "test_install.py",
    "test_processes.py",
    "test_kills_estimate.py",
    "test_kills_extract.py",
    "test_replay.py",
    "test_fits.py",
    "test_sinkhorn.py",
    "test_main.py",
    "test_estimation.py",
    "test_import_boundaries.py",
    "test_benchmarks.py",
    "test_docs.py",
)
"""Files that take longest, first: workers are handed one file after another, and end together."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; within a file, tests stay as they are."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_configure() -> None:
    """Compiled programs are shared by all processes of a session, and never kept in the user's own cache.

    Whoever sets the variable keeps them from one session to the next.
    """
    if CACHE not in os.environ:
        _made.append(tempfile.mkdtemp(prefix="pid-compiled-"))
        os.environ[CACHE] = _made[0]


def pytest_unconfigure() -> None:
    """Forget what was compiled."""
    for folder in _made:
        shutil.rmtree(folder, ignore_errors=True)


def one_hot_mix(answers: np.ndarray, options: int, certainty: float = 1.0) -> np.ndarray:
    """Rows (n, k) that put `certainty` on the answer and the rest evenly."""
    return certainty * np.eye(options)[answers] + (1 - certainty) / options


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """Write a run whose picture code a and question code b (0 … k-1) decide the answer as `kind` says.

    `synergy`: a + b mod k; `vision`: a; `language`: b; `redundancy`: a = b. Layer l of L is certain to l / L.
    """

    def make(
        folder: Path, kind: str = "synergy", n: int = 480, d: int = 12, layers: int = 1, seed: int = 0, **fields: object
    ) -> Path:  # noqa: E501
        rng = np.random.default_rng(seed)
        k = 4
        a = rng.integers(0, k, n)
        b = a if kind == "redundancy" else rng.integers(0, k, n)
        answers = (a + b) % k if kind == "synergy" else (b if kind == "language" else a)
        loglik = np.empty((n, 4, layers, k))
        for layer in range(layers):
            certainty = 0.99 * (layer + 1) / layers
            sharp, flat = one_hot_mix(answers, k, certainty), one_hot_mix(answers, k, 0.0)
            loglik[:, 0, layer] = np.log(sharp)
            loglik[:, 1, layer] = np.log(sharp if kind in ("vision", "redundancy") else flat)
            loglik[:, 2, layer] = np.log(sharp if kind in ("language", "redundancy") else flat)
            loglik[:, 3, layer] = np.log(flat)
        codes1, codes2 = rng.normal(size=(k, d)), rng.normal(size=(k, d))
        return data.write_run(
            folder,
            model=f"model-{kind}",
            dataset=kind,
            loglik=loglik,
            x1=codes1[a] + NOISE * rng.normal(size=(n, d)),
            x2=codes2[b] + NOISE * rng.normal(size=(n, d)),
            label=answers,
            **fields,
        )

    return make
