"""Host arrays of problems, in numpy: features, probabilities, splits and batches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from pid_jax.config import EstimatorConfig
from pid_jax.problems.accuracy import accuracy_columns
from pid_jax.problems.probabilities import option_probabilities
from pid_jax.problems.splits import (
    EvaluationBatches,
    Layout,
    evaluation_batches,
    split_rows,
    split_seeds,
    train_batches,
)
from pid_jax.problems.types import ProblemKey
from pid_lvlm.data import Run
from pid_lvlm.data.names import BOTH, LANGUAGE_ONLY, SOURCES, VISION_ONLY


class Draw(NamedTuple):
    """Split and batches of one seed: rows of every training step, of every test batch, and all training rows."""

    train_rows: Int[np.ndarray, "s b"]
    test: EvaluationBatches
    split_train: Int[np.ndarray, " train"]


class LayerRows(NamedTuple):
    """One layer under one tau.

    `conditionals` are p(y|x1), p(y|x2), p(y|x1,x2); `uniform` maps a condition (the one that stands in
    for `language_only`, too) to the share of its rows that fell back to uniform.
    """

    conditionals: tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]
    uniform: Mapping[str, float]

    @property
    def p_y_x1x2(self) -> Float[np.ndarray, "n k"]:
        """p(y|x1,x2)."""
        return self.conditionals[2]

    @property
    def marginal_mismatch(self) -> float:
        """Largest total variation between the P(Y) of two conditions; above 0, PID is not defined exactly."""
        means = [p.mean(axis=0, dtype=np.float64) for p in self.conditionals]
        return max(float(np.abs(a - b).sum() / 2) for a in means for b in means)


@dataclass(frozen=True)
class Workload:
    """What one run's problems need, as far as a chunk asks for it.

    Source 1 is the anchor (`EstimatorConfig.anchor`), vision unless the settings say otherwise.

    Attributes:
        features: pooling -> (x1, x2).
        rows: conditionals per (layer, tau).
        draws: split and batches per seed.
        accuracy: layer -> columns of the result table.
    """

    features: Mapping[str, tuple[Float[np.ndarray, "n d1"], Float[np.ndarray, "n d2"]]]
    rows: Mapping[tuple[int, float], LayerRows]
    draws: tuple[Draw, ...]
    accuracy: Mapping[int, Mapping[str, float | None]] = field(default_factory=dict)


def make_workload(run: Run, keys: Iterable[ProblemKey], config: EstimatorConfig, layout: Layout) -> Workload:
    """Host arrays of some of a run's problems.

    Raises:
        ContractError: the run lacks a pooling.
    """
    keys = tuple(keys)
    layers = sorted({key.layer for key in keys})
    groups = run.arrays["group_id"] if config.split == "group" else None
    first, second = (1, 2) if config.anchor == SOURCES[0] else (2, 1)
    poolings = dict.fromkeys(key.pooling for key in keys)
    return Workload(
        features={pooling: (run.features(first, pooling), run.features(second, pooling)) for pooling in poolings},
        rows={(layer, tau): _layer_rows(run, layer, tau, config) for layer, tau, _ in keys},
        draws=make_draws(groups, len(run), config, layout),
        accuracy={layer: accuracy_columns(run, layer) for layer in layers},
    )


def _layer_rows(run: Run, layer: int, tau: float, config: EstimatorConfig) -> LayerRows:
    position = run.manifest.layers.index(layer)
    used = [run.manifest.conditions.index(name) for name in (VISION_ONLY, config.language_condition, BOTH)]
    loglik = run.arrays["loglik"][:, used, position]
    result = option_probabilities(loglik, run.arrays["num_options"], tau, config.fallback)
    vision, language, both = (np.ascontiguousarray(result.p[:, i]) for i in range(len(used)))
    ordered = (vision, language) if config.anchor == SOURCES[0] else (language, vision)
    names = (VISION_ONLY, LANGUAGE_ONLY, BOTH)
    shares = {name: float(result.uniform[:, i].mean()) for i, name in enumerate(names)}
    return LayerRows((*ordered, both), shares)


def make_draws(
    groups: Shaped[np.ndarray, " n"] | None, num_rows: int, config: EstimatorConfig, layout: Layout
) -> tuple[Draw, ...]:
    """Split and batches of every seed."""
    draws = []
    for seed, split_seed in zip(config.seeds, split_seeds(config), strict=True):
        train, test = split_rows(groups, num_rows, split_seed, config.train_share)
        draws.append(
            Draw(
                train_batches(train, seed, config.epochs, config.batch_size, layout.per_epoch),
                evaluation_batches(test, config.batch_size, config.drop_incomplete, layout),
                train,
            )
        )
    return tuple(draws)
