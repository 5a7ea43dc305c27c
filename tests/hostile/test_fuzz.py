"""Every parser under some thousand damaged files, the same in every session; `make fuzz` tries others for longer."""

import io
import mmap
import random
import zipfile
from pathlib import Path

import pytest

from pid_lvlm.data.errors import PidError
from tests.hostile.fuzz import mutate
from tests.hostile.fuzz.campaign import run_campaign
from tests.hostile.fuzz.judge import Unacceptable, judge, replays
from tests.hostile.fuzz.targets import TARGETS
from tests.hostile.fuzz.worker import cases, check_seeds, place

QUICK = {
    "manifest": 60,
    "npz": 40,
    "kept": 60,
    "datasets": 60,
    "parquet": 40,
    "cards": 60,
    "sweeps": 60,
    "pictures": 60,
    "settings": 60,
    "losses": 60,
}
"""Parsers that answer in milliseconds, and how many cases are tried."""
MANY = {
    "manifest": 2000,
    "npz": 1500,
    "kept": 1500,
    "estimate": 60,
    "datasets": 2000,
    "parquet": 3000,
    "cards": 2000,
    "sweeps": 2000,
    "pictures": 2000,
    "settings": 2000,
    "tables": 60,
    "losses": 1500,
    "report": 20,
    "checkpoints": 100,
    "weights": 200,
    "extract-options": 500,
    "estimate-options": 500,
    "report-options": 35,
}
"""The same for every parser, about ten seconds each."""


@pytest.mark.parametrize("name", QUICK)
def test_a_few_cases(name: str, tmp_path: Path) -> None:
    target = TARGETS[name](tmp_path)
    check_seeds(target, tmp_path)
    for number, (file, content) in zip(range(QUICK[name]), cases(target, 0), strict=False):
        path = place(tmp_path, file, content)
        judged = replays(lambda: target.parse(path))  # noqa: B023  # called at once
        assert judged.verdict is None, (number, file, judged.verdict)
        place(tmp_path, file, target.seeds[file])


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_cases(name: str, tmp_path: Path) -> None:
    """A number of cases and not of seconds, so that a slow machine tries what a fast one does."""
    campaign = run_campaign(name, 1, 400, tmp_path, cases=MANY[name])
    assert campaign.cases > MANY[name] // 10
    assert not campaign.findings, campaign.summary()


def hang() -> None:
    while True:
        pass


def spend() -> None:
    with mmap.mmap(-1, 200 << 20) as fresh:  # never what this process had before
        fresh.write(b"x" * (200 << 20))


class RawError(PidError):
    """Its message holds whatever it was given."""

    def __str__(self) -> str:
        return self.raw


def say(text: str) -> None:
    error = RawError()
    error.raw = text
    raise error


def fail() -> None:
    raise Unacceptable("exit code 70")


@pytest.mark.parametrize(
    ("parse", "key"),
    [
        (hang, "TooSlow at test_fuzz.py"),
        (spend, "memory"),
        (fail, "Unacceptable at test_fuzz.py"),
        (lambda: say("x" * 3000), "long message"),
        (lambda: say("a \x1b[31m name"), "control character"),
        (lambda: say("a \u2028 name"), "control character"),
        (lambda: say(" "), "empty message"),
        (lambda: {}["x"], "KeyError at test_fuzz.py"),
        (lambda: int("9" * 5000), "ValueError at test_fuzz.py"),
    ],
)
def test_what_is_a_finding(parse, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.hostile.fuzz.judge.MEMORY", 100 << 20)
    judged = judge(parse, seconds=0.5 if parse is hang else 60)
    assert judged.verdict is not None
    assert judged.verdict.key.startswith(key)


def test_what_is_none() -> None:
    assert judge(dict).verdict is None
    refused = judge(lambda: say("`x` should be a number, found 'y';\n  - give one"))
    assert (refused.verdict, refused.refused) == (None, True)


DIES = """
import os, pathlib, sys
folder = pathlib.Path(sys.argv[3])
print('{"counts": {"cases": 3, "refused": 1, "slowest": 0.1, "peak": 5}}', flush=True)
(folder / "work").mkdir()
(folder / "work" / "case.json").write_text("what it died of")
(folder / "current.txt").write_text("case.json")
(folder / "log.txt").write_text("thread 'main' panicked")
os.abort()
"""


def test_a_worker_that_dies_is_a_finding(tmp_path: Path) -> None:
    """What it read is kept, and another goes on."""
    campaign = run_campaign("manifest", 0, 1e-9, tmp_path, ("-c", DIES))
    (finding,) = campaign.findings.values()
    assert finding.key == "process died with -6 thread 'main' panicked"
    assert Path(finding.file).read_text() == "what it died of"
    assert (campaign.cases, campaign.deaths) == (3, 1)


@pytest.mark.parametrize("damage", [mutate.of_text, mutate.of_bytes, mutate.of_archive, mutate.of_parquet])
def test_damage_is_the_same_for_the_same_seed(damage) -> None:
    import polars as pl

    written = io.BytesIO()
    if damage is mutate.of_parquet:
        pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).write_parquet(written)
    else:
        with zipfile.ZipFile(written, "w") as archive:
            archive.writestr("a.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'}\n1234")
    content = written.getvalue()
    made = [[damage(random.Random(seed), content, [content]) for seed in range(30)] for _ in range(2)]
    assert len(set(made[0])) > 15
    assert [len(one) for one in made[0]] == [len(one) for one in made[1]]
