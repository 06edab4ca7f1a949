"""The dag: built from a graph, printed and parsed back, and refused where it is not legal."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from lazytensor.config import config
from lazytensor.errors import CheckError
from lazytensor.ir import check
from lazytensor.ir.dag import LEAF, SAME, Dag, Operand, Value, View, build, exactly
from lazytensor.ir.node import leaf
from lazytensor.ir.operation import Operation
from lazytensor.ir.text import dtype_text, parse, to_text
from lazytensor.optimise import optimise

from . import graphs
from .graphs import ADD, F8, MULTIPLY, NEGATIVE, OPERATIONS, STORE, apply, captured, part, store


def small():
    """``-(x + y[1:3] * 2.0)`` and a store, as a captured graph."""
    x, y = leaf(np.arange(2.0), None), leaf(np.arange(4.0), None)
    targets = _written_with(x, y, apply(MULTIPLY, part(y, 1, 3), 2.0))
    return captured(*targets)


def _written_with(x, y, product):
    return apply(NEGATIVE, apply(ADD, x, product)), store(y, 0, 2, product)


def test_build_says_what_the_graph_says():
    graph = small()
    dag = build(graph)
    assert dag.operations() == [0, 1, 2, 3] and dag.leaves() == [4, 5, 6]
    assert dag.value(0) == Value(MULTIPLY, F8, (2,))
    assert dag.operands(0) == [Operand(4, View(0, F8, (2,))), Operand(5, None)]
    assert dag.value(4) == Value(LEAF, F8, (3,), spare=False)
    assert dag.value(5).kind == "number" and dag.value(5).dtype == "float"
    assert [value.kept for _, value in dag.values()] == [False, False, True, True, False, False, False]
    assert [n for n, _ in dag.operands(3)] == [4, 0]


def test_an_operand_read_twice_is_two_edges():
    x = leaf(np.arange(2.0), None)
    dag = build(captured(apply(MULTIPLY, x, x)))
    assert dag.operands(0) == [Operand(1, None), Operand(1, None)] and dag.users(1) == [0]


@settings(max_examples=200, deadline=None)
@given(graphs.programs())
def test_text_round_trips(program):
    nodes, _ = graphs.as_nodes(program)
    graphs.keep_only(nodes, program[3])
    targets = [n for n in nodes if n is not None and n.buffer is None]
    if targets:
        graph = captured(*targets)
        dag = build(graph)
        assert dag == build(graph)
        for either in (dag, optimise(dag)):
            text = to_text(either)
            again = parse(text, OPERATIONS)
            assert again == either and to_text(again) == text


@pytest.mark.parametrize("dtype", ["f8", ">i4", "M8[us]", "U3", "O", "?", "g", "c8", "V5",
                                   [("a", "f4"), ("b", "i2", (2, 3))], "T", "m8[25s]", "S0"])
def test_dtypes_round_trip(dtype):
    dag = Dag(1)
    dag.add(1, Value(LEAF, np.dtype(dtype), (2, 1, 0)), [])
    dag.add(0, Value(ADD, np.dtype(dtype), (2, 1, 0), (2, 0, 1), 3, True), [Operand(1, View(0, np.dtype(dtype), ()))])
    again = parse(to_text(dag), OPERATIONS)
    assert again == dag and again.value(0).dtype == np.dtype(dtype), dtype_text(np.dtype(dtype))


def test_text_is_readable():
    graphs.golden("dag", to_text(build(small())) + "\n")


@pytest.mark.parametrize("text", ["dag of 1 operations\n%0 = add(%1)", "dag of 1 operations\nfoo %1 %2"])
def test_text_that_is_no_dag(text):
    with pytest.raises(ValueError):
        parse(text, OPERATIONS)


def _read(dag, number, other):
    dag.add(number, dag.value(number), [*dag.operands(number), Operand(other, None)])


def _leaf_with_operand(dag):
    _read(dag, 6, 0)


def _cycle(dag):
    _read(dag, 0, 2)


def _view_node(dag):
    dag.add(0, replace(dag.value(0), op=Operation.VIEW), dag.operands(0))


def _number_operation(dag):
    dag.add(0, replace(dag.value(0), shape=None), dag.operands(0))


def _unknown_node(dag):
    _read(dag, 1, 99)


def _operation_as_leaf(dag):
    dag.add(7, dag.value(0), [])


def _number_viewed(dag):
    dag.add(0, dag.value(0), [Operand(4, None), Operand(5, View(0, F8, ()))])


def _store_into_view(dag):
    dag.add(3, dag.value(3), [Operand(4, View(0, F8, (3,))), Operand(0, None)])


def _store_of_other_shape(dag):
    dag.add(3, dag.value(3), [Operand(6, None), Operand(0, None)])


def _same_as_nothing(dag):
    dag.same[1] = 77


def _same_yet_there(dag):
    dag.same[1] = 0


ILLEGAL = {
    _leaf_with_operand: "leaves_read_nothing", _cycle: "acyclic",
    _view_node: "views_are_not_nodes", _number_operation: "nodes_carry_values", _unknown_node: "nodes_carry_values",
    _operation_as_leaf: "nodes_carry_values", _number_viewed: "views_fit_what_they_read",
    _store_into_view: "mutate_has_a_target", _store_of_other_shape: "mutate_has_a_target",
    _same_as_nothing: "rewritten_point_into_the_graph", _same_yet_there: "rewritten_point_into_the_graph",
}


@pytest.mark.parametrize("damage", ILLEGAL, ids=lambda f: f.__name__)
def test_illegal_dags_are_refused(damage):
    dag = check.check(build(small()), "dag")
    damage(dag)
    with pytest.raises(CheckError, match=rf"after my_pass: (?s:.*)law {ILLEGAL[damage]}"):
        check.check(dag, "my_pass")


def test_every_law_has_a_violation():
    assert set(ILLEGAL.values()) == {law.__name__ for law in check.LAWS}


def _lose_kept(dag):
    dag.remove(2)


def _change_dtype(dag):
    dag.add(1, replace(dag.value(1), dtype=np.dtype("f4")), dag.operands(1))


def _invent(dag):
    dag.add(8, Value(LEAF, F8, (2,)), [])


def _change_effect(dag):
    dag.add(3, dag.value(3), [Operand(4, None), Operand(1, None)])


UNLIKE = {_lose_kept: "kept_nodes_stay", _change_dtype: "kept_nodes_stay", _invent: "nothing_is_invented",
          _change_effect: "effects_stay"}


@pytest.mark.parametrize("damage", UNLIKE, ids=lambda f: f.__name__)
def test_passes_that_change_too_much_are_refused_under_debug(damage):
    before = build(small())
    after = before.copy()
    damage(after)
    with config(debug=False):
        assert check.check(after, "my_pass", before) is after
    with config(debug=True), pytest.raises(CheckError, match=rf"my_pass: (?s:.*){UNLIKE[damage]}(?s:.*)before:"):
        check.check(after, "my_pass", before)


def test_merged_matmul_operands_are_refused_under_debug():
    x, y = leaf(np.ones((2, 2)), None), leaf(np.ones((2, 2)), None)
    before = build(captured(graphs.matmul(x, y)))
    after = before.copy()
    after.add(0, after.value(0), [Operand(1, None), Operand(1, None)])
    with config(debug=True), pytest.raises(CheckError, match="relations_stay"):
        check.check(after, "my_pass", before)


def test_a_rewrite_that_does_not_settle_shows_both_graphs():
    with pytest.raises(CheckError, match=r"restless does not settle in 3 rounds\nbefore the last:\ndag(?s:.*)after:\n"):
        check.settled(lambda dag: dag.copy(), build(small()), 3, "restless")


def test_a_dag_as_a_networkx_graph():
    dag = build(small())
    graph = dag.graph
    assert dict(graph.nodes(data="value")) == dict(dag.values())
    for number, _ in dag.values():
        read = sorted((position, Operand(n, view)) for n, _, position, view in
                      graph.in_edges(number, keys=True, data="view"))
        assert read == list(enumerate(dag.operands(number)))
        assert sorted(graph.successors(number)) == dag.users(number)
    graph.remove_node(0)
    assert 0 in dag, "it is a copy"


def test_exactly_tells_equal_things_apart():
    assert not any(exactly(a, b) for a, b in
                   [(0, 0.0), (0, False), (0.0, -0.0), ((1, 0.0), (1, -0.0)), (float("nan"),) * 1 + (float("nan"),),
                    (np.dtype("l"), np.dtype("q")), (np.float64(0), 0.0), ("a", b"a"), (slice(1), slice(True))])
    assert all(exactly(a, a) for a in (0, 0.5, -0.0, "a", None, (1, (2, None)), slice(1, 2), np.float32(3), len))
    assert exactly((1, "axis", slice(0, None)), (1, "axis", slice(0, None)))
    assert exactly(np.dtype("M8[s]"), np.dtype("M8[s]"))


def test_copy_of_a_kept_value_is_an_operation_of_its_own():
    x = leaf(np.arange(2.0), None)
    dag = build(captured(a := apply(NEGATIVE, x), b := apply(NEGATIVE, x)))
    dag.become(1, 0)
    assert dag.value(1).op is SAME and dag.operands(1) == [Operand(0, None)] and a is not b
    check.check(dag, "test")
    assert STORE.kind == "mutate"


def test_an_interrupted_import_of_networkx_can_be_made_again():
    program = """
import sys

from lazytensor.ir.dag import networkx


class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "networkx.utils.configs":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt


sys.meta_path.insert(0, Interrupts())
try:
    networkx()
except KeyboardInterrupt:
    print("interrupted")
print(networkx().MultiDiGraph().size(), networkx().utils.configs is not None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "interrupted\n0 True\n", done.stderr
