"""The contents of a report: its figures and tables in order, each with title, caption and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import polars as pl

from pid_lvlm.analysis import figures, paper, tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures.base import Figure
from pid_lvlm.analysis.frames.depth import layered
from pid_lvlm.analysis.frames.estimators import SWEEP
from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING, across_models, of_enough_models
from pid_lvlm.analysis.report.captions import interval_caption, onset_caption, summary_caption
from pid_lvlm.analysis.report.display import (
    PageTable,
    batch_and_exact_table,
    ground_truth_table,
    paper_table,
    plain_table,
    summary_table,
)
from pid_lvlm.analysis.report.layouts import (
    ablations_table,
    interval_meanings_table,
    layer_phases_table,
    onset_table,
    surviving_conclusions_table,
)
from pid_lvlm.analysis.report.models_display import correlations_table, regimes_table, scaling_table
from pid_lvlm.analysis.report.sensitivity_display import (
    sensitivity_conclusions_table,
    sensitivity_ranks_table,
    sensitivity_table,
)
from pid_lvlm.analysis.statistics import LEAST
from pid_lvlm.data.names import ATOMS

_Shown = TypeVar("_Shown")

Caption = Callable[[pl.DataFrame, str], str]
"""What a table and the estimator that is preferred have for a caption."""


def _nothing(_results: pl.DataFrame, _estimator: str) -> str:
    return ""


@dataclass(frozen=True)
class FigurePart:
    """A figure of the report, of one estimator.

    Attributes:
        name: its file name without the extension.
        title: its heading.
        text: its caption, as far as it is the same for every table.
        draw: draws it, from the table, the estimator to prefer and perhaps `losses`.
        of_table: the rest of its caption.
        optional: whether the report does not say so where the results have nothing for it.
        with_losses: what its caption adds where there are losses of the training, which `draw` then gets; empty for a
            figure without them.
        without_losses: what its caption adds where there are none.
    """

    name: str
    title: str
    text: str
    draw: Callable[..., Figure]
    of_table: Caption = _nothing
    optional: bool = False
    with_losses: str = ""
    without_losses: str = ""


@dataclass(frozen=True)
class TablePart:
    """A table of the report.

    Attributes:
        name: its file name without the extension.
        title: its heading.
        text: its caption, as far as it is the same for every table.
        make: computes it.
        show: lays it out for the page.
        empty: what is shown if it has no row.
        of_table: the rest of its caption.
        of_one: whether it is of one estimator, which `make` then gets to know.
        optional: as for a figure.
        file_only: whether the page has it in a shorter form, in its last section.
    """

    name: str
    title: str
    text: str
    make: Callable[..., pl.DataFrame]
    show: Callable[[pl.DataFrame], PageTable]
    empty: str = "None."
    of_table: Caption = _nothing
    of_one: bool = False
    optional: bool = False
    file_only: bool = False


def _layers_overlaid(results: pl.DataFrame, estimator: str) -> Figure:
    if layered(results, estimator)["series"].n_unique() < 2:
        raise NothingToShowError("One model only was measured at more than one layer.")
    return figures.layers(results, estimator, overlay=True, relative=True)


def _ablation(atom: str, name: str) -> TablePart:
    return TablePart(
        f"ablations_{atom}",
        f"{name} by setting",
        f"{name} in bits (cut at 0) at the output layer of the final checkpoint. Poolings are compared at the default "
        "τ, values of τ at the default pooling; – where a model was not measured with a setting. Range: largest minus "
        "smallest.",
        partial(tables.ablations, atom=atom),
        ablations_table,
        optional=True,
    )


_HOLLOW: Final = "Hollow: a value below 0 or beyond a limit of a diagnostic; the tooltip says which."


def _left_out(results: pl.DataFrame, estimator: str) -> str:
    return across_models(results, estimator).left_out()


def _of_several(show: Callable[..., _Shown]) -> Callable[[pl.DataFrame, str], _Shown]:
    """What is shown over models, for tables with more than one."""

    def shown(results: pl.DataFrame, estimator: str) -> _Shown:
        if across_models(results, estimator).frame["model"].n_unique() < 2:
            raise NothingToShowError("There is one model only.")
        return show(results, estimator)

    return shown


def _some_correlation(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    compared = of_enough_models(results)
    found = None if compared.is_empty() else tables.correlations(compared, estimator)
    if found is None or found["rho"].is_null().all():
        raise NothingToShowError(f"No dataset has {LEAST} models whose accuracy differs.")
    return found


def _batch_beside_exact(results: pl.DataFrame) -> pl.DataFrame:
    found = tables.batch_and_exact(results)
    if all(found[f"{atom}_batch"].is_null().all() for atom in ATOMS):
        raise NothingToShowError("No problem was solved by both estimators.")
    return found


def _not_in_paper(results: pl.DataFrame, _estimator: str) -> str:
    return paper.not_in_paper(results)


PARTS: Final[tuple[FigurePart | TablePart, ...]] = (
    TablePart(
        "summary",
        "Summary",
        "",
        tables.summary,
        summary_table,
        of_table=summary_caption,
        of_one=True,
    ),
    FigurePart(
        "spectrum",
        "Information spectrum",
        "The four atoms in bits at the output layer of each model's final checkpoint, one panel per dataset. "
        "At the right of each: the accuracy, in % of the items. "
        f"Black tick: ground truth, where it is known and not 0. {_HOLLOW}",
        figures.spectrum,
        partial(interval_caption, mark="Thin line", centre="Dot"),
    ),
    TablePart(
        "ground_truth",
        "Ground truth against estimates",
        "Where the true atoms are known: ground truth → estimate (before the cut at 0), in bits; in brackets the "
        "interval over items, where there is one. The verdict is about the atoms in bold: the largest true one, or all "
        "four of a mixture. An atom whose ground truth is inside that interval is within tolerance.",
        tables.ground_truth,
        ground_truth_table,
    ),
    TablePart(
        "batch_and_exact",
        "BATCH beside the certified optimum",
        "Final checkpoint, output layer, in bits. Each atom: BATCH's estimate, and in brackets the certified interval, "
        "which contains the optimum for these items (rounded outwards; it says nothing about other items). Excess: "
        "BATCH's I_q minus the optimum for its own test batches, which lowers redundancy and synergy and raises both "
        "unique atoms by as much. Gap: width of the certified interval on I_q. Marginals: largest range of an atom "
        "over the ways to bring the sources to one P(Y). Last, the redundancy by two other definitions: min(I1, I2) "
        "(MMI), and I_min of Williams and Beer.",
        _batch_beside_exact,
        batch_and_exact_table,
    ),
    FigurePart(
        "regimes",
        "Task regimes",
        "Mean share of S and of U2 in R + U1 + U2 + S over models, in %, per dataset. Line: 95 % bootstrap interval of "
        "the mean over models, as if they were independent; it is too narrow below ten models, and says nothing about "
        "items. Ticks: single models. Hollow, without an interval: fewer than four models. A regime is named after the "
        "larger share where the interval of the paired difference excludes 0.",
        _of_several(figures.regimes),
        _left_out,
        optional=True,
    ),
    TablePart(
        "regime_shares",
        "Task regimes in numbers",
        "The same means in % with their intervals in brackets, and the mean difference of the two shares within a "
        "model, in percentage points.",
        _of_several(tables.regimes),
        regimes_table,
        of_table=_left_out,
        of_one=True,
        optional=True,
    ),
    TablePart(
        "correlations",
        "What goes with accuracy",
        "Spearman's ρ of accuracy with each quantity over models, with its 95 % interval (Fisher's z with the variance "
        "of Bonett and Wright) and two-sided p, not corrected for the number of tests; bold: p < 0.05. Both treat "
        "models as independent, although sizes of one family are not. A correlation over models does not show a cause.",
        _some_correlation,
        correlations_table,
        of_table=_left_out,
        of_one=True,
        optional=True,
    ),
    FigurePart(
        "image_removal",
        "Accuracy drop without the picture",
        "Accuracy with the picture minus accuracy without it, in percentage points, against synergy in bits. Each "
        "point is a model; hollow: no option letter in more than half of its rows. Above each panel: Spearman's ρ, its "
        "95 % interval over models, two-sided p and the number of models.",
        _of_several(figures.image_removal),
        _left_out,
        optional=True,
    ),
    FigurePart(
        "families",
        "Strategies of families",
        "Share of S against share of U2, in %. Diamonds: medians of families (hollow: one model). Dots: models, larger "
        "for larger ones, joined from small to large. Scales differ between panels.",
        _of_several(figures.families),
        _left_out,
        optional=True,
    ),
    TablePart(
        "scaling",
        "From size to size",
        "Changes from a size of a family to the next, in percentage points, on synergy-driven datasets; means over "
        "datasets. These are single differences, without an interval.",
        _of_several(tables.scaling),
        scaling_table,
        of_table=_left_out,
        of_one=True,
        optional=True,
    ),
    FigurePart(
        "layers",
        "Layer by layer",
        "The four atoms in bits at every recorded decoder layer, read through the logit lens (the model's final norm "
        "and head applied to the layer's state); the last layer is the model's output. "
        f"{_HOLLOW}",
        figures.layers,
        partial(interval_caption, mark="Band", of=SWEEP),
    ),
    FigurePart(
        "layers_overlaid",
        "Layer by layer: models compared",
        "The same curves, one line per model in the panel of each atom, in bits. Layers are shares of a model's depth, "
        f"so that models of different depth compare; at 100 % is the output. {_HOLLOW} A click on the legend fades the "
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
        f"training stage. {_HOLLOW}",
        figures.training,
        partial(interval_caption, mark="Band"),
    ),
    FigurePart(
        "training_overlaid",
        "Over training: models compared",
        "The same curves, one line per model in the panel of each atom, in bits; below them the accuracy, in % of the "
        f"items. {_HOLLOW} A click on the legend fades the other lines.",
        partial(figures.training, overlay=True),
        optional=True,
        with_losses="At the bottom, the same for all datasets: the loss of the models' training in nats per token of "
        "an answer (line: the mean since the point before; of a long training, evenly spaced points), and the loss "
        "over held-out records where it was measured (points, dashed). Steps lie linearly between neighbouring "
        "checkpoints. Stages train on different records, so that losses do not compare across a dashed line, nor "
        "between models with different tokens.",
        without_losses="The result table does not have the loss of the models' training; --losses adds it.",
    ),
    TablePart(
        "onset",
        "Onset during training",
        "Per model and dataset, for each atom its onset, the first checkpoint from which on the atom has "
        f"{NEXT_TO_NOTHING:g} bits or more and an interval above 0, at it and at every later checkpoint (output "
        "layer), with the value and the interval in bits; how many checkpoints and stages there are. “From the "
        "first”: so it is at the first checkpoint, and may have been before. “At the latest”: what the checkpoint "
        "before would say is not known. “Not reached”: it is not so at the last checkpoint. The interval covers the "
        "sampling of items at one checkpoint; it covers neither another training of the model nor noise, prompt or "
        "the number of checkpoints that were looked at. The atom arose between two checkpoints, not at the step of "
        "one. A later onset does not show a difference between two models or atoms. Intervals of neighbouring "
        "checkpoints are not paired, although the items are the same: that they overlap does not show that nothing "
        "changed, and an onset does not show that its checkpoint differs from the one before.",
        tables.onset,
        onset_table,
        of_table=onset_caption,
        of_one=True,
        optional=True,
    ),
    _ablation("synergy", "Synergy"),
    _ablation("unique_language", "Language-unique information"),
    FigurePart(
        "sensitivity",
        "Do the numbers survive another probe?",
        "To find out what a source contributes, it is taken away and something is put in its place. The atoms in bits "
        "at the output layer of each model's final checkpoint, by what that was (“ablation”): noise with the mean and "
        "spread of the model's own embeddings; the mean embedding; the picture or question of another item (“other”); "
        "a grey picture or an empty question (“blank”). Under “crossed” nothing is replaced: every picture is asked "
        "the questions of several items, so that pictures and questions are independent of each other. It describes "
        "the model and not the pairs of a benchmark: where these agree on purpose, their redundancy becomes conflict. "
        "Dot: the corrected value where there is one. Line: 95 % interval over items, of BATCH over seeds. An atom "
        "that moves by more than its intervals depends on the probe.",
        lambda results, _estimator: figures.sensitivity(results),
        optional=True,
    ),
    TablePart(
        "sensitivity_conclusions",
        "Conclusions under another ablation",
        "What would be concluded under one ablation, and under another. “S or U2”: whether synergy or language-unique "
        "information is larger. “Largest atom”: the one that is larger than each other. Both are decided where the two "
        "atoms differ by more than 0.05 bits and their intervals (95 % each), where there are any, are apart. "
        "Correlations are Spearman's over models, decided where their 95 % interval excludes 0. Verdict: “changes” or "
        "“holds” where both ablations decide, else “undecided”, which does not show that they agree.",
        tables.sensitivity_conclusions,
        sensitivity_conclusions_table,
        optional=True,
    ),
    TablePart(
        "sensitivity",
        "Atoms under every ablation",
        "The numbers of the figure, in bits: the value, its 95 % interval in brackets, and the model's rank among the "
        "models of the dataset under this ablation (1: largest). Bold: the largest atom.",
        tables.sensitivity,
        sensitivity_table,
        optional=True,
    ),
    TablePart(
        "sensitivity_ranks",
        "Order of models under two ablations",
        "Spearman's ρ over models between the values of an atom under two ablations, with its two-sided p: 1 where the "
        "models come in the same order. Models of one family count as independent.",
        tables.sensitivity_ranks,
        sensitivity_ranks_table,
        optional=True,
    ),
    FigurePart(
        "uncertainties",
        "What is uncertain about each model",
        "Final checkpoint, output layer: the width in bits of each interval or range, of the atom for which it is "
        "largest. They answer different questions (next table) and do not add up. A difference between two models that "
        "is not larger than the rightmost dots of both is not a finding; for models on the same items a paired "
        "difference tells more.",
        lambda results, _estimator: figures.uncertainties(results),
        optional=True,
    ),
    TablePart(
        "interval_meanings",
        "What each interval covers",
        "The intervals of the final fits in words, with their widths in bits: the median and the largest over the "
        "fits, of the atom for which an interval is widest (rounded up).",
        tables.interval_meanings,
        interval_meanings_table,
        optional=True,
    ),
    TablePart(
        "surviving_conclusions",
        "Conclusions by other measures of redundancy",
        "Of the pairs of models whose order by an atom BROJA makes certain for these items, how many have the same "
        "order if redundancy is min(I1, I2) (MMI), or I_min of Williams and Beer; last, of how many models the largest "
        "atom stays the same. τ: Kendall's rank correlation with BROJA's order over all models. What holds by both "
        "does not depend on the choice among these three; it can still be a matter of the items.",
        tables.surviving_conclusions,
        surviving_conclusions_table,
        optional=True,
    ),
    TablePart(
        "other_measures",
        "Atoms by other measures of redundancy",
        "Final checkpoint, output layer, in bits, before the cut at 0. The other atoms follow from a measure's "
        "redundancy: U1 = I1 - R, U2 = I2 - R, S = I12 - I1 - I2 + R.",
        tables.other_measures,
        plain_table,
        optional=True,
    ),
    TablePart(
        "failed",
        "Failed fits",
        "These appear in no figure and in no other table.",
        tables.failed,
        plain_table,
        "None: every fit succeeded.",
        file_only=True,
    ),
    TablePart(
        "diagnostics",
        "Diagnostics beyond their limits",
        "Every row and diagnostic that the warnings at the top summarise.",
        tables.diagnostics,
        plain_table,
        "None: every diagnostic is within its limit.",
        file_only=True,
    ),
)
"""Figures and tables in the order of the page."""

COMPARISONS: Final[dict[str, TablePart]] = {
    "paper": TablePart(
        "paper",
        "Beside the paper",
        f"Numbers that the paper prints, and those of this table. The paper: {paper.CITATION}. T1 to T5: its tables. "
        "TXT: its text. The paper estimates by BATCH with one seed; here every estimator has a row of its own. "
        "Correlations are over all models of this table that have the benchmark; p is two-sided and treats models as "
        "independent. Changes between sizes are in percentage points; the paper does not say what its own are in. In "
        "brackets: the 95 % interval of the value here, which covers items for the exact estimator and seeds for BATCH "
        "(the column “interval” of the file); the paper has none. Its noise and split are not public, so that "
        "differences are expected. Spectra and accuracies of single models exist in the paper only as figures and "
        "cannot be compared.",
        paper.comparison,
        paper_table,
        of_table=_not_in_paper,
    ),
}
"""Parts that a report has if it is asked to compare with what was published, by the name of what that is."""
