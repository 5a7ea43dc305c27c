"""The settings of an estimate: one frozen dataclass, two presets."""

from collections.abc import Mapping, Sized
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, Final, Literal, get_args

from pid_jax.setting import (
    POSITIVE,
    PROBABILITY,
    SEED,
    SHARE,
    SWITCH,
    TOLERANCE,
    ArgumentError,
    Setting,
    integer,
    one_of,
    setting,
    settings_of,
    spell,
)
from pid_lvlm.data.bounds import FIT_STEPS, NETWORK_LAYERS, NETWORK_WIDTH, SEEDS
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.contract.sample_size import BATCH_SIZE, TRAIN_SHARE
from pid_lvlm.data.contract.table.results import BATCH, EXACT, PROBES
from pid_lvlm.data.names import DEFAULT_POOLING, DEFAULT_TAU, NOISE, POOLINGS

Fallback = Literal["real", "four"]
SplitRule = Literal["random", "group"]
Anchor = Literal["vision", "language"]
LanguageCondition = Literal["language_only", "no_image"]
Precision = Literal["default", "high", "highest"]
Estimators = Literal["both", "exact", "batch"]
Interval = Literal["items", "items-uncorrected", "none"]
Marginals = Literal["tilt", "rescale", "as-given"]
Strata = Literal["options", "none"]

ALL: Final = "all"
"""Stands for every ablation that a run has."""

ESTIMATORS: Final[Mapping[Estimators, tuple[str, ...]]] = {
    "both": (BATCH, EXACT),
    "exact": (EXACT,),
    "batch": (BATCH,),
}
"""What `estimator` selects; every problem has a row for each."""


def _plain(value: Any) -> Any:
    """Lists and arrays as tuples, numpy and other numbers as Python numbers."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple | range):
        return tuple(map(_plain, value))
    return float(value) if isinstance(value, Real) and not isinstance(value, int | float) else value


@dataclass(frozen=True)
class EstimatorConfig:
    """Every setting that changes an estimate's numbers."""

    preset: str = "default"
    taus: tuple[float, ...] = setting(
        (DEFAULT_TAU,),
        "least total probability of the options; rows below it become uniform",
        PROBABILITY,
        option="tau",
    )
    poolings: tuple[str, ...] = setting(
        (DEFAULT_POOLING,), "how the tokens of a span become one feature vector", one_of(*POOLINGS), option="pooling"
    )
    seeds: tuple[int, ...] = setting(
        (0, 1, 2, 3, 4),
        "one fit per seed, averaged in the table; a seed fixes split, weights and batches",
        SEED,
    )
    epochs: int = setting(8, "passes over the training rows", integer(1, FIT_STEPS))
    batch_size: int = setting(
        BATCH_SIZE,
        "rows per batch; part of the estimator, since the coupling is within a batch",
        integer(2, FIT_STEPS),
    )
    learning_rate: float = setting(1e-3, "Adam's learning rate", POSITIVE)
    hidden: int = setting(32, "width of the networks' hidden layers", integer(1, NETWORK_WIDTH))
    hidden_layers: int = setting(4, "hidden layers, including the first", integer(1, NETWORK_LAYERS))
    embedding: int = setting(10, "size of a network's output per option", integer(2, NETWORK_WIDTH))
    train_share: float = setting(TRAIN_SHARE, "share of rows that train the coupling; the others measure it", SHARE)
    split: SplitRule = setting(
        "random", "split single rows at random, or whole groups (all items of an image)", one_of(*get_args(SplitRule))
    )
    split_seed: int | None = setting(None, "use this seed to split once for all fits", SEED, unset="each seed its own")
    fallback: Fallback = setting(
        "real", "rows below tau: uniform over an item's real options, or over four letters", one_of(*get_args(Fallback))
    )
    drop_incomplete: bool = setting(
        False, "drop test rows that do not fill a batch, as published", SWITCH, opposite="keep-incomplete"
    )
    anchor: Anchor = setting(
        "vision", "source whose rows the coupling matches exactly and its loss averages over", one_of(*get_args(Anchor))
    )
    language_condition: LanguageCondition = setting(
        "language_only",
        "condition for p(y|question): noise instead of the image, or no image",
        one_of(*get_args(LanguageCondition)),
    )
    sinkhorn_threshold: float = setting(1e-5, "L1 error of a marginal of mass 1 at which Sinkhorn stops", POSITIVE)
    sinkhorn_sweeps: int = setting(100, "maximum number of Sinkhorn sweeps", integer(1, FIT_STEPS))
    matmul_precision: Precision = setting(
        "highest",
        "precision of matrix products; on a GPU `default` may be TF32, 3 digits",
        one_of(*get_args(Precision)),
    )

    ablations: tuple[str, ...] = setting(
        (NOISE,),
        "what replaced an ablated source; one row per ablation. `crossed` means crossed pictures and questions, `all` "
        "every ablation of a run",
        one_of(*PROBES, ALL),
        option="ablation",
    )
    estimator: Estimators = setting(
        "both",
        "`exact`, the optimum with certified bounds; `batch`, the published estimator; or both, one row each",
        one_of(*get_args(Estimators)),
    )
    marginals: Marginals = setting(
        "tilt",
        "how to bring the sources to the P(Y) of the pairs: by the smallest change to every row, by one factor per "
        "option, or not at all",
        one_of(*get_args(Marginals)),
        estimator=EXACT,
    )
    tol_bits: float = setting(
        1e-3,
        "maximum width of a certified interval in bits",
        TOLERANCE,
        estimator=EXACT,
    )
    interval: Interval = setting(
        "items",
        "interval for every atom: over items, with or without a correction for their finite number",
        one_of(*get_args(Interval)),
        estimator=EXACT,
    )
    strata: Strata = setting(
        "options",
        "whether the atoms are conditional on the number of options of an item",
        one_of(*get_args(Strata)),
        estimator=EXACT,
    )
    spread: bool = setting(
        True,
        "compare the ways to reach one P(Y), for `marginals_spread` (five more solutions, to 0.01 bits)",
        SWITCH,
        opposite="no-spread",
        estimator=EXACT,
    )

    def __post_init__(self) -> None:
        for name, known in SETTINGS.items():
            value = getattr(self, name)
            known.check(value)
            object.__setattr__(self, name, _plain(value))

    def describe(self) -> str:
        """A one-line description for people."""
        fallback = "its real options" if self.fallback == "real" else "four letters"
        parts = [self._describe_batch()] if BATCH in ESTIMATORS[self.estimator] else []
        if EXACT in ESTIMATORS[self.estimator]:
            parts.append(f"exact to {spell(self.tol_bits)} bits")
        taus = ", ".join(map(spell, self.taus))
        return f"preset {self.preset}: {'; '.join(parts)}; below tau {taus} uniform over {fallback}"

    def _describe_batch(self) -> str:
        seeds, epochs = count(len(self.seeds), "seed"), count(self.epochs, "epoch")
        rows = "incomplete test batches dropped" if self.drop_incomplete else "every test row used"
        return f"{seeds}, {epochs} of batches of {self.batch_size}, {rows}"

    def for_single(self, tau: float, pooling: str, estimator: str = BATCH, ablation: str = NOISE) -> Mapping[str, Any]:
        """The settings of one table row: those that its estimator depends on, with alternatives narrowed to its own.

        BATCH's settings do not name the estimator, and settings under noise do not name the ablation: this keeps the
        identities of older tables, which had no others.
        """
        narrowed = asdict(replace(self, taus=(tau,), poolings=(pooling,) if pooling else self.poolings))
        del narrowed["estimator"], narrowed["ablations"]
        probe = {} if ablation == NOISE else {"ablation": ablation}
        if estimator == BATCH:
            kept = {name: value for name, value in narrowed.items() if name == "preset" or not SETTINGS[name].estimator}
            return probe | kept
        used = ("preset", *SHARED, *(name for name, known in SETTINGS.items() if known.estimator == estimator))
        return {"estimator": estimator} | probe | {name: narrowed[name] for name in used}


