"""Upper limits on what is read, allocated or written: one table, which the docs print.

A bound keeps a number in a file or option from costing memory or time before it has been checked.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bound:
    """One bound.

    Attributes:
        most: the largest accepted value.
        unit: what is counted.
        what: what the bound applies to, a phrase.
        option: the option that raises it, if real data may need that.
    """

    most: int
    unit: str
    what: str
    option: str = ""

    def __str__(self) -> str:
        return f"{self.most:,} {self.unit}" + (f" ({self.option} raises it)" if self.option else "")


# Texts and names.
TEXT_FILE: Final = Bound(16 * 2**20, "bytes", "a manifest, card, sweep or settings file")
NESTING: Final = Bound(64, "levels", "nested lists and objects, in JSON and TOML")
NAME: Final = Bound(200, "bytes", "a name that becomes a file name")
TEXT: Final = Bound(100_000, "characters", "a text in a manifest, card, sweep or settings file")

# Run folders.
LABEL: Final = Bound(1000, "characters", "a name in a table: of a run, model, dataset, family or stage")
SAMPLES: Final = Bound(100_000_000, "samples", "a run")
LAYERS: Final = Bound(10_000, "layers", "a model")
OPTIONS: Final = Bound(10_000, "options", "an item")
CROSSED: Final = Bound(1_000, "questions", "a picture, with --crossed")
WIDTH: Final = Bound(1_000_000, "numbers", "an embedding")
SHARDS: Final = Bound(100_000, "files", "the shards of a run; a larger --shard-size needs fewer")
OTHER_DRAWS: Final = Bound(1_000, "draws", "the ablation `other`")
MEMBERS: Final = Bound(64, "arrays", "an npz file")
ITEM_LINE: Final = Bound(32 * 2**20, "bytes", "an item in items.jsonl")
THUMBNAIL: Final = Bound(256 * 2**10, "bytes", "a thumbnail")
THUMBNAILS: Final = Bound(1_000_000, "pictures", "the thumbnails of a run")
CELL: Final = Bound(10_000, "characters", "a text in an array")
COUNT: Final = Bound(10**18, "steps or parameters", "a number in a manifest")

# Datasets and pictures.
ROWS: Final = Bound(1_000_000, "rows", "a dataset file")
VALUES: Final = Bound(50_000_000, "values", "the rows times the columns of a parquet file")
UNPACKED: Final = Bound(100, "bytes per byte of the file", "the values of a parquet file above 256 MiB")
ITEM_TEXT: Final = Bound(1_000_000, "characters", "a question, a hint or an option")
ITEM_ID: Final = Bound(1_000, "characters", "an item's id or group")
PIXELS: Final = Bound(64_000_000, "pixels", "a picture", "--max-pixels")
PICTURE_BYTES: Final = Bound(8, "bytes per pixel", "a picture's file, for the pixels allowed")

# Options and sweep files.
SEED: Final = Bound(2**63 - 1, "as a number", "a seed")
STEP: Final = Bound(2**53, "steps", "a training")
SIZE: Final = Bound(1_000_000, "billions of parameters", "a model")
BATCH: Final = Bound(1_000_000, "samples", "a forward pass")
BATCH_TOKENS: Final = Bound(1_000_000_000, "tokens", "a forward pass")
WORKERS: Final = Bound(256, "processes", "the preparation of pictures")
RUN_PROCESSES: Final = Bound(1_024, "processes", "a run, with --processes")
SHARD: Final = Bound(1_000_000, "samples", "a file of a run")
PARTS: Final = Bound(100_000, "parts", "a command's work")
ENTRIES: Final = Bound(10_000, "entries", "a sweep file")

# Models.
MODEL_FILE: Final = Bound(64 * 2**20, "bytes", "a JSON file of a checkpoint")
BLOCKS: Final = Bound(1_000, "blocks", "a part of a checkpoint")
HEADS: Final = Bound(10_000, "heads", "a block of a checkpoint")
EXPERTS: Final = Bound(10_000, "experts", "a block of a checkpoint")
VOCABULARY: Final = Bound(10_000_000, "tokens", "the vocabulary of a checkpoint")
POSITIONS: Final = Bound(1_000_000_000, "positions", "the context of a checkpoint")
PICTURE_SIDE: Final = Bound(8_192, "pixels", "a side of the picture that a model or its processor makes")
PICTURE_TOKENS: Final = Bound(1_000_000, "tokens", "a picture, as a processor's file gives it")
RANK: Final = Bound(4_096, "dimensions", "the change that a PEFT checkpoint makes to a matrix")
TEMPLATE_TEXT: Final = Bound(10_000_000, "characters", "a prompt that a chat template writes")
TEMPLATE_SECONDS: Final = Bound(3, "seconds", "the processor time that a chat template takes for a prompt")

# Training.
RECORD: Final = Bound(16 * 2**20, "bytes", "a record of training data")
RECORDS: Final = Bound(100_000_000, "records", "a file of training data")
TRAIN_TOKENS: Final = Bound(1_000_000, "tokens", "a conversation in training")
TRAIN_BATCH: Final = Bound(1_000_000, "records", "a step of training")
TRAIN_STEPS: Final = Bound(100_000_000, "steps", "a stage of training")
STAGES: Final = Bound(100, "stages", "a training")
CHECKPOINTS: Final = Bound(1_000, "checkpoints", "a stage of training")
LOSSES_FILE: Final = Bound(64 * 2**20, "bytes", "the losses of a training, as a report reads them")

# Estimates.
SEEDS: Final = Bound(10_000, "seeds", "a problem")
FIT_SEED: Final = Bound(2**32 - 1, "as a number", "a seed of the estimator")
FIT_STEPS: Final = Bound(1_000_000, "of each", "epochs, Sinkhorn sweeps and rows of a batch")
NETWORK_WIDTH: Final = Bound(65_536, "numbers", "a layer of the estimator's networks")
NETWORK_LAYERS: Final = Bound(100, "layers", "the estimator's networks")
DEVICES: Final = Bound(1_024, "devices", "a process")
PROCESSES: Final = Bound(100_000, "processes", "an estimate")
MEMORY: Final = Bound(10**15, "bytes", "a memory budget")

# Result tables.
RESULT_FILE: Final = Bound(4 * 2**30, "bytes", "a result table")
RESULT_ROWS: Final = Bound(5_000_000, "rows", "a result table")
RESULT_COLUMNS: Final = Bound(500, "columns", "a result table")
RESULT_TEXT: Final = Bound(4_096, "characters", "a name in a result table")

# Reports.
SHOWN_NAME: Final = Bound(120, "characters", "a name in a figure or on the page of a report; tables have all of it")
FIGURE_FITS: Final = Bound(2_500, "fits", "a figure of a report")
FIGURE_MODELS: Final = Bound(100, "models", "a figure of a report")
FIGURE_DATASETS: Final = Bound(24, "datasets", "a figure of a report")
FIGURE_POINTS: Final = Bound(400, "points", "a curve in a figure of a report, which is less than 400 pixels wide")
DIFFERENCES: Final = Bound(5_000, "pairs of models", "the paired differences of a report")
PAGE_ROWS: Final = Bound(240, "rows", "a table on the page of a report; its file has all of them")
PAGE_TEXT: Final = Bound(4_000, "characters", "a text on the page of a report")
PAGE_STILL: Final = Bound(150_000, "bytes", "a figure's image on the page of a report, shown where scripts do not run")
PAGE_LISTED: Final = Bound(40, "entries", "a list on the page of a report, such as its recipes")
CARDS: Final = Bound(1_000, "items", "a dataset in the item browser of a report (--items)")
CARDS_BYTES: Final = Bound(3 * 2**19, "bytes", "the items on the page of a report, by default", "--items")
CARD_MODELS: Final = Bound(30, "models", "an item in the item browser of a report")
CARD_OPTIONS: Final = Bound(26, "options", "an item in the item browser of a report")
CARD_TEXT: Final = Bound(1_000, "characters", "a question or an option in the item browser of a report")
CARD_PICTURE: Final = Bound(64 * 2**10, "bytes", "a thumbnail in the item browser of a report")

BOUNDS: Final = {name: value for name, value in sorted(globals().items()) if isinstance(value, Bound)}
"""All bounds by name, for the docs."""
