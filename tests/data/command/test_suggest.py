"""Near names: the likeliest one first, and a list only where it can be read at a glance."""

import pytest

from pid_lvlm.data.command.suggest import suggestion

MANY = [f"model-{i}" for i in range(30)]


@pytest.mark.parametrize(
    ("wrong", "known", "said"),
    [
        ("papr", ("default", "paper"), "did you mean `paper`? known are default, paper"),
        ("zzz", ("default", "paper"), "known are default, paper"),
        ("mmbnech", ["mmbench", *MANY], "did you mean `mmbench`?"),
        ("zzz", MANY, f"known are {', '.join(sorted(MANY))}"),
    ],
)
def test_suggestions(wrong, known, said):
    assert suggestion(wrong, known) == said
