import pytest

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError, ResultTableError


@pytest.fixture
def sweep(make_exact, make_frame):
    """A run of `len(synergy)` layers with these values of synergy and U2; other columns by layer number."""

    def make(synergy, language=None, of_layer=None, **columns):
        language = language or [0.5] * len(synergy)
        return make_frame(
            [
                make_exact(
                    "d", (0.1, 0.0, u2, s), layer=i, num_layers=len(synergy), **columns | (of_layer or {}).get(i, {})
                )
                for i, (s, u2) in enumerate(zip(synergy, language, strict=True), start=1)
            ]
        )

    return make


def test_known_phases(sweep):
    table = tables.layer_phases(sweep([0.05, 0.3, 0.02, 0.2, 0.25, 1.0], language=[0, 0.1, 0.4, 0.8, 0.9, 0.3]))
    row = table.row(0, named=True)
    assert (row["synergy_emerges"], row["synergy_emerges_depth"]) == (4, pytest.approx(4 / 6))  # not 2: layer 3 is low
    assert (row["synergy_peak"], row["synergy_peak_bits"], row["unique_language_peak"]) == (6, 1.0, 5)
    assert row["unique_language_peak_depth"] == pytest.approx(5 / 6)
    assert (row["before_output"], row["num_layers"], row["layers"]) == (5, 6, 6)
    assert row["synergy_change"] == pytest.approx(0.75)
    assert row["unique_language_change"] == pytest.approx(-0.6)
    assert row["synergy_change_certified_low"] == pytest.approx(0.75 - 6e-4)
    assert row["synergy_change_certified_high"] == pytest.approx(0.75 + 6e-4)


@pytest.mark.parametrize(("share", "emerges"), [(0.0, 1), (0.15, 2), (0.35, 6)])
def test_the_share_decides_where_synergy_emerges(sweep, share, emerges):
    frame = sweep([0.1, 0.3, 0.2, 0.2, 0.25, 1.0])
    assert tables.layer_phases(frame, share=share)["synergy_emerges"].item() == emerges


def test_no_synergy_does_not_emerge(sweep):
    assert tables.layer_phases(sweep([-0.02, -0.01]))["synergy_emerges"].item() is None
    touching = sweep([0.01, 0.02])  # whose interval over items starts 0.03 lower
    assert tables.layer_phases(touching)["synergy_emerges"].item() is None


def test_a_layer_without_synergy_is_counted(sweep):
    frame = sweep([0.02, 0.5, 0.6, 1.0], of_layer={3: {"result": "joint_knows_less"}})
    row = tables.layer_phases(frame).row(0, named=True)
    assert (row["layers_without_synergy"], row["synergy_emerges"], row["synergy_change"]) == (1, 2, None)
    assert row["unique_language_change"] == 0


def test_without_the_output_there_is_no_change(sweep):
    frame = sweep([0.1, 0.5, 0.6, 1.0], of_layer={4: {"result": "marginals_unreachable"}})
    row = tables.layer_phases(frame).row(0, named=True)
    assert (row["layers"], row["before_output"], row["synergy_change"], row["synergy_peak"]) == (3, None, None, 3)


def test_batch_has_no_certified_change(layered):
    row = tables.layer_phases(layered).row(0, named=True)
    assert (row["estimator"], row["synergy_change"], row["synergy_change_certified_low"]) == ("batch", 0, None)


def test_one_layer_is_not_enough(five_tasks):
    with pytest.raises(NothingToShowError, match="more than one layer"):
        tables.layer_phases(five_tasks)
    with pytest.raises(ResultTableError, match="no column `synergy_low`"):
        tables.layer_phases(five_tasks.drop("synergy_low"))
    with pytest.raises(ValueError, match="share of the maximum"):
        tables.layer_phases(five_tasks, share=1.5)
