"""The settings of an extraction: which model on which data, and how. Plain values, no heavy imports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.bounds import PIXELS

ALL_LAYERS: Final = "all"
LAST_LAYER: Final = "last"

SPAN_ALL: Final = "all"
SPAN_QUESTION_OPTIONS: Final = "question_options"
LANGUAGE_SPANS: Final = (SPAN_ALL, SPAN_QUESTION_OPTIONS)
SPAN_WORDS: Final = {SPAN_ALL: "all of the user's text", SPAN_QUESTION_OPTIONS: "question and options"}
"""Their names in manifests, at the sites that follow the span."""

LETTERS_AUTO: Final = "auto"
LETTERS: Final = (LETTERS_AUTO, "plain", "space")
"""How a letter follows the prompt: either way if both are single tokens, directly, or after a space."""

OPTION_SEPARATOR: Final = "|"
"""Separates the columns of options, as in `A|B|C|D`."""

ON_BAD_ERROR: Final = "error"
ON_BAD_SKIP: Final = "skip"
ON_BAD: Final = (ON_BAD_ERROR, ON_BAD_SKIP)

KEEP_NONE: Final = "none"
KEEP_TEXT: Final = "text"
KEEP_PICTURES: Final = "pictures"
KEEP_ITEMS: Final = (KEEP_NONE, KEEP_TEXT, KEEP_PICTURES)
"""What a run folder keeps of its items: nothing; question and options; or these and thumbnails."""

WITHIN_DATASET: Final = "dataset"
WITHIN_GROUP: Final = "group"
CROSSED_WITHIN: Final = (WITHIN_DATASET, WITHIN_GROUP)
"""Items among which crossed pairs exchange questions: all, or those of one group."""

DTYPES: Final = ("float32", "bfloat16", "float16")

OTHER_DRAWS: Final = 4
"""Default number of draws for the ablation `other`."""

HEAD_FLOAT32: Final = "float32"
HEAD_MODEL: Final = "model"
HEAD_DTYPES: Final = (HEAD_FLOAT32, HEAD_MODEL)
"""Precision in which the head computes the logits of the last positions: float32, or the model's own."""


@dataclass(frozen=True)
class ModelSpec:
    """One model or checkpoint.

    Attributes:
        model: hub id or checkpoint folder.
        revision: branch, tag or commit of a hub model.
        dtype: one of `DTYPES`; None for float32 on a CPU and the checkpoint's dtype elsewhere.
        head_dtype: one of `HEAD_DTYPES`, for the scored positions at every layer.
        processor: image processor settings that override the checkpoint's, such as `max_pixels`.
        device: `cpu`, `cuda`, `cuda:1`, …, or `auto`.
        name: its name in tables; by default the hub id or the folder's name.
        family: model family; by default the adapter's.
        size_b: size in billions of parameters, for scaling figures; by default counted.
        stage: training stage of a checkpoint.
        step: training step of a checkpoint.
        layers: recorded layers of this model; None for the extraction's setting.
        limit: use only the first items of each dataset for this model; if the extraction has a limit too, the smaller
            one applies.
        crossed: questions asked about each picture; None for the extraction's setting.
        ablation: ablations of this model; None for the extraction's setting.
        other_draws: draws of the ablation `other` for this model; None for the extraction's setting.
        datasets: names of the datasets that this model runs on; None for all datasets of the command.
    """

    model: str
    revision: str | None = None
    dtype: str | None = None
    head_dtype: str = HEAD_FLOAT32
    processor: Mapping[str, Any] = field(default_factory=dict, hash=False)
    device: str = "auto"
    name: str | None = None
    family: str | None = None
    size_b: float | None = None
    stage: str | None = None
    step: int | None = None
    layers: str | None = None
    limit: int | None = None
    crossed: int | None = None
    ablation: tuple[str, ...] | None = None
    other_draws: int | None = None
    datasets: tuple[str, ...] | None = None

    @property
    def display_name(self) -> str:
        """Name in tables: the given name, the hub id, or the last part of a folder's path."""
        if self.name is not None:
            return self.name
        return Path(self.model).resolve().name if Path(self.model).is_dir() else self.model

    def run_name(self, dataset: str) -> str:
        """Name of the run folder of this model on `dataset`."""
        parts = [self.display_name.rsplit("/", maxsplit=1)[-1], dataset]
        if self.stage is not None or self.step is not None:
            parts.append("-".join(str(part) for part in (self.stage, self.step) if part is not None))
        return "__".join(parts)


