"""What the numbers depend on: settings, probes, items, the measure of redundancy."""

from functools import partial
from typing import Final

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.report.contents.kinds import FigurePart, TablePart
from pid_lvlm.analysis.report.laid_out.display import (
    plain_table,
)
from pid_lvlm.analysis.report.laid_out.reliability import batch_sizes_table
from pid_lvlm.analysis.report.laid_out.sensitivity import (
    sensitivity_conclusions_table,
    sensitivity_ranks_table,
    sensitivity_table,
)
from pid_lvlm.analysis.report.laid_out.within_models import (
    ablations_table,
    interval_meanings_table,
    surviving_conclusions_table,
)


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


RELIABILITY: Final[tuple[FigurePart | TablePart, ...]] = (
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
        "batch_size_curve",
        "BATCH by the size of its batches",
        "The atoms by BATCH in bits over the number of rows of a batch, for models that were estimated with several "
        "sizes (final checkpoint, output layer; vertical lines: 95 % interval over seeds). Dashed: the certified "
        "optimum of all rows, where there is one. BATCH couples the rows of a batch only, so that its number belongs "
        "to a size: a curve that is not level shows by how much an atom depends on it, and sizes must not be mixed.",
        lambda results, _estimator: figures.batch_sizes(results),
        optional=True,
    ),
    TablePart(
        "batch_sizes",
        "BATCH by the size of its batches in numbers",
        "The same in bits; in brackets the certified optimum. Excess: BATCH's I_q minus the optimum for its own test "
        "batches; what remains of the difference is due to the batches themselves.",
        tables.batch_sizes,
        batch_sizes_table,
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
)
"""Figures and tables about what the numbers depend on."""
