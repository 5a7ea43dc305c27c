"""Settings files, options and arguments of pid-estimate that are wrong in any way: one sentence, at once."""

import math
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import pid_jax
from pid_jax.cli.main import main
from pid_jax.cli.options import OPTIONS
from pid_jax.cli.settings_file import KEYS, make_settings, read_settings
from pid_jax.config import EstimatorConfig, make_config
from pid_jax.setting import ArgumentError
from pid_lvlm.data import PidError

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FAST = ("--batch-size", "32", "--epochs", "1", "--seeds", "2", "--estimator", "batch")


def sentence(read: Callable[[], object]) -> str:
    """What a reader refuses with; empty if it does not."""
    try:
        read()
    except PidError as error:
        return str(error)
    return ""


# Settings files.

VALUES = st.recursive(
    st.one_of(
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='"\\'), max_size=10),
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


def spelled(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(spelled, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


@QUICK
@given(st.sampled_from(KEYS), VALUES)
def test_a_setting_is_taken_or_refused_and_never_changed(tmp_path, key, value):
    path = tmp_path / "settings.toml"
    path.write_text(f"{key} = {spelled(value)}\n", encoding="utf-8")
    said = sentence(lambda: read_settings(path))
    if said:
        assert said.startswith(f"--settings: `{path}`")
        assert "`" + key.replace("-", "_") in said
        assert len(said) < 600
        return
    (found,) = read_settings(path).values()
    several = key in OPTIONS and OPTIONS[key].several
    assert found == (value if isinstance(value, list) or not several else [value])
    assert sentence(lambda: make_settings(read_settings(path), {})) == "" or several or key == "seed"


@QUICK
@given(st.binary(max_size=60))
def test_any_bytes_are_settings_or_a_sentence(tmp_path, content):
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    said = sentence(lambda: read_settings(path))
    assert said or content.decode("utf-8-sig") is not None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("epoch = 3", "unknown key `epoch`; did you mean `epochs`?"),
        ("epochs = inf", "contains inf, which is not finite"),
        ("learning-rate = 1e400", "contains 1e400, which is not finite"),
        ("learning-rate = 1e300", "`learning_rate` should be at most 1000"),
        ("epochs = " + "9" * 5000, "is not TOML"),
        ("seeds = 1000000000", "`seeds` should be at most 10000, found 1000000000"),
        ("a = " + "[" * 5000, "more than 64 levels"),
        ("a." * 500 + "b = 1", "more than 64 levels"),
        ("batch-size = 32\nbatch_size = 64", "gives 'batch_size' twice"),
        ("epochs = 1979-05-27", "is the date or time"),
        ("tau = [0.3, 0.3]", "expected different values, found 0.3 twice"),
        ("epochs = 1\nepochs = 2", "is not TOML"),
        ("tau = 7\nepochs = 0", "`epochs` should be at least 1, found 0"),
    ],
)
def test_nasty_settings_files(tmp_path, content, said):
    path = tmp_path / "settings.toml"
    path.write_text(content)
    found = sentence(lambda: make_settings(read_settings(path), {}))
    assert said in found
    assert len(found) < 600


def test_all_that_is_wrong_in_a_file_is_said_at_once(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("tau = 7\nepochs = 0\nsplit = 'x'\n")
    found = sentence(lambda: read_settings(path))
    assert all(f"`{name}" in found for name in ("tau", "epochs", "split"))


# Options, through the command.


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_run) -> Path:
    return make_run(tmp_path_factory.mktemp("options") / "run", n=120, d=6, layers=2)


