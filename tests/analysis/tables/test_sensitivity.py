"""Atoms, ranks and conclusions under several ablations, on tables made by hand."""

import polars as pl
import pytest

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.probes import ablations_in, one_ablation
from pid_lvlm.analysis.frames.reshape import finals
from pid_lvlm.analysis.report.compose import compose
from pid_lvlm.analysis.report.laid_out.sensitivity import (
    sensitivity_conclusions_table,
    sensitivity_ranks_table,
    sensitivity_table,
)
from pid_lvlm.analysis.report.words.findings import findings, warnings

S, U2 = (0.1, 0.2, 0.3, 1.4), (0.1, 0.2, 1.2, 0.5)
"""Atoms in which synergy, and language-unique information, are the largest."""


@pytest.fixture
def two_ablations(make_exact, make_frame):
    """Four models by noise and by crossed pairs: in the first, U2 takes the place of S; the others keep their atoms."""

    def rows(number: int) -> list[dict]:
        model, accuracy = f"model-{number}", 0.5 + number / 10
        more = (0.1, 0.2, 0.3, 1.4 + number / 10)
        other = U2 if number == 0 else more
        noise = make_exact("mmbench", more, model=model, accuracy=accuracy, ablation="noise", num_test=500)
        crossed = make_exact("mmbench", other, model=model, accuracy=accuracy, ablation="crossed", pairs=16)
        return [noise, crossed]

    return make_frame([row for number in range(4) for row in rows(number)])


def test_values_are_the_corrected_ones_with_ranks_within_an_ablation(two_ablations):
    found = tables.sensitivity(two_ablations)
    first = found.filter(pl.col("model") == "model-0").to_dicts()
    assert [row["ablation"] for row in first] == ["noise", "crossed"]
    assert [row["synergy"] for row in first] == pytest.approx([1.41, 0.51])  # the fixture corrects by 0.01
    assert [row["synergy_low"] for row in first] == pytest.approx([1.37, 0.47])
    assert [row["pairs"] for row in first] == [None, 16]
    noise = found.filter(pl.col("ablation") == "noise")
    assert noise["synergy_rank"].to_list() == [4, 3, 2, 1]
    assert found.filter(pl.col("ablation") == "crossed")["unique_language_rank"].to_list() == [1, 2, 2, 2]
    page = sensitivity_table(found)
    assert page.rows[1][2].text == "crossed (16 questions per picture)"
    assert page.rows[0][6].text.endswith("rank 4")


def test_the_conclusions_that_change_are_flagged(two_ablations):
    found = tables.sensitivity_conclusions(two_ablations)
    changed = found.filter(pl.col("verdict") == "changes").to_dicts()
    assert {(row["model"], row["conclusion"]) for row in changed} == {
        ("model-0", "S or U2"),
        ("model-0", "largest atom"),
    }
    assert {(row["by_reference"], row["by_ablation"]) for row in changed} == {("S", "U2")}
    held = found.filter((pl.col("verdict") == "holds") & (pl.col("model") != ""))
    assert set(held["model"]) == {"model-1", "model-2", "model-3"}
    assert found["verdict"].to_list()[:2] == ["changes", "changes"]
    assert sensitivity_conclusions_table(found).rows[0][-1].style == "strong"


def test_a_conclusion_is_undecided_where_intervals_overlap(make_exact, make_frame):
    close = (0.1, 0.2, 0.50, 0.52)
    rows = [make_exact("mmbench", S, ablation="noise"), make_exact("mmbench", close, ablation="mean")]
    found = tables.sensitivity_conclusions(make_frame(rows))
    assert found.select("by_ablation", "verdict").unique().rows() == [("undecided", "undecided")]
    tiny = [(0.1, 0.2, 1.0, 1.04), (0.1, 0.2, 1.04, 1.0)]  # apart, by next to nothing
    apart = {"synergy_low": 1.03, "synergy_high": 1.05, "unique_language_low": 0.99, "unique_language_high": 1.01}
    other = {"synergy_low": 0.99, "synergy_high": 1.01, "unique_language_low": 1.03, "unique_language_high": 1.05}
    near = [
        make_exact("mmbench", atoms, ablation=name) | ends
        for atoms, name, ends in zip(tiny, ("noise", "mean"), (apart, other), strict=True)
    ]
    assert set(tables.sensitivity_conclusions(make_frame(near))["verdict"]) == {"undecided"}
    wide = [row | {"synergy_low": None, "unique_language_low": None} for row in rows]
    assert set(tables.sensitivity_conclusions(make_frame(wide))["verdict"]) == {"undecided"}


def test_a_correlation_that_changes_its_sign_is_flagged(make_exact, make_frame):
    def rows(number: int) -> list[dict]:
        more, less = (0.1, 0.2, 0.3, 0.5 + number / 10), (0.1, 0.2, 0.3, 2.0 - number / 10)
        named = {"model": f"m{number}", "accuracy": 0.3 + number / 20}
        return [make_exact("d", atoms, ablation=name, **named) for atoms, name in ((more, "noise"), (less, "mean"))]

    table = make_frame([row for number in range(8) for row in rows(number)])
    found = tables.sensitivity_conclusions(table).filter(pl.col("model") == "")
    by = {row["conclusion"]: row for row in found.to_dicts()}
    one = by["correlation of S with accuracy"]
    assert (one["by_reference"], one["by_ablation"], one["verdict"]) == ("positive", "negative", "changes")
    assert by["correlation of U2 with accuracy"]["verdict"] == "undecided"
    ranks = {row["atom"]: row for row in tables.sensitivity_ranks(table).to_dicts()}
    assert ranks["S"]["rho"] == pytest.approx(-1)
    assert ranks["R"]["rho"] is None  # all models have one value
    assert sensitivity_ranks_table(tables.sensitivity_ranks(table)).rows[0][-1].text == "8"
    said = findings(table)[0]
    assert "change" in said
    assert "d: correlation of S with accuracy is positive under noise, negative under mean" in said


