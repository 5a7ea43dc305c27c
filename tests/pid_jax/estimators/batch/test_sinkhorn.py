"""The coupling: marginals kept, gradients right, zeros and padding harmless."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pid_jax.estimators.batch.loss import objective
from pid_jax.estimators.batch.networks import SourceNetwork, matmul, standardise
from pid_jax.estimators.batch.sinkhorn import Stop, couple, log_kernel, marginals
from pid_jax.information import coupling_loss

N, K = 24, 3
STOP = Stop(1e-6, 200)
ALL = jnp.ones(N, dtype=bool)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.uniform(-2.8, 2.8, size=(K, N, N)), dtype=jnp.float32)
    p1, p2 = (jnp.asarray(rng.dirichlet(np.full(K, 0.4), size=N), dtype=jnp.float32) for _ in range(2))
    return logits, p1, p2


def test_both_marginals_hold(case):
    logits, p1, p2 = case
    coupling = couple(logits, p1, p2, ALL, STOP)
    np.testing.assert_allclose(coupling.q.sum(-1), 1, atol=1e-5)
    joint = marginals(p1, ALL)[:, :, None] * coupling.q
    np.testing.assert_allclose(joint.sum(1), marginals(p2, ALL), atol=1e-5)
    assert float(coupling.error.max()) < 1e-4


def test_different_masses_per_option_do_not_matter(case):
    logits, p1, p2 = case
    scaled = p2 * jnp.array([0.2, 1.0, 3.0])
    np.testing.assert_allclose(couple(logits, p1, p2, ALL, STOP).q, couple(logits, p1, scaled, ALL, STOP).q, atol=1e-5)


def loss_of_coupling(logits, p1, p2, mask):
    """The loss in two steps, by way of q."""
    return coupling_loss(couple(logits, p1, p2, mask, STOP).q, p1, mask)


def loss_in_one(logits, p1, p2, mask):
    """The loss that training uses."""
    return objective(logits, p1, p2, mask, STOP)[0]


@pytest.mark.parametrize("loss_of", [loss_of_coupling, loss_in_one])
def test_gradient_against_finite_differences(case, loss_of):
    logits, p1, p2 = case

    @jax.jit
    def loss_and_slope(shift: float, direction: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.value_and_grad(lambda amount: loss_of(logits + amount * direction, p1, p2, ALL))(shift)

    for seed in range(3):
        direction = jnp.asarray(np.random.default_rng(seed).normal(size=logits.shape), dtype=jnp.float32)
        step = 2e-2
        above, below = (loss_and_slope(shift, direction)[0] for shift in (step, -step))
        slope = loss_and_slope(0.0, direction)[1]
        assert float(slope) == pytest.approx(float(above - below) / (2 * step), rel=2e-2, abs=1e-4)


@pytest.mark.parametrize("real", [N, 18])
@pytest.mark.parametrize("sharp", [False, True])
def test_both_ways_to_the_loss_agree(case, real, sharp):
    """Value and gradient, with padding and with probabilities of exactly 0 and 1."""
    logits, p1, p2 = case
    p1 = jnp.eye(K)[jnp.argmax(p1, axis=-1)] if sharp else p1
    mask = jnp.arange(N) < real
    one, two = (jax.jit(jax.value_and_grad(loss))(logits, p1, p2, mask) for loss in (loss_in_one, loss_of_coupling))
    assert float(one[0]) == pytest.approx(float(two[0]), abs=1e-6)
    np.testing.assert_allclose(one[1], two[1], atol=1e-7)
    assert not np.asarray(one[1])[:, real:].any()
    assert not np.asarray(one[1])[:, :, real:].any()


def test_an_unconverged_coupling_has_a_gradient_close_to_the_converged_one(case):
    """The implicit gradient is consistent with the scalings reached, however few sweeps they took."""
    logits, p1, p2 = case
    early, late = (
        jax.jit(jax.grad(lambda a, stop=stop: objective(a, p1, p2, ALL, stop)[0]))(logits)
        for stop in (Stop(1e-2, 100), STOP)
    )
    assert float(jnp.linalg.norm(early - late) / jnp.linalg.norm(late)) < 2e-2


@pytest.mark.parametrize(
    ("ours", "plain", "shapes"),
    [
        (log_kernel, lambda a, b: jnp.einsum("ake,bke->kab", a, b) / np.sqrt(5), ((7, K, 5), (6, K, 5))),
        (matmul, jnp.matmul, ((7, 4), (4, 3))),
    ],
)
def test_products_have_the_gradient_of_the_plain_ones(ours, plain, shapes):
    rng = np.random.default_rng(0)
    values = [jnp.asarray(rng.normal(size=shape), dtype=jnp.float32) for shape in shapes]
    found, expected = (
        jax.value_and_grad(lambda *both, product=product: jnp.sin(product(*both)).sum(), argnums=(0, 1))(*values)
        for product in (ours, plain)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)


@pytest.mark.parametrize("loss_of", [loss_of_coupling, loss_in_one])
def test_exact_zeros_keep_value_and_gradient_finite(case, loss_of):
    logits, p1, p2 = case
    sharp = jnp.eye(K)[jnp.argmax(p1, axis=-1)]
    no_last = p2.at[:, K - 1].set(0.0)
    value, gradient = jax.jit(jax.value_and_grad(loss_of))(logits, sharp, no_last, ALL)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("loss_of", [loss_of_coupling, loss_in_one])
def test_padding_is_inert(case, loss_of):
    """Values inside the padding change nothing to the bit; its size changes nothing beyond rounding."""
    logits, p1, p2 = case
    mask = jnp.arange(N) < 18
    loss_of = jax.jit(loss_of)

    def run(fill: float) -> jax.Array:
        inside = mask[:, None] & mask[None, :]
        return loss_of(jnp.where(inside, logits, fill), jnp.where(mask[:, None], p1, abs(fill)), p2, mask)

    assert run(0.3) == run(-2.0)
    small = loss_of(logits[:, :18, :18], p1[:18], p2[:18], mask[:18])
    assert float(run(0.3)) == pytest.approx(float(small), abs=1e-5)


def test_networks_are_standardised_and_bounded():
    network = SourceNetwork(num_options=K)
    x = jax.random.normal(jax.random.key(0), (N, 7))
    params = network.init(jax.random.key(1), x)
    e = network.apply(params, x)
    assert e.shape == (N, K, 10)
    np.testing.assert_allclose(e.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(e.std(-1, ddof=1), 1, atol=1e-3)
    assert float(jnp.abs(log_kernel(e, e)).max()) <= 9 / np.sqrt(10) + 1e-3
    shapes = [leaf["kernel"].shape for leaf in params["params"].values()]
    assert shapes == [(7, 32), (32, 32), (32, 32), (32, 32), (32, 10 * K)]
    for leaf in params["params"].values():
        bound = leaf["kernel"].shape[0] ** -0.5
        assert float(jnp.abs(leaf["kernel"]).max()) <= bound
        assert 0 < float(jnp.abs(leaf["bias"]).max()) <= bound


def test_standardise_against_numpy():
    e = np.random.default_rng(0).normal(size=(5, 10)).astype(np.float32)
    expected = (e - e.mean(-1, keepdims=True)) / np.sqrt(e.var(-1, ddof=1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(standardise(jnp.asarray(e)), expected, rtol=1e-5, atol=1e-5)
