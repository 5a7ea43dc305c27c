"""Which problems are solved in other processes."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pid_jax.estimators.exact.penalty import host

FEW, MANY = 3, host.WORTH_SENDING // host.PER_PROBLEM + 1


@pytest.fixture
def sent(monkeypatch):
    """The numbers of problems that are sent to processes, which this test's own process replaces."""
    found = []

    class Pool:
        def map(self, function, problems, *more):
            found.append(len(problems))
            return map(function, problems, *more)

        def shutdown(self, **options):
            pass

    monkeypatch.setattr(host, "get_reusable_executor", lambda *sizes, **options: Pool())
    monkeypatch.setattr(host, "_running", host._Running())
    return found


def _problems(number, rows=4):
    random = np.random.default_rng(0)
    joint = random.dirichlet(np.ones(3), (number, rows)) / rows
    return [(one, one[::-1]) for one in joint]


def test_processes_are_started_for_enough_work_and_then_used_for_less(sent, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(host.time, "monotonic", lambda: now)
    enough = host.WORTH_PROCESSES // host.PER_PROBLEM + 1
    sizes = {"before": MANY, "started": enough, "after": MANY, "too few": FEW}
    for number in sizes.values():
        assert len(list(host.solve_side_by_side(_problems(number), 1e-2, 2))) == number
    assert sent == [sizes["started"], sizes["after"]]
    now += host.IDLE_SECONDS  # they have ended
    list(host.solve_side_by_side(_problems(MANY), 1e-2, 2))
    assert len(sent) == 2


def test_one_core_or_one_problem_needs_no_processes(sent):
    list(host.solve_side_by_side(_problems(host.WORTH_PROCESSES // host.PER_PROBLEM + 1), 1e-2, 1))
    list(host.solve_side_by_side(_problems(1), 1e-2, 2))
    assert sent == []


def test_a_solve_uses_one_thread_of_the_libraries_and_restores_their_number(monkeypatch):
    def threads():
        return [pool["num_threads"] for pool in host._thread_pools().info() if pool["user_api"] == "blas"]

    class SeenError(Exception):
        pass

    def look(*problem):
        raise SeenError(threads())

    with threadpool_limits(2, "blas"):
        before = threads()
        monkeypatch.setattr(host, "solve_rows_or_cells", look)
        with pytest.raises(SeenError) as seen:
            host.solve_on_host(_problems(1)[0], 1e-2)
        assert threads() == before
    assert before
    assert set(seen.value.args[0]) == {1}