SETTINGS: Final[Mapping[str, Setting]] = settings_of(EstimatorConfig)
"""Every setting by the name of its field."""

SHARED: Final = ("taus", "fallback", "language_condition")
"""Settings of the conditionals, which every estimator depends on; other settings without an estimator are BATCH's."""

EstimatorConfig.__doc__ = "\n".join(
    [
        f"{EstimatorConfig.__doc__}",
        "",
        "    Attributes:",
        "        preset: the preset that the settings started from.",
        *(f"        {name}: {known.meaning} ({known.expected})." for name, known in SETTINGS.items()),
    ]
)

PRESETS: Final[Mapping[str, EstimatorConfig]] = {
    "default": EstimatorConfig(),
    "paper": EstimatorConfig(preset="paper", seeds=(42,), fallback="four", drop_incomplete=True, estimator="batch"),
}


def make_config(preset: str = "default", **changes: Any) -> EstimatorConfig:
    """A preset with some settings changed; `None` keeps the preset's value.

    Args:
        preset: `default` or `paper`.
        **changes: fields of `EstimatorConfig`.

    Raises:
        ArgumentError: unknown preset or setting, or an invalid value.

    Example:
        >>> make_config("paper", taus=(0.2, 0.3)).seeds
        (42,)
        >>> make_config(epochs=0)
        Traceback (most recent call last):
        pid_jax.setting.ArgumentError: epochs: expected an integer from 1 to 1000000, found 0
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ArgumentError("preset", f"expected {' or '.join(PRESETS)}, found {spell(preset)}")
    if unknown := [name for name in changes if name not in SETTINGS]:
        raise ArgumentError(unknown[0], f"unknown setting; {suggestion(unknown[0], SETTINGS)}")
    for name, value in changes.items():
        if SETTINGS[name].several and isinstance(value, Sized) and len(value) > SEEDS.most:
            raise ArgumentError(name, f"expected at most {SEEDS.most:,} values, found {len(value):,}")
    return replace(PRESETS[preset], **{name: _plain(value) for name, value in changes.items() if value is not None})


@dataclass(frozen=True)
class FitSettings:
    """The settings that BATCH's compiled program depends on, apart from shapes; hashable, as a key for jit.

    `sinkhorn_stop` is `converged`, or `published` to stop as early as the published procedure
    (`pid_jax.estimators.batch.published_stop`).
    """

    learning_rate: float = EstimatorConfig.learning_rate
    hidden: int = EstimatorConfig.hidden
    hidden_layers: int = EstimatorConfig.hidden_layers
    embedding: int = EstimatorConfig.embedding
    sinkhorn_threshold: float = EstimatorConfig.sinkhorn_threshold
    sinkhorn_sweeps: int = EstimatorConfig.sinkhorn_sweeps
    sinkhorn_stop: Literal["converged", "published"] = "converged"

    @classmethod
    def of(cls, config: EstimatorConfig) -> "FitSettings":
        """The settings of an estimate that the program depends on."""
        shared = {item.name for item in fields(cls)} & {item.name for item in fields(EstimatorConfig)}
        return cls(**{name: getattr(config, name) for name in shared})