@dataclass(frozen=True)
class DatasetSpec:
    """One benchmark file (jsonl, csv, parquet, …), folder, hub dataset or dataset card (toml), and how to read it.

    Attributes:
        file: the file, folder or card, or `hf:OWNER/NAME[:CONFIG]:SPLIT`.
        columns: item field -> column of the file; omitted fields use their usual names.
        images: folder that relative picture paths start from; by default the file's own folder.
        benchmark: name of a known benchmark, whose rules are then used.
        on_bad: one of `ON_BAD`: what to do about a row that is not a valid item; None for the card's choice.
        max_pixels: larger pictures are bad rows; the size is checked before a picture is decoded.
        keep_items: one of `KEEP_ITEMS`: what run folders keep of the items; None for the card's choice.
    """

    file: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    images: Path | None = None
    benchmark: str | None = None
    on_bad: str | None = None
    max_pixels: int = PIXELS.most
    keep_items: str | None = None


@dataclass(frozen=True)
class ExtractionConfig:
    """Settings shared by all runs of one command.

    Attributes:
        out: folder in which run folders are created.
        layers: `all`, `last`, or comma-separated layer numbers (1 is the first decoder block).
        seed: seed of the replacement noise.
        prompt: name of the prompt template; None for the dataset card's choice.
        language_span: what counts as source 2, one of `LANGUAGE_SPANS`.
        batch_size: maximum samples per forward pass; affects rounding only.
        shard_size: samples per file.
        limit: use only the first items.
        keep_items: one of `KEEP_ITEMS`: what run folders keep of the items; None for the dataset's setting.
        letters: one of `LETTERS`: how the option letters follow the prompt.
        batch_tokens: maximum decoder positions per forward pass, padding included; None for no limit.
        workers: processes that prepare pictures while the device computes; None for the device's default.
        crossed: questions asked about each picture, including its own; None for no crossed pairs.
        crossed_within: one of `CROSSED_WITHIN`.
        ablation: ablations to measure in addition to the paper's conditions, from `pid_lvlm.data.names.ABLATIONS`.
        other_draws: draws of the ablation `other`.
        processes: processes that measure shards, including this one, each with a copy of the model.
    """

    out: Path
    layers: str = ALL_LAYERS
    seed: int = 0
    prompt: str | None = None
    language_span: str = SPAN_ALL
    batch_size: int = 16
    shard_size: int = 256
    limit: int | None = None
    keep_items: str | None = None
    letters: str = LETTERS_AUTO
    batch_tokens: int | None = None
    workers: int | None = None
    crossed: int | None = None
    crossed_within: str = WITHIN_DATASET
    ablation: tuple[str, ...] = ()
    other_draws: int = OTHER_DRAWS
    processes: int = 1


@dataclass(frozen=True)
class Crossing:
    """How a run crosses pictures and questions.

    Attributes:
        pairs: questions asked about each picture, including its own.
        within: one of `CROSSED_WITHIN`.
    """

    pairs: int
    within: str = WITHIN_DATASET


def crossing_of(spec: ModelSpec, config: ExtractionConfig) -> Crossing | None:
    """How the runs of a model cross pictures and questions; None if they do not."""
    pairs = spec.crossed or config.crossed
    return Crossing(pairs, config.crossed_within) if pairs else None


def crossed_field(spec: ModelSpec, config: ExtractionConfig) -> dict[str, Any]:
    """Its entry in the manifest."""
    crossing = crossing_of(spec, config)
    return {} if crossing is None else {"pairs": crossing.pairs, "within": crossing.within}
