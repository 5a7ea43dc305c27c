"""Values in messages, and names that are not known."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm.data.command.shown import cut, shown
from pid_lvlm.data.command.suggest import unknown_name

SCALARS = st.text(max_size=300) | st.integers() | st.binary(max_size=300) | st.floats() | st.none()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)


@settings(deadline=None, max_examples=50)
@given(VALUES)
def test_values_are_shown_short_and_on_one_line(value: Any) -> None:
    assert len(shown(value)) <= 80
    assert shown(value).isprintable()
    if isinstance(value, str):
        assert len(cut(value)) <= 80
        assert cut(value).isprintable()


def test_an_unknown_name_of_any_length_fits_into_a_sentence() -> None:
    assert unknown_name("--x: unknown value", "papr", ("paper", "default")) == (
        "--x: unknown value `papr`; did you mean `paper`? known are default, paper"
    )
    assert len(unknown_name("--x: unknown value", "a" * 100_000, ("paper",))) < 200
