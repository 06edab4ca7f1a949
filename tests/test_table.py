"""The interpreter of the table: NumPy's values, memory that others hold, failures halfway."""

import numpy as np
import pytest
from hypothesis import given, settings

from lazytensor.config import config, current
from lazytensor.errors import CheckError, LostValueError
from lazytensor.ir.capture import pending
from lazytensor.ir.node import leaf
from lazytensor.ir.operation import Operation
from lazytensor.lower.program import make_program
from lazytensor.run import floating, interpreter, pool, table
from lazytensor.run.table import holds, run_program

from . import graphs
from .graphs import (
    ABSOLUTE,
    ADD,
    DIVIDE,
    LARGE,
    MULTIPLY,
    NEGATIVE,
    TIMES,
    apply,
    captured,
    matmul,
    part,
    run,
    store,
    total,
)


def large(seed=0):
    return np.random.default_rng(seed).standard_normal((LARGE, LARGE))


_programs = {}  # by key, over all examples: a plan must serve every graph of its key


@settings(max_examples=300, deadline=None)
@given(graphs.programs())
def test_random_programs(program):
    with config(debug=True):
        held = program[3]
        expected = graphs.with_numpy(program)
        nodes, alive = graphs.as_nodes(program)
        graphs.keep_only(nodes, held)
        run(*[n for n in nodes if n is not None and n.buffer is None], programs=_programs)
        graphs.same_values(expected, nodes, held)
        for thing, before in alive:
            now = thing if isinstance(thing, np.ndarray) else thing.buffer
            assert np.array_equal(now, before[1:] if now.shape != before.shape else before)


@settings(max_examples=60, deadline=None)
@given(graphs.programs())
def test_random_programs_directly(program):
    expected = graphs.with_numpy(program)
    nodes, _ = graphs.as_nodes(program)
    graphs.keep_only(nodes, program[3])
    graphs.run_plainly(*[n for n in nodes if n is not None and n.buffer is None])
    graphs.same_values(expected, nodes, program[3])


class Fuse(Exception):
    pass


class FailingRun:
    """Fails at the n-th executed node, from a hook or after half of the work."""

    def __init__(self, at):
        self.left = at

    def __call__(self, node):
        self.left -= 1
        if self.left < 0:
            raise Fuse


@settings(max_examples=200, deadline=None)
@given(graphs.programs(), graphs.st.integers(0, 12))
def test_failure_halfway_can_be_run_again(program, at):
    expected = graphs.with_numpy(program)
    nodes, alive = graphs.as_nodes(program)
    graphs.keep_only(nodes, program[3])
    targets = [n for n in nodes if n is not None and n.buffer is None]
    hook = FailingRun(at)
    interpreter.on_execute.append(hook)
    try:
        run(*targets, programs=_programs)
    except Fuse:
        pass
    finally:
        interpreter.on_execute.remove(hook)
    left = [n for n in targets if n.buffer is None]
    if left:
        run(*left)
    graphs.same_values(expected, nodes, program[3])


@settings(max_examples=200, deadline=None)
@given(graphs.programs(), graphs.st.integers(0, 12))
def test_failure_within_a_write_loses_no_more_than_it_must(program, at):
    expected = graphs.with_numpy(program)
    nodes, _ = graphs.as_nodes(program)
    graphs.keep_only(nodes, program[3])
    targets = [n for n in nodes if n is not None and n.buffer is None]
    compute, count = interpreter.compute, [at]

    def failing(node, values, out=None):
        result = compute(node, values, out)
        count[0] -= 1
        if count[0] < 0:
            raise Fuse
        return result

    table.compute = failing
    try:
        run(*targets, programs=_programs)
    except Fuse:
        pass
    finally:
        table.compute = compute
    for node in targets:
        if node.buffer is None:
            try:
                run(node)
            except Fuse:  # what destroyed a value that it needs
                pass
            except LostValueError as error:
                assert isinstance(error.__cause__, Fuse)
    done = {i for i in program[3] if nodes[i].buffer is not None}
    graphs.same_values(expected, nodes, done)


