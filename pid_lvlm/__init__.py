"""The project's own name: `pid_lvlm.data`, `pid_lvlm.extract` and `pid_lvlm.analysis`, beside `pid_jax`.

Installed, the three lie in this folder. In a checkout they lie beside it, where a reader looks for them.
"""

from pathlib import Path

_CHECKOUT = Path(__file__).parent.parent
if (_CHECKOUT / "pyproject.toml").is_file():
    __path__.append(str(_CHECKOUT))
