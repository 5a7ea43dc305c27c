"""The onset of atoms over checkpoints, on tables made by hand."""

import pytest

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.report.laid_out.within_models import onset_table
from pid_lvlm.analysis.report.words.captions import onset_caption

PLACES = (("align", 100), ("align", 1000), ("tune", 50), ("tune", 200))


@pytest.fixture
def trained_to(make_exact, make_frame):
    """Checkpoints in no order with these values of synergy, of interval -0.03 to +0.05; columns by number."""

    def make(synergy, of_checkpoint=None, model="m", **columns):
        rows = []
        for i, (value, (stage, step)) in enumerate(zip(synergy, PLACES, strict=False)):
            place = {"stage": stage, "step": step, "run": f"{model}{i}", "model": model}
            rows.append(make_exact("d", (0.5, 0.0, 0.0, value), **place | columns | (of_checkpoint or {}).get(i, {})))
        return make_frame(rows[::-1])

    return make


def synergy(frame):
    (row,) = (row for row in tables.onset(frame).to_dicts() if row["atom"] == "synergy")
    return row


@pytest.mark.parametrize(
    ("values", "verdict", "place"),
    [
        ((0.0, 0.0, 0.0, 0.0), "not reached", (None, None)),
        ((0.2, 0.3, 0.4, 0.5), "from the first", ("align", 100)),
        ((0.0, 0.0, 0.3, 0.5), "reached", ("tune", 50)),
        ((0.0, 0.3, 0.02, 0.5), "reached", ("tune", 200)),  # not align 1000: it falls back
        ((0.2, 0.3, 0.4, 0.02), "not reached", (None, None)),
        ((0.0, 0.04, 0.04, 0.5), "reached", ("tune", 200)),  # 0.04 is next to nothing, though its interval is above 0
    ],
)
def test_known_onsets(trained_to, values, verdict, place):
    row = synergy(trained_to(values))
    assert (row["verdict"], (row["stage"], row["step"])) == (verdict, place)
    assert (row["checkpoints"], row["stages"], row["unknown"], row["last"]) == (4, 2, 0, "tune 200")


def test_an_onset_has_its_value_and_interval_and_the_other_atoms_have_theirs(trained_to):
    found = tables.onset(trained_to((0.0, 0.0, 0.3, 0.5)))
    assert found["atom"].to_list() == ["redundancy", "unique_vision", "unique_language", "synergy"]
    assert found["verdict"].to_list() == ["from the first", "not reached", "not reached", "reached"]
    row = found.row(3, named=True)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.3, 0.27, 0.35))


def test_an_interval_that_reaches_0_is_not_above_it(trained_to):
    ends = {"synergy_low": 0.0, "synergy_high": 0.6}
    assert synergy(trained_to((0.0, 0.0, 0.3, 0.5), {2: ends}))["step"] == 200


def test_a_checkpoint_that_is_not_known_makes_the_onset_one_at_the_latest(trained_to):
    for unknown in ({"result": "nonfinite_loss"}, {"result": "joint_knows_less"}, {"synergy_low": None}):
        row = synergy(trained_to((0.0, 0.3, 0.3, 0.5), {1: unknown}))
        assert (row["verdict"], row["stage"], row["step"], row["unknown"]) == ("at the latest", "tune", 50, 1)


@pytest.mark.parametrize(
    ("unknown", "missing"),
    [
        ({"result": "nonfinite_loss"}, "the last checkpoint, tune 200, whose fit failed"),
        ({"result": "joint_knows_less"}, "synergy of the last checkpoint, tune 200, which cannot be computed"),
        ({"synergy_low": None}, "an interval over items of the last checkpoint, tune 200"),
        ({"interval": "seeds"}, "an interval over items of the last checkpoint, tune 200"),
    ],
)
def test_without_the_last_checkpoint_nothing_is_said(trained_to, unknown, missing):
    row = synergy(trained_to((0.0, 0.3, 0.3, 0.5), {3: unknown}))
    assert (row["verdict"], row["missing"]) == ("not enough data", missing)
    assert (row["stage"], row["value"]) == (None, None)


def test_a_wide_certified_interval_counts(trained_to):
    assert synergy(trained_to((0.0, 0.3, 0.3, 0.5), {1: {"result": "wide_interval"}}))["step"] == 1000


def test_intervals_over_seeds_do_not_cover_items(make_row, make_frame):
    rows = [make_row(stage=stage, step=step, run=f"{stage}{step}") for stage, step in PLACES]
    found = tables.onset(make_frame(rows))
    assert set(found["verdict"]) == {"not enough data"}
    assert onset_caption(make_frame(rows), "exact") == ""


def test_one_checkpoint_is_not_enough_and_none_is_nothing_to_show(trained_to, five_tasks):
    one = trained_to((0.5,), model="one")
    both = tables.onset(one.vstack(trained_to((0.0, 0.0, 0.3, 0.5))))
    found = {row["model"]: row for row in both.to_dicts() if row["atom"] == "synergy"}
    assert (found["one"]["verdict"], found["one"]["missing"]) == ("not enough data", "a second checkpoint")
    assert found["m"]["verdict"] == "reached"
    assert [row[0].text for row in onset_table(both).rows] == ["m"]
    for frame in (one, five_tasks, five_tasks.clear()):
        with pytest.raises(NothingToShowError, match="more than one training checkpoint"):
            tables.onset(frame)


def test_other_layers_and_ablations_do_not_count(trained_to):
    frame = trained_to((0.0, 0.0, 0.3, 0.5))
    others = [trained_to((0.9, 0.9, 0.9, 0.9), layer=2), trained_to((0.9, 0.9, 0.9, 0.9), ablation="mean")]
    for other in others:
        assert synergy(frame.vstack(other))["step"] == 50


def test_onsets_in_cells(trained_to):
    page = onset_table(tables.onset(trained_to((0.0, 0.3, 0.3, 0.5), {1: {"result": "nonfinite_loss"}})))
    cells = dict(zip(page.headings, (cell.text for cell in page.rows[0]), strict=True))
    assert cells == {
        "model": "m",
        "dataset": "d",
        "checkpoints": "4",
        "stages": "2",
        "S": "tune 50 (at the latest): 0.30 [0.27, 0.35]",
        "U2": "not reached",
        "U1": "not reached",
        "R": "tune 50 (at the latest): 0.50 [0.47, 0.55]",
    }


def test_the_caption_warns_of_uncorrected_intervals(trained_to):
    corrected, uncorrected = (trained_to((0.1, 0.2), interval=kind) for kind in ("items", "items-uncorrected"))
    assert "bias alone" not in onset_caption(corrected, "exact")
    assert onset_caption(uncorrected, "exact").endswith("This bias alone can put an atom above 0.")
