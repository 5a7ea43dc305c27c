"""The settings of an estimate: one frozen dataclass, two presets."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal

from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import LANGUAGE_ONLY, NO_IMAGE, POOLINGS, SOURCES

Fallback = Literal["real", "four"]
SplitRule = Literal["random", "group"]
Anchor = Literal["vision", "language"]
LanguageCondition = Literal["language_only", "no_image"]
Precision = Literal["default", "high", "highest"]

PRECISIONS: Final = ("default", "high", "highest")
"""jax's names for the precision of matrix products; on a GPU `default` may mean TF32, 3 digits."""


@dataclass(frozen=True)
class EstimatorConfig:
    """Everything that changes an estimate's numbers.

    Attributes:
        preset: where the settings started from.
        taus: thresholds; options whose total probability is below it make a row uniform (paper: 0.3).
        poolings: which pooled features feed the networks.
        seeds: one fit each; a row of the table is their mean. A seed fixes split, weights and batches.
        epochs: passes over the training rows.
        batch_size: rows of a batch. The coupling lives inside a batch, so this is part of the estimator.
        learning_rate: Adam's step.
        hidden: width of the networks' hidden layers.
        hidden_layers: hidden layers, the first included.
        embedding: numbers per option that a network returns.
        train_share: share of the rows that trains the coupling; the others measure it.
        split: `random` rows, or whole `group`s (all items of a picture on one side).
        split_seed: one split for all seeds; by default each seed draws its own.
        fallback: what an uncertain row becomes: uniform over the `real` options, or over `four` letters.
        drop_incomplete: leave out test rows that do not fill a batch, as published.
        anchor: the source whose rows the coupling keeps exactly and its loss averages over (published: vision).
        language_condition: the condition that gives p(y|x2): the picture replaced by noise, or no picture at all.
        sinkhorn_threshold: largest L1 error of the marginals (total mass 1) at which Sinkhorn stops.
        sinkhorn_sweeps: most sweeps of Sinkhorn.
        matmul_precision: jax's name for the precision of matrix products.
    """

    preset: str = "default"
    taus: tuple[float, ...] = (0.3,)
    poolings: tuple[str, ...] = ("mean",)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int = 8
    batch_size: int = 256
    learning_rate: float = 1e-3
    hidden: int = 32
    hidden_layers: int = 4
    embedding: int = 10
    train_share: float = 0.75
    split: SplitRule = "random"
    split_seed: int | None = None
    fallback: Fallback = "real"
    drop_incomplete: bool = False
    anchor: Anchor = "vision"
    language_condition: LanguageCondition = "language_only"
    sinkhorn_threshold: float = 1e-5
    sinkhorn_sweeps: int = 100
    matmul_precision: Precision = "highest"

    def __post_init__(self) -> None:
        checks = {
            "--tau": (all(0 <= tau <= 1 for tau in self.taus) and self.taus, "between 0 and 1"),
            "--pooling": (set(self.poolings) <= set(POOLINGS) and self.poolings, f"among {', '.join(POOLINGS)}"),
            "--seeds": (self.seeds and all(seed >= 0 for seed in self.seeds), "one or more non-negative integers"),
            "--epochs": (self.epochs >= 1, "at least 1"),
            "--batch-size": (self.batch_size >= 2, "at least 2"),
            "--learning-rate": (self.learning_rate > 0, "positive"),
            "--hidden": (self.hidden >= 1, "at least 1"),
            "--embedding": (self.embedding >= 2, "at least 2"),
            "--hidden-layers": (self.hidden_layers >= 1, "at least 1"),
            "--train-share": (0 < self.train_share < 1, "between 0 and 1"),
            "--split": (self.split in ("random", "group"), "random or group"),
            "--split-seed": (self.split_seed is None or self.split_seed >= 0, "a non-negative integer"),
            "--fallback": (self.fallback in ("real", "four"), "real or four"),
            "--anchor": (self.anchor in SOURCES, " or ".join(SOURCES)),
            "--language-condition": (
                self.language_condition in (LANGUAGE_ONLY, NO_IMAGE),
                f"{LANGUAGE_ONLY} or {NO_IMAGE}",
            ),
            "--sinkhorn-threshold": (self.sinkhorn_threshold > 0, "positive"),
            "--sinkhorn-sweeps": (self.sinkhorn_sweeps >= 1, "at least 1"),
            "--matmul-precision": (self.matmul_precision in PRECISIONS, f"among {', '.join(PRECISIONS)}"),
        }
        for option, (good, expected) in checks.items():
            if not good:
                value = getattr(self, field_of(option.removeprefix("--")))
                raise PidError(f"{option}: expected {expected}, found {value}")

    def describe(self) -> str:
        """One line for people: what this preset is."""
        seeds = f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"
        rows = "incomplete test batches dropped" if self.drop_incomplete else "every test row used"
        fallback = "its real options" if self.fallback == "real" else "four letters"
        return (
            f"preset {self.preset}: {seeds}, {self.epochs} epochs of batches of {self.batch_size}, {rows}, "
            f"below tau {', '.join(map(str, self.taus))} uniform over {fallback}"
        )

    def for_single(self, tau: float, pooling: str) -> Mapping[str, Any]:
        """The settings of one row of the table: lists of alternatives narrowed to this row's."""
        return asdict(replace(self, taus=(tau,), poolings=(pooling,)))


def field_of(option: str) -> str:
    """The field that an option (without its dashes) sets."""
    name = option.replace("-", "_")
    return {"tau": "taus", "pooling": "poolings"}.get(name, name)


PRESETS: Final[Mapping[str, EstimatorConfig]] = {
    "default": EstimatorConfig(),
    "paper": EstimatorConfig(preset="paper", seeds=(42,), fallback="four", drop_incomplete=True),
}


def make_config(preset: str = "default", **changes: Any) -> EstimatorConfig:
    """A preset with some settings changed; a change of `None` means the preset's own value.

    Raises:
        PidError: unknown preset or setting, or a setting out of range.
    """
    if preset not in PRESETS:
        raise PidError(f"--preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    known = [item.name for item in fields(EstimatorConfig)]
    if unknown := [name for name in changes if name not in known]:
        raise PidError(f"there is no setting `{unknown[0]}`{nearest(unknown[0], known)}")
    return replace(PRESETS[preset], **{name: value for name, value in changes.items() if value is not None})


def nearest(name: str, known: Iterable[str]) -> str:
    """A suggestion, or all the names if none is close."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; there are {', '.join(known)}"


@dataclass(frozen=True)
class FitSettings:
    """The settings that BATCH's compiled program depends on besides shapes; hashable, so that jit can key on it.

    `sinkhorn_stop` says where a coupling ends: `converged`, or `published`, which stops as early as the published
    procedure does (`pid_jax.estimators.batch.published_stop`).
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
        """The part of an estimate's settings that the program depends on."""
        shared = {item.name for item in fields(cls)} & {item.name for item in fields(EstimatorConfig)}
        return cls(**{name: getattr(config, name) for name in shared})
