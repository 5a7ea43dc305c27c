"""One fit of BATCH, as a pure function: initialise, scan over the training steps, measure on the test batches."""

from collections.abc import Mapping
from typing import Any, NamedTuple

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


class Batch(NamedTuple):
    """Rows of one problem: features, conditionals, and a mask that is False on padding."""

    x1: Float[Array, "n d1"]
    x2: Float[Array, "n d2"]
    conditionals: Conditionals
    mask: Bool[Array, " n"]


class Fit(NamedTuple):
    """Result of one fit; every field gains a fit axis under vmap.

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
    features = [jnp.where(keep, x[spec.features, rows], 0.0) for x in (tables.x1, tables.x2)]
    conditionals = [jnp.where(keep, p[spec.conditionals, rows], 0.0) for p in tables.conditionals]
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


def train(params: Params, spec: FitSpec, tables: Tables, settings: FitSettings) -> tuple[Params, InformationTerms]:
    """Adam over the fit's batches; returns trained weights and the terms of every step."""
    optimiser = optax.adam(settings.learning_rate)
    everything = jnp.ones(tables.train_rows.shape[-1], dtype=bool)

    def step(carry: tuple[Params, Any], rows: Int[Array, " n"]) -> tuple[tuple[Params, Any], InformationTerms]:
        weights, state = carry
        batch = take_batch(spec, tables, rows, everything)
        (loss, _), gradient = jax.value_and_grad(batch_loss, has_aux=True)(weights, batch, settings)
        updates, state = optimiser.update(gradient, state)
        weights = optax.apply_updates(weights, updates)
        return (weights, state), information_terms(loss, *batch.conditionals, spec.p_y, everything)

    (params, _), terms = jax.lax.scan(step, (params, optimiser.init(params)), tables.train_rows[spec.draw])
    return params, terms


def evaluate(
    params: Params, spec: FitSpec, tables: Tables, settings: FitSettings
) -> tuple[InformationTerms, Float[Array, " t"]]:
    """Terms (t,) of the fit's test batches in nats, and their marginal errors (t,)."""

    def measure(
        _: None, rows_and_mask: tuple[Int[Array, " n"], Bool[Array, " n"]]
    ) -> tuple[None, tuple[InformationTerms, Float[Array, ""]]]:
        batch = take_batch(spec, tables, *rows_and_mask)
        loss, error = batch_loss(params, batch, settings)
        return None, (information_terms(loss, *batch.conditionals, spec.p_y, batch.mask), error)

    inputs = (tables.test_rows[spec.draw], tables.test_mask[spec.draw])
    return jax.lax.scan(measure, None, inputs)[1]


def fit(spec: FitSpec, tables: Tables, settings: FitSettings, params: Params | None = None) -> Fit:
    """Fit one problem with one seed. Pure: works by itself, under jit and under vmap over fits.

    Args:
        spec: the fit's data, without a fit axis.
        tables: shared data.
        settings: learning rate, network sizes, Sinkhorn.
        params: initial weights; drawn from the fit's key by default.
    """
    start = params
    if start is None:
        start = initial_params(spec.key, tables.widths, spec.p_y.shape[-1], settings)
    trained, train_terms = train(start, spec, tables, settings)
    test_terms, test_error = evaluate(trained, spec, tables, settings)
    weight = tables.test_mask[spec.draw].sum(axis=-1).astype(test_error.dtype)
    return Fit(trained, train_terms, test_terms, test_error, weight)
