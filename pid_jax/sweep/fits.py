"""Many fits in one program: side by side, in sequence, and over devices."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int, Key

from pid_jax.config import EstimatorConfig, FitSettings
from pid_jax.estimators.batch.fit import Params, fit, initial_params
from pid_jax.information import InformationTerms
from pid_jax.problems.types import FitSpec, Tables
from pid_jax.results.solution import Solution
from pid_jax.sweep.chunks import FITS_PER_CALL, FITS_SIDE_BY_SIDE, BatchGroup, Pace
from pid_jax.sweep.devices import FITS, fit_mesh, on_every, sharding, split_over
from pid_jax.sweep.protocol import Program
from pid_jax.sweep.stack import Owner, Stack, stack_shapes
from pid_lvlm.data.names import SOURCES

__all__ = ["FITS_PER_CALL", "FITS_SIDE_BY_SIDE", "FitSummary", "Running", "run_fits", "launch", "summarise"]

Tree = TypeVar("Tree", bound=Any)

QUICKLY: Final = {"xla_backend_optimization_level": 1}
"""For a program that runs once per fit: compiles in half the time of full optimisation, and runs as fast."""


class FitSummary(NamedTuple):
    """What each fit returns from the device: terms averaged over test rows, loss trace, marginal error.

    jax arrays until `Running.collect` fetches them, then numpy arrays.
    """

    terms: InformationTerms
    loss: Float[Any, "*p s"]
    error: Float[Any, "*p"]


def summarise(spec: FitSpec, tables: Tables, settings: FitSettings, params: Params | None = None) -> FitSummary:
    """Run one fit and keep what the result table needs."""
    result = fit(spec, tables, settings, params)
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
) -> FitSummary:
    """Run stacked fits in one program.

    Args:
        specs: stacked specs; their number is a multiple of `devices`.
        tables: shared data.
        settings: learning rate, network sizes, Sinkhorn.
        side_by_side: fits under one vmap on one device; such batches run one after another.
        devices: local devices that share the fits, in equal parts of the fit axis (`devices.split_over`).
            Each runs its own loops (`shard_map`): the compiler would synchronise devices in every Sinkhorn sweep.
        params: initial weights with a fit axis; drawn from the fits' keys by default.
    """

    def fit_share(share: tuple[FitSpec, Params | None], data: Tables) -> FitSummary:
        return jax.lax.map(lambda one: summarise(one[0], data, settings, one[1]), share, batch_size=side_by_side)

    if devices == 1:
        return fit_share((specs, params), tables)
    split, whole = PartitionSpec(FITS), PartitionSpec()
    # check_vma: ott-jax's loops start from constants, which the check would require to be marked as varying over
    # devices.
    spread = jax.shard_map(fit_share, mesh=fit_mesh(devices), in_specs=(split, whole), out_specs=split, check_vma=False)
    return spread((specs, params), tables)


class Running(NamedTuple):
    """Calls that may still be running on the devices, and the owners of their fits.

    `swapped`: source 1 of the fits is language, so solutions swap the sources back.
    """

    calls: list[FitSummary]
    owners: tuple[Owner, ...]
    swapped: bool = False

    def collect(self, advance: Callable[[int], None] = lambda _: None) -> list[Solution]:
        """Wait for the fits; solutions in the order of the problems.

        Args:
            advance: called after every call with the number of fits done.
        """
        parts, left = [], len(self.owners)
        for call in self.calls:
            parts.append(jax.device_get(call))
            done = min(len(parts[-1].error), left)
            left -= done
            advance(done)
        summary = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
        fits_of: dict[int, list[int]] = {}
        for index, owner in enumerate(self.owners):
            fits_of.setdefault(owner.problem, []).append(index)
        solutions = [Solution(*_take(summary, np.array(fits_of[problem]))) for problem in sorted(fits_of)]
        return [solution.with_sources_swapped() for solution in solutions] if self.swapped else solutions


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


def launch(stack: Stack, config: EstimatorConfig, pace: Pace) -> Running:
    """Start the fits of a stack without waiting for them; all calls have the same shape."""
    settings = FitSettings.of(config)
    tables = on_every(stack.tables, pace.devices)
    calls = []
    with jax.default_matmul_precision(config.matmul_precision):
        for start in range(0, len(stack.specs.draw), pace.per_call):
            chosen = split_over(_take(stack.specs, slice(start, start + pace.per_call)), pace.devices)
            options = chosen.p_y.shape[-1]
            params = draw_params(chosen.key, tables.widths, options, settings, pace.devices)
            calls.append(run_fits(chosen, tables, settings, pace.side_by_side, pace.devices, params))
    return Running(calls, stack.owners, swapped=config.anchor != SOURCES[0])


def programs_of(group: BatchGroup, config: EstimatorConfig) -> tuple[Program, ...]:
    """The two programs that `launch` runs for a group."""
    settings, pace, shape = FitSettings.of(config), group.pace, group.shape
    draw = (pace.per_call, (shape.d1, shape.d2), shape.options, settings, pace.devices, config.matmul_precision)
    compile_draw, compile_fit = (partial(run, group, config) for run in (_compile_draw, _compile_fit))
    fit_key = (shape, group.capacity._replace(fits=pace.per_call), pace, settings, config.matmul_precision)
    return Program(("draw", *draw), compile_draw), Program(("fit", *fit_key), compile_fit)


def _compile_draw(group: BatchGroup, config: EstimatorConfig) -> None:
    _, specs = _placed_shapes(group)
    widths, options = (group.shape.d1, group.shape.d2), group.shape.options
    with jax.default_matmul_precision(config.matmul_precision):
        draw_params.lower(specs.key, widths, options, FitSettings.of(config), group.pace.devices).compile()


def _compile_fit(group: BatchGroup, config: EstimatorConfig) -> None:
    tables, specs = _placed_shapes(group)
    settings, pace, widths = FitSettings.of(config), group.pace, (group.shape.d1, group.shape.d2)
    drawn = jax.eval_shape(jax.vmap(lambda key: initial_params(key, widths, group.shape.options, settings)), specs.key)
    params = _placed(drawn, pace.devices, FITS)
    with jax.default_matmul_precision(config.matmul_precision):
        run_fits.lower(specs, tables, settings, pace.side_by_side, pace.devices, params).compile()


def _placed_shapes(group: BatchGroup) -> tuple[Tables, FitSpec]:
    tables, specs = stack_shapes(group.shape, group.capacity, group.pace.per_call)
    return _placed(tables, group.pace.devices), _placed(specs, group.pace.devices, FITS)


def _placed(tree: Tree, devices: int, *axes: str) -> Tree:
    place = sharding(devices, *axes)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), tree)


def _take(tree: Tree, index: slice | Int[np.ndarray, " q"]) -> Tree:
    return jax.tree.map(lambda leaf: leaf[index], tree)
