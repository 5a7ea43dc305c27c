"""The six findings: their numbers on tables where they are known, and what is missing where they cannot be stated."""

import polars as pl
import pytest

from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.analysis.exhibits import paper_findings

FAMILIES = {"llava": 0.0, "qwen": 0.03, "intern": 0.06, "gemma": -0.2, "cambrian": -0.25}
SIZES = (2.0, 8.0, 72.0)


@pytest.fixture
def across(make_row, make_frame):
    """Five families of three sizes with their own lean to synergy; accuracy rises with synergy on pope."""
    rows = []
    for family, lean in FAMILIES.items():
        for place, size in enumerate(SIZES):
            model = {"model": f"{family}-{size:g}", "family": family, "size_b": size}
            fused, known = 0.8 + lean + 0.04 * place, 0.3 + lean + 0.02 * place
            rows.append(
                make_row("pope", (0, 0, 1 - fused, fused), accuracy=0.2 + 0.7 * fused, coinformation=-fused, **model)
            )
            rows.append(make_row("pmcvqa", (0, 0, 1 - known, known), accuracy=0.4 + 0.01 * place, **model))
    return make_frame(rows)


@pytest.fixture
def deep(make_row, make_frame):
    """Two models of ten blocks: U2 builds up and falls at the end, where S jumps; three settings of one of them."""
    rows = []
    for name, jump in (("a", 0.9), ("b", 0.7)):
        for layer in range(1, 11):
            atoms = (0, 0, 0.05 * layer, 0.02 * layer) if layer < 10 else (0, 0, 0.25, 0.18 + jump)
            rows.append(make_row("pope", atoms, model=name, layer=layer, num_layers=10))
            rows += [make_row("pope", atoms, model="a", layer=layer, num_layers=10, tau=tau) for tau in (0.2, 0.4)]
    return make_frame(rows)


@pytest.fixture
def learning(make_row, make_frame):
    """Two models of two stages: nothing grows in `align`, S by 0.6 and U2 by 0.1 in `tune`."""
    rows = []
    for name in ("a", "b"):
        for stage, step, grown in (("align", 1, 0), ("align", 2, 0), ("tune", 1, 0.5), ("tune", 2, 1)):
            atoms = (0.0, 0.0, 0.1 + 0.1 * grown, 0.1 + 0.6 * grown)
            rows.append(make_row("pope", atoms, model=name, stage=stage, step=step, run=f"{name}-{stage}-{step}"))
    return make_frame(rows)


def _of(frame, number):
    return paper_findings(frame)[number - 1]


def test_there_are_six(across):
    assert [each.number for each in paper_findings(across)] == [1, 2, 3, 4, 5, 6]
    assert [each.enough for each in paper_findings(across)] == [True, True, True, True, False, False]


def test_regimes(across):
    found = _of(across, 1)
    assert found.sentence.startswith("Synergy-driven: pope (S 77 %, U2 23 %; difference +")
    assert "knowledge-driven: pmcvqa (S 25 %, U2 75 %" in found.sentence
    assert "by -33 points [" in found.sentence
    assert (found.count, "too narrow" in found.test) == ("15 models", False)


def test_a_regime_of_few_models_says_that_its_interval_is_too_narrow(across):
    few = across.filter(pl.col("size_b") == 2)
    assert "too narrow for fewer than 10 models" in _of(few, 1).test


def test_correlates(across):
    found = _of(across, 2)
    assert found.sentence.startswith(
        "S is the strongest positive correlate of accuracy on 1 of 1 synergy-driven datasets"
    )
    assert "pope: S ρ = 1.00, p < 0.001, U2 ρ = -1.00, p < 0.001" in found.sentence
    assert "not corrected for" in found.test


def test_families(across):
    found = _of(across, 3)
    assert (
        "by ρ = 1.00, p = 0.017; above the median family in both: intern, qwen; below it in both: cambrian, gemma."
        in (found.sentence)
    )
    assert found.count == "5 families"


def test_scaling(across):
    found = _of(across, 4)
    assert "share of S by ρ = " in found.sentence
    assert "(same sign in 10 of 10) and of U2 by ρ = " in found.sentence
    assert "(same sign in 0 of 10)" in found.sentence
    assert "rises in 0 of 10 steps, p = 0.002" in found.sentence
    assert found.count == "10 steps of 5 families"


def test_layers(deep):
    found = _of(deep, 5)
    assert "S reaches half of its maximum at 100 % of the depth and peaks at 100 %" in found.sentence
    assert "changes S by +0.80 bits (up in 2 of 2 models, p = 0.500) and U2 by -0.20 (down in 2 of 2" in found.sentence
    assert found.count == "2 models"


def test_a_sweep_without_the_second_last_layer_does_not_say_what_the_last_block_does(deep):
    found = _of(deep.filter(pl.col("layer") != 9), 5)
    assert found.enough
    assert "the effect of the last block is unknown" in found.sentence


def test_training(learning):
    found = _of(learning, 6)
    assert "in align: S +0.00 (up in 0 of 2), U2 +0.00" in found.sentence
    assert "in tune: S +0.60 (up in 2 of 2, p = 0.500), U2 +0.10" in found.sentence
    assert "grows most in tune is S for a, S for b." in found.sentence
    assert found.count == "2 models"


def test_training_says_in_which_stage_synergy_has_its_onset(learning, make_exact, make_frame):
    assert "onset of S" not in _of(learning, 6).sentence  # intervals over seeds do not cover items
    rows = [
        make_exact("pope", (0, 0, 0.1, s), model=name, stage=stage, step=1 + i % 2, run=f"{name}{i}")
        for name, synergy in (("a", (0, 0, 0.3, 0.6)), ("b", (0, 0.3, 0.3, 0.6)), ("c", (0, 0.1, 0, 0)))
        for i, (stage, s) in enumerate(zip(("align", "align", "tune", "tune"), synergy, strict=True))
    ]
    found = _of(make_frame(rows), 6)
    said = "onset of S, in 3 pairs of model and dataset: 1 in align, 1 in tune, 1 not by the last checkpoint."
    assert found.sentence.endswith(said)
    assert "0.05 bits and a 95 % interval over items above 0" in found.test


@pytest.mark.parametrize(
    ("number", "missing"),
    [
        (1, "4 models with shares"),
        (2, "column `accuracy`"),
        (3, "no dataset is synergy-driven"),
        (4, "column `accuracy`"),
        (5, "--layers all"),
        (6, "two training stages"),
    ],
)
def test_what_is_missing_is_said(number, missing, make_row, make_frame):
    found = _of(make_frame([make_row(accuracy=None)]), number)
    assert not found.enough
    assert found.sentence.startswith("not enough data: ")
    assert missing in found.sentence
    assert (found.test, found.count) == ("", "")


def test_settings_layers_and_checkpoints_are_not_models(across, make_row, make_frame):
    more = [make_row("pope", model="llava-2", family="llava", tau=tau, accuracy=0.0) for tau in (0.2, 0.4)]
    more += [make_row("pope", model="llava-2", family="llava", layer=layer, accuracy=0.0) for layer in (1, 2)]
    more += [make_row("pope", model="llava-2", family="llava", stage="tune", step=1, accuracy=0.0)]
    assert paper_findings(across.vstack(make_frame(more)))[:4] == paper_findings(across)[:4]


def test_empty_failed_and_partial_tables(across):
    for frame in (across.clear(), across.with_columns(result=pl.lit("invalid_run"))):
        assert not any(each.enough for each in paper_findings(frame))
    with pytest.raises(ResultTableError, match="column `family`"):
        paper_findings(across.drop("family"))
