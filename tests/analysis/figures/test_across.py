"""Figures over models: the numbers that are plotted, and what is said where there are none."""

import json

import polars as pl
import pytest

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError
from pid_lvlm.analysis.figures.over_models.beside import Panel, beside
from pid_lvlm.data.bounds import FIGURE_MODELS

OF_MODELS = [figures.regimes, figures.families, figures.image_removal]


def _values(chart):
    specification = chart.to_dict(validate=False)
    return specification["datasets"][specification["data"]["name"]]


@pytest.fixture
def six(make_row, make_frame):
    """Three families of two sizes; on pope more synergy, on pmcvqa more language-unique information."""
    rows = []
    for place, family in enumerate(("llava", "qwen", "intern")):
        for larger in (0, 1):
            model = {"model": f"{family}-{larger}", "family": family, "size_b": 7.0 + 6 * larger}
            synergy = 0.7 + 0.05 * place + 0.1 * larger
            for dataset, share in (("pope", synergy), ("pmcvqa", 1 - synergy)):
                drop = 0.1 * place + 0.02 * larger
                rows.append(make_row(dataset, (0.0, 0.0, 1 - share, share), d_vision=drop, **model))
    return make_frame(rows)


def test_regimes_plot_the_means_of_the_table(six):
    values = _values(figures.regimes(six))
    means = {(value["dataset"], value["atom_label"][0]): value for value in values if value["kind"] == "mean"}
    assert means["pope", "S"]["share"] == pytest.approx(80)
    assert means["pope", "U"]["share"] == pytest.approx(20)
    assert means["pmcvqa", "S"]["regime"] == "knowledge-driven"
    table = tables.regimes(six).filter(pl.col("dataset") == "pope").row(0, named=True)
    assert (means["pope", "S"]["low"], means["pope", "S"]["high"]) == pytest.approx(
        (table["synergy_low"], table["synergy_high"]), abs=1e-4
    )
    assert len([value for value in values if value["kind"] == "model"]) == 24


def test_three_models_have_means_without_intervals(six):
    values = _values(figures.regimes(six.filter(pl.col("size_b") == 7)))
    assert {value["regime"] for value in values} == {"not enough data"}
    assert [value["low"] for value in values if value["kind"] == "mean"] == [None] * 4


def test_families_plot_medians(six):
    values = _values(figures.families(six))
    medians = {(value["regime"], value["family"]): value for value in values if value["kind"] == "family"}
    assert (medians["synergy-driven", "llava"]["synergy"], medians["synergy-driven", "llava"]["num_models"]) == (
        0.75,
        2,
    )
    assert medians["knowledge-driven", "intern"]["unique_language"] == pytest.approx(0.85)
    models = [value for value in values if value["kind"] == "model"]
    assert len(models) == 12
    assert {value["size_b"] for value in models} == {7, 13}
    assert all(value["label_x"] is not None for value in medians.values())


def test_a_family_that_synergy_is_unknown_of_is_not_drawn(six):
    unknown = six.with_columns(
        result=pl.when(pl.col("family") == "qwen").then(pl.lit("joint_knows_less")).otherwise("result")
    )
    assert {value["family"] for value in _values(figures.families(unknown))} == {"llava", "intern", None}


def test_labels_keep_clear_of_each_other():
    frame = pl.DataFrame(
        {"kind": ["family"] * 3, "name": ["one", "two", "three"], "x": [0.5] * 3, "y": [0.5, 0.51, 0.49]}
    )
    placed = beside(frame, "name", Panel("x", "y", 1, 1, 300, 300))
    places = placed.select("label_x", "label_y").rows()
    assert len(set(places)) == 3
    assert all(abs(a[1] - b[1]) * 300 >= 12 or abs(a[0] - b[0]) * 300 >= 18 for a in places for b in places if a != b)


def test_many_models_are_drawn_in_part_with_the_medians_of_all(make_row, make_frame):
    number = FIGURE_MODELS.most + 20
    rows = [make_row("pope", (0.0, 0.0, 0.1, 0.5 + i / 1000), model=f"m{i:03}", family="one") for i in range(number)]
    chart = figures.families(make_frame(rows))
    values = _values(chart)
    assert f"{FIGURE_MODELS.most} of {number} models" in chart.to_dict(validate=False)["title"]["text"]
    (median,) = [value for value in values if value["kind"] == "family"]
    assert (median["num_models"], median["synergy"]) == (number, pytest.approx(0.5595))
    assert not [value for value in _values(figures.regimes(make_frame(rows))) if value["kind"] == "model"]


def test_image_removal_plots_every_model_and_says_the_correlation(six):
    chart = figures.image_removal(
        six.with_columns(uniform_both=pl.when(pl.col("model") == "qwen-1").then(0.9).otherwise(0))
    )
    values = _values(chart)
    assert [value["drop"] for value in values if value["dataset"] == "pope" and value["model"]] == pytest.approx(
        [20, 22, 0, 2, 10, 12]
    )
    assert {value["model"] for value in values if value["answered"] is False} == {"qwen-1"}
    assert {value["model"]: value["hollow"] for value in values if value["hollow"]} == {
        "qwen-1": "no option letter in more than 50% of the rows"
    }
    notes = {value["dataset"]: value["note"] for value in values if value["note"]}
    found = tables.image_removal(six).filter(pl.col("dataset") == "pope").row(0, named=True)
    assert f"ρ = {found['rho']:.2f} [" in notes["pope"]
    assert f"p = {found['p']:.3f}, 6 models" in notes["pope"]


def test_a_panel_of_three_models_says_that_they_are_too_few(six):
    values = _values(figures.image_removal(six.filter(pl.col("size_b") == 7)))
    assert "3 models: too few" in json.dumps(values)


@pytest.mark.parametrize("draw", OF_MODELS, ids=[draw.__name__ for draw in OF_MODELS])
def test_a_specification_is_valid(draw, six):
    draw(six).to_dict(validate=True)


@pytest.mark.parametrize("draw", OF_MODELS, ids=[draw.__name__ for draw in OF_MODELS])
def test_empty_failed_and_partial_tables(draw, six):
    for frame in (six.clear(), six.with_columns(result=pl.lit("invalid_run"))):
        with pytest.raises(NothingToShowError):
            draw(frame)
    with pytest.raises(ResultTableError, match="column `unique_language`"):
        draw(six.drop("unique_language"))


def test_a_table_without_accuracies_names_the_column(six):
    with pytest.raises(NothingToShowError, match="`d_vision`"):
        figures.image_removal(six.with_columns(d_vision=pl.lit(None)))


def test_a_name_with_control_characters_is_drawn_harmless(six):
    odd = six.with_columns(family=pl.lit("a\x1bb"), model="a\x1b" + pl.col("model"))
    assert "\\u001b" not in json.dumps(figures.families(odd).to_dict()) + json.dumps(
        figures.image_removal(odd).to_dict()
    )
