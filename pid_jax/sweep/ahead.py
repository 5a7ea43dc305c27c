"""Compiles programs in threads: in parallel, while data is read and earlier groups run.

XLA compiles without Python's lock, so threads share the cores. `jax.jit` finds what a thread has lowered and compiled
for the same shapes and placement, and the on-disk compilation cache is used as usual.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from pid_jax.config import EstimatorConfig
from pid_jax.sweep.devices import count_cores
from pid_jax.sweep.protocol import Estimator, Group

Wait = Callable[[Group], None]
"""Returns when the programs of a group are compiled, and raises any error from there."""


@contextmanager
def compiling(groups: Sequence[Group], config: EstimatorConfig, solvers: Mapping[str, Estimator]) -> Iterator[Wait]:
    """Compile the programs of all groups in order, at most one per core at a time.

    On exit, compilations that have not started are cancelled, and the others are waited for.

    Args:
        groups: the groups of one sweep.
        config: settings.
        solvers: the estimators by name.
    """
    found: dict[Hashable, Future[object]] = {}
    with ThreadPoolExecutor(count_cores(), thread_name_prefix="compile") as pool:
        needed: dict[int, list[Future[object]]] = {}
        for group in groups:
            own = solvers[group.estimator].programs(group, config)
            for key, compile_one in own:
                if key not in found:
                    found[key] = pool.submit(compile_one)
            needed[id(group)] = [found[key] for key, _ in own]

        def wait(group: Group) -> None:
            for future in needed[id(group)]:
                future.result()

        try:
            yield wait
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
