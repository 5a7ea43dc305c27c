"""Losses beside the atoms of checkpoints: the plotted numbers, on tables made by hand."""

import polars as pl
import pytest
from altair.utils.schemapi import debug_mode

from pid_lvlm.analysis import figures
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError
from pid_lvlm.analysis.figures.curves.losses import HELD_OUT, TRAINING_LOSS
from pid_lvlm.analysis.frames.losses import LOSS_SCHEMA
from pid_lvlm.data.bounds import FIGURE_FITS, FIGURE_POINTS
from tests.analysis.figures.test_overlaid import every


@pytest.fixture(autouse=True)
def _unchecked(request):
    """Charts are made as the report makes them, in a tenth of the time; one test has altair check each object."""
    with debug_mode(request.node.name == "test_a_chart_is_valid"):
        yield


def values(chart, part=0):
    """The rows that one part of a concatenated chart plots."""
    specification = chart.to_dict(validate=False)
    return specification["datasets"][specification["vconcat"][part]["data"]["name"]]


def losses_of(*rows):
    """A frame of losses: model, stage, step, loss, loss over held-out records."""
    names = ["model", "stage", "step", "loss", "held_out_loss"]
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema=LOSS_SCHEMA)


@pytest.fixture
def two_sizes(make_exact, make_frame):
    """Two sizes on two datasets, with checkpoints at 10 and 20 of `align` and at 100 of `tune`."""
    return make_frame(
        [
            make_exact(dataset, (0, 0, 0, 0.5), model=model, size_b=size, stage=stage, step=step, run=f"{model}{step}")
            for dataset in ("d", "e")
            for model, size in (("big", 13.0), ("small", 7.0))
            for stage, step in (("align", 10), ("align", 20), ("tune", 100))
        ]
    )


def plotted(chart):
    """Rows of the panel of losses: model, kind, step, place, loss."""
    rows = values(chart, part=2)
    return [(row["model"], row["kind"], row["step"], row["position"], row["loss"]) for row in rows]


def test_losses_stand_at_the_places_of_their_steps(two_sizes):
    losses = losses_of(
        ("small", "align", 5, 4.0, None),
        ("small", "align", 10, 3.0, 3.5),
        ("small", "align", 15, 2.5, None),
        ("small", "align", 20, 2.0, 2.5),
        ("small", "tune", 50, 1.5, None),
        ("small", "tune", 100, None, 1.25),
        ("small", "tune", 200, 1.0, None),
        ("big", "tune", 300, 0.5, None),
    )
    assert sorted(plotted(figures.training(two_sizes, overlay=True, losses=losses))) == sorted(
        [
            ("small", TRAINING_LOSS, 5, 0.25, 4.0),  # half of the way to the first checkpoint, at 0.5
            ("small", TRAINING_LOSS, 10, 0.5, 3.0),
            ("small", TRAINING_LOSS, 15, 1.0, 2.5),
            ("small", TRAINING_LOSS, 20, 1.5, 2.0),
            ("small", TRAINING_LOSS, 50, 2.25, 1.5),
            ("small", TRAINING_LOSS, 200, 2.75, 1.0),  # beyond the last checkpoint, half of the way to step 300
            ("big", TRAINING_LOSS, 300, 3.0, 0.5),
            ("small", HELD_OUT, 10, 0.5, 3.5),
            ("small", HELD_OUT, 20, 1.5, 2.5),
            ("small", HELD_OUT, 100, 2.5, 1.25),
        ]
    )


def test_a_chart_is_valid(two_sizes):
    losses = losses_of(("small", "tune", 5, 4.0, 4.5))
    assert figures.training(two_sizes, overlay=True, losses=losses).to_dict(validate=True)["vconcat"][2]["spec"]


