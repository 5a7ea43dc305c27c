"""Many fits in one program: side by side, in sequence, and over devices."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int, Key

from pid_jax.config import FitSettings
from pid_jax.estimators.batch.fit import Lengths, Params, fit, initial_params, put
from pid_jax.information import InformationTerms
from pid_jax.problems.types import FitSpec, Tables
from pid_jax.sweep.devices import FITS, fit_mesh

Tree = TypeVar("Tree", bound=Any)
Out = TypeVar("Out", bound=Any)

QUICKLY: Final = {"xla_backend_optimization_level": 1}
"""For a program that runs once per fit: compiles in half the time of full optimisation, and runs as fast."""


class FitSummary(NamedTuple):
    """What each fit returns from the device: terms averaged over test rows, loss trace, marginal error.

    jax arrays until `launch.Running.collect` fetches them, then numpy arrays.
    """

    terms: InformationTerms
    loss: Float[Any, "*p s"]
    error: Float[Any, "*p"]


class Extent(NamedTuple):
    """How much of a call is used; values of the program, not part of its shape.

    Attributes:
        rounds: how many times each device fits `side_by_side` fits.
        lengths: training steps and test batches of every fit.
    """

    rounds: Int[Any, ""]
    lengths: Lengths


def summarise(
    spec: FitSpec, tables: Tables, settings: FitSettings, params: Params | None = None, lengths: Lengths | None = None
) -> FitSummary:
    """Run one fit and keep what the result table needs."""
    result = fit(spec, tables, settings, params, lengths)
    weight = result.test_weight / result.test_weight.sum()
    terms = InformationTerms(*((term * weight).sum() for term in result.test_terms))
    return FitSummary(terms, result.train_loss, result.test_error.max())


@partial(jax.jit, static_argnames=("settings", "side_by_side", "devices"))
def run_fits(
    specs: FitSpec,
    tables: Tables,
    settings: FitSettings,
    side_by_side: int,
    devices: int = 1,
    params: Params | None = None,
    extent: Extent | None = None,
) -> FitSummary:
    """Run stacked fits in one program.

    Args:
        specs: stacked specs; their number is a multiple of `side_by_side` times `devices`.
        tables: shared data.
        settings: learning rate, network sizes, Sinkhorn.
        side_by_side: fits under one vmap on one device; such batches run one after another.
        devices: local devices that share the fits, in equal parts of the fit axis (`devices.split_over`).
            Each runs its own loops (`shard_map`): the compiler would synchronise devices in every Sinkhorn sweep.
        params: initial weights with a fit axis; drawn from the fits' keys by default.
        extent: how much to run; everything by default. The summaries of fits that are left out are 0.
    """
    fits = len(specs.draw)
    if extent is None:
        extent = Extent(jnp.int32(fits // (side_by_side * devices)), Lengths.whole(tables))

    def fit_share(share: tuple[FitSpec, Params | None], data: Tables, used: Extent) -> FitSummary:
        return _in_rounds(
            lambda one: summarise(one[0], data, settings, one[1], used.lengths), share, side_by_side, used.rounds
        )

    if devices == 1:
        return fit_share((specs, params), tables, extent)
    split, whole = PartitionSpec(FITS), PartitionSpec()
    # check_vma: ott-jax's loops start from constants, which the check would require to be marked as varying over
    # devices.
    spread = jax.shard_map(
        fit_share, mesh=fit_mesh(devices), in_specs=(split, whole, whole), out_specs=split, check_vma=False
    )
    return spread((specs, params), tables, extent)


def _in_rounds(one: Callable[[Tree], Out], inputs: Tree, side_by_side: int, rounds: Int[Array, ""]) -> Out:
    """Outputs of `one` along the first axis of the inputs, `side_by_side` at a time; 0 after the last round."""
    parts = jax.tree.map(lambda leaf: leaf.reshape(-1, side_by_side, *leaf.shape[1:]), inputs)
    together = jax.jit(jax.vmap(one))  # traced once, for the shapes and for the loop
    shapes = jax.eval_shape(together, take(parts, 0))
    length = len(jax.tree.leaves(parts)[0])
    start = jax.tree.map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), shapes)

    def step(place: Int[Array, ""], found: Out) -> Out:
        return put(found, place, together(take(parts, place)))

    found = jax.lax.fori_loop(0, rounds, step, start)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)


@partial(jax.jit, static_argnames=("widths", "options", "settings", "devices"), compiler_options=QUICKLY)
def draw_params(
    keys: Key[Array, " p"], widths: tuple[int, int], options: int, settings: FitSettings, devices: int = 1
) -> Params:
    """Initial weights of stacked fits, the same up to rounding as those drawn by `run_fits`.

    As a separate program it depends on fewer sizes and compiles quickly; inside `run_fits` it takes two fifths of the
    compilation.

    Args:
        keys: keys of the fits; their number is a multiple of `devices`.
        widths: feature widths of both sources.
        options: number of options.
        settings: network sizes.
        devices: local devices that share the fits.
    """

    def draw_share(share: Key[Array, " q"]) -> Params:
        return jax.vmap(lambda key: initial_params(key, widths, options, settings))(share)

    if devices == 1:
        return draw_share(keys)
    split = PartitionSpec(FITS)
    return jax.shard_map(draw_share, mesh=fit_mesh(devices), in_specs=split, out_specs=split, check_vma=False)(keys)


def take(tree: Tree, index: Any) -> Tree:
    """Every array indexed along its first axis."""
    return jax.tree.map(lambda leaf: leaf[index], tree)
