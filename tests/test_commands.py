"""What the commands have in common: the same options with the same meaning, help, version, missing packages."""

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version

import pytest
from typer.main import get_command

from tests import ROOT

COMMANDS = {
    "pid-extract": "pid_lvlm.extract.cli.main",
    "pid-estimate": "pid_jax.cli.main",
    "pid-report": "pid_lvlm.analysis.cli",
    "pid-train": "pid_lvlm.extract.training.two_stage.cli",
}
MODULES = {
    "python -m pid_lvlm.data.demo": "pid_lvlm.data.demo.__main__",
    "python -m pid_lvlm.analysis.check": "pid_lvlm.analysis.check",
    "python -m pid_lvlm.analysis.compare": "pid_lvlm.analysis.compare",
    "python -m pid_lvlm.extract.training": "pid_lvlm.extract.training.__main__",
}
SHARED = ("--dry-run", "--quiet", "--json", "--version", "--install-completion", "--show-completion", "--help")
SAME_WORD = ("--dry-run", "--quiet", "--json", "--version")

Ended = tuple[int, str, str]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command by the module of its `main`; returns exit code, standard output and standard error."""

    def run(module: str, *arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            import_module(module).main()
        return (left.value.code or 0, *capsys.readouterr())  # type: ignore[return-value]

    return run


@pytest.mark.parametrize(("name", "module"), (COMMANDS | MODULES).items())
def test_help_and_version(call, name, module):
    code, shown, _ = call(module, "-h")
    assert code == 0
    assert call(module, "--help") == (0, shown, "")
    words = " ".join(shown.split())
    assert f"Usage: {name} [OPTIONS]" in words
    assert "Exit codes: 0 done" in words
    assert f"Example: {name} " in words
    assert call(module, "--version") == (0, f"pid-lvlm {version('pid-lvlm')}\n", "")


@pytest.mark.parametrize(
    "module", [*COMMANDS.values(), "pid_lvlm.analysis.check", "pid_lvlm.extract.training.__main__"]
)
def test_no_arguments_show_the_help(call, module):
    shown = call(module, "--help")[1]
    assert call(module) == (2, shown, "")


@pytest.mark.parametrize(("name", "module"), (COMMANDS | MODULES).items())
def test_an_unknown_option_is_one_sentence(call, name, module):
    code, out, err = call(module, "--nonsense")
    assert (code, out) == (2, "")
    assert err.startswith("error: no such option: --nonsense")
    assert err.endswith(f" (see {name} --help)\n")
    assert err.count("\n") == 1


def test_a_missing_argument_is_one_sentence(call):
    assert call("pid_lvlm.analysis.cli", "x.parquet")[2] == "error: missing option '--out' (see pid-report --help)\n"
    assert call("pid_jax.cli.main", "--out", "x.parquet")[2].startswith("error: missing argument ")


@pytest.mark.parametrize("module", COMMANDS.values())
def test_shared_options_are_the_same_everywhere(module):
    def described(name: str, of: str) -> tuple[object, ...]:
        command = get_command(import_module(of).app)
        (option,) = [param for param in command.params if name in param.opts]
        return option.opts, option.help, option.metavar

    names = {name for param in get_command(import_module(module).app).params for name in param.opts} | {"--help"}
    assert names >= {*SHARED}
    for name in SAME_WORD:
        assert described(name, module) == described(name, COMMANDS["pid-report"])


def test_every_option_has_help():
    for module in (*COMMANDS.values(), *MODULES.values()):
        for option in get_command(import_module(module).app).params:
            assert option.help, option.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_the_shell_completes_options(call, monkeypatch, name):
    monkeypatch.setenv(f"_{name.upper().replace('-', '_')}_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"{name} --dry")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert call(COMMANDS[name]) == (0, "--dry-run\n", "")


NEEDS = {
    "pid-extract": ("extract", "torch", ("--sweep", "data/demo/sweep.toml", "--out", "never-written", "--dry-run")),
    "pid-estimate": ("estimate", "jax", ("never-read", "--out", "never-written.parquet")),
    "pid-report": ("analysis", "altair", ("never-read.parquet", "--out", "never-written")),
    "pid-train": ("train", "torch", ("llava-1.5-7b", "--out", "never-written", "--dry-run")),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_missing_extra_is_one_sentence(name):
    extra, package, arguments = NEEDS[name]
    program = f"import sys; sys.modules[{package!r}] = None; from {COMMANDS[name]} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    advice = f"in the project's folder run: pip install '.[{extra}]'"
    assert done.stderr == f"error: `{package}` is needed but not installed; {advice}\n"
    assert (done.returncode, done.stdout) == (2, "")
    assert not list(ROOT.glob("never-written*"))
