"""Optional packages: which project extra installs them, and what to install if one is missing."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "extract": (
        "accelerate",
        "huggingface_hub",
        "jinja2",
        "num2words",
        "PIL",
        "polars",
        "pyarrow",
        "safetensors",
        "timm",
        "tokenizers",
        "torch",
        "torchvision",
        "transformers",
    ),
    "estimate": ("flax", "jax", "jaxtyping", "loky", "optax", "ott", "polars", "scipy", "threadpoolctl"),
    "analysis": ("altair", "itables", "jinja2", "polars", "scipy", "vl_convert"),
    "cluster": ("submitit",),
    "datasets": ("datasets",),
    "peft": ("peft",),
    "train": ("peft", "scipy"),
}
"""Packages of each extra in pyproject.toml, by import name."""

INCLUDED: Final = {"train": "extract"}
"""Extras that include another one."""

OURS: Final = ("pid_lvlm", "pid_jax")


def install_advice(extra: str) -> str:
    """How to install an extra. The project is not on a package index, so it is installed from its folder."""
    return f"in the project's folder run: pip install '.[{extra}]'"


def missing_packages(error: ImportError, extra: str) -> str | None:
    """A sentence about the packages of an extra whose absence caused an error.

    Args:
        error: raised by importing or using a package.
        extra: the extra that the running command needs.

    Returns:
        None if the error has another cause, such as a bug in this project.
    """
    needed = EXTRAS[extra] + (EXTRAS[INCLUDED[extra]] if extra in INCLUDED else ())
    absent = [name for name in needed if find_spec(name) is None]
    causes = list(_causes(error))
    named = {cause.name.partition(".")[0] for cause in causes if isinstance(cause, ImportError) and cause.name}
    if not absent or not named.isdisjoint(OURS):
        return None
    if named.isdisjoint(absent) and raised_in(causes[-1]).partition(".")[0] in OURS:
        return None
    names = [f"`{name}`" for name in absent]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    verb = "is" if len(names) == 1 else "are"
    return f"{listed} {verb} needed but not installed; {install_advice(extra)}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its chain of causes: some packages raise a new error when one of their imports fails."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def raised_in(error: BaseException) -> str:
    """Name of the module that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