def test_stages_are_marked_and_models_keep_their_colours(two_sizes):
    chart = figures.training(two_sizes, overlay=True, losses=losses_of(("small", "tune", 5, 4.0, None))).to_dict(
        validate=False
    )
    panel = chart["vconcat"][2]
    marks = chart["datasets"][panel["spec"]["layer"][0]["data"]["name"]]
    assert marks == [{"stage": "align", "position": 0}, {"stage": "tune", "position": 2}]
    assert {tuple(each["scale"]["domain"]) for each in every(panel, "x")} == {(0, 3)}
    colours = [each["scale"]["domain"] for each in every(chart, "color") if "field" in each]
    assert colours == [["small", "big"]] * len(colours)
    assert chart["resolve"]["scale"]["color"] == "shared"


def test_without_losses_the_figure_is_as_before(two_sizes):
    plain = figures.training(two_sizes, overlay=True).to_dict(validate=False)
    assert len(plain["vconcat"]) == 2
    assert (
        figures.training(two_sizes, overlay=True, losses=losses_of()).to_dict(validate=False)["vconcat"]
        == plain["vconcat"]
    )


def test_losses_that_have_no_checkpoint_are_named(two_sizes):
    losses = losses_of(("small", "text", 5, 4.0, None), ("other", "align", 5, 4.0, None))
    many = losses_of(*(("small", f"stage\n{number}" + "x" * 900, 5, 4.0, None) for number in range(30)))
    title = figures.training(two_sizes, overlay=True, losses=many).to_dict(validate=False)["title"]["text"]
    assert "and 27 more are not drawn" in title
    assert "\n" not in title
    assert len(title) < 300
    chart = figures.training(two_sizes, overlay=True, losses=losses).to_dict(validate=False)
    assert chart["title"]["text"].startswith("Losses of model other and of stage text are not drawn")
    assert len(chart["vconcat"]) == 2


def test_failed_fits_leave_the_losses_where_they_were(two_sizes):
    losses = losses_of(("small", "align", 10, 4.0, None))
    failed = two_sizes.with_columns(
        pl.when(pl.col("model") == "big").then(pl.lit("nonfinite_loss")).otherwise("result").alias("result")
    )
    assert plotted(figures.training(failed, overlay=True, losses=losses)) == [("small", TRAINING_LOSS, 10, 0.5, 4.0)]
    with pytest.raises(NothingToShowError):
        figures.training(two_sizes.with_columns(result=pl.lit("nonfinite_loss")), overlay=True, losses=losses)


def test_a_long_training_is_thinned_but_not_its_end_or_few_losses_over_held_out_records(two_sizes):
    steps = range(1, 10_001)
    losses = losses_of(*(("small", "tune", step, 1.0, 2.0 if step % 2000 == 1 else None) for step in steps))
    rows = plotted(figures.training(two_sizes, overlay=True, losses=losses))
    trained = [step for _, kind, step, _, _ in rows if kind == TRAINING_LOSS]
    assert FIGURE_POINTS.most / 2 < len(trained) <= min(FIGURE_POINTS.most, FIGURE_FITS.most)
    assert max(trained) == 10_000
    assert [step for _, kind, step, _, _ in rows if kind == HELD_OUT] == [1, 2001, 4001, 6001, 8001]
    many = losses.with_columns(held_out_loss=2.0)
    assert len(plotted(figures.training(two_sizes, overlay=True, losses=many))) <= 2 * FIGURE_POINTS.most


def test_long_names_are_those_of_the_legend(two_sizes):
    name = "x" * 500
    renamed = two_sizes.with_columns(pl.col("model").replace("small", name))
    chart = figures.training(renamed, overlay=True, losses=losses_of((name, "align", 10, 4.0, None)))
    series = {row["series"] for row in values(chart)}
    assert {row["series"] for row in values(chart, part=2)} < series


def test_losses_need_an_overlay_and_their_columns(two_sizes):
    with pytest.raises(ValueError, match="overlay=True"):
        figures.training(two_sizes, losses=losses_of())
    with pytest.raises(ResultTableError, match="`losses`.*`grad_norm`"):
        figures.training(two_sizes, overlay=True, losses=losses_of().drop("grad_norm"))
