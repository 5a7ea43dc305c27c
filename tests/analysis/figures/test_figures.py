import json

import pytest

from pid_lvlm.analysis import figures
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.data.names import ATOMS

CASES = [(figures.spectrum, "five_tasks"), (figures.layers, "layered"), (figures.training, "trained")]


@pytest.fixture(params=CASES, ids=[draw.__name__ for draw, _ in CASES])
def specification(request):
    """The validated Vega-Lite specification of each figure on a frame of five rows."""
    draw, frame = request.param
    return draw(request.getfixturevalue(frame)).to_dict(validate=True)


def _channels(node, name):
    if isinstance(node, dict):
        found = [node["encoding"][name]] if name in node.get("encoding", {}) else []
        return found + [each for value in node.values() for each in _channels(value, name)]
    return [each for value in node for each in _channels(value, name)] if isinstance(node, list) else []


def test_an_axis_is_in_bits_and_says_so(specification):
    channels = _channels(specification, "x") + _channels(specification, "y")
    titles = [axis.get("title") for axis in (channel.get("axis") for channel in channels) if axis]
    assert "bits" in titles


def test_every_atom_has_its_colour(specification):
    scales = [channel["scale"] for channel in _channels(specification, "color") if "field" in channel]
    assert scales
    for scale in scales:
        assert scale["domain"] == list(LEGEND.values())
        assert scale["range"] == list(theme.COLOURS.values())


def test_panels_are_datasets_and_the_theme_is_ours(specification):
    assert specification["facet"]["column"]["field"] == "dataset"
    assert specification["config"]["font"] == theme.FONT


def test_intervals_are_drawn(specification):
    assert "low" in json.dumps(_channels(specification, "x") + _channels(specification, "y"))


def test_the_spectrum_shows_the_ground_truth_and_every_dataset(five_tasks):
    specification = figures.spectrum(five_tasks).to_dict()
    assert "ground_truth" in [channel.get("field") for channel in _channels(specification, "x")]
    assert specification["facet"]["column"]["sort"] == sorted(five_tasks["dataset"])


def test_training_is_ordered_by_stage_then_step_and_opens_each_stage(trained):
    specification = figures.training(trained).to_dict()
    domains = [channel["scale"]["domain"] for channel in _channels(specification, "x")]
    assert all(domain == ["align 400", "align 1200", "tune 200", "tune 400", "tune 800"] for domain in domains)
    openings = specification["datasets"][specification["spec"]["layer"][0]["data"]["name"]]
    assert openings == [{"stage": "align", "checkpoint": "align 400"}, {"stage": "tune", "checkpoint": "tune 200"}]


def test_models_of_unequal_depth_get_their_own_layer_axis(layered, make_row, make_frame):
    assert "resolve" not in figures.layers(layered).to_dict()
    deeper = make_frame([make_row(model="deep", layer=layer, num_layers=9) for layer in (1, 9)])
    assert figures.layers(layered.vstack(deeper)).to_dict()["resolve"]["scale"]["x"] == "independent"


def test_more_rows_than_altair_takes_from_a_frame(make_row, make_frame):
    rows = [make_row(model=f"m{i}", layer=j, num_layers=64) for i in range(20) for j in range(1, 65)]
    figures.layers(make_frame(rows)).to_dict()


@pytest.mark.parametrize(
    ("draw", "message"), [(figures.layers, "--layers all"), (figures.training, "training checkpoint")]
)
def test_a_figure_without_data_says_what_it_would_need(five_tasks, draw, message):
    with pytest.raises(NothingToShowError, match=message):
        draw(five_tasks)


def test_a_spectrum_of_failed_fits_says_so(make_row, make_frame):
    with pytest.raises(NothingToShowError, match="No fit succeeded"):
        figures.spectrum(make_frame([make_row(result="nonfinite_loss")]))


def test_one_seed_without_ground_truth_leaves_no_empty_marks(make_row, make_frame):
    unknown = {f"{atom}_{end}": None for atom in ATOMS for end in ("low", "high")}
    frame = make_frame([make_row("mmbench", layer=layer, stage="tune", step=1, **unknown) for layer in (3, 4)])
    assert len(figures.spectrum(frame, accuracy=False).to_dict()["spec"]["layer"]) == 1
    assert len(figures.layers(frame).to_dict()["spec"]["layer"]) == 2


def _values(chart):
    specification = chart.to_dict()
    return specification["datasets"][specification["data"]["name"]]


