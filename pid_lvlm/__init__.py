"""The project's own namespace: `pid_lvlm.data`, `pid_lvlm.extract` and `pid_lvlm.analysis`, alongside `pid_jax`.

When installed, the three packages are in this folder. In a checkout they are next to it, at the top level.
Nothing is imported here: a command must be able to handle Ctrl-C from its first moments.
"""

import os.path

_CHECKOUT = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120  # pathlib takes longer to import than everything else
if os.path.isfile(os.path.join(_CHECKOUT, "pyproject.toml")):  # noqa: PTH113, PTH118
    __path__.append(_CHECKOUT)

__all__ = ["analysis", "data", "extract"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> object:
        """The version and the three packages, on first access."""
        if name == "__version__":
            from importlib.metadata import PackageNotFoundError, version

            try:
                return version("pid-lvlm")
            except PackageNotFoundError:  # a checkout used without installing it
                return "unknown"
        if name in __all__:
            from importlib import import_module

            return import_module(f"{__name__}.{name}")
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)

    def __dir__() -> list[str]:
        """Public names."""
        return [*__all__, "__version__"]
