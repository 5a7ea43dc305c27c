"""From run folders to problems: probabilities, splits and batches on the host, in numpy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data import PidError, Run
from data.names import BOTH, LANGUAGE_ONLY, REQUIRED_CONDITIONS, VISION_ONLY
from pid_jax.config import EstimatorConfig
from pid_jax.probabilities import option_probabilities
from pid_jax.splits import EvaluationBatches, evaluation_batches, split_rows, train_batches


class ProblemKey(NamedTuple):
    """One row of the result table: which layer of the run, under which tau and pooling."""

    layer: int
    tau: float
    pooling: str


class Draw(NamedTuple):
    """Split and batches of one seed: training rows (s, b), test rows and mask (t, c), and all training rows."""

    train_rows: NDArray
    test: EvaluationBatches
    split_train: NDArray


class LayerRows(NamedTuple):
    """One layer under one tau.

    `conditionals` are p(y|x1), p(y|x2), p(y|x1,x2), each (n, k); `uniform` maps a condition to the share of its
    rows that fell back to uniform.
    """

    conditionals: tuple[NDArray, NDArray, NDArray]
    uniform: Mapping[str, float]

    @property
    def p_y_x1x2(self) -> NDArray:
        """p(y|x1,x2), (n, k)."""
        return self.conditionals[2]

    @property
    def marginal_mismatch(self) -> float:
        """Largest total variation between the P(Y) of two conditions; above 0, PID is not defined exactly."""
        means = [p.mean(axis=0, dtype=np.float64) for p in self.conditionals]
        return max(float(np.abs(a - b).sum() / 2) for a in means for b in means)


class Shape(NamedTuple):
    """What a compiled program is keyed on: runs of equal shape share one."""

    d1: int
    d2: int
    options: int
    steps: int
    batch: int
    test_batches: int
    test_width: int


@dataclass(frozen=True)
class Workload:
    """All problems of one run.

    Attributes:
        run: the run.
        keys: the problems, one row of the result table each.
        rows: conditionals per (layer, tau).
        draws: split and batches per seed.
    """

    run: Run
    keys: tuple[ProblemKey, ...]
    rows: Mapping[tuple[int, float], LayerRows]
    draws: tuple[Draw, ...]

    @property
    def shape(self) -> Shape:
        """Shapes of this run's fits."""
        draw, manifest = self.draws[0], self.run.manifest
        return Shape(manifest.d1, manifest.d2, manifest.max_options, *draw.train_rows.shape, *draw.test.rows.shape)


def select_layers(run: Run, layers: str) -> tuple[int, ...]:
    """Layers named by `all`, `last` or a list such as `1,8,last`.

    Raises:
        PidError: a layer that the run does not hold.
    """
    recorded = run.manifest.layers
    if layers == "all":
        return recorded
    chosen = []
    for word in layers.split(","):
        number = recorded[-1] if word.strip() == "last" else _integer(word)
        if number not in recorded:
            held = ", ".join(map(str, recorded))
            raise PidError(f"--layers: run `{run.manifest.run}` has no layer {word.strip()!r}; it has {held}")
        chosen.append(number)
    return tuple(sorted(set(chosen)))


def _integer(word: str) -> int | None:
    return int(word) if word.strip().isdigit() else None


def make_workload(run: Run, config: EstimatorConfig, layers: str = "all") -> Workload:
    """Probabilities, splits and batches of every problem of a run.

    Raises:
        PidError: too few samples for one batch, or a layer that is not there.
    """
    chosen = select_layers(run, layers)
    rows = {(layer, tau): _layer_rows(run, layer, tau, config) for layer in chosen for tau in config.taus}
    keys = [ProblemKey(layer, tau, pooling) for pooling in config.poolings for tau in config.taus for layer in chosen]
    return Workload(run, tuple(keys), rows, tuple(_draws(run, config)))


def _layer_rows(run: Run, layer: int, tau: float, config: EstimatorConfig) -> LayerRows:
    position = run.manifest.layers.index(layer)
    conditions = [run.manifest.conditions.index(name) for name in REQUIRED_CONDITIONS]
    loglik = run.arrays["loglik"][:, conditions, position]
    result = option_probabilities(loglik, run.arrays["num_options"], tau, config.fallback)
    p = {name: np.ascontiguousarray(result.p[:, i]) for i, name in enumerate(REQUIRED_CONDITIONS)}
    shares = {name: float(result.uniform[:, i].mean()) for i, name in enumerate(REQUIRED_CONDITIONS)}
    return LayerRows((p[VISION_ONLY], p[LANGUAGE_ONLY], p[BOTH]), shares)


def _draws(run: Run, config: EstimatorConfig) -> Iterator[Draw]:
    groups = run.arrays["group_id"] if config.split == "group" else None
    for seed in config.seeds:
        split_seed = seed if config.split_seed is None else config.split_seed
        train, test = split_rows(groups, len(run), split_seed, config.train_share)
        _check_enough(run, config, len(train), len(test))
        yield Draw(
            train_batches(train, seed, config.epochs, config.batch_size),
            evaluation_batches(test, config.batch_size, config.drop_incomplete),
            train,
        )


def _check_enough(run: Run, config: EstimatorConfig, num_train: int, num_test: int) -> None:
    least_test = config.batch_size if config.drop_incomplete else 2
    for rows, least, part in ((num_train, config.batch_size, "training"), (num_test, least_test, "test")):
        if rows < least:
            raise PidError(
                f"run `{run.manifest.run}` has {len(run)} samples, of which {rows} are {part} rows; "
                f"expected at least {least} (batches of {config.batch_size}): extract more items, "
                f"or pass a smaller --batch-size"
            )
