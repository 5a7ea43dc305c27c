"""Settings by file and by line: same names, the line wins, mistakes are one sentence."""

import pytest

from pid_jax.cli.options import PANEL
from pid_jax.cli.settings_file import KEYS, make_settings, read_settings
from pid_jax.config import EstimatorConfig
from pid_lvlm.data import PidError


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return path

    return write


def test_every_setting_by_file(write):
    path = write(
        'preset = "paper"\nlayers = "last"\ntau = [0.2, 0.4]\npooling = "max"\nseeds = 2\nseed = 7\nepochs = 3\n'
        "batch_size = 64\nlearning-rate = 0.01\nhidden = 8\nhidden-layers = 2\nembedding = 4\ntrain-share = 0.5\n"
        'split = "group"\nsplit-seed = 1\nfallback = "real"\ndrop-incomplete = false\nanchor = "language"\n'
        'language-condition = "no_image"\nsinkhorn-threshold = 1e-3\nsinkhorn-sweeps = 20\nmatmul-precision = "high"\n'
        'estimator = "both"\nmarginals = "rescale"\ntol-bits = 0.01\ninterval = "none"\nstrata = "none"\n'
        'spread = false\nablation = ["mean", "crossed"]\n'
    )
    found = read_settings(path)
    assert set(found) == set(KEYS)
    config, layers = make_settings(found, {})
    assert layers == "last"
    assert config == EstimatorConfig(
        "paper", (0.2, 0.4), ("max",), (7, 8), 3, 64, 0.01, 8, 2, 4, 0.5, "group", 1, "real", False, "language",
        "no_image", 1e-3, 20, "high", ("mean", "crossed"), "both", "rescale", 0.01, "none", "none", False,
    )  # fmt: skip


def test_the_line_wins_and_the_preset_fills_in(write):
    config, layers = make_settings(read_settings(write("epochs = 3\nseeds = 2\n")), {"epochs": 5, "preset": "paper"})
    assert (config.epochs, config.seeds, config.fallback, layers) == (5, (42, 43), "four", "all")


def test_every_setting_is_an_option():
    from typer.main import get_command

    from pid_jax.cli.main import app

    panel = {
        p.opts[0].removeprefix("--") for p in get_command(app).params if getattr(p, "rich_help_panel", "") == PANEL
    }
    assert panel == set(KEYS) - {"preset", "layers"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch = 3", r"unknown key `epoch`; did you mean `epochs`\?"),
        ("zzz = 3", "unknown key `zzz`; known are ablation, anchor, batch_size"),
        ('epochs = "3"', "`epochs` should be an integer, found '3'"),
        ("epochs = true", "`epochs` should be an integer, found True"),
        ("tau = []", "`tau` should be a list of at least 1"),
        ("tau = [0.3, 7.0]", r"`tau\[1\]` should be at most 1.0, found 7.0"),
        ("epochs = ", "is not TOML"),
        ('split = "groups"', "`split` should be 'random' or 'group', found 'groups'"),
        ('matmul-precision = "tf32"', "`matmul_precision` should be 'default', 'high' or 'highest', found 'tf32'"),
        ('preset = "papr"', "`preset` should be 'default' or 'paper', found 'papr'"),
        ("seeds = 0", "`seeds` should be at least 1, found 0"),
    ],
)
def test_mistakes_in_a_file(write, text, said):
    with pytest.raises(PidError, match=said):
        read_settings(write(text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PidError, match="no.toml` does not exist"):
        read_settings(tmp_path / "no.toml")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"split": "groups"}, "--split: expected random or group, found `groups`"),
        ({"tau": [0.3, 7.0]}, "--tau: expected a number from 0 to 1, found 7"),
        ({"seed": -1}, "--seed: expected an integer from 0 to 4294967295, found -1"),
        ({"learning-rate": 0.0}, "--learning-rate: expected a positive number, from 1e-12 to 1000, found 0"),
        ({"preset": "papr"}, "--preset: expected default or paper, found `papr`"),
    ],
)
def test_a_wrong_value_on_the_line_names_the_option_and_the_value_as_typed(given, said):
    with pytest.raises(PidError) as caught:
        make_settings({}, given)
    assert str(caught.value) == said
