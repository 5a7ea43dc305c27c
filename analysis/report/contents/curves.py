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
        raise NothingToShowError("One model only was measured at more than one layer.")
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
        "The same curves, one line per model in the panel of each atom, in bits. Layers are shares of a model's depth, "
        f"so that models of different depth compare; at 100 % is the output. {HOLLOW} A click on the legend fades the "
        "other lines. Neighbouring layers share their items: read a step together with the intervals above.",
        _layers_overlaid,
        optional=True,
    ),
    TablePart(
        "layer_phases",
        "Phases of the layers",
        "Per model and dataset: the number of layers measured; the layer from which on synergy stays above "
        f"{tables.EMERGED:.0%} of its maximum (– where that maximum is not above 0), and the layers at which synergy "
        "and language-unique information are largest, each with its share of the model's depth and the value in bits; "
        "the change of each atom from the last layer before the output to the output, in bits. The file has every "
        "atom, and certified intervals of the changes, which hold for these items.",
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
        "The same curves, one line per model in the panel of each atom, in bits; below them the accuracy, in % of the "
        f"items. {HOLLOW} A click on the legend fades the other lines.",
        partial(figures.training, overlay=True),
        optional=True,
        takes="losses",
        with_it="At the bottom, the same for all datasets: the loss of the models' training in nats per token of "
        "an answer (line: the mean since the point before; of a long training, evenly spaced points), and the loss "
        "over held-out records where it was measured (points, dashed). Steps lie linearly between neighbouring "
        "checkpoints. Stages train on different records, so that losses do not compare across a dashed line, nor "
        "between models with different tokens.",
        without_it="The result table does not have the loss of the models' training; --losses adds it.",
    ),
    TablePart(
        "onset",
        "Onset during training",
        "Per model and dataset with more than one checkpoint, for each atom its onset, the first checkpoint from "
        f"which on the atom has {NEXT_TO_NOTHING:g} bits or more and an interval above 0, at it and at every later "
        "checkpoint (output layer), with the value and the interval in bits; how many checkpoints and stages there "
        "are. “From the first”: so it is at the first checkpoint, and may have been before. “At the latest”: what the"
        " checkpoint before would say is not known. “Not reached”: it is not so at the last checkpoint. The interval "
        "covers the sampling of items at one checkpoint; it covers neither another training of the model nor noise, "
        "prompt or the number of checkpoints that were looked at. The atom arose between two checkpoints, not at the "
        "step of one. A later onset does not show a difference between two models or atoms.",
        tables.onset,
        onset_table,
        of_table=onset_caption,
        of_one=True,
        optional=True,
        takes="influences",
        with_it="Δ: the paired difference from the checkpoint before, with its own interval (not corrected for the "
        "number of cells); where that interval reaches 0, the onset does not differ with certainty from the checkpoint "
        "before.",
        without_it="Intervals of neighbouring checkpoints are not paired, although the items are the same: that they "
        "overlap does not show that nothing changed, and an onset does not show that its checkpoint differs from the "
        "one before. --pointwise adds paired differences.",
    ),
)
"""Figures and tables over layers and checkpoints."""
