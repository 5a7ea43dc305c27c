"""Option columns that are letters: all of them are found, and none is guessed."""

import pytest

from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.datasets.column_mapping import resolve_columns
from pid_lvlm.extract.datasets.errors import DatasetError

OTHERS = ["image", "question", "answer"]


@pytest.mark.parametrize("count", [2, 8, 9, 26])
def test_every_letter_is_an_option(count: int) -> None:
    letters = list(OPTION_LETTERS[:count])
    assert resolve_columns("toy.csv", [*OTHERS, *reversed(letters)], {}).options == tuple(letters)


def test_a_letter_that_holds_another_field_is_not_an_option() -> None:
    present = ["Q", "image", "A", "B", "C"]
    assert resolve_columns("toy.csv", present, {"question": "Q"}).options == ("A", "B", "C")
    assert resolve_columns("toy.csv", [*present, "question"], {"answer": "C", "hint": "Q"}).options == ("A", "B")


def test_a_gap_between_the_letters_is_not_guessed() -> None:
    wanted = "`A`, `B`, `D` could be options, but `C` is missing; name the options with --columns options=A|B|D, or"
    with pytest.raises(DatasetError, match=wanted.replace("|", r"\|")):
        resolve_columns("toy.csv", [*OTHERS, "A", "B", "D"], {})
    assert resolve_columns("toy.csv", [*OTHERS, "A", "B", "D"], {"options": "A|B"}).options == ("A", "B")


def test_one_letter_is_not_a_choice() -> None:
    with pytest.raises(DatasetError, match="no column for `options`"):
        resolve_columns("toy.csv", [*OTHERS, "A", "x"], {})
