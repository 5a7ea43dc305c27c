"""Programs compiled in threads: each once, side by side, found by the fits, and their errors where they were."""

import threading
from dataclasses import dataclass
from types import SimpleNamespace

import jax
import pytest

from pid_jax.config import FitSettings, make_config
from pid_jax.estimators.batch.fit import Lengths
from pid_jax.problems.build import make_workload
from pid_jax.sweep import ahead
from pid_jax.sweep.ahead import compiling
from pid_jax.sweep.chunks import group_problems
from pid_jax.sweep.launch import launch, programs_of
from pid_jax.sweep.plan import plan_run
from pid_jax.sweep.protocol import Group, Machine, Program
from pid_jax.sweep.stack import stack_problems, stack_shapes
from pid_lvlm.data import outline_run, read_run

CONFIG = make_config("default", batch_size=32, epochs=1, seeds=(0, 1), estimator="batch")
COMPILED = "/jax/core/compile/backend_compile_duration"


@dataclass(frozen=True)
class Needs(Group):
    """A group that names its programs."""

    own: tuple[Program, ...] = ()


def needs(*programs):
    return Needs("fake", (), programs)


def ours(compiled):
    """How many of the compiled programs are those of fits."""
    return sum("run_fits" in str(name) or "draw_params" in str(name) for name in compiled)


SOLVERS = {"fake": SimpleNamespace(programs=lambda group, config: group.own)}


@pytest.fixture(scope="module")
def chunk(tmp_path_factory, make_run):
    """A group of one chunk, and the chunk's stack."""
    run = make_run(tmp_path_factory.mktemp("ahead") / "run", "synergy", n=120, d=6)
    plan = plan_run(outline_run(run), CONFIG)
    (group,) = group_problems([plan], 2, FitSettings.of(CONFIG), Machine("cpu", 1, 10**9))
    workload = make_workload(read_run(run), plan.keys, CONFIG, plan.layout)
    chosen = [(number, key) for number, key, _ in group.chunks[0].problems]
    return group, stack_problems({0: workload}, chosen, CONFIG.seeds, group.capacity)


def test_shapes_known_ahead_are_those_of_the_data(chunk):
    group, stack = chunk
    assert group.capacity.steps > group.shape.steps
    foretold = stack_shapes(group.shape, group.capacity, len(stack.specs.draw))
    found = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (stack.tables, stack.specs))
    assert found == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), foretold)


def test_fits_find_what_was_compiled_ahead(chunk):
    """`jax.jit` compiles neither of them again."""
    group, stack = chunk
    jax.clear_caches()
    compiled = []

    def listen(event, seconds, **named):
        if event == COMPILED:
            compiled.append(named.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        with compiling([group], CONFIG, {"batch": SimpleNamespace(programs=programs_of)}) as wait:
            wait(group)
            assert ours(compiled) == 2
            lengths = Lengths(group.shape.steps, group.shape.test_batches)
            launch(stack, CONFIG, group.pace, lengths).collect()
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert ours(compiled) == 2


def test_equal_programs_are_compiled_once_and_others_side_by_side(monkeypatch):
    monkeypatch.setattr(ahead, "count_cores", lambda: 2)
    both, made = threading.Barrier(2, timeout=30), []

    def compile_one(name):
        both.wait()  # returns only while two threads are here
        made.append(name)

    programs = [Program(name, lambda name=name: compile_one(name)) for name in ("a", "b")]
    groups = [needs(*programs), needs(programs[0])]
    with compiling(groups, CONFIG, SOLVERS) as wait:
        for group in groups:
            wait(group)
    assert sorted(made) == ["a", "b"]


def test_no_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(ahead, "count_cores", lambda: 1)
    busy, most = [], []

    def compile_one():
        busy.append(1)
        most.append(len(busy))
        busy.pop()

    group = needs(*(Program(number, compile_one) for number in range(5)))
    with compiling([group], CONFIG, SOLVERS) as wait:
        wait(group)
    assert most == [1] * 5


def test_an_error_is_raised_where_the_group_is_waited_for():
    def fail():
        raise MemoryError("no room")

    good, bad = needs(Program("good", int)), needs(Program("bad", fail))
    with compiling([good, bad], CONFIG, SOLVERS) as wait:
        wait(good)
        with pytest.raises(MemoryError, match="no room"):
            wait(bad)


def test_what_has_not_begun_when_the_sweep_ends_is_left_out(monkeypatch):
    monkeypatch.setattr(ahead, "count_cores", lambda: 1)
    begun, go, made = threading.Event(), threading.Event(), []

    def first():
        begun.set()
        go.wait(30)

    group = needs(Program(0, first), Program(1, lambda: made.append(1)))

    def interrupted():
        with compiling([group], CONFIG, SOLVERS):
            begun.wait(30)
            threading.Timer(0.2, go.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert made == []