@pytest.mark.parametrize(("estimator", "low"), [("exact", 1.97), ("batch", 1.98)])
def test_a_spectrum_shows_one_estimator(both_estimators, estimator, low):
    chart = figures.spectrum(both_estimators, estimator)
    values = _values(chart)
    assert len(values) == 20
    (fusion,) = [value for value in values if value["dataset"] == "demo-fusion" and value["raw"] == 2]
    assert fusion["low"] == pytest.approx(low)
    assert ("corrected" in fusion) == (estimator == "exact")


def test_an_atom_that_is_not_reported_has_no_bar_and_leaves_a_gap_in_its_curve(make_exact, make_frame):
    rows = [make_exact("demo-blend", layer=layer) for layer in range(1, 4)]
    rows.append(make_exact("demo-blend", layer=4, result="joint_knows_less"))
    frame = make_frame(rows)
    assert [value["atom_label"][0] for value in _values(figures.spectrum(frame))] == ["R", "U", "U"]
    synergy = [value["raw"] for value in _values(figures.layers(frame)) if value["atom_label"].startswith("S")]
    assert synergy == [0.45, 0.45, 0.45, None]


@pytest.fixture
def three_models(make_row, make_frame):
    """Synergy and accuracy on two datasets: the largest mean synergy is b's, the largest mean accuracy c's."""
    of_models = {"a": ((0.2, 0.5), (0.3, 0.6)), "b": ((0.9, 0.4), (0.3, 0.5)), "c": ((0.5, 0.9), (0.4, None))}
    return make_frame(
        [
            make_row(dataset, (0.1, 0.0, 0.2, synergy), model=model, family=f"family {model}", accuracy=accuracy)
            for model, values in of_models.items()
            for dataset, (synergy, accuracy) in zip(("d1", "d2"), values, strict=True)
        ]
    )


@pytest.mark.parametrize(("order", "expected"), [("family", "abc"), ("synergy", "bca"), ("accuracy", "cab")])
def test_a_spectrum_is_in_the_order_asked_for(three_models, order, expected):
    specification = figures.spectrum(three_models, order=order).to_dict(validate=True)
    (models,) = {tuple(channel["sort"]) for channel in _channels(specification, "y") if "sort" in channel}
    assert models == tuple(expected)


def test_an_unknown_order_is_an_error(three_models):
    with pytest.raises(ValueError, match=r"expected one of family, accuracy, redundancy"):
        figures.spectrum(three_models, order="size")


def test_accuracy_stands_beside_each_model(three_models):
    specification = figures.spectrum(three_models).to_dict(validate=True)
    texts = [channel for channel in _channels(specification, "text") if "field" in channel]
    assert [(channel["aggregate"], channel["field"]) for channel in texts] == [("max", "accuracy")]
    values = {(row["series"], row["dataset"]): row["accuracy"] for row in _values(figures.spectrum(three_models))}
    assert (values["a", "d1"], values["c", "d2"]) == (0.5, None)
    assert _channels(figures.spectrum(three_models, accuracy=False).to_dict(), "text") == []


@pytest.mark.parametrize(("count", "ends"), [(12, ["top"]), (13, ["top", "bottom"])])
def test_many_models_have_axis_and_legend_at_both_ends(make_row, make_frame, count, ends):
    specification = figures.spectrum(make_frame([make_row(model=f"m{i:02}") for i in range(count)])).to_dict()
    legends = [
        channel["legend"]["orient"]
        for name in ("color", "fill")
        for channel in _channels(specification, name)
        if "field" in channel
    ]
    assert legends == ends
    axes = [channel["axis"] for channel in _channels(specification, "x") if channel.get("axis")]
    assert len(axes) == len(ends)
    assert {axis.get("orient", "bottom") for axis in axes} == ({"bottom"} if len(ends) == 1 else {"top", "bottom"})


def test_a_bar_below_0_is_hollow(make_row, make_frame):
    chart = figures.spectrum(make_frame([make_row("d", (0.1, -0.02, 0.2, 0.3))]))
    marks = [layer["mark"] for layer in chart.to_dict(validate=True)["spec"]["layer"]]
    assert [mark.get("fill") for mark in marks if mark["type"] == "bar"] == [None, "transparent"]
    notes = {row["atom_label"][:2]: row["note"] for row in _values(chart) if row["note"]}
    assert notes == {"U1": "below 0, impossible for an atom: estimation error"}


def test_ticks_of_bits_have_digits_of_their_own(specification):
    # With "~g" alone, d3 counts digits from the width of a step and prints 0.12 as 0.1.
    channels = _channels(specification, "x") + _channels(specification, "y")
    axes = [channel["axis"] for channel in channels if channel.get("axis")]
    assert {axis["format"] for axis in axes if axis.get("title") == "bits"} == {".3~g"}
