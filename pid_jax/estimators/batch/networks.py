"""The networks of BATCH: one per source, from pooled features to one standardised vector per option."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

_STANDARDISE_EPS = 1e-8


def torch_uniform(fan_in: int) -> nn.initializers.Initializer:
    """Uniform on ±1/√fan_in, for weights and biases: the default initialisation of torch Linear."""
    bound = fan_in**-0.5

    def initialise(key: Key[Array, ""], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Float[Array, "..."]:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return initialise


@jax.custom_vjp
def matmul(x: Float[Array, "n d"], kernel: Float[Array, "d h"]) -> Float[Array, "n h"]:
    """Product of x and the kernel."""
    return x @ kernel


def _matmul_fwd(
    x: Float[Array, "n d"], kernel: Float[Array, "d h"]
) -> tuple[Float[Array, "n h"], tuple[Float[Array, "n d"], Float[Array, "d h"]]]:
    return x @ kernel, (x, kernel)


def _matmul_bwd(
    saved: tuple[Float[Array, "n d"], Float[Array, "d h"]], slope: Float[Array, "n h"]
) -> tuple[Float[Array, "n d"], Float[Array, "d h"]]:
    """The weights' gradient as (slopeᵀ x)ᵀ: on a CPU xᵀ slope takes three times as long because XLA transposes x.

    Without the barrier XLA would turn the former into the latter.
    """
    x, kernel = saved
    return slope @ kernel.T, jax.lax.optimization_barrier(slope.T @ x).T


matmul.defvjp(_matmul_fwd, _matmul_bwd)


def _dense_product(x: Float[Array, "n d"], kernel: Float[Array, "d h"], *_: Any, **__: Any) -> Float[Array, "n h"]:
    """`matmul` with the signature that flax expects; the surrounding context sets the precision."""
    return matmul(x, kernel)


class SourceNetwork(nn.Module):
    """Features of one source to embeddings per option.

    As published: Linear(d, 32) ReLU, three times Linear(32, 32) ReLU, Linear(32, 10 K); each option's vector is
    standardised with its own mean and unbiased variance.
    """

    num_options: int
    hidden: int = 32
    hidden_layers: int = 4
    embedding: int = 10

    @nn.compact
    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n k e"]:
        """Embeddings, mean 0 and unbiased variance 1 along the last axis."""
        widths = [self.hidden] * self.hidden_layers + [self.embedding * self.num_options]
        for position, width in enumerate(widths):
            initialiser = torch_uniform(x.shape[-1])
            x = nn.Dense(width, kernel_init=initialiser, bias_init=initialiser, dot_general=_dense_product)(x)
            if position < self.hidden_layers:
                x = nn.relu(x)
        return standardise(x.reshape(*x.shape[:-1], self.num_options, self.embedding))


def standardise(e: Float[Array, "*n e"]) -> Float[Array, "*n e"]:
    """Subtract the mean and divide by the unbiased standard deviation along the last axis."""
    centred = e - e.mean(axis=-1, keepdims=True)
    variance = jnp.square(centred).sum(axis=-1, keepdims=True) / (e.shape[-1] - 1)
    return centred / jnp.sqrt(variance + _STANDARDISE_EPS)
