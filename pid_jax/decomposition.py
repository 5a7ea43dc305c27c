"""Decompose your own arrays, for notebooks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from pid_jax.arguments import as_array, check_size, checked_config, numbers, probabilities
from pid_jax.config import EstimatorConfig, FitSettings
from pid_jax.estimators.batch.fit import Lengths
from pid_jax.information import AtomsInBits, TermsInBits, atoms_from_terms
from pid_jax.problems.build import LayerRows, Workload, make_draws
from pid_jax.problems.splits import make_layout, split_rows, split_seeds
from pid_jax.problems.types import ProblemKey, Shape
from pid_jax.results.solution import ADVICE, Result, Solution
from pid_jax.setting import ArgumentError, ArgumentTypeError
from pid_jax.sweep.batch import check_enough
from pid_jax.sweep.capacity import Capacity, rounded_up
from pid_jax.sweep.chunks import choose_pace, this_machine
from pid_jax.sweep.devices import count_devices
from pid_jax.sweep.launch import launch
from pid_jax.sweep.memory import TABLES_SHARE, check_memory, default_budget
from pid_jax.sweep.stack import stack_problems
from pid_lvlm.data.bounds import WIDTH
from pid_lvlm.data.names import SOURCES

_ONLY = ProblemKey(layer=0, tau=0.0, pooling="")


@dataclass(frozen=True)
class Decomposition:
    """Atoms and terms in bits, with diagnostics.

    Attributes:
        raw: the four atoms in bits, mean over seeds; a small negative value is estimation error.
        clipped: `raw` clipped at 0.
        sd: their standard deviation over seeds in bits; NaN for one seed.
        terms: the four information terms in bits, mean over seeds.
        per_seed: the raw atoms of every seed in bits, each of shape (seeds,).
        loss: training loss of every step in nats, shape (seeds, steps).
        sinkhorn_error: largest L1 error of a test coupling's marginal (mass 1).
        marginal_mismatch: largest total variation between two of the three P(Y); above 0, PID is not exactly defined.
        result: outcome of the worst seed; `Result.SUCCESSFUL` if all is well.
        num_train: number of rows that trained the coupling, for the first seed.
        num_test: number of rows that the atoms are measured on.
    """

    raw: AtomsInBits
    clipped: AtomsInBits
    sd: AtomsInBits
    terms: TermsInBits
    per_seed: AtomsInBits
    loss: Float[np.ndarray, "seeds s"]
    sinkhorn_error: float
    marginal_mismatch: float
    result: Result
    num_train: int
    num_test: int

    @property
    def advice(self) -> str | None:
        """What to do if the fits failed; None if they succeeded."""
        return ADVICE.get(self.result)


def decompose(
    p_y_x1: "ArrayLike",
    p_y_x2: "ArrayLike",
    p_y_x1x2: "ArrayLike",
    x1: "ArrayLike",
    x2: "ArrayLike",
    config: EstimatorConfig | None = None,
    *,
    groups: "ArrayLike | None" = None,
    devices: int | None = None,
) -> Decomposition:
    """Split I(X1,X2;Y) into redundancy, unique1, unique2 and synergy, in bits.

    Args:
        p_y_x1: (n, k) p(y|x1_i): rows sum to 1, with 0 for options that a row does not have.
        p_y_x2: (n, k) p(y|x2_i).
        p_y_x1x2: (n, k) p(y|x1_i,x2_i).
        x1: (n, d1) features of source 1, finite.
        x2: (n, d2) features of source 2.
        config: settings from `make_config`; by default the default preset. Its taus and poolings are ignored.
        groups: (n,) name of each row's group; with `split="group"` groups are not split between training and test.
        devices: number of this process's devices to use; all by default.

    Returns:
        A `Decomposition`: atoms `raw`, `clipped` at 0, their `sd` over seeds and `per_seed`, and the four `terms`, all
        in bits; `result` and `advice`, training `loss` (nats), `sinkhorn_error` and `marginal_mismatch` as diagnostics;
        `num_train` and `num_test` rows.

    Raises:
        ArgumentError: an argument is not as expected; this is a `ValueError`, and also a `TypeError` if it does not
        hold numbers. The message names the argument, and the expected and actual shape.
        PidError: there are too few rows.

    Example:
        Two coins; the answer is whether they agree, which only both together determine.

        >>> import numpy as np
        >>> import pid_jax
        >>> rng = np.random.default_rng(0)
        >>> first, second = rng.integers(0, 2, (2, 96))
        >>> x1, x2 = np.eye(2)[first], np.eye(2)[second]
        >>> p_y_x1x2 = np.eye(2)[(first == second).astype(int)]
        >>> p_y_x1 = p_y_x2 = np.full((96, 2), 0.5)
        >>> config = pid_jax.make_config(batch_size=32, epochs=1, seeds=(0,))
        >>> found = pid_jax.decompose(p_y_x1, p_y_x2, p_y_x1x2, x1, x2, config)  # doctest: +SKIP
        >>> found.raw.synergy > 0.9  # doctest: +SKIP
        True
    """
    config = checked_config(config)
    p = [probabilities(name, values) for name, values in zip(_NAMES, (p_y_x1, p_y_x2, p_y_x1x2), strict=True)]
    x = [_features(name, values, p[0]) for name, values in (("x1", x1), ("x2", x2))]
    for name, values in zip(_NAMES, p, strict=True):
        if values.shape != p[0].shape:
            raise ArgumentError(name, f"expected shape {p[0].shape}, that of p_y_x1, found {values.shape}")
    workload, shape = _workload(p, x, _groups(groups, config, len(p[0])), config)
    check_memory("the arrays", shape, len(p[0]), len(config.seeds), FitSettings.of(config))
    solution = _solve(workload, shape, config, count_devices(devices))
    atoms: list[Any] = [np.asarray(atom, np.float64) for atom in atoms_from_terms(solution.terms).in_bits()]
    terms: list[Any] = [float(np.mean(term)) for term in solution.terms.in_bits()]
    raw: list[Any] = [float(atom.mean()) for atom in atoms]
    sd: list[Any] = [float(atom.std(ddof=1)) if len(atom) > 1 else float("nan") for atom in atoms]
    clipped: list[Any] = [max(value, 0.0) for value in raw]
    draw = workload.draws[0]
    return Decomposition(
        raw=AtomsInBits(*raw),
        clipped=AtomsInBits(*clipped),
        sd=AtomsInBits(*sd),
        terms=TermsInBits(*terms),
        per_seed=AtomsInBits(*atoms),
        loss=solution.loss,
        sinkhorn_error=float(solution.sinkhorn_error.max()),
        marginal_mismatch=workload.rows[_ONLY.rows].marginal_mismatch,
        result=solution.result,
        num_train=len(draw.split_train),
        num_test=int(draw.test.mask.sum()),
    )


_NAMES = ("p_y_x1", "p_y_x2", "p_y_x1x2")


def _features(name: str, values: Any, p: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n d"]:
    x = numbers(name, values, f"({len(p)}, d), a row for each of p_y_x1")
    if x.ndim != 2 or len(x) != len(p) or not x.shape[1]:
        raise ArgumentError(name, f"expected shape ({len(p)}, d), a row for each of p_y_x1, found {x.shape}")
    check_size(name, x.shape[1], WIDTH)
    if not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise ArgumentError(f"{name}, row {row}", "holds NaN or infinity; expected finite numbers of at most 3e38")
    return x


def _groups(groups: Any, config: EstimatorConfig, rows: int) -> Shaped[np.ndarray, " n"] | None:
    if config.split != "group":
        return None
    wanted = f"the split by groups needs a name for each row, shape ({rows},)"
    names = as_array("groups", [] if groups is None else groups, wanted)
    if names.shape != (rows,):
        raise ArgumentError("groups", f"{wanted}, found {names.shape}")
    if names.dtype.kind == "O":
        if not all(isinstance(name, str) for name in names.tolist()):
            raise ArgumentTypeError("groups", "expected names or numbers of one kind, found mixed values")
        return names.astype(str)
    return names


def _workload(
    p: list[Float[np.ndarray, "n k"]],
    x: list[Float[np.ndarray, "n _"]],
    groups: Shaped[np.ndarray, " n"] | None,
    config: EstimatorConfig,
) -> tuple[Workload, Shape]:
    n, k = p[0].shape
    splits = [split_rows(groups, n, seed, config.train_share) for seed in sorted(set(split_seeds(config)))]
    sizes = [(len(train), len(test)) for train, test in splits]
    check_enough("the arrays", n, sizes, config)
    layout = make_layout(sizes, config.batch_size, config.drop_incomplete)
    order = [0, 1] if config.anchor == SOURCES[0] else [1, 0]
    x1, x2 = (x[i] for i in order)
    rows = LayerRows((p[order[0]], p[order[1]], p[2]), {})
    draws = make_draws(groups, n, config, layout)
    steps = config.epochs * layout.per_epoch
    shape = Shape(x1.shape[1], x2.shape[1], k, steps, config.batch_size, layout.test_batches)
    return Workload({_ONLY.pooling: (x1, x2)}, {_ONLY.rows: rows}, draws), shape


def _solve(workload: Workload, shape: Shape, config: EstimatorConfig, devices: int) -> Solution:
    machine = this_machine(devices, default_budget())
    pace = choose_pace(len(config.seeds), shape, FitSettings.of(config), machine)
    rows = len(workload.features[_ONLY.pooling][0])
    least = Capacity(rows, rows, len(config.seeds), shape.steps, shape.test_batches)
    room = rounded_up(least, shape, int(TABLES_SHARE * machine.budget))
    stack = stack_problems({0: workload}, [(0, _ONLY)], config.seeds, room)
    (solution,) = launch(stack, config, pace, Lengths(shape.steps, shape.test_batches)).collect()
    return solution
