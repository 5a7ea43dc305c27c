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

    Source 1 is the anchor (`EstimatorConfig.anchor`), vision unless the settings say otherwise; without batches it is
    vision.

    Attributes:
        features: pooling -> (x1, x2).
        rows: conditionals per (layer, tau).
        draws: split and batches per seed.
        accuracy: layer -> columns of the result table.
        num_rows: rows of the run.
        groups: number of every row's group.
        num_options: options of every row's item.
        sample_ids: names of the rows.
    """

    features: Mapping[str, tuple[Float[np.ndarray, "n d1"], Float[np.ndarray, "n d2"]]]
    rows: Mapping[tuple[int, float], LayerRows]
    draws: tuple[Draw, ...]
    accuracy: Mapping[int, Mapping[str, float | None]] = field(default_factory=dict)
    num_rows: int = 0
    groups: Int[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, int))
    num_options: Int[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, int))
    sample_ids: Shaped[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, str))

    @property
    def num_train(self) -> int:
        """Rows that train the coupling, with the first seed; 0 without training."""
        return len(self.draws[0].split_train) if self.draws else 0

    @property
    def num_test(self) -> int:
        """Rows that the atoms are measured on."""
        return int(self.draws[0].test.mask.sum()) if self.draws else self.num_rows


def make_workload(run: Run, keys: Iterable[ProblemKey], config: EstimatorConfig, layout: Layout | None) -> Workload:
    """Host arrays of some of a run's problems, all of one estimator; with batches if a layout is given.

    Raises:
        ContractError: the run lacks a pooling.
    """
    keys = tuple(keys)
    layers = sorted({key.layer for key in keys})
    groups = run.arrays["group_id"] if config.split == "group" else None
    vision_first = layout is None or config.anchor == SOURCES[0]
    first, second = (1, 2) if vision_first else (2, 1)
    poolings = dict.fromkeys(key.pooling for key in keys if key.pooling)
    return Workload(
        features={pooling: (run.features(first, pooling), run.features(second, pooling)) for pooling in poolings},
        rows={(key.layer, key.tau): _layer_rows(run, key.layer, key.tau, config, vision_first) for key in keys},
        draws=() if layout is None else make_draws(groups, len(run), config, layout),
        accuracy={layer: accuracy_columns(run, layer) for layer in layers},
        num_rows=len(run),
        groups=np.unique(run.arrays["group_id"], return_inverse=True)[1].ravel(),
        num_options=run.arrays["num_options"].astype(np.int64),
        sample_ids=run.arrays["sample_id"],
    )


def _layer_rows(run: Run, layer: int, tau: float, config: EstimatorConfig, vision_first: bool) -> LayerRows:
    position = run.manifest.layers.index(layer)
    used = [run.manifest.conditions.index(name) for name in (VISION_ONLY, config.language_condition, BOTH)]
    loglik = run.arrays["loglik"][:, used, position]
    result = option_probabilities(loglik, run.arrays["num_options"], tau, config.fallback)
    vision, language, both = (np.ascontiguousarray(result.p[:, i]) for i in range(len(used)))
    ordered = (vision, language) if vision_first else (language, vision)
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
