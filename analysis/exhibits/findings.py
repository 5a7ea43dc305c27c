"""The paper's six findings, recomputed for a result table."""

import polars as pl

from pid_lvlm.analysis.exhibits.across import accuracy_correlates, family_strategies, scaling_steps, task_regimes
from pid_lvlm.analysis.exhibits.finding import PaperFinding, finding
from pid_lvlm.analysis.exhibits.within import layer_phases, training_stages
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.over_models.models import across_models
from pid_lvlm.data.contract.table.results import EXACT


def paper_findings(results: pl.DataFrame, estimator: str = EXACT) -> tuple[PaperFinding, ...]:
    """Each of the paper's six findings for this table, with its numbers and its test.

    Models count once per dataset, at the final layer of the final checkpoint and with one setting (`across_models`).
    Layers, checkpoints, settings and repeated runs are not models. Atoms are clipped at 0, as published.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.

    Raises:
        ResultTableError: this is not a result table.
    """
    table = labelled(given(results))
    models = across_models(table, estimator).frame
    return (
        finding(1, "Task regimes", lambda: task_regimes(models)),
        finding(2, "Correlates of accuracy", lambda: accuracy_correlates(models)),
        finding(3, "Strategies of families", lambda: family_strategies(models)),
        finding(4, "Scaling", lambda: scaling_steps(models)),
        finding(5, "Phases over layers", lambda: layer_phases(table, estimator)),
        finding(6, "Stages of training", lambda: training_stages(table, estimator)),
    )
