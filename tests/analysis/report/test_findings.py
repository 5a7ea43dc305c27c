import pytest

from pid_lvlm.analysis.report.words.findings import describe, findings, warnings
from pid_lvlm.data.names import ATOMS


def _spectrum(*values):
    return dict(zip(ATOMS, values, strict=True))


def test_one_atom_carries_nearly_everything():
    assert describe(_spectrum(0.0, 0.01, 0.0, 1.97)) == "mostly synergy (1.97 of 1.98 bits)"


def test_two_atoms():
    text = describe(_spectrum(0.5, 0.0, 0.6, 0.0))
    assert text == "language-unique information (0.60) and redundancy (0.50 of 1.10 bits)"


def test_a_blend_names_all_four_from_the_largest_down():
    assert describe(_spectrum(0.3, 0.4, 0.35, 0.45)).startswith("a blend of 1.50 bits (synergy 0.45, vision-unique")


def test_a_blend_leaves_out_what_would_print_as_nothing():
    assert describe(_spectrum(0.3, 0.45, 0.45, 0.0)).endswith("redundancy 0.30)")


def test_almost_nothing():
    assert describe(_spectrum(0.0, 0.02, 0.0, 0.0)) == "almost no information about the answer (0.02 bits)"


def test_a_model_that_did_not_answer_has_no_finding(make_row, make_frame):
    """Uniform rows over two to four options have atoms, too: they depend on the number of options."""
    silent = make_row("mmbench", model="silent", atoms=(0.01, 0.15, 0.15, -0.15), uniform_both=1.0)
    (sentence,) = findings(make_frame([silent]))
    assert sentence.startswith(
        "silent on mmbench: not interpretable because the model did not answer with an option letter in 100 %"
    )
    assert "bits" not in sentence
    others = [make_row("mmbench", model=f"model-{i}") for i in range(20)]
    (sentence,) = findings(make_frame([silent, *others]))
    assert sentence.startswith("mmbench: of 20 models, the largest atom is synergy in 20; most synergy: model-0")
    assert sentence.endswith("; 1 more did not answer with option letters.")
    muted = [make_row("mmbench", model=f"model-{i}", uniform_both=0.9) for i in range(20)]
    assert findings(make_frame(muted)) == [
        "mmbench: not interpretable because none of 20 models answered with option letters."
    ]


def test_few_rows_get_a_sentence_each_and_many_one_per_dataset(five_tasks, make_row, make_frame):
    assert "demo-llava-small on demo-fusion: mostly synergy (2.00 of 2.00 bits)." in findings(five_tasks)
    many = make_frame([make_row("mmbench", model=f"model-{i}") for i in range(20)])
    assert findings(many) == [
        "mmbench: of 20 models, the largest atom is synergy in 20; most synergy: model-0 (0.60 bits)."
    ]
    looked = make_frame([make_row("pope", model=f"model-{i}", atoms=(0.0, 1.9, 0.0, 0.004 * i)) for i in range(13)])
    assert findings(looked) == [
        "pope: of 13 models, the largest atom is vision-unique information in 13; none has 0.05 bits of synergy."
    ]


def test_no_warning_where_all_is_well(five_tasks):
    assert warnings(five_tasks) == []


def test_warnings_count_failures_and_exceeded_limits(make_row, make_frame):
    rows = [make_row(result="nonfinite_loss"), make_row(layer=1, uniform_both=0.5), make_row(uniform_both=0.9)]
    first, second = warnings(make_frame(rows))
    assert first.startswith("1 of 3 fits failed and are in no figure")
    assert second.startswith("Under both more than 20% of the rows fell back to uniform")
    assert ": demo-llava-small__demo-fusion (layer 4); look at the prompts" in second


def test_findings_are_of_one_estimator(both_estimators):
    assert len(findings(both_estimators)) == len(findings(both_estimators, "batch")) == 5
    assert warnings(both_estimators) == []


def test_an_unknown_synergy_is_no_number(make_exact, make_frame):
    rows = [
        make_exact("mmbench", model=f"m{i}", atoms=(0.5, 0.1, 0.1, -0.3), result="joint_knows_less") for i in range(13)
    ]
    (sentence,) = findings(make_frame(rows[:1]))
    assert sentence == (
        "m0 on mmbench: synergy unknown; redundancy 0.50, vision-unique information 0.10, "
        "language-unique information 0.10 (bits)."
    )
    assert findings(make_frame(rows)) == ["mmbench: synergy unknown in all of 13 models."]
    known = make_frame([*rows, make_exact("mmbench", model="other")])
    assert findings(known) == [
        "mmbench: of 1 models, the largest atom is synergy in 1; most synergy: other (0.60 bits); "
        "synergy unknown in 13 more."
    ]
    (warning,) = warnings(make_frame(rows[:1]))
    assert "synergy cannot be computed and is left out: m0__mmbench (layer 4); the other atoms hold" in warning


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"excess": 0.06}, "BATCH is biased by at least 0.05 bits"),
        ({"sinkhorn_error": 0.02}, "Sinkhorn did not converge"),
        ({"synergy_sd": 0.2}, "The seeds disagree"),
        ({"loss_first": 1.0, "loss_last": 2.0}, "The training loss rose"),
    ],
)
def test_what_only_batch_can_do_is_not_said_of_exact_rows(make_row, make_exact, make_frame, columns, words):
    (sentence,) = warnings(make_frame([make_row(**columns)]))
    assert words in sentence
    assert warnings(make_frame([make_exact(**columns)])) == []


def test_what_only_exact_can_measure_is_not_said_of_batch_rows(make_row, make_exact, make_frame):
    (sentence,) = warnings(make_frame([make_exact(marginals_spread=0.06)]))
    assert "brought to one P(Y): demo-llava-small__demo-fusion (layer 4)" in sentence
    assert warnings(make_frame([make_row(marginals_spread=0.06)])) == []


def test_a_wide_interval_is_said(make_exact, make_frame):
    (sentence,) = warnings(make_frame([make_exact(result="wide_interval")]))
    assert sentence.startswith(
        "The certified interval on I_q is wider than was asked for: demo-llava-small__demo-fusion"
    )


def test_datasets_of_different_size_are_compared_corrected(make_row, make_exact, make_frame):
    (sentence,) = warnings(make_frame([make_row(num_test=250), make_row("demo-sight", num_test=1000)]))
    assert sentence.startswith("Atoms of 250 to 1,000 rows are compared, and not all are corrected")
    assert warnings(make_frame([make_row(num_test=250), make_row("demo-sight", num_test=300)])) == []
    assert warnings(make_frame([make_exact(num_test=250), make_exact("demo-sight")])) == []
    uncorrected = {f"{atom}_corrected": None for atom in ATOMS}
    (sentence,) = warnings(make_frame([make_exact(num_test=250, **uncorrected), make_exact("demo-sight")]))
    assert "(demo-llava-small__demo-fusion (layer 4))" in sentence


def test_of_two_estimators_a_warning_says_whose_rows_it_is_about(make_row, make_exact, make_frame):
    batch, both = warnings(make_frame([make_row(redundancy_raw=-0.1, uniform_both=0.3), make_exact(uniform_both=0.3)]))[
        ::-1
    ]
    assert "(layer 4) by batch; extract" in batch
    assert "(layer 4); look at" in both
