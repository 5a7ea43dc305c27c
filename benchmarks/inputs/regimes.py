"""Synthetic problems: a plain kind for timings, and regimes that stress the coupling for recorded fits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.baselines.published import Rows

Change = Callable[[NDArray, np.random.Generator], NDArray]


@dataclass(frozen=True)
class Regime:
    """A kind of problem.

    Attributes:
        options: K.
        train, test: rows.
        d1, d2: feature widths.
        sharpness: factor on the logits of the conditionals; 0 is uniform, 30 nearly one-hot.
        bias1, bias2: added to the logits of p(y|x1) and p(y|x2), per option.
        bias: added to the logits of all conditionals, per option.
        change: applied to each array of conditionals (n, k) before renormalising rows.
        epochs: passes over the training rows.
        scale: factor on the features.
    """

    options: int = 4
    train: int = 512
    test: int = 256
    d1: int = 16
    d2: int = 16
    sharpness: float = 2.0
    bias: tuple[float, ...] = ()
    bias1: tuple[float, ...] = ()
    bias2: tuple[float, ...] = ()
    change: Change | None = None
    epochs: int = 4
    scale: float = 1.0


def one_hot(p: NDArray, rng: np.random.Generator) -> NDArray:
    """All mass on the most likely option."""
    return np.eye(p.shape[1])[p.argmax(axis=1)]


def fewer_options(p: NDArray, rng: np.random.Generator) -> NDArray:
    """Rows with 2 to K options, the same in every condition because the generator restarts for each."""
    count = rng.integers(2, p.shape[1] + 1, size=len(p))
    return np.where(np.arange(p.shape[1]) < count[:, None], p, 0.0)


def without_last(p: NDArray, rng: np.random.Generator) -> NDArray:
    """An option that no row has."""
    return np.where(np.arange(p.shape[1]) < p.shape[1] - 1, p, 0.0)


def last_in_few(p: NDArray, rng: np.random.Generator) -> NDArray:
    """The last option exists in two rows out of a hundred."""
    has = rng.random(len(p)) < 0.02
    return np.where((np.arange(p.shape[1]) < p.shape[1] - 1) | has[:, None], p, 0.0)


def same_letter(p: NDArray, rng: np.random.Generator) -> NDArray:
    """Every second row gives all mass to the first option."""
    return np.where((np.arange(len(p)) % 2 == 0)[:, None], np.eye(p.shape[1])[0], p)


def half_uniform(p: NDArray, rng: np.random.Generator) -> NDArray:
    """Half of the rows fell back to uniform."""
    return np.where((rng.random(len(p)) < 0.5)[:, None], 1 / p.shape[1], p)


PLAIN = Regime()

REGIMES: Mapping[str, Regime] = {
    "plain_k2": replace(PLAIN, options=2),
    "wide_k3": replace(PLAIN, options=3, d1=3, d2=300),
    "plain_k6": replace(PLAIN, options=6),
    "plain_k8": replace(PLAIN, options=8, sharpness=3.0),
    "sharp_k4": replace(PLAIN, sharpness=12.0),
    "sharper_k3": replace(PLAIN, options=3, sharpness=30.0),
    "onehot_k4": replace(PLAIN, sharpness=4.0, change=one_hot),
    "onehot_k2": replace(PLAIN, options=2, sharpness=4.0, change=one_hot),
    "uniform_k4": replace(PLAIN, sharpness=0.002),
    "weak_k4": replace(PLAIN, sharpness=0.05),
    "weak_k2": replace(PLAIN, options=2, sharpness=0.2),
    "zeros_k3": replace(PLAIN, options=3, change=fewer_options),
    "absent_k4": replace(PLAIN, change=without_last),
    "scarce_k4": replace(PLAIN, change=last_in_few),
    "rare_k4": replace(PLAIN, bias=(0.0, 0.0, -3.0, -8.0)),
    "rarer_k8": replace(PLAIN, options=8, bias=(0.0, 0.0, -2.0, -4.0, -6.0, -8.0, -12.0, -16.0)),
    "one_batch_k4": replace(PLAIN, train=256, epochs=8),
    "tail_k3": replace(PLAIN, options=3, train=300, test=600, d1=3, d2=20, epochs=8),
    "disagree_k4": replace(PLAIN, bias1=(3.0, 0.0, 0.0, -3.0), bias2=(-3.0, 0.0, 0.0, 3.0)),
    "opposed_k2": replace(PLAIN, options=2, bias1=(5.0, -5.0), bias2=(-5.0, 5.0)),
    "fallback_k4": replace(PLAIN, sharpness=5.0, change=half_uniform),
    "big_features_k4": replace(PLAIN, scale=50.0),
    "weak_long_k4": replace(PLAIN, sharpness=0.3, epochs=16),
    "weak_long_k3": replace(PLAIN, options=3, sharpness=0.15, epochs=16),
    "weak_long_k8": replace(PLAIN, options=8, sharpness=0.5, epochs=16),
    "plain_k16": replace(PLAIN, options=16),
    "letter_a_k4": replace(PLAIN, change=same_letter),
    "masses_k3": replace(PLAIN, options=3, bias1=(8.0, 0.0, -8.0), bias2=(-8.0, 0.0, 8.0)),
    "dead_k3": replace(PLAIN, options=3, bias2=(500.0, 0.0, 0.0)),
    "long_k4": replace(PLAIN, train=1024, test=512, d1=64, d2=64, epochs=8),
}


def draw(regime: Regime, seed: int) -> tuple[Rows, Rows]:
    """Training and test rows of a problem of this kind."""
    rng = np.random.default_rng(seed)
    rows, options = regime.train + regime.test, regime.options
    seen1, seen2 = (rng.normal(size=(rows, options)) for _ in range(2))
    features = [
        regime.scale
        * (seen @ rng.normal(size=(options, width)) / np.sqrt(options) + 0.5 * rng.normal(size=(rows, width)))
        for seen, width in ((seen1, regime.d1), (seen2, regime.d2))
    ]
    logits = (seen1, seen2, seen1 + seen2 + seen1 * seen2)
    biases = (regime.bias1, regime.bias2, ())
    conditionals = [_conditional(z, own, regime, seed) for z, own in zip(logits, biases, strict=True)]
    whole = Rows(*(torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in (*features, *conditionals)))
    return whole.take(slice(0, regime.train)), whole.take(slice(regime.train, rows))


def _conditional(logits: NDArray, own_bias: tuple[float, ...], regime: Regime, seed: int) -> NDArray:
    z = regime.sharpness * logits
    for bias in (regime.bias, own_bias):
        z = z + (np.array(bias) if bias else 0.0)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    if regime.change is not None:
        p = regime.change(p, np.random.default_rng(seed))
    return p / p.sum(axis=1, keepdims=True)
