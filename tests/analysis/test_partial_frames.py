"""A frame without some of its columns is refused with the name of one of them, or has a result; polars never speaks."""

import inspect
from collections.abc import Callable, Iterator

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pid_lvlm import analysis
from pid_lvlm.analysis import NothingToShowError, ResultTableError, figures, paper, tables
from pid_lvlm.analysis.frames.reshape import finals, with_series
from pid_lvlm.data.contract.table.result_table import SCHEMA

TAKES_A_FRAME = ("results", "frame")


def _functions() -> Iterator[Callable]:
    modules = (
        (analysis, analysis.__all__),
        (figures, figures.__all__),
        (tables, tables.__all__),
        (paper, paper.__all__),
    )
    for module, names in modules:
        for function in (getattr(module, name) for name in names):
            if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") in TAKES_A_FRAME:
                yield function


FUNCTIONS = list(dict.fromkeys(_functions()))
WHOLE_TABLE = [function for function in FUNCTIONS if function.__module__.split(".")[2] in ("figures", "tables")]


def _name(function: Callable) -> str:
    return f"{function.__module__.removeprefix('pid_lvlm.analysis.')}.{function.__name__}"


def test_every_figure_table_and_frame_function_is_here():
    assert {figures.families, figures.layers, figures.spectrum, tables.summary, tables.scaling} <= set(WHOLE_TABLE)
    assert len(WHOLE_TABLE) >= 20
    assert {finals, with_series, analysis.findings, analysis.across_models, paper.comparison} <= set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS, ids=_name)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(removed=st.sets(st.sampled_from([*SCHEMA, "series"]), min_size=1, max_size=4))
def test_a_missing_column_is_named(function, both_estimators, removed):
    partial = with_series(both_estimators).drop(removed)
    said = ""
    try:
        function(partial)
    except NothingToShowError:
        return
    except ResultTableError as error:
        said = str(error)
    assert not said or any(f"`{name}`" in said for name in removed)


@pytest.mark.parametrize("function", FUNCTIONS, ids=_name)
def test_what_is_not_a_frame_is_refused(function):
    for handed in (None, {}, pl.LazyFrame(), pl.Series([1])):
        with pytest.raises(ResultTableError, match=f"found {type(handed).__name__}"):
            function(handed)


@pytest.mark.parametrize("function", WHOLE_TABLE, ids=_name)
def test_figures_and_tables_take_whole_tables(function, both_estimators):
    for column in ("synergy_raw", "stage"):
        with pytest.raises(ResultTableError, match=f"has no column `{column}`; expected the columns that `read_resul"):
            function(both_estimators.drop(column))


def test_several_missing_columns_are_counted_and_series_has_its_origin(five_tasks):
    with pytest.raises(ResultTableError, match=r"has no columns `problem_id`, `run`, `family` and \d+ more;"):
        figures.spectrum(five_tasks.select("model", "dataset"))
    with pytest.raises(ResultTableError, match="has no column `series`; `with_series` adds it"):
        analysis.final_checkpoint(five_tasks)


def test_measured_statistics_that_lack_a_column_are_refused_by_name(both_estimators):
    with pytest.raises(ResultTableError, match=r"`measured`: has no columns `column`, `rho`"):
        paper.compare_correlations(both_estimators, "accuracy")
    with pytest.raises(ResultTableError, match=r"`measured`: has no columns `from_size`, `to_size`"):
        paper.compare_scaling(both_estimators)
