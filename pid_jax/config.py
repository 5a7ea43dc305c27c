"""The settings of an estimate: one frozen dataclass, two presets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal

from data.errors import PidError
from data.names import POOLINGS

Fallback = Literal["real", "four"]
SplitRule = Literal["random", "group"]


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
    sinkhorn_threshold: float = 1e-5
    sinkhorn_sweeps: int = 100
    matmul_precision: str = "highest"

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
            "--train-share": (0 < self.train_share < 1, "between 0 and 1"),
        }
        for option, (good, expected) in checks.items():
            if not good:
                value = getattr(self, _field_of(option))
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


def _field_of(option: str) -> str:
    name = option.removeprefix("--").replace("-", "_")
    return {"tau": "taus", "pooling": "poolings"}.get(name, name)


PRESETS: Final[Mapping[str, EstimatorConfig]] = {
    "default": EstimatorConfig(),
    "paper": EstimatorConfig(preset="paper", seeds=(42,), fallback="four", drop_incomplete=True),
}


def make_config(preset: str, **changes: Any) -> EstimatorConfig:
    """A preset with some settings changed; a change of `None` means the preset's own value.

    Raises:
        PidError: unknown preset, or a setting out of range.
    """
    if preset not in PRESETS:
        raise PidError(f"--preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    known = {item.name for item in fields(EstimatorConfig)}
    given = {name: value for name, value in changes.items() if value is not None and name in known}
    return replace(PRESETS[preset], **given)