@pytest.fixture
def call(monkeypatch, capsys, run, tmp_path) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(
            sys, "argv", ["pid-estimate", str(run), "--out", str(tmp_path / "r.parquet"), "--dry-run", *arguments]
        )
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        return int(left.value.code or 0), output.out + output.err

    return call


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--seeds", "1000000000", "--seeds: expected an integer from 1 to 10000, found 1000000000"),
        ("--seed", "4294967296", "--seed: expected an integer from 0 to 4294967295"),
        ("--seed", "-1", "--seed: expected an integer from 0 to 4294967295, found -1"),
        ("--seed", "4294967295", "--seed: 2 seeds from 4294967295 end with 4294967296"),
        ("--split-seed", "99999999999", "--split-seed: expected an integer from 0 to 4294967295"),
        ("--devices", "1000000", "--devices: expected an integer from 1 to 1024, found 1000000"),
        ("--devices", "-3", "--devices: expected an integer from 1 to 1024, found -3"),
        ("--memory-budget", "1e99", "--memory-budget: expected an amount such as 8GB"),
        ("--memory-budget", "9" * 400 + "GB", "--memory-budget: expected an amount such as 8GB"),
        ("--memory-budget", "9999999TB", "at most 1000TB, found `9999999TB`"),
        ("--memory-budget", "²GB", "--memory-budget: expected an amount such as 8GB"),
        ("--batch-size", "1000000000000", "--batch-size: expected an integer from 2 to 1000000"),
        ("--batch-size", "1000000", "are too few; the estimate needs at least"),
        ("--sinkhorn-sweeps", "1000000000000", "--sinkhorn-sweeps: expected an integer from 1 to 1000000"),
        ("--epochs", "1000000000000", "--epochs: expected an integer from 1 to 1000000"),
        ("--hidden", "1000000000000", "--hidden: expected an integer from 1 to 65536"),
        ("--hidden-layers", "1000000", "--hidden-layers: expected an integer from 1 to 100"),
        ("--embedding", "1000000000", "--embedding: expected an integer from 2 to 65536"),
        ("--learning-rate", "inf", "--learning-rate: expected a positive number, from 1e-12 to 1000, found inf"),
        ("--learning-rate", "nan", "--learning-rate: expected a positive number, from 1e-12 to 1000, found nan"),
        ("--layers", "²", "--layers: expected `all`, `last` or a list such as `1,8,last`, found `²`"),
        ("--layers", "1,,2", "--layers: expected `all`, `last` or a list such as `1,8,last`, found `1,,2`"),
        ("--layers", "1,x", "found `1,x` with `x`"),
        ("--layers", "9" * 5000, "--layers: expected `all`"),
        ("--layers", "7", "has no layer `7`; it has 1, 2"),
        ("--layers", ",".join("7" * 9_000), "has no layer `7`"),
        ("--part", "²/³", "--part: expected i/n"),
        ("--part", "1/" + "9" * 5000, "--part: expected i/n"),
        ("--processes", "3", "--processes and --process need --distributed or --coordinator"),
        ("--coordinator", "x y", "--coordinator: expected HOST:PORT"),
        ("--settings", "/nowhere.toml", "--settings: `/nowhere.toml` does not exist"),
    ],
)
def test_an_option_out_of_bounds(call, option, value, said, tmp_path):
    code, found = call(*FAST, option, value)
    assert code == 2
    assert said in found.replace("\n", " ")
    assert found.startswith("error: ")
    assert found.count("\n") == 1
    assert len(found) < 1200
    assert list(tmp_path.iterdir()) == []


def test_a_repeated_value_is_refused(call):
    code, found = call(*FAST, "--tau", "0.5", "--tau", "0.5")
    assert (code, found) == (2, "error: --tau: expected different values, found 0.5 twice\n")


def test_what_no_machine_could_hold_is_refused_before_it_is_allocated(call):
    code, found = call("--batch-size", "32", "--epochs", "1000000", "--seeds", "10000", "--estimator", "batch")
    assert code == 2
    assert "training steps needs" in found
    assert "GB of memory, more than the" in found


# Arguments of the Python functions.

ANYTHING = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.lists(st.one_of(st.text(max_size=3), st.floats(), st.lists(st.floats(), max_size=3)), max_size=4),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from(
        [
            np.zeros((0, 2)),
            np.ones((5, 2, 2)) / 2,
            np.full((5, 2), 0.5 + 1j),
            np.array(["a", "b"]),
            np.array([{}, []], dtype=object),
            np.full((5, 2), np.nan),
            np.full((5, 2), 1e300),
            np.full((5, 2), 0.7),
            np.ma.masked_array(np.full((5, 2), 0.5), mask=True),
            [[Fraction(1, 2)] * 2] * 5,
            np.array("2020", dtype="M8[D]"),
            object(),
            lambda: None,
            10**400,
        ]
    ),
)
N = 48
P, X = np.full((N, 2), 0.5), np.random.default_rng(0).normal(size=(N, 3))
CONFIG = make_config(batch_size=16, epochs=1, seeds=(0,), hidden=4, hidden_layers=1)
NAMES = ("p_y_x1", "p_y_x2", "p_y_x1x2", "x1", "x2")
unchecked: Any = getattr(pid_jax.decompose, "__wrapped__", pid_jax.decompose)
"""Without the checks of types that only tests have (tests/conftest.py)."""


