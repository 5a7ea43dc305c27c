"""A lineax solver that never raises.

ott-jax solves a linear system in Sinkhorn's implicit gradient. By default a failure raises inside the compiled
program, so that one bad problem would stop all those that run beside it. Here a failure stays in its own lane,
where the loss turns non-finite and the problem's result code says so.
"""

from typing import Any

import lineax as lx


class QuietNormalCG(lx.AbstractLinearSolver):
    """Conjugate gradients on the normal equations; reports success whatever happens.

    Attributes:
        inner: the solver that does the work.
    """

    inner: lx.AbstractLinearSolver

    def __init__(self, rtol: float, atol: float, max_steps: int) -> None:
        self.inner = lx.Normal(lx.CG(rtol=rtol, atol=atol, max_steps=max_steps))

    def init(self, operator: lx.AbstractLinearOperator, options: dict[str, Any]) -> Any:
        """As the inner solver."""
        return self.inner.init(operator, options)

    def compute(self, state: Any, vector: Any, options: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        """As the inner solver, with the result code replaced."""
        solution, _, stats = self.inner.compute(state, vector, options)
        return solution, lx.RESULTS.successful, stats

    def transpose(self, state: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As the inner solver."""
        return self.inner.transpose(state, options)

    def conj(self, state: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As the inner solver."""
        return self.inner.conj(state, options)

    def assume_full_rank(self) -> bool:
        """As the inner solver."""
        return self.inner.assume_full_rank()
