"""Sweeps of ott-jax's Sinkhorn on one kernel matrix. The import takes 1.5 s, so only traces of BATCH import this."""

import warnings
from typing import Any, Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

with warnings.catch_warnings():
    # jaxopt, imported by ott-jax, prints a deprecation notice at import.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ott.geometry.geometry import Geometry
    from ott.problems.linear.linear_problem import LinearProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn

SWEEPS: Final = 2
"""Sweeps per call."""

_SOLVER: Final = Sinkhorn(lse_mode=False, inner_iterations=SWEEPS, min_iterations=SWEEPS, max_iterations=SWEEPS)


@jax.tree_util.register_pytree_node_class
class _Kernel(Geometry):
    """A kernel matrix without a regularisation schedule, with which ott-jax would take powers of it in every sweep."""

    def apply_kernel(self, vec: Float[Array, " n"], eps: Any = None, axis: int = 0) -> Float[Array, " m"]:
        """Kernel times `vec`; its transpose for axis 0. `eps` does not matter here."""
        return jnp.dot(self._kernel_matrix if axis == 1 else self._kernel_matrix.T, vec)


def sweep(
    kernel: Float[Array, "a b"], rows: Float[Array, " a"], columns: Float[Array, " b"], u: Float[Array, " a"]
) -> tuple[Float[Array, " a"], Float[Array, " b"]]:
    """The scalings u, v after `SWEEPS` sweeps.

    Args:
        kernel: exp(A) of one option.
        rows: marginal of source 1, mass 1.
        columns: marginal of source 2, mass 1.
        u: scaling of the rows to start from.
    """
    found = _SOLVER(LinearProblem(_Kernel(kernel_matrix=kernel, epsilon=1.0), rows, columns), init=(u, columns))
    return jnp.exp(found.f), jnp.exp(found.g)