def test_chain_takes_the_memory_of_what_dies(monkeypatch):
    monkeypatch.setattr(current, "engine", "numpy")
    pool.trim()
    made = pool.info()["made"]
    x = leaf(large(), None)
    for _ in range(20):
        x = apply(ADD, x, 1.0)
    run(x)
    assert pool.info()["made"] == made
    expected = large()
    for _ in range(20):
        expected += 1.0
    np.testing.assert_array_equal(x.buffer, expected)


def test_memory_of_a_leaf_that_others_hold_is_left_alone():
    array = large()
    before = array.copy()
    seen = memoryview(array)
    y = apply(ADD, leaf(array, None), 1.0)
    del array
    run(y)
    np.testing.assert_array_equal(np.asarray(seen), before)
    np.testing.assert_array_equal(y.buffer, before + 1)


def test_memory_of_a_result_that_others_hold_is_left_alone():
    stash = []

    def publish(a):
        stash.append(a.copy())
        return stash[0]

    x = leaf(large(), None)
    y = graphs.make(Operation("publish", "call", publish), (x,), None, x.shape, x.dtype, None, None, 1)
    z = [apply(ADD, y, 1.0), store(graphs.make(y.op, (x,), None, x.shape, x.dtype, None, None, 1), 0, 1, 5.0)]
    del y
    run(*z)
    np.testing.assert_array_equal(stash[0], large())
    np.testing.assert_array_equal(z[0].buffer, large() + 1)


def test_a_leaf_that_somebody_took_after_the_capture_is_left_alone():
    x = leaf(large(), None)
    y = apply(ADD, x, 1.0)
    names = [x]
    del x
    program = make_program(captured(apply(ADD, leaf(large(), None), 1.0)))
    graph = captured(y)
    assert program.plan.steps[0].over == 1
    run_program(program, graph)
    np.testing.assert_array_equal(names[0].buffer, large())
    np.testing.assert_array_equal(y.buffer, large() + 1)


def test_layouts_of_one_class_that_differ_are_found_out():
    memory = np.ones((4, 6))
    for x, same in ((memory.copy().T, True), (memory[:, :3].T, False)):
        y = leaf(x, x.strides)
        graph = captured(z := apply(NEGATIVE, apply(NEGATIVE, y)))
        program = make_program(graph)
        assert program.same == {1: 2} and holds(program, graph) is same
        run_program(program, graph)
        assert (z.buffer == 1).all() and z.buffer.strides == (8, 8 * x.shape[0])


def test_write_happens_in_place_and_overlap_is_numpys():
    x = leaf(large(), None)
    address = x.buffer.ctypes.data
    expected = x.buffer.copy()
    expected[1:] = expected[:-1]
    y = store(x, 1, None, part(x, None, -1))
    del x
    run(y)
    assert y.buffer.ctypes.data == address
    np.testing.assert_array_equal(y.buffer, expected)


def test_reader_of_the_old_value_runs_before_the_write():
    x = leaf(large(), None)
    address, old = x.buffer.ctypes.data, x.buffer.copy()
    new = store(x, 0, 1, 7.0)
    reader = apply(ADD, x, 1.0)  # written after the write, reads the value before it
    del x
    run(new, reader)
    assert new.buffer.ctypes.data == address
    np.testing.assert_array_equal(reader.buffer, old + 1)


def test_kept_results_of_equal_expressions_have_memory_of_their_own():
    x, y = leaf(large(0), None), leaf(large(1), None)
    a, b = apply(ADD, x, y), apply(ADD, x, y)
    program = run(a, b)
    assert program.same == {1: 0}
    np.testing.assert_array_equal(a.buffer, b.buffer)
    assert not np.shares_memory(a.buffer, b.buffer)