def is_conditional(value: Any) -> bool:
    """Whether a drawn value is a valid argument, so that the error names the next one, which does not fit it."""
    try:
        p = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        return False
    if p.dtype.kind not in "fiub":
        return False
    return (
        p.ndim == 2 and p.shape[1] > 1 and bool((p >= 0).all() and (abs(p.astype(float).sum(axis=1) - 1) < 1e-2).all())
    )


@QUICK
@given(st.integers(0, 4), ANYTHING)
def test_an_argument_that_is_no_array_is_named(place, value):
    assume(not is_conditional(value))
    given: list[Any] = [P, P, P, X, X]
    given[place] = value
    with pytest.raises(ArgumentError) as caught:
        unchecked(*given, CONFIG)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith((NAMES[place], "x1: expected shape (5", "p_y_x2: expected shape (5"))
    assert "expected" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "value", ["text", ["a"] * N, P + 1j, None, [[Fraction(1, 2)] * 2] * N, np.full((N, 2), object())]
)
def test_what_holds_no_numbers_is_a_type_error(value):
    for place in range(5):
        given: list[Any] = [P, P, P, X, X]
        given[place] = value
        with pytest.raises(TypeError, match=f"{NAMES[place]}: expected real numbers of shape"):
            unchecked(*given, CONFIG)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"runs": []}, "runs: expected at least one folder"),
        ({"runs": [1]}, "runs: expected paths of folders"),
        ({"runs": None}, "runs: expected paths of folders"),
        ({"runs": ["x"], "layers": 3}, "layers: expected text"),
        ({"runs": ["x"], "config": {"seeds": 1}}, "config: expected settings from make_config, found a dict"),
        ({"runs": ["x"], "devices": "all"}, "devices: expected an integer"),
    ],
)
def test_arguments_of_an_estimate(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        pid_jax.estimate(**arguments)


@QUICK
@given(st.sampled_from([name for name in make_config().__dataclass_fields__ if name != "preset"]), ANYTHING)
def test_a_setting_from_python_is_valid_or_named(name, value):
    try:
        config = EstimatorConfig(**{name: value})
    except ArgumentError as error:
        assert str(error).startswith(f"{name}: expected")  # noqa: PT017
        assert len(str(error)) < 300  # noqa: PT017
    else:
        assert config == EstimatorConfig(**{name: getattr(config, name)})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seeds": range(10**9)}, "seeds: expected at most 10,000 values, found 1,000,000,000"),
        ({"seeds": (0, 0)}, "seeds: expected different values, found 0 twice"),
        ({"seeds": (2**32,)}, "seeds: expected an integer from 0 to 4294967295"),
        ({"learning_rate": math.inf}, "learning_rate: expected a positive number"),
        ({"epochs": 10**5000}, "epochs: expected an integer from 1 to 1000000, found a int"),
        ({"split": "x" * 10**6}, "split: expected random or group, found `xxx"),
    ],
)
def test_settings_from_python_out_of_bounds(changes, said):
    with pytest.raises(ArgumentError) as caught:
        make_config(**changes)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_numbers_of_other_types_become_plain_ones():
    config = make_config(learning_rate=np.float32(0.5), taus=(Fraction(1, 2),), seeds=np.arange(2, dtype=np.uint8))
    assert [type(config.learning_rate), type(config.taus[0]), type(config.seeds[0])] == [float, float, int]


def test_the_largest_seed_is_a_key_of_its_own(monkeypatch):
    class Launched(Exception):  # noqa: N818
        """Stands in for fits."""

    def launch(stack: Any, *_: object) -> None:
        raise Launched(jax.random.key_data(stack.specs.key).tolist())

    monkeypatch.setattr("pid_jax.decomposition.launch", launch)
    for seeds, keys in (((3, 2**31 - 1), [[0, 3], [0, 2**31 - 1]]), ((2**32 - 1,), [[0, 2**32 - 1]])):
        config = make_config(batch_size=16, epochs=1, seeds=seeds)
        with pytest.raises(Launched) as caught:
            pid_jax.decompose(P, P, P, X, X, config)
        assert caught.value.args[0][: len(seeds)] == keys