def test_the_first_lines_say_whether_a_conclusion_changes(two_ablations, make_exact, make_frame):
    said = findings(two_ablations)
    assert said[0].startswith("2 of ")
    assert "model-0 on mmbench: S or U2 is S under noise, U2 under crossed" in said[0]
    assert said[1] == "Everything below is under noise unless stated otherwise."
    same = make_frame([make_exact("d", S, ablation=name) for name in ("noise", "mean")])
    assert findings(same)[0] == "None of 2 conclusions that two ablations decide changes between them."
    assert not any("ablation" in sentence for sentence in findings(make_frame([make_exact("d", S)])))


@pytest.mark.slow
def test_no_other_exhibit_mixes_ablations(two_ablations, make_exact, make_frame):
    """They are those of a table without the rows of the other ablation, in which no model has a name of its own."""
    alone = two_ablations.filter(pl.col("ablation") == "noise")
    own = {"sensitivity", "sensitivity_conclusions", "sensitivity_ranks"}
    found = {part.part.name: part for part in compose(two_ablations)}
    wanted = {part.part.name: part for part in compose(alone)}
    assert own <= set(found)
    assert not own & set(wanted)
    assert set(found) - own == set(wanted)
    for name, part in wanted.items():
        assert vars(found[name]).keys() == vars(part).keys()
        assert repr(getattr(found[name], "specifications", None)) == repr(getattr(part, "specifications", None)), name
        if getattr(part, "frame", None) is not None:
            assert found[name].frame.equals(part.frame), name
    assert findings(two_ablations)[2:] == findings(alone)
    assert warnings(two_ablations) == warnings(alone)


def test_the_spectrum_and_the_summary_are_of_one_ablation(two_ablations):
    alone = two_ablations.filter(pl.col("ablation") == "noise")
    assert tables.summary(two_ablations).equals(tables.summary(alone))
    assert tables.correlations(two_ablations).equals(tables.correlations(alone))
    assert tables.batch_and_exact(two_ablations).equals(tables.batch_and_exact(alone))
    assert repr(figures.spectrum(two_ablations).to_dict()) == repr(figures.spectrum(alone).to_dict())


def test_one_ablation_is_noise_or_the_first_there_is(two_ablations):
    assert ablations_in(two_ablations) == ["noise", "crossed"]
    assert set(one_ablation(two_ablations)["ablation"]) == {"noise"}
    crossed = two_ablations.filter(pl.col("ablation") == "crossed")
    assert one_ablation(crossed).equals(crossed)
    assert set(finals(two_ablations)["ablation"]) == {"noise"}
    unnamed = two_ablations.with_columns(ablation=pl.lit(None, pl.String))
    assert ablations_in(unnamed) == ["noise"]


@pytest.mark.parametrize("make", [tables.sensitivity, tables.sensitivity_conclusions, figures.sensitivity])
def test_with_one_ablation_there_is_nothing_to_compare(make, make_exact, make_frame):
    with pytest.raises(NothingToShowError, match="one ablation"):
        make(make_frame([make_exact("d", S)]))
    apart = [make_exact("d", S, model="a", ablation="noise"), make_exact("d", S, model="b", ablation="mean")]
    with pytest.raises(NothingToShowError):
        make(make_frame(apart))
    failed = [make_exact("d", S, ablation="noise"), make_exact("d", S, ablation="mean", result="marginals_unreachable")]
    with pytest.raises(NothingToShowError):
        make(make_frame(failed))


def test_estimators_are_not_compared_with_each_other(make_row, make_exact, make_frame):
    """BATCH has no crossed pairs: its row under noise is not set beside one of exact."""
    with pytest.raises(NothingToShowError):
        tables.sensitivity(make_frame([make_row("d", S, ablation="noise"), make_exact("d", S, ablation="crossed")]))


def test_too_few_models_have_no_rank_correlation(make_exact, make_frame):
    with pytest.raises(NothingToShowError, match="4 models"):
        tables.sensitivity_ranks(make_frame([make_exact("d", S, ablation=name) for name in ("noise", "mean")]))


def test_the_figure_draws_every_ablation_of_every_model(two_ablations):
    drawn = figures.sensitivity(two_ablations).to_dict()
    values = drawn["data"]["values"] if "values" in drawn.get("data", {}) else next(iter(drawn["datasets"].values()))
    assert len(values) == 4 * 2 * 4
    (one,) = (
        value
        for value in values
        if (value["series"], value["ablation"], value["atom_label"]) == ("model-0", "crossed", "S synergy")
    )
    assert (one["bits"], one["low"], one["high"]) == pytest.approx((0.51, 0.47, 0.55))
    dots = drawn["spec"]["layer"][1]["encoding"]
    assert dots["shape"]["scale"]["domain"] == ["noise", "crossed"]
    assert dots["yOffset"]["sort"] == ["noise", "crossed"]
