"""What may be asked of Slurm, and which options fit together."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pid_lvlm.data.cluster.options import check_executor, job_arguments
from pid_lvlm.data.cluster.slurm_options import DEFAULT_MINUTES, KEYS, minutes, slurm_parameters
from pid_lvlm.data.errors import PidError
from tests import ROOT


@given(st.integers(0, 9), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_every_form_of_a_run_time(days, hours, mins, seconds):
    exact = ((days * 24 + hours) * 60 + mins) * 60 + seconds
    if exact:
        assert minutes(f"{days}-{hours:02}:{mins:02}:{seconds:02}") == -(-exact // 60)
    if exact - seconds:
        assert minutes(f"{days}-{hours:02}:{mins:02}") == exact // 60
        assert minutes(str(exact // 60)) == exact // 60
        assert minutes(f"{exact // 60}:00") == exact // 60
    if 24 * days + hours:
        assert minutes(f"{days}-{hours}") == (24 * days + hours) * 60
        assert minutes(f"{24 * days + hours}:00:00") == (24 * days + hours) * 60


def test_parameters_are_those_of_submitit():
    found = slurm_parameters(
        ["partition=gpu", "time=1-0", "gpus-per-node=2", "setup=module load a", "setup=b", "reservation=r"], "pid-x"
    )
    assert found == {
        "job_name": "pid-x",
        "partition": "gpu",
        "time": 1440,
        "gpus_per_node": 2,
        "setup": ["module load a", "b"],
        "additional_parameters": {"requeue": True, "reservation": "r"},
    }
    assert slurm_parameters([], "pid-x")["time"] == DEFAULT_MINUTES


def test_submitit_knows_every_key():
    from submitit.slurm import slurm

    known = slurm._get_default_parameters()
    passed = {"licenses", "nice", "reservation"}
    assert set(KEYS) - passed <= set(known)
    assert not passed & set(known)


def test_every_key_is_on_the_page():
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    table = page.partition("### What a job asks Slurm for")[2].partition("###")[0]
    assert set(KEYS) <= set(re.findall(r"`(\w+)`", table))
    assert "Default: 4 hours" in table
    assert DEFAULT_MINUTES == 4 * 60


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("partition", ["KEY=VALUE", "`partition`"]),
        ("=gpu", ["KEY=VALUE", "`=gpu`"]),
        ("partitoin=gpu", ["unknown key `partitoin`", "did you mean `partition`"]),
        ("time=soon", ["--slurm time: expected a run time such as 90", "`soon`"]),
        ("time=0", ["at least a minute"]),
        ("mem=lots", ["--slurm mem: expected an amount of memory such as 64G", "`lots`"]),
        ("gpus_per_node=all", ["a whole number", "`all`"]),
        ("partition=", ["text on one line"]),
        ("comment=a\nb", ["text on one line"]),
    ],
)
def test_what_slurm_cannot_be_asked(text, parts):
    with pytest.raises(PidError) as caught:
        slurm_parameters([text], "x")
    assert all(part in str(caught.value) for part in parts), caught.value


def test_a_key_given_twice():
    with pytest.raises(PidError, match="`time` is given twice"):
        slurm_parameters(["time=5", "time=6"], "x")


@pytest.mark.parametrize(
    ("executor", "jobs", "slurm", "part", "sentence"),
    [
        ("slrum", None, None, None, "unknown value `slrum`; did you mean `slurm`"),
        (None, 2, None, None, "--jobs needs --executor"),
        ("local", None, ["time=5"], None, "--slurm needs --executor slurm"),
        ("local", None, None, "1/2", "--part and --executor both"),
        ("local", 0, None, None, "--jobs: expected an integer from 1"),
    ],
)
def test_options_that_do_not_fit_together(executor, jobs, slurm, part, sentence):
    with pytest.raises(PidError, match=sentence):
        check_executor(executor, jobs, slurm, part)


def test_a_job_gets_the_arguments_of_the_command():
    given_ = ["--out", "runs", "--executor=slurm", "--jobs", "3", "-q", "--limit", "4", "--slurm", "time=5", "--json"]
    assert job_arguments(given_) == ("--out", "runs", "--limit", "4")
