"""The laws: which operations take another's value, and which must not."""

import numpy as np
import pytest

from lazytensor.ir.dag import SAME, build
from lazytensor.ir.node import leaf
from lazytensor.ir.operation import Operation
from lazytensor.lower.program import STAGES, make_program
from lazytensor.optimise import PASSES, optimise
from lazytensor.optimise.identities import RULES, holds_all, identities

from . import graphs
from .graphs import ABSOLUTE, ADD, CAST, MATMUL, MAXIMUM, MULTIPLY, NEGATIVE, POSITIVE, apply, captured, part, store


def vector(n=4, dtype="f8"):
    return leaf(np.arange(n, dtype=dtype), None)


def rewritten(*targets):
    """What is rewritten as what when only the targets are held."""
    return optimise(build(captured(*targets))).same


def test_common_subexpressions_become_one():
    x, y = vector(), vector()
    assert rewritten(apply(MULTIPLY, apply(ADD, x, y), apply(ADD, x, y))) == {1: 0}


def test_chains_of_common_subexpressions_become_one():
    x, y = vector(), vector()
    a = [apply(MAXIMUM, apply(ADD, apply(NEGATIVE, x), y), y) for _ in range(3)]
    assert len(rewritten(apply(ADD, apply(ADD, a[0], a[1]), a[2]))) == 6


@pytest.mark.parametrize("pair", [
    lambda x, y: (apply(ADD, x, y), apply(ADD, y, x)),
    lambda x, y: (apply(ADD, x, y), apply(MAXIMUM, x, y)),
    lambda x, y: (apply(ADD, x, 1.0), apply(ADD, x, 1.0)),  # numbers are arguments of each run
    lambda x, y: (apply(NEGATIVE, part(x, 0, 2)), apply(NEGATIVE, part(x, 0, 2))),  # so is where views lie
    lambda x, y: (store(x, 0, 1, y), store(x, 0, 1, y)),
    lambda x, y: (graphs.total(x, 0), graphs.total(x, None)),
    lambda x, y: (apply(CAST, x, dtype="f4"), apply(CAST, x, dtype="i4")),
])
def test_these_are_not_common(pair):
    assert rewritten(*pair(vector(), vector())) == {}


def test_python_objects_are_left_alone():
    x = leaf(np.array([1, 2], dtype=object), None)
    assert rewritten(apply(ADD, apply(NEGATIVE, x), apply(NEGATIVE, x))) == {}
    assert rewritten(apply(NEGATIVE, apply(NEGATIVE, x))) == {}


def test_one_view_read_twice_is_common():
    x = vector()
    head = part(x, 0, 2)
    assert rewritten(apply(ADD, apply(NEGATIVE, head), apply(NEGATIVE, head))) == {1: 0}


def test_operands_of_a_call_keep_their_relation():
    x = leaf(np.ones((2, 2)), None)
    assert rewritten(graphs.matmul(apply(NEGATIVE, x), apply(NEGATIVE, x))) == {}
    assert rewritten(graphs.matmul(graphs.transposed(apply(NEGATIVE, x)), apply(NEGATIVE, x))) == {}
    assert rewritten(graphs.matmul(x, apply(NEGATIVE, apply(NEGATIVE, x)))) == {}
    y = apply(NEGATIVE, x)
    twice = [graphs.matmul(y, y), graphs.matmul(apply(NEGATIVE, x), x)]
    assert rewritten(*twice) != {}, "one array stays one: both of the first product's operands may become another node"


def test_operands_of_anything_but_a_plain_ufunc_keep_their_relation():
    where = Operation("asks", "elementwise", lambda a, b, out: np.add(a, b, out=out))
    x, y = vector(), vector()
    assert rewritten(apply(where, apply(ADD, x, y), apply(ADD, x, y))) == {}


