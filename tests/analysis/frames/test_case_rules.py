import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm.analysis import NothingToShowError
from pid_lvlm.analysis.frames.items.rules import RULES, pick, ranked, taking_turns
from pid_lvlm.data import PidError

SURE, SPLIT, OTHER = [0.9, 0.1], [0.5, 0.5], [0.2, 0.8]


def row(name, model="m", dataset="d", both=SURE, vision=SPLIT, language=SPLIT, label=0, total=1.0, **atoms):
    predicted = both.index(max(both))
    return {
        "model": model,
        "dataset": dataset,
        "sample_id": name,
        "tau": 0.3,
        "correct": None if label is None else predicted == label,
        "p_both": both,
        "p_vision_only": vision,
        "p_language_only": language,
        "total_both": total,
        "total_vision_only": total,
        "total_language_only": total,
        **{"redundancy": 0.0, "unique_vision": 0.0, "unique_language": 0.0, "synergy": 0.0, **atoms},
    }


def frame(*rows):
    return pl.DataFrame(list(rows))


def test_an_atom_s_rule_takes_the_largest_over_models_and_none_that_is_next_to_nothing():
    rows = [row("a", synergy=0.5), row("b", synergy=0.7), row("a", model="other", synergy=0.9), row("c", synergy=0.05)]
    assert pick(frame(*rows), "synergy", 5) == ["a", "b"]
    assert pick(frame(*rows), "synergy", 1) == ["a"]
    assert pick(frame(*rows).filter(model="m"), "synergy", 1) == ["b"]


def test_the_language_prior_is_u2():
    assert pick(
        frame(row("a", unique_language=0.2), row("b", unique_language=1.0, synergy=-1.0)), "language-prior", 1
    ) == ["b"]


def test_a_conflict_is_of_two_certain_sources_that_differ():
    rows = [
        row("agree", vision=SURE, language=SURE),
        row("differ", vision=SURE, language=OTHER),
        row("differ more", vision=SURE, language=[0.1, 0.9]),
        row("one is unsure", vision=SURE, language=SPLIT),
        row("below tau", vision=SURE, language=OTHER, total=0.2),
    ]
    assert pick(frame(*rows), "conflict", 9) == ["differ more", "differ"]


def test_a_confident_mistake_is_wrong_and_certain():
    rows = [
        row("right"),
        row("wrong", both=OTHER),
        row("wronger", both=[0.1, 0.9]),
        row("unsure", both=[0.4, 0.3, 0.3], label=1),
        row("no label", both=OTHER, label=None),
    ]
    assert pick(frame(*rows), "confident-mistake", 9) == ["wronger", "wrong"]


def test_a_rule_that_applies_to_nothing_says_its_definition():
    with pytest.raises(NothingToShowError, match="No item matches the rule `conflict`"):
        pick(frame(row("a")), "conflict", 1)
    with pytest.raises(PidError, match="unknown rule `sinergy`; did you mean `synergy`"):
        pick(frame(row("a")), "sinergy", 1)


def test_rules_take_turns_and_skip_what_is_chosen():
    rows = [
        row("a", synergy=1.0, unique_language=1.0),
        row("b", synergy=0.9, unique_language=0.8),
        row("c", synergy=0.8, unique_language=0.9),
        row("d"),
        row("x", dataset="e"),
    ]
    found = taking_turns(frame(*rows), 4, rules=("synergy", "language-prior"))
    assert found.filter(dataset="d").select("sample_id", "rule").rows() == [
        ("a", "synergy"),
        ("c", "language-prior"),
        ("b", "synergy"),
        ("d", None),
    ]
    assert found.filter(dataset="e").rows() == [("e", "x", 0, None)]


values = st.sampled_from([-0.5, 0.0, 0.1, 0.3, 0.3, 2.0])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("mn"), values, values), min_size=1, max_size=12),
    st.integers(1, 9),
)
def test_turns_choose_each_item_once_and_in_the_order_of_every_rule(rows, most):
    known = {(name, model): (first, second) for name, model, first, second in rows}
    table = frame(*(row(n, model=m, synergy=s, unique_language=u) for (n, m), (s, u) in known.items()))
    found = taking_turns(table, most)
    names = found["sample_id"].to_list()
    assert len(set(names)) == len(names) == min(most, table["sample_id"].n_unique())
    assert found["turn"].to_list() == list(range(len(names)))
    for rule, part in found.drop_nulls().group_by("rule"):
        ranks = dict(ranked(table, RULES[rule[0]]).select("sample_id", "rank").rows())
        order = [ranks[name] for name in part.sort("turn")["sample_id"]]
        assert order == sorted(order)
