"""Settings by file and by line: same names, the line wins, mistakes are one sentence."""

import pytest

from pid_jax.cli.options import PANEL
from pid_jax.cli.settings_file import KINDS, make_settings, read_settings
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
    )
    found = read_settings(path)
    assert set(found) == set(KINDS)
    config, layers = make_settings(found, {})
    assert layers == "last"
    assert config == EstimatorConfig(
        "paper", (0.2, 0.4), ("max",), (7, 8), 3, 64, 0.01, 8, 2, 4, 0.5, "group", 1, "real", False, "language",
        "no_image", 1e-3, 20, "high",
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
    assert panel == set(KINDS) - {"preset", "layers"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch = 3", r"holds the unknown setting `epoch`; did you mean `epochs`\?"),
        ("zzz = 3", "holds the unknown setting `zzz`; there are preset, layers, tau"),
        ('epochs = "3"', "`epochs` should be an integer, found '3'"),
        ("epochs = true", "`epochs` should be an integer, found True"),
        ("tau = []", "`tau` should be a number, or a list of numbers"),
        ("epochs = ", "is no TOML file"),
    ],
)
def test_mistakes_in_a_file(write, text, said):
    with pytest.raises(PidError, match=said):
        read_settings(write(text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PidError, match="cannot read .*no.toml"):
        read_settings(tmp_path / "no.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('split = "groups"', "--split: expected random or group, found groups"),
        ('anchor = "x"', "--anchor: expected vision or language"),
        ('language-condition = "both"', "--language-condition: expected language_only or no_image"),
        ('matmul-precision = "tf32"', "--matmul-precision: expected among default, high, highest"),
        ('preset = "papr"', "--preset: expected one of default, paper"),
        ("hidden-layers = 0", "--hidden-layers: expected at least 1"),
        ("seeds = 0", "--seeds: expected one or more"),
    ],
)
def test_values_out_of_range_in_a_file(write, text, said):
    with pytest.raises(PidError, match=said):
        make_settings(read_settings(write(text)), {})