@pytest.mark.parametrize(("target", "same"), [
    (lambda x: apply(NEGATIVE, apply(NEGATIVE, x)), {1: 2}),
    (lambda x: apply(NEGATIVE, apply(NEGATIVE, apply(NEGATIVE, x))), {1: 3, 2: 0}),
    (lambda x: apply(ABSOLUTE, apply(ABSOLUTE, x)), {1: 0}),
    (lambda x: apply(ADD, apply(POSITIVE, x), x), {0: 2}),
    (lambda x: apply(ADD, apply(CAST, apply(CAST, x, dtype="g"), dtype="f8"), x), {1: 3}),
    (lambda x: apply(ADD, apply(CAST, x, dtype="f8"), x), {0: 2}),
    (lambda x: apply(CAST, apply(CAST, x, dtype="f4"), dtype="f8"), {}),
    (lambda x: apply(CAST, apply(CAST, x, dtype="c16"), dtype="f8"), {}),  # NumPy warns of the part it drops
    (lambda x: apply(POSITIVE, x), {}),  # a copy that is held is a copy
    (lambda x: apply(NEGATIVE, apply(ABSOLUTE, x)), {}),
    (lambda x: apply(ABSOLUTE, apply(ABSOLUTE, x), attrs=(("where", True),)), {}),
    (lambda x: apply(NEGATIVE, part(apply(NEGATIVE, x), 0, 2)), {}),
])
def test_identities(target, same):
    assert rewritten(target(vector())) == same


def test_an_identity_that_changes_the_layout_is_none():
    x = leaf(np.ones((2, 3)), None)
    assert rewritten(apply(ADD, apply(POSITIVE, graphs.transposed(x)), 1.0)) == {}
    y = leaf(np.ones((4, 3))[:, ::-1], (24, -8))
    assert rewritten(apply(ADD, apply(NEGATIVE, apply(NEGATIVE, y)), 1.0)) in ({}, {1: 3})
    graph = captured(z := apply(ADD, apply(NEGATIVE, apply(NEGATIVE, y)), 1.0))
    program = make_program(graph)
    graphs.run_program(program, graph)
    assert (z.buffer == 2).all() and z.buffer.strides == (24, 8)


def test_what_is_held_becomes_a_copy_and_what_is_dead_goes():
    x = vector()
    held, middle = apply(NEGATIVE, inner := apply(NEGATIVE, x)), inner
    del inner
    dag = optimise(build(captured(held)))
    assert dag.value(1).op is SAME and 0 in dag and middle is not None, "the inner one is held here"
    del middle
    dag = optimise(build(captured(held)))
    assert dag.value(1).op is SAME and 0 not in dag


def test_mutating_operations_stay():
    x = vector()
    dag = build(captured(store(apply(NEGATIVE, x), 0, 1, 3.0)))
    assert optimise(dag) is dag


@pytest.mark.parametrize(("wider", "narrow", "answer"), [
    ("f8", "f4", True), ("f4", "f8", False), ("f8", "i4", True), ("f8", "i8", False), ("f4", "i2", True),
    ("f4", "i4", False), ("f4", "u2", True), ("c16", "c8", True), ("c16", "f8", False), ("i8", "u4", True),
    ("i4", "?", True), ("g", "i8", np.finfo("g").nmant >= 63), ("M8[s]", "i8", False), ("O", "i8", False),
])
def test_which_dtypes_hold_all_values_of_others(wider, narrow, answer):
    assert holds_all(np.dtype(wider), np.dtype(narrow)) is answer
    if answer:
        info = np.finfo(narrow) if np.dtype(narrow).kind in "fc" else np.iinfo(narrow) if narrow != "?" else None
        ends = [False, True] if info is None else [info.min, info.max]
        for value in np.array(ends, narrow):
            assert value.astype(wider).astype(narrow) == value


def test_every_rule_has_an_equation():
    assert all("==" in rule.__doc__ for rule in RULES)


def test_stages_are_listed_and_can_be_stopped_at():
    x = vector()
    graph = captured(apply(NEGATIVE, apply(NEGATIVE, x)))
    made = {stage: type(make_program(graph, stage)).__name__ for stage in STAGES}
    assert made == {"dag": "Dag", **{name: "Dag" for name, _ in PASSES}, "fuse": "list",
                    "order": "Ordered", "liveness": "Live",
                    "memory": "Plan", "table": "Program"}
    assert identities(build(graph)) == make_program(graph, "identities")
    with pytest.raises(ValueError, match="no stage is called 'vectorise'"):
        make_program(graph, "vectorise")
    assert MATMUL.kind == "call"
