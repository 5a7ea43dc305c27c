"""One fit of BATCH, as a pure function: initialise, loop over the training steps, measure on the test batches."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from pid_jax.config import FitSettings
from pid_jax.estimators.batch.loss import objective
from pid_jax.estimators.batch.networks import SourceNetwork
from pid_jax.estimators.batch.published_stop import with_early_stops
from pid_jax.estimators.batch.sinkhorn import Stop, couple, log_kernel
from pid_jax.information import InformationTerms, Nats, coupling_loss, information_terms
from pid_jax.problems.types import Conditionals, FitSpec, Tables

Params = tuple[Mapping[str, Any], Mapping[str, Any]]
Tree = TypeVar("Tree", bound=Any)


class Lengths(NamedTuple):
    """How much of every slice of the row tables is used; what follows is padding.

    Values of the program, not part of its shape: fits of different length share a compiled program.
    """

    steps: Int[Any, ""]
    test_batches: Int[Any, ""]

    @classmethod
    def whole(cls, tables: Tables) -> "Lengths":
        """All of it."""
        steps, test_batches = tables.train_rows.shape[-2], tables.test_rows.shape[-2]
        return cls(jnp.asarray(steps, jnp.int32), jnp.asarray(test_batches, jnp.int32))


class Batch(NamedTuple):
    """Rows of one problem: features, conditionals, and a mask that is False on padding."""

    x1: Float[Array, "n d1"]
    x2: Float[Array, "n d2"]
    conditionals: Conditionals
    mask: Bool[Array, " n"]


class Fit(NamedTuple):
    """Result of one fit, 0 for steps and batches that are padding; every field gains a fit axis under vmap.

    Attributes:
        params: trained weights of the two networks.
        train_terms: information terms of every training step's batch, before its update, nats.
        test_terms: information terms of every test batch, nats.
        test_error: largest L1 marginal error of each test batch's coupling.
        test_weight: rows of each test batch.
    """

    params: Params
    train_terms: InformationTerms
    test_terms: InformationTerms
    test_error: Float[Array, "*p t"]
    test_weight: Float[Array, "*p t"]

    @property
    def train_loss(self) -> Nats:
        """Training loss of every step, nats."""
        return self.train_terms.iq_y_x1x2 - self.train_terms.i_y_x1


def source_network(settings: FitSettings, num_options: int) -> SourceNetwork:
    """The network of one source."""
    return SourceNetwork(num_options, settings.hidden, settings.hidden_layers, settings.embedding)


def initial_params(key: Key[Array, ""], widths: tuple[int, int], options: int, settings: FitSettings) -> Params:
    """Fresh weights of both networks from the fit's key; `widths` are those of the two sources' features."""
    network = source_network(settings, options)
    first, second = (
        network.init(own, jnp.zeros((1, width))) for own, width in zip(jax.random.split(key), widths, strict=True)
    )
    return first, second


def take_batch(spec: FitSpec, tables: Tables, rows: Int[Array, " n"], mask: Bool[Array, " n"]) -> Batch:
    """Gather the rows of one batch; padding is set to 0 so that its content cannot matter."""
    keep = mask[:, None]
    features = [jnp.where(keep, x[spec.features + rows], 0.0) for x in (tables.x1, tables.x2)]
    conditionals = [jnp.where(keep, p[spec.conditionals + rows], 0.0) for p in tables.conditionals]
    return Batch(features[0], features[1], Conditionals(*conditionals), mask)


def batch_loss(params: Params, batch: Batch, settings: FitSettings) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Loss of one batch in nats, and the largest marginal error of its couplings."""
    network = source_network(settings, batch.conditionals.p_y_x1.shape[-1])
    logits = log_kernel(network.apply(params[0], batch.x1), network.apply(params[1], batch.x2))
    inputs = (logits, batch.conditionals.p_y_x1, batch.conditionals.p_y_x2, batch.mask)
    stop = Stop(settings.sinkhorn_threshold, settings.sinkhorn_sweeps)
    if settings.sinkhorn_stop == "converged":
        loss, error = objective(*inputs, stop)
    else:
        coupling = with_early_stops(couple(*inputs, stop), *inputs)
        loss, error = coupling_loss(coupling.q, batch.conditionals.p_y_x1, batch.mask), coupling.error
    return loss, error.max()


