"""Starts the fits of a chunk on the devices and collects them; the same programs compiled before there are data."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Int

from pid_jax.config import EstimatorConfig, FitSettings
from pid_jax.estimators.batch.fit import Lengths, initial_params
from pid_jax.problems.types import FitSpec, Tables
from pid_jax.results.solution import Solution
from pid_jax.sweep.chunks import BatchGroup, Pace
from pid_jax.sweep.devices import FITS, on_every, sharding, split_over
from pid_jax.sweep.fits import Extent, FitSummary, draw_params, run_fits, take
from pid_jax.sweep.protocol import Program
from pid_jax.sweep.stack import Owner, Stack, stack_shapes
from pid_lvlm.data.names import SOURCES

Tree = TypeVar("Tree", bound=Any)


class Deal(NamedTuple):
    """How the fits of a call are dealt to the devices, so that each has the same number of rounds.

    Attributes:
        chosen: which fit is at each place of the call; the last is repeated where none is left.
        places: the place of each fit.
        rounds: how many times each device fits `side_by_side` fits.
    """

    chosen: Int[np.ndarray, " p"]
    places: Int[np.ndarray, " q"]
    rounds: int

    @classmethod
    def of(cls, fits: int, pace: Pace) -> "Deal":
        """Deal a number of fits, at most `pace.per_call`."""
        rounds = -(-fits // (pace.side_by_side * pace.devices))
        share, room = rounds * pace.side_by_side, pace.per_call // pace.devices
        places = np.arange(pace.devices)[:, None] * room + np.arange(share)
        chosen = np.full(pace.per_call, fits - 1)
        chosen[places.ravel()[:fits]] = np.arange(fits)
        return cls(chosen, places.ravel()[:fits], rounds)


class Call(NamedTuple):
    """A call that may still be running, and how its fits were dealt."""

    summary: FitSummary
    deal: Deal


class Running(NamedTuple):
    """Calls that may still be running on the devices, and the owners of their fits.

    `steps`: training steps of every fit. `swapped`: source 1 of the fits is language, so solutions swap the sources
    back.
    """

    calls: list[Call]
    owners: tuple[Owner, ...]
    steps: int
    swapped: bool = False

    def collect(self, advance: Callable[[int], None] = lambda _: None) -> list[Solution]:
        """Wait for the fits; solutions in the order of the problems.

        Args:
            advance: called after every call with the number of fits done.
        """
        parts = []
        for call in self.calls:
            parts.append(take(jax.device_get(call.summary), call.deal.places))
            advance(len(call.deal.places))
        summary = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
        summary = summary._replace(loss=summary.loss[:, : self.steps])
        fits_of: dict[int, list[int]] = {}
        for index, owner in enumerate(self.owners):
            fits_of.setdefault(owner.problem, []).append(index)
        solutions = [Solution(*take(summary, np.array(fits_of[problem]))) for problem in sorted(fits_of)]
        return [solution.with_sources_swapped() for solution in solutions] if self.swapped else solutions


def launch(stack: Stack, config: EstimatorConfig, pace: Pace, lengths: Lengths) -> Running:
    """Start the fits of a stack without waiting for them; all calls have the same shape.

    Args:
        stack: tables and fits.
        config: settings.
        pace: how many fits a call holds.
        lengths: training steps and test batches of every fit.
    """
    settings = FitSettings.of(config)
    tables = on_every(stack.tables, pace.devices)
    calls = []
    with jax.default_matmul_precision(config.matmul_precision):
        for start in range(0, len(stack.owners), pace.per_call):
            specs = take(stack.specs, slice(start, start + pace.per_call))
            deal = Deal.of(len(specs.draw), pace)
            chosen = split_over(take(specs, deal.chosen), pace.devices)
            extent = on_every(jax.tree.map(np.int32, Extent(deal.rounds, lengths)), pace.devices)
            options = chosen.p_y.shape[-1]
            params = draw_params(chosen.key, tables.widths, options, settings, pace.devices)
            summary = run_fits(chosen, tables, settings, pace.side_by_side, pace.devices, params, extent)
            calls.append(Call(summary, deal))
    return Running(calls, stack.owners, lengths.steps, swapped=config.anchor != SOURCES[0])


def programs_of(group: BatchGroup, config: EstimatorConfig) -> tuple[Program, ...]:
    """The two programs that `launch` runs for a group."""
    settings, pace, shape = FitSettings.of(config), group.pace, group.shape
    draw = (pace.per_call, (shape.d1, shape.d2), shape.options, settings, pace.devices, config.matmul_precision)
    compile_draw, compile_fit = (partial(run, group, config) for run in (_compile_draw, _compile_fit))
    sizes = shape._replace(steps=0, test_batches=0)  # those of the tables count: the rest is an input
    fit_key = (sizes, group.capacity, pace, settings, config.matmul_precision)
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
    number = jax.ShapeDtypeStruct((), np.int32)
    extent = _placed(Extent(number, Lengths(number, number)), pace.devices)
    with jax.default_matmul_precision(config.matmul_precision):
        run_fits.lower(specs, tables, settings, pace.side_by_side, pace.devices, params, extent).compile()


def _placed_shapes(group: BatchGroup) -> tuple[Tables, FitSpec]:
    tables, specs = stack_shapes(group.shape, group.capacity, group.pace.per_call)
    return _placed(tables, group.pace.devices), _placed(specs, group.pace.devices, FITS)


def _placed(tree: Tree, devices: int, *axes: str) -> Tree:
    place = sharding(devices, *axes)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), tree)
