"""Curves: hollow points, relative depth, and several models in the same panels."""

import itertools

import polars as pl
import pytest

from pid_lvlm.analysis import figures
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError
from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import drawable
from pid_lvlm.analysis.frames.notes import BELOW_ZERO, noted_atoms


def values(chart, part=0):
    """The rows that one part of a concatenated chart plots."""
    specification = chart.to_dict(validate=True)
    owner = specification if "data" in specification else specification["vconcat"][part]
    return specification["datasets"][owner["data"]["name"]]


def every(node, key):
    """Every value of a key in a specification."""
    if isinstance(node, dict):
        return [*([node[key]] if key in node else []), *(each for child in node.values() for each in every(child, key))]
    return [each for child in node for each in every(child, key)] if isinstance(node, list) else []


@pytest.fixture
def two_depths(make_exact, make_frame):
    """Synergy 0.1 to 0.4 over four layers, and 0.2 and 0.8 over two."""
    rows = [make_exact("d", (0.0, 0.0, 0.5, layer / 10), model="deep", layer=layer) for layer in range(1, 5)]
    for layer in (1, 2):
        rows.append(make_exact("d", (0.0, 0.0, 0.5, 0.4 * layer - 0.2), model="flat", layer=layer, num_layers=2))
    return make_frame(rows)


def test_all_models_share_panels_with_depth_as_a_share(two_depths):
    plotted = values(figures.layers(two_depths, overlay=True, relative=True))
    synergy = [(row["series"], row["depth"], row["raw"]) for row in plotted if row["atom_label"] == "S synergy"]
    assert synergy == [
        ("deep", 0.25, 0.1),
        ("deep", 0.5, 0.2),
        ("deep", 0.75, 0.3),
        ("deep", 1.0, 0.4),
        ("flat", 0.5, 0.2),
        ("flat", 1.0, 0.6),
    ]


def test_relative_depth_shares_one_axis_between_models(two_depths):
    chart = figures.layers(two_depths, relative=True).to_dict()
    assert "resolve" not in chart
    assert {axis["title"] for axis in every(chart["spec"], "axis")} == {"share of depth", "bits"}


def test_a_value_that_cannot_be_is_hollow_and_says_why(make_exact, make_frame):
    below = {"synergy_certified_low": -0.2, "synergy_certified_high": -0.1}
    rows = [
        make_exact("d", (0.0, 0.0, 0.5, -0.15), layer=1, **below),
        make_exact("d", (0.0, 0.0, 0.5, -0.0001), layer=2),  # 0 is inside the certified interval
        make_exact("d", (0.0, 0.0, 0.5, 0.2), layer=3, marginals_spread=0.2),
        make_exact("d", (0.0, 0.0, 0.5, 0.2), layer=4, result="wide_interval"),
    ]
    synergy = [row["note"] for row in noted_atoms(make_frame(rows)).to_dicts() if row["atom"] == "synergy"]
    assert synergy[:3] == [BELOW_ZERO, None, "marginals spread above 0.05"]
    assert synergy[3].startswith("certified interval wider")
    chart = figures.layers(make_frame(rows)).to_dict()
    assert "isValid(datum.note)" in every(chart, "filter")


def test_a_limit_of_one_atom_is_a_note_of_that_atom(make_row, make_frame):
    notes = noted_atoms(make_frame([make_row("d", synergy_sd=0.3, uniform_both=0.4, layer=3)]))
    assert notes["note"].to_list() == [None, None, None, "synergy sd above 0.1"]  # uniform rows count at the output


def test_without_notes_nothing_is_hollow(layered):
    assert every(figures.layers(layered).to_dict(), "filter") == []


def test_an_atom_that_is_not_known_has_no_note(make_exact, make_frame):
    rows = [make_exact("d", layer=layer, result="joint_knows_less", marginals_spread=0.2) for layer in (3, 4)]
    plotted = values(figures.layers(make_frame(rows), overlay=True))
    assert [(row["raw"], row["note"]) for row in plotted if row["atom_label"] == "S synergy"] == [(None, None)] * 2


def test_more_models_than_colours_are_coloured_by_family(make_row, make_frame):
    rows = [
        make_row("d", model=f"m{i}", family=f"f{i % 11:02}", layer=layer, num_layers=2)
        for i, layer in itertools.product(range(22), (1, 2))
    ]
    chart = figures.layers(make_frame(rows), overlay=True).to_dict(validate=True)
    colours = next(each for each in every(chart, "color") if "field" in each)
    assert colours["field"] == "family"
    assert chart["params"][0]["select"]["fields"] == ["family"]
    dashes = next(iter(every(chart, "strokeDash")))["scale"]["range"]
    pairs = {(colour, tuple(dash)) for colour, dash in zip(colours["scale"]["range"], dashes, strict=True)}
    assert len(pairs) == 11 > len(theme.HUES)


def test_an_overlay_thins_curves_before_it_drops_models():
    grid = [(f"m{model}", "d", layer) for model in range(40) for layer in range(1, 80 if model else 41)]
    frame = pl.DataFrame(grid, schema=["series", "dataset", "layer"], orient="row")
    drawn = drawable(frame, "layer", every_model=True)
    assert drawn.frame["series"].n_unique() == 40
    for model, last in (("m0", 40), ("m1", 79)):  # every second layer from each model's output, and that before it
        layers = drawn.frame.filter(pl.col("series") == model)["layer"].to_list()
        assert layers[-4:] == [last - 4, last - 2, last - 1, last]
    assert drawn.left_out.startswith("Drawn here: 1 of 2 points of a curve.")
    assert drawable(frame, "layer").frame["series"].n_unique() == 32


def test_training_stages_of_two_sizes_with_accuracy(make_row, make_frame):
    places = [("tune", 800), ("align", 400)]
    rows = [
        make_row("d", model=f"m-{size}b", size_b=size, stage=stage, step=step, run=f"{size}{step}", accuracy=step / 1e3)
        for size in (13.0, 7.0)
        for stage, step in places
    ]
    chart = figures.training(make_frame(rows), overlay=True)
    accuracy = {(row["series"], row["checkpoint"]): row["percent"] for row in values(chart, part=1)}
    assert accuracy == {
        ("m-7.0b", "align 400"): 40,
        ("m-7.0b", "tune 800"): 80,
        ("m-13.0b", "align 400"): 40,
        ("m-13.0b", "tune 800"): 80,
    }
    (domain,) = {tuple(each["scale"]["domain"]) for each in every(chart.to_dict(), "x")}
    assert domain == ("align 400", "tune 800")
    assert next(each for each in every(chart.to_dict(), "color") if "field" in each)["scale"]["domain"] == [
        "m-7.0b",
        "m-13.0b",
    ]


def test_without_accuracy_there_is_no_panel_of_it(trained):
    chart = figures.training(trained.with_columns(pl.lit(None, pl.Float64).alias("accuracy")), overlay=True)
    assert len(chart.to_dict()["vconcat"]) == 1


@pytest.mark.parametrize("draw", [figures.layers, figures.training])
def test_an_overlay_of_failed_or_partial_data_says_what_is_missing(draw, layered):
    failed = layered.with_columns(pl.lit("nonfinite_loss").alias("result"))
    for frame in (failed, layered.clear()):
        with pytest.raises(NothingToShowError, match="more than one"):
            draw(frame, overlay=True)
    with pytest.raises(ResultTableError, match="no column `num_layers`"):
        draw(layered.drop("num_layers"), overlay=True)