def train(
    params: Params, spec: FitSpec, tables: Tables, settings: FitSettings, steps: Int[Array, ""]
) -> tuple[Params, InformationTerms]:
    """Adam over the fit's first batches; returns trained weights and the terms of every step, 0 after the last."""
    optimiser = optax.adam(settings.learning_rate)
    draw, (capacity, width) = tables.train_rows[spec.draw], tables.train_rows.shape[-2:]
    everything = jnp.ones(width, dtype=bool)

    def step(
        place: Int[Array, ""], carry: tuple[Params, Any, InformationTerms]
    ) -> tuple[Params, Any, InformationTerms]:
        weights, state, terms = carry
        batch = take_batch(spec, tables, draw[place], everything)
        (loss, _), gradient = jax.value_and_grad(batch_loss, has_aux=True)(weights, batch, settings)
        updates, state = optimiser.update(gradient, state)
        weights = optax.apply_updates(weights, updates)
        return weights, state, put(terms, place, information_terms(loss, *batch.conditionals, spec.p_y, everything))

    start = (params, optimiser.init(params), _no_terms(capacity))
    params, _, terms = jax.lax.fori_loop(0, steps, step, start)
    return params, terms


def evaluate(
    params: Params, spec: FitSpec, tables: Tables, settings: FitSettings, test_batches: Int[Array, ""]
) -> tuple[InformationTerms, Float[Array, " t"]]:
    """Terms (t,) of the fit's first test batches in nats and their marginal errors (t,), 0 after the last."""
    rows, mask, capacity = tables.test_rows[spec.draw], tables.test_mask[spec.draw], tables.test_rows.shape[-2]

    def measure(
        place: Int[Array, ""], found: tuple[InformationTerms, Float[Array, " t"]]
    ) -> tuple[InformationTerms, Float[Array, " t"]]:
        batch = take_batch(spec, tables, rows[place], mask[place])
        loss, error = batch_loss(params, batch, settings)
        return put(found, place, (information_terms(loss, *batch.conditionals, spec.p_y, batch.mask), error))

    return jax.lax.fori_loop(0, test_batches, measure, (_no_terms(capacity), jnp.zeros(capacity)))


def _no_terms(length: int) -> InformationTerms:
    return InformationTerms(*(jnp.zeros(length) for _ in InformationTerms._fields))


def put(tree: Tree, place: Int[Array, ""], values: Tree) -> Tree:
    """The values at a place along the first axis of every array."""
    return jax.tree.map(lambda whole, one: whole.at[place].set(one), tree, values)


def fit(
    spec: FitSpec,
    tables: Tables,
    settings: FitSettings,
    params: Params | None = None,
    lengths: Lengths | None = None,
) -> Fit:
    """Fit one problem with one seed. Pure: works by itself, under jit and under vmap over fits.

    Args:
        spec: the fit's data, without a fit axis.
        tables: shared data.
        settings: learning rate, network sizes, Sinkhorn.
        params: initial weights; drawn from the fit's key by default.
        lengths: training steps and test batches to use; all by default.
    """
    start, (steps, test_batches) = params, lengths or Lengths.whole(tables)
    if start is None:
        start = initial_params(spec.key, tables.widths, spec.p_y.shape[-1], settings)
    trained, train_terms = train(start, spec, tables, settings, steps)
    test_terms, test_error = evaluate(trained, spec, tables, settings, test_batches)
    weight = tables.test_mask[spec.draw].sum(axis=-1).astype(test_error.dtype)
    return Fit(trained, train_terms, test_terms, test_error, weight)
