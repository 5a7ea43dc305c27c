"""Host arrays of problems in numpy: features, probabilities, splits and batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from pid_jax.config import EstimatorConfig
from pid_jax.problems.ablations import conditions_of, neither_of
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
from pid_jax.problems.types import ProblemKey, RowsKey
from pid_lvlm.data import Run
from pid_lvlm.data.contract.reading.crossed import crossed_of
from pid_lvlm.data.contract.table.results import CROSSED
from pid_lvlm.data.names import BOTH, LANGUAGE_ONLY, NOISE, SOURCES, VISION_ONLY


class Draw(NamedTuple):
    """Split and batches of one seed: rows of each training step and test batch, and all training rows."""

    train_rows: Int[np.ndarray, "s b"]
    test: EvaluationBatches
    split_train: Int[np.ndarray, " train"]


class CrossedRows(NamedTuple):
    """Answers to the questions of other items: p(y | picture i, question partner[i, m])."""

    p: Float[np.ndarray, "n m k"]
    partner: Int[np.ndarray, "n m"]


class LayerRows(NamedTuple):
    """One layer under one tau and ablation.

    `conditionals` are p(y|x1), p(y|x2), p(y|x1,x2); `uniform` maps a condition (also the one used for `language_only`)
    to the share of its rows that fell back to uniform. `neither` holds the answers without either source, if measured.
    For crossed pairs the conditionals are means over them.
    """

    conditionals: tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]
    uniform: Mapping[str, float]
    neither: Float[np.ndarray, "n k"] | None = None
    crossed: CrossedRows | None = None

    @property
    def p_y_x1x2(self) -> Float[np.ndarray, "n k"]:
        """p(y|x1,x2)."""
        return self.conditionals[2]

    @property
    def marginal_mismatch(self) -> float:
        """Largest total variation between the P(Y) of two conditions; above 0, PID is not defined exactly.

        Crossed pairs are one joint distribution, so its marginals have the same P(Y).
        """
        if self.crossed is not None:
            return 0.0
        means = [p.mean(axis=0, dtype=np.float64) for p in self.conditionals]
        return max(float(np.abs(a - b).sum() / 2) for a in means for b in means)


@dataclass(frozen=True)
class Workload:
    """What one run's problems need, restricted to one chunk.

    Source 1 is the anchor (`EstimatorConfig.anchor`), by default vision; without batches it is always vision.

    Attributes:
        features: pooling -> (x1, x2).
        rows: conditionals per layer, tau and ablation.
        draws: split and batches per seed.
        accuracy: layer -> columns of the result table.
        num_rows: number of rows of the run.
        groups: group number of each row.
        num_options: number of options of each row's item.
        sample_ids: names of the rows.
    """

    features: Mapping[str, tuple[Float[np.ndarray, "n d1"], Float[np.ndarray, "n d2"]]]
    rows: Mapping[RowsKey, LayerRows]
    draws: tuple[Draw, ...]
    accuracy: Mapping[int, Mapping[str, float | None]] = field(default_factory=dict)
    num_rows: int = 0
    groups: Int[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, int))
    num_options: Int[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, int))
    sample_ids: Shaped[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, str))

    @property
    def num_train(self) -> int:
        """Number of rows that train the coupling, for the first seed; 0 without training."""
        return len(self.draws[0].split_train) if self.draws else 0

    @property
    def num_test(self) -> int:
        """Number of rows that the atoms are measured on."""
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
        rows={key: _layer_rows(run, key, config, vision_first) for key in dict.fromkeys(key.rows for key in keys)},
        draws=() if layout is None else make_draws(groups, len(run), config, layout),
        accuracy={layer: accuracy_columns(run, layer) for layer in layers},
        num_rows=len(run),
        groups=np.unique(run.arrays["group_id"], return_inverse=True)[1].ravel(),
        num_options=run.arrays["num_options"].astype(np.int64),
        sample_ids=run.arrays["sample_id"],
    )


def _layer_rows(run: Run, key: RowsKey, config: EstimatorConfig, vision_first: bool) -> LayerRows:
    if key.ablation == CROSSED:
        return _crossed_rows(run, key, config)
    language: tuple[str, ...] = (config.language_condition,)
    if key.ablation != NOISE:
        language = conditions_of(run.manifest, LANGUAGE_ONLY, key.ablation)
    used = {
        VISION_ONLY: conditions_of(run.manifest, VISION_ONLY, key.ablation),
        LANGUAGE_ONLY: language,
        BOTH: (BOTH,),
    }
    found = {role: _mean_answers(run, key, names, config) for role, names in used.items()}
    p = {role: answers for role, (answers, _) in found.items()}
    names = (VISION_ONLY, LANGUAGE_ONLY, BOTH) if vision_first else (LANGUAGE_ONLY, VISION_ONLY, BOTH)
    neither = neither_of(run.manifest, key.ablation)
    return LayerRows(
        (p[names[0]], p[names[1]], p[BOTH]),
        {role: share for role, (_, share) in found.items()},
        _mean_answers(run, key, neither, config)[0] if neither else None,
    )


def _mean_answers(
    run: Run, key: RowsKey, conditions: Sequence[str], config: EstimatorConfig
) -> tuple[Float[np.ndarray, "n k"], float]:
    """Probabilities averaged over the draws of a condition, and the share of rows that fell back to uniform."""
    position = run.manifest.layers.index(key.layer)
    used = [run.manifest.conditions.index(name) for name in conditions]
    loglik = run.arrays["loglik"][:, used, position]
    p, uniform = option_probabilities(loglik, run.arrays["num_options"], key.tau, config.fallback)
    mean = p[:, 0] if len(used) == 1 else p.mean(axis=1, dtype=np.float64).astype(np.float32)
    return np.ascontiguousarray(mean), float(uniform.mean())


def _crossed_rows(run: Run, key: RowsKey, config: EstimatorConfig) -> LayerRows:
    """Answers for crossed pairs, and their means over questions and over pictures."""
    found = crossed_of(run.arrays)
    assert found is not None  # checked against the manifest by the plan
    partner, (n, m) = found.partner.astype(np.int64), found.partner.shape
    loglik = found.loglik[:, :, run.manifest.layers.index(key.layer)].reshape(n * m, -1)
    options = run.arrays["num_options"][partner.ravel()]
    p, uniform = option_probabilities(loglik, options, key.tau, config.fallback)
    exact = p.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    asked = np.stack([np.bincount(partner.ravel(), column, n) for column in exact.T], axis=1)
    count = np.maximum(np.bincount(partner.ravel(), minlength=n), 1)
    pairs = exact.reshape(n, m, -1)
    means = (pairs.mean(1), asked / count[:, None], pairs[:, 0])
    shares = {BOTH: float(uniform.mean()), VISION_ONLY: 0.0, LANGUAGE_ONLY: 0.0}
    return LayerRows(means, shares, crossed=CrossedRows(pairs, partner))


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
