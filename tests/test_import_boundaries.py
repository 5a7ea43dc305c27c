"""The rules of who imports whom: read from the sources, and seen in fresh interpreters."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

TORCH = {"torch", "transformers", "accelerate", "tokenizers", "safetensors"}
JAX = {"jax", "jaxlib", "flax", "optax", "ott", "lineax", "equinox"}
BANNED = {
    "data": TORCH | JAX | {"polars", "altair", "PIL"},
    "extract": JAX | {"altair"},
    "pid_jax": TORCH | {"altair", "beartype"},
    "analysis": TORCH | JAX,
}
"""What must not come from outside. Who may import whom among our own packages is in pyproject.toml (import-linter)."""
WITH_POLARS = {
    *(ROOT / "data" / "contract" / "table" / f"result_{name}.py" for name in ("table", "checks", "file")),
    ROOT / "data" / "inputs" / "tables.py",
}
"""The modules of `data` that need polars; the last one only when it reads."""
HEAVY = TORCH | JAX | {"polars", "altair", "vl_convert", "scipy", "pandas"}


def modules(package: str) -> list[str]:
    names = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name if package == "pid_jax" else f"pid_lvlm.{name}" for name in names]


def top_level_imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", BANNED)
def test_sources_keep_the_rules(package):
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths
    for path in paths:
        allowed = {"polars"} if path in WITH_POLARS else set()
        bad = top_level_imports(path) & BANNED[package] - allowed
        assert not bad, f"{path.relative_to(ROOT)} imports {sorted(bad)}"


@pytest.mark.parametrize("package", BANNED)
def test_no_submodule_pulls_in_a_banned_one(package):
    """Every submodule in a fresh interpreter; third-party packages count too, by what is in sys.modules.

    transformers and others may load what happens to be installed, so only our own packages and the other
    step's framework entry points are looked for.
    """
    own = {"pid_lvlm.extract", "pid_jax", "pid_lvlm.analysis"} - {package, f"pid_lvlm.{package}"}
    frameworks = {
        "data": TORCH | JAX,
        "extract": {"pid_jax", "ott"},
        "pid_jax": {"torch", "beartype"},
        "analysis": {"torch", "jax"},
    }
    names = [name for name in modules(package) if not name.endswith("__main__")]
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"bad = set(sys.modules) & {(own | frameworks[package])!r}\n"
        "sys.exit(f'loaded {sorted(bad)}' if bad else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_tests_of_training_do_not_bring_jax_to_torch():
    """Both in one process is what only benchmarks may have; a pytest process gets both from other tests."""
    paths = sorted((ROOT / "tests" / "extract" / "training").rglob("test_*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    script = (
        "import importlib, sys\n"
        "import pid_lvlm.extract.models.torchvision_compat\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"bad = set(sys.modules) & {JAX!r}\n"
        "sys.exit(f'loaded {sorted(bad)}' if bad else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


COMMANDS = {
    "pid-extract": "pid_lvlm.extract.cli.main",
    "pid-estimate": "pid_jax.cli.main",
    "pid-report": "pid_lvlm.analysis.cli",
    "pid-train": "pid_lvlm.extract.training.two_stage.cli",
}


@pytest.mark.parametrize("module", ["pid_lvlm.extract", "pid_jax", "pid_lvlm.analysis", *COMMANDS.values()])
def test_importing_a_package_or_cli_is_light(module):
    script = f"import sys, {module}; bad = set(sys.modules) & {HEAVY!r}; sys.exit(str(bad) if bad else 0)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", COMMANDS.values())
def test_help_loads_nothing_heavy(module):
    script = (
        f"import sys; from {module} import main; sys.argv = ['command', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"bad = set(sys.modules) & {HEAVY | {'numpy', 'jinja2'}!r}; sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
