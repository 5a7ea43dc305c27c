"""Which runs an estimate takes, and in which order."""

from pid_jax.config import make_config
from pid_jax.estimation import plan_groups
from pid_jax.sweep.plan import plan_runs
from pid_jax.sweep.registry import SOLVERS


def test_checkpoints_are_in_numerical_order_however_a_shell_lists_them(tmp_path, make_run):
    runs = [make_run(tmp_path / name, n=60) for name in ("tune-100", "tune-15")]
    plan = plan_runs(runs, make_config("default", batch_size=32, estimator="batch"))
    assert [run.outline.folder.name for run in plan.runs] == ["tune-15", "tune-100"]


def test_groups_without_programs_come_first(tmp_path, make_run):
    """The programs of the others are compiled meanwhile."""
    config = make_config("default", batch_size=32, estimator="both")
    plan = plan_runs([make_run(tmp_path / "run", n=60)], config)
    groups = plan_groups(plan, config, 1)
    assert [group.estimator for group in groups] == ["exact", "batch"]
    assert [bool(SOLVERS[group.estimator].programs(group, config)) for group in groups] == [False, True]
