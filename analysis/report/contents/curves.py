"""The atoms over layers and over training."""

from functools import partial
from typing import Final

import polars as pl

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures.base import Figure
from pid_lvlm.analysis.frames.depth import layered
from pid_lvlm.analysis.frames.estimators import SWEEP
from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING
from pid_lvlm.analysis.report.contents.kinds import HOLLOW, FigurePart, TablePart
from pid_lvlm.analysis.report.laid_out.within_models import (
    layer_phases_table,
    onset_table,
)
from pid_lvlm.analysis.report.words.captions import interval_caption, onset_caption


def _layers_overlaid(results: pl.DataFrame, estimator: str) -> Figure:
    if layered(results, estimator)["series"].n_unique() < 2:
        raise NothingToShowError("Only one model was measured at more than one layer.")
    return figures.layers(results, estimator, overlay=True, relative=True)


CURVES: Final[tuple[FigurePart | TablePart, ...]] = (
    FigurePart(
        "layers",
        "Layer by layer",
        "The four atoms in bits at every recorded decoder layer, read through the logit lens (the model's final norm "
        "and head applied to the layer's state); the last layer is the model's output. "
        f"{HOLLOW}",
        figures.layers,
        partial(interval_caption, mark="Band", of=SWEEP),
    ),
    FigurePart(
        "layers_overlaid",
        "Layer by layer: models compared",
        "The same curves in bits, with one panel per atom and one line per model. Layers are shown as a share of the "
        f"model's depth (100 % is the output) to make models of different depth comparable. {HOLLOW} Click on the "
        "legend to fade the other lines. Neighbouring layers share their items: read a step together with the "
        "intervals above.",
        _layers_overlaid,
        optional=True,
    ),
    TablePart(
        "layer_phases",
        "Phases of the layers",
        "Per model and dataset: the number of layers measured; the layer from which synergy stays above "
        f"{tables.EMERGED:.0%} of its maximum (– where that maximum is not above 0), and the layers at which synergy "
        "and language-unique information are largest, each with its share of the model's depth and the value in bits; "
        "the change of each atom from the last layer before the output to the output, in bits. The file has every "
        "atom, and certified intervals of the changes, which are valid for these items only.",
        tables.layer_phases,
        layer_phases_table,
        of_one=True,
        optional=True,
    ),
    FigurePart(
        "training",
        "Over training",
        "The four atoms in bits at the output layer of each training checkpoint. A dashed line marks the start of each "
        f"training stage. {HOLLOW}",
        figures.training,
        partial(interval_caption, mark="Band"),
    ),
    FigurePart(
        "training_overlaid",
        "Over training: models compared",
        "The same curves in bits, with one panel per atom and one line per model; below them the accuracy, in % of the "
        f"items. {HOLLOW} Click on the legend to fade the other lines.",
        partial(figures.training, overlay=True),
        optional=True,
        takes="losses",
        with_it="At the bottom, the same for all datasets: the models' training loss in nats per answer token (line: "
        "the mean since the previous point; long trainings are thinned to evenly spaced points), and the loss on "
        "held-out records where it was measured (points, dashed). Between neighbouring checkpoints the axis is linear "
        "in steps. Stages train on different records, so losses are not comparable across a dashed line, nor between "
        "models with different tokens.",
        without_it="The result table does not contain the models' training loss; --losses adds it.",
    ),
    TablePart(
        "onset",
        "Onset during training",
        "For each model and dataset with more than one checkpoint: the onset of each atom, which is the earliest "
        f"checkpoint from which every checkpoint has at least {NEXT_TO_NOTHING:g} bits and an interval above 0 (output "
        "layer), with the value and the interval in bits; and how many checkpoints and stages there are. “From the "
        "first”: this already holds at the first checkpoint, and may have held before. “At the latest”: the checkpoint "
        "before is unknown. “Not reached”: it does not hold at the last checkpoint. The interval covers the sampling "
        "of items at one checkpoint; it does not cover retraining the model, the noise, the prompt or the number of "
        "checkpoints examined. The atom arose between two checkpoints, not at the step of one. A later onset does not "
        "show a difference between two models or atoms.",
        tables.onset,
        onset_table,
        of_table=onset_caption,
        of_one=True,
        optional=True,
        takes="influences",
        with_it="Δ: the paired difference from the previous checkpoint, with its own interval (not corrected for the "
        "number of cells); if that interval includes 0, the onset does not differ significantly from the previous "
        "checkpoint.",
        without_it="Intervals of neighbouring checkpoints are not paired, although the items are the same: an overlap "
        "does not show that nothing changed, and an onset does not show that its checkpoint differs from the previous "
        "one. --pointwise adds paired differences.",
    ),
)
"""Figures and tables over layers and checkpoints."""