def test_a_plan_asks_again_what_it_took_for_granted():
    x = leaf(np.arange(10.0), None)
    head = part(x, 0, 5)
    same = captured(a := apply(ADD, apply(ADD, head, head), apply(ADD, head, head)))
    program = make_program(same)
    assert program.same
    other = captured(b := apply(ADD, apply(ADD, head, head), apply(ADD, part(x, 5, 10), part(x, 5, 10))))
    assert same.key == other.key or not holds(program, other)
    if same.key == other.key:
        assert holds(program, same) and not holds(program, other)
        run_program(program, other)
        np.testing.assert_array_equal(b.buffer, 2 * np.arange(5.0) + 2 * np.arange(5.0, 10))
    run_program(program, same)
    np.testing.assert_array_equal(a.buffer, 4 * np.arange(5.0))


def test_equal_attributes_that_are_not_the_same_are_two():
    x = leaf(np.zeros((3, 0)), None)
    attrs = [(("axis", 1), ("initial", value)) for value in (0.0, -0.0, 0)]
    sums = [graphs.make(graphs.SUM, (x,), a, (3,), x.dtype, None, floating.in_force(), 1) for a in attrs]
    assert make_program(captured(*sums)).same == {}


def test_matmul_operands_stay_two_arrays():
    x = leaf(large(), None)
    y = apply(NEGATIVE, x)
    z = apply(NEGATIVE, x)
    product = matmul(y, z)
    del y, z
    program = run(product)
    assert program.same == {}
    m = np.negative(large())
    np.testing.assert_array_equal(product.buffer, m @ m.copy())


def test_warnings_name_every_operation_in_program_order():
    x = leaf(np.array([1.0, 0.0]), None)
    zero = leaf(np.zeros(2), None)
    a, b = apply(DIVIDE, x, zero), apply(DIVIDE, x, zero)
    c = apply(ADD, apply(ADD, a, b), 1.0)
    seqs = [a.seq, b.seq]
    del a, b
    graph = captured(c)
    errors = run_program(make_program(graph), graph)
    assert [node.seq for node, error in errors if error == "divide by zero"] == seqs


def test_scalars_stay_scalars():
    x = leaf(np.arange(5.0), None)
    s = total(x)
    t = graphs.make(TIMES, (s, 2.0), None, (), x.dtype, None, floating.in_force(), 1)
    run(s, t)
    assert type(s.buffer) is type(t.buffer) is np.float64 and t.buffer == 20.0


def test_lost_leaf_raises_its_cause():
    x = leaf(large(), None)

    def fails(view, value):
        view[...] = value
        raise Fuse("disk full")

    y = graphs.make(Operation("fails", "mutate", fails), (x, 1.0), ((), ()), x.shape, x.dtype, None, None, 1)
    z = apply(ADD, y, 1.0)
    del x
    with pytest.raises(Fuse) as caught:
        run(y, z)
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises((Fuse, LostValueError)) as lost:
        run(y, z)
    assert caught.value in (lost.value, lost.value.__cause__)


def test_hooks_see_what_is_executed():
    seen = []
    interpreter.on_execute.append(seen.append)
    try:
        x = leaf(np.arange(3.0), None)
        y = apply(ABSOLUTE, apply(ABSOLUTE, x))
        run(y)
    finally:
        interpreter.on_execute.remove(seen.append)
    assert [node.op for node in seen] == [ABSOLUTE, ABSOLUTE]


@pytest.mark.parametrize("debug", [False, True])
def test_result_that_breaks_its_promise_is_noticed_under_debug(debug):
    x = leaf(np.arange(4.0), None)
    wrong = graphs.make(Operation("wrong", "call", lambda a: a[:2].copy()), (x,), None, (4,), x.dtype, None, None, 1)
    with config(debug=debug):
        if debug:
            with pytest.raises(CheckError, match="promised"):
                run(wrong)
        else:
            run(wrong)


def test_nodes_forget_what_they_were_made_of():
    x = leaf(large(), None)
    y = apply(MULTIPLY, apply(ADD, x, 1.0), 2.0)
    run(y)
    assert y.inputs == () and pending([y]) == []
