"""Sections of the exhibits within models: what their tables print, and that empty ones are left out."""

import polars as pl
import pytest

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.report.compose import Tabled, compose
from pid_lvlm.analysis.report.contents import PARTS
from pid_lvlm.analysis.report.laid_out.within_models import (
    ablations_table,
    interval_meanings_table,
    layer_phases_table,
    surviving_conclusions_table,
)

OPTIONAL = {part.name for part in PARTS if part.optional}


def cells(page, row=0):
    return dict(zip(page.headings, (cell.text for cell in page.rows[row]), strict=True))


@pytest.fixture
def two_models(make_exact, make_frame):
    """Four layers of two models, whose atoms are the same."""

    def layer_of(model, layer):
        atoms = (0.1, 0.0, 0.5 - layer / 10, layer / 4)
        terms = {"i_vision": 0.1, "i_language": 0.1 + atoms[2], "i_joint": sum(atoms)}
        return make_exact("d", atoms, model=model, layer=layer, redundancy_mmi=0.1, redundancy_imin=0.05, **terms)

    return make_frame([layer_of(model, layer) for model in ("m1", "m2") for layer in range(1, 5)])


def test_phases_in_cells(two_models):
    assert cells(layer_phases_table(tables.layer_phases(two_models))) == {
        "model": "m1",
        "dataset": "d",
        "layers": "4",
        "S emerges": "1 (25%)",
        "S peaks": "4 (100%): 1.00",
        "U2 peaks": "1 (25%): 0.40",
        "last step": "3 → 4",
        "ΔR": "+0.00",
        "ΔU1": "+0.00",
        "ΔU2": "-0.10",
        "ΔS": "+0.25",
    }


def test_phases_that_are_not_known_are_dashes(make_exact, make_frame):
    rows = [make_exact("d", (0.1, 0.0, 0.5, -0.1), layer=layer, result="joint_knows_less") for layer in (1, 2)]
    found = cells(layer_phases_table(tables.layer_phases(make_frame(rows))))
    assert [found[name] for name in ("S emerges", "S peaks", "last step", "ΔS")] == ["–"] * 4


def test_ablations_in_cells(make_row, make_frame):
    rows = [make_row("d", (0, 0, 0, tau), tau=tau, recipe="{}") for tau in (0.2, 0.3)]
    found = cells(ablations_table(tables.ablations(make_frame(rows))))
    assert (found["τ 0.3 (default)"], found["τ 0.2"], found["range"]) == ("0.300", "0.200", "0.100")


def test_intervals_in_cells(both_estimators):
    found = cells(interval_meanings_table(tables.interval_meanings(both_estimators)))
    assert (found["interval"], found["rows"], found["median width"]) == ("certified", "5", "0.0006")


def test_conclusions_in_cells(two_models):
    found = cells(surviving_conclusions_table(tables.surviving_conclusions(two_models)), row=4)
    assert (found["conclusion"], found["cases"], found["by both"]) == ("largest atom of a model", "2", "2 (100%)")
    alike = cells(surviving_conclusions_table(tables.surviving_conclusions(two_models)))
    assert (alike["cases"], alike["by both"], alike["τ MMI"]) == ("0", "–", "–")


def test_sections_without_content_are_left_out(five_tasks, two_models):
    assert {each.part.name for each in compose(five_tasks)} & OPTIONAL == {"uncertainties", "interval_meanings"}
    found = compose(two_models)
    assert {each.part.name for each in found} & OPTIONAL == {
        "regimes",
        "regime_shares",
        "image_removal",
        "layers_overlaid",
        "layer_phases",
        "uncertainties",
        "interval_meanings",
        "surviving_conclusions",
        "other_measures",
    }
    assert all(each.page is not None for each in found if isinstance(each, Tabled) and each.part.optional)


@pytest.mark.slow
def test_one_model_is_not_compared(layered, five_tasks):
    other = five_tasks.with_columns(model=pl.lit("other"))
    assert "layers_overlaid" not in {each.part.name for each in compose(layered.vstack(other))}
