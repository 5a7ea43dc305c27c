"""Annotations of pid_jax: checked at every call of these tests, and named tuples, which that leaves out, here."""

from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from beartype.door import is_bearable
from jaxtyping import TypeCheckError, jaxtyped

import pid_jax
from pid_jax.config import FitSettings, make_config
from pid_jax.estimators.batch.fit import fit, take_batch
from pid_jax.estimators.batch.published_stop import stop_early
from pid_jax.estimators.batch.sinkhorn import Coupling, Stop, column_potential, couple, marginals
from pid_jax.problems.build import make_workload
from pid_jax.problems.probabilities import option_probabilities
from pid_jax.sweep.fits import run_fits, summarise
from pid_jax.sweep.plan import plan_run
from pid_jax.sweep.stack import stack_problems
from pid_lvlm.data import outline_run, read_run

CONFIG = make_config("default", batch_size=32, epochs=1, seeds=(0, 1, 2), estimator="batch")
SETTINGS = FitSettings.of(CONFIG)
HOME = Path(pid_jax.__file__).parent
SHAPED = sorted(
    ".".join(path.relative_to(HOME).with_suffix("").parts)
    for path in HOME.rglob("*.py")
    if "from jaxtyping import" in path.read_text()
)


@pytest.mark.parametrize("name", SHAPED)
def test_every_module_with_shapes_is_checked(name):
    assert type(import_module(f"pid_jax.{name}").__spec__.loader).__module__.startswith("jaxtyping")


def test_a_wrong_shape_or_kind_is_seen():
    p, mask = jnp.full((5, 2), 0.5), jnp.ones(5, dtype=bool)
    marginals(p, mask)
    for wrong in ((p, mask[:4]), (p, mask.astype(int)), (p[0], mask)):
        with pytest.raises(TypeCheckError):
            marginals(*wrong)


def assert_as_annotated(value: Any) -> None:
    """Fields of a named tuple are what its annotations say, axes of one name of one size; so are tuples inside."""
    with jaxtyped("context"):
        for name, hint in get_type_hints(type(value)).items():
            assert is_bearable(getattr(value, name), hint), f"{type(value).__name__}.{name} is not a {hint}"
    for field in value:
        if hasattr(field, "_fields"):
            assert_as_annotated(field)


def test_a_wrong_field_is_seen():
    with pytest.raises(AssertionError, match=r"Coupling\.error is not a"):
        assert_as_annotated(Coupling(jnp.zeros((3, 4, 4)), jnp.zeros(4)))


def test_the_pieces_for_notebooks_take_numpy_arrays():
    p, mask = np.full((5, 2), 0.5), np.ones(5, dtype=bool)
    e = np.ones((5, 2, 3), dtype=np.float32)
    coupling = pid_jax.project(np.array(pid_jax.log_kernel(e, e)), p, p, mask)
    assert_as_annotated(coupling)
    terms = pid_jax.information_terms(pid_jax.coupling_loss(coupling.q, p, mask), p, p, p, p.mean(axis=0), mask)
    for found in (terms, pid_jax.atoms_from_terms(terms)):
        assert_as_annotated(found)
        np.testing.assert_allclose(found, 0, atol=1e-6)


@pytest.fixture(scope="module")
def workload(tmp_path_factory, make_run):
    folder = make_run(tmp_path_factory.mktemp("shapes") / "run", n=120, d=6, layers=2)
    plan = plan_run(outline_run(folder), CONFIG)
    return plan.keys, make_workload(read_run(folder), plan.keys, CONFIG, plan.layout), read_run(folder)


def test_named_tuples_on_the_host(workload):
    keys, made, run = workload
    stack = stack_problems({0: made}, [(0, key) for key in keys], CONFIG.seeds)
    found = option_probabilities(run.arrays["loglik"], run.arrays["num_options"], tau=0.3)
    for value in (*made.draws, *made.rows.values(), found, stack.tables, stack.specs):
        assert_as_annotated(value)


@pytest.mark.slow
def test_named_tuples_in_a_compiled_program(workload):
    """Traced, not run: alone, under vmap, and as a sweep maps them."""
    keys, made, _ = workload
    stack = stack_problems({0: made}, [(0, key) for key in keys], CONFIG.seeds)

    def program(specs, tables):
        one = jax.tree.map(lambda leaf: leaf[0], specs)
        mask = jnp.ones(tables.train_rows.shape[-1], dtype=bool)
        batch = take_batch(one, tables, tables.train_rows[0, 0], mask)
        p1, p2 = batch.conditionals.p_y_x1, batch.conditionals.p_y_x2
        logits, stop = jnp.zeros((p1.shape[1], len(mask), len(mask))), Stop(1e-2, 4)
        values = (
            *(tables, specs, one, batch),
            couple(logits, p1, p2, mask, stop),
            column_potential(logits, marginals(p1, mask), marginals(p2, mask), mask, stop),
            stop_early(logits, p1, p2, mask),
            fit(one, tables, SETTINGS),
            jax.vmap(fit, in_axes=(0, None, None))(specs, tables, SETTINGS),
            summarise(one, tables, SETTINGS),
            run_fits(specs, tables, SETTINGS, 2),
        )
        for value in values:
            assert_as_annotated(value)

    jax.eval_shape(program, stack.specs, stack.tables)
