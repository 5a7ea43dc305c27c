"""The paper's numbers as data, and compared with those of a result table.

    from pid_lvlm.analysis import paper, read_results

    paper.correlations()  # Table 2, as printed
    paper.comparison(read_results("results.parquet"))

docs/paper.md says what the paper states, what it does not, and how to run its study.
"""

from pid_lvlm.analysis.paper.comparison import Measures, comparison, not_in_paper
from pid_lvlm.analysis.paper.joins import compare_correlations, compare_scaling
from pid_lvlm.analysis.paper.match import dataset_in_paper, model_in_paper
from pid_lvlm.analysis.paper.published import (
    CITATION,
    NUM_MODELS,
    ablations,
    correlations,
    datasets,
    estimator,
    exhibits,
    families,
    models,
    scaling,
    single_values,
)

__all__ = [
    "CITATION",
    "NUM_MODELS",
    "Measures",
    "ablations",
    "compare_correlations",
    "compare_scaling",
    "comparison",
    "correlations",
    "dataset_in_paper",
    "datasets",
    "estimator",
    "exhibits",
    "families",
    "model_in_paper",
    "models",
    "not_in_paper",
    "scaling",
    "single_values",
]
