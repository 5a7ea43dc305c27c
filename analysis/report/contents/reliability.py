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
        f"{name} in bits (clipped at 0) at the output layer of the final checkpoint. Poolings are compared at the "
        "default τ, values of τ at the default pooling; –: not measured with this setting. Range: largest minus "
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
        "To measure what a source contributes, it is replaced by something else, the “ablation”. This figure shows the "
        "atoms in bits at the output layer of each model's final checkpoint under each ablation: noise with the mean "
        "and spread of the model's own embeddings; the mean embedding; the picture or question of another item "
        "(“other”); a grey picture or an empty question (“blank”). Under “crossed” nothing is replaced: every picture "
        "is paired with the questions of several items, which makes pictures and questions independent. It describes "
        "the model and not the pairs of a benchmark: if these agree by design, their redundancy becomes conflict. Dot: "
        "the corrected value if there is one. Line: 95 % interval over items, for BATCH over seeds. An atom that moves "
        "by more than its intervals depends on the probe.",
        lambda results, _estimator: figures.sensitivity(results),
        optional=True,
    ),
    TablePart(
        "sensitivity_conclusions",
        "Conclusions under another ablation",
        "What one would conclude under one ablation and under another. “S or U2”: whether synergy or language-unique "
        "information is larger. “Largest atom”: the one that is larger than all others. Both are decided if the two "
        "atoms differ by more than 0.05 bits and their 95 % intervals, if any, do not overlap. Correlations are "
        "Spearman's over models, decided if their 95 % interval excludes 0. Verdict: “changes” or “holds” if both "
        "ablations decide, else “undecided”, which does not show that they agree.",
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
        "Spearman's ρ over models between the values of an atom under two ablations, with its two-sided p: 1 if the "
        "models come in the same order. Models of one family count as independent.",
        tables.sensitivity_ranks,
        sensitivity_ranks_table,
        optional=True,
    ),
    FigurePart(
        "batch_size_curve",
        "BATCH by batch size",
        "BATCH's atoms in bits against the number of rows in a batch, for models that were estimated with several "
        "batch sizes (final checkpoint, output layer; vertical lines: 95 % interval over seeds). Dashed: the certified "
        "optimum for all rows, if there is one. BATCH only couples rows within a batch, so its estimate belongs to one "
        "batch size: a curve that is not flat shows how much an atom depends on it. Do not mix sizes.",
        lambda results, _estimator: figures.batch_sizes(results),
        optional=True,
    ),
    TablePart(
        "batch_sizes",
        "BATCH by batch size in numbers",
        "The same in bits; in brackets the certified optimum. Excess: BATCH's I_q minus the optimum for its own test "
        "batches; the rest of the difference is due to the batches themselves.",
        tables.batch_sizes,
        batch_sizes_table,
        optional=True,
    ),
    FigurePart(
        "uncertainties",
        "Sources of uncertainty for each model",
        "Final checkpoint, output layer: the width in bits of each interval or range, for the atom where it is "
        "largest. They answer different questions (next table) and do not add up. A difference between two models that "
        "is not larger than the rightmost dots of both is not a finding; for models on the same items a paired "
        "difference tells more.",
        lambda results, _estimator: figures.uncertainties(results),
        optional=True,
    ),
    TablePart(
        "interval_meanings",
        "What each interval covers",
        "The intervals of the final fits in words, with their widths in bits: median and maximum over the fits, for "
        "the atom with the widest interval (rounded up).",
        tables.interval_meanings,
        interval_meanings_table,
        optional=True,
    ),
    TablePart(
        "surviving_conclusions",
        "Conclusions by other measures of redundancy",
        "Pairs of models whose order by an atom is certain under BROJA for these items, and how many keep that order "
        "if redundancy is min(I1, I2) (MMI) or I_min of Williams and Beer; last, how many models keep their largest "
        "atom. τ: Kendall's rank correlation with BROJA's order over all models. What holds under both does not depend "
        "on the choice among these three measures; it can still depend on the items.",
        tables.surviving_conclusions,
        surviving_conclusions_table,
        optional=True,
    ),
    TablePart(
        "other_measures",
        "Atoms by other measures of redundancy",
        "Final checkpoint, output layer, in bits, before clipping at 0. The other atoms follow from a measure's "
        "redundancy: U1 = I1 - R, U2 = I2 - R, S = I12 - I1 - I2 + R.",
        tables.other_measures,
        plain_table,
        optional=True,
    ),
)
"""Figures and tables about what the numbers depend on."""
