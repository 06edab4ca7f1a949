"""Graphs built by hand, without the namespace: what the tests of the compiler feed it, and NumPy's own values."""

import gc
import os
import pathlib

import numpy as np
from hypothesis import strategies as st

from lazytensor.ir.capture import capture, pending
from lazytensor.ir.layout import elementwise as elementwise_strides
from lazytensor.ir.node import Node, leaf, make
from lazytensor.ir.operation import Operation
from lazytensor.lower.program import make_program
from lazytensor.run import floating
from lazytensor.run.interpreter import run_directly
from lazytensor.run.table import run_program

GOLDEN = pathlib.Path(__file__).parent / "golden"
F8 = np.dtype("f8")


def operation(fn, kind="elementwise", *laws):
    """An operation that no registry knows."""
    return Operation(fn.__name__, kind, fn, laws=laws)


ADD, MULTIPLY, MAXIMUM = operation(np.add), operation(np.multiply), operation(np.maximum)
NEGATIVE = operation(np.negative, "elementwise", "involution")
ABSOLUTE = operation(np.absolute, "elementwise", "idempotent")
POSITIVE = operation(np.positive, "elementwise", "identity")
SQRT, DIVIDE = operation(np.sqrt), operation(np.divide)
MATMUL, SUM = operation(np.matmul, "call"), operation(np.sum, "call")
TIMES = Operation("multiply", "scalar", np.multiply)
STORE = Operation("store", "mutate", lambda view, value: np.copyto(view, value))
CAST = Operation("astype", "elementwise", lambda x, out: (np.copyto(out, x, casting="unsafe"), out)[1], laws=("cast",))
OPERATIONS = {(op.name, op.kind): op for op in (ADD, MULTIPLY, MAXIMUM, NEGATIVE, ABSOLUTE, POSITIVE, SQRT, DIVIDE,
                                                MATMUL, SUM, TIMES, STORE, CAST)}


def geometry(x):
    return x.shape, x.strides, x.dtype.itemsize


def apply(op, *operands, dtype=None, attrs=None):
    """An elementwise node; operands are nodes or Python numbers."""
    arrays = [geometry(x) for x in operands if isinstance(x, Node)]
    shape = np.broadcast_shapes(*[g[0] for g in arrays])
    dtype = np.dtype(dtype or next(x.dtype for x in operands if isinstance(x, Node)))
    strides = elementwise_strides(shape, dtype.itemsize, arrays)
    return make(op, operands, attrs, shape, dtype, strides, floating.in_force(), 1)


def view(x, *steps):
    """A way to read a node: steps are pairs of a function and its further arguments."""
    shadow = np.ndarray(x.shape, x.dtype, None, 0, x.strides)
    for fn, args in steps:
        shadow = fn(shadow, *args)
    return make(Operation.VIEW, (x,), steps, shadow.shape, shadow.dtype, shadow.strides, None, 1)


def take_slice(x, *index):
    """What a step of a view does for basic indices."""
    return x[index]


def part(x, start, stop):
    """The view ``x[start:stop]``."""
    return view(x, (take_slice, (slice(start, stop),)))


def transposed(x):
    return view(x, (np.transpose, ()))


def store(x, start, stop, value):
    """``x[start:stop] = value`` as a node: the new value of x."""
    steps = ((take_slice, (slice(start, stop),)),)
    return make(STORE, (x, value), (steps, ()), x.shape, x.dtype, x.strides, floating.in_force(), 1)


def matmul(x, y):
    return make(MATMUL, (x, y), None, (x.shape[0], y.shape[1]), x.dtype, None, floating.in_force(), 1)


def total(x, axis=None):
    shape = () if axis is None else x.shape[:axis] + x.shape[axis + 1:]
    return make(SUM, (x,), (("axis", axis),), shape, x.dtype, None, floating.in_force(), 1)


def captured(*targets):
    """The graph of what the targets need."""
    return capture(pending(list(targets)))


def run(*targets, programs=None):
    """Plans and runs what the targets need; `programs` is a cache by key. Gives the graph's program."""
    graph = captured(*targets)
    program = None if programs is None else programs.get(graph.key)
    if program is None:
        program = make_program(graph)
        if programs is not None:
            programs[graph.key] = program
    run_program(program, graph)
    return program


def run_plainly(*targets):
    run_directly(pending(list(targets)))


def golden(name, text):
    """Asserts that a text is the one on file; LAZYTENSOR_UPDATE_GOLDEN=1 writes it there instead."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("LAZYTENSOR_UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} differs; LAZYTENSOR_UPDATE_GOLDEN=1 writes the new text to review"


# ---- random programs -------------------------------------------------------------------------------------------------

LARGE, SMALL = 182, 5
"""Lengths of the axes of square arrays: above and below what may be written over."""

_UNARY = {"negative": NEGATIVE, "absolute": ABSOLUTE, "positive": POSITIVE, "sqrt": SQRT}
_BINARY = {"add": ADD, "multiply": MULTIPLY, "maximum": MAXIMUM}
_choice = st.integers(0, 30)

instructions = st.one_of(
    st.tuples(st.sampled_from(sorted(_UNARY)), _choice),
    st.tuples(st.sampled_from(sorted(_BINARY)), _choice, _choice),
    st.tuples(st.just("number"), _choice, st.floats(-2, 2)),
    st.tuples(st.just("transposed"), _choice, _choice),
    st.tuples(st.just("matmul"), _choice, _choice),
    st.tuples(st.just("store"), _choice, _choice),
    st.tuples(st.just("shift"), _choice),
    st.tuples(st.just("store_part"), _choice, _choice, st.integers(1, 3)),
    st.tuples(st.just("again"), _choice),
    st.tuples(st.just("cast"), _choice),
)
"""One operation each; numbers choose operands among what there is."""


@st.composite
def programs(draw):
    """(size, orders of the leaves, instructions, which results stay held, which leaves stay held and how)."""
    size = draw(st.sampled_from([SMALL, SMALL, LARGE]))
    leaves = draw(st.lists(st.sampled_from("CF"), min_size=1, max_size=3))
    steps = draw(st.lists(instructions, min_size=1, max_size=12))
    held = draw(st.sets(st.integers(0, len(steps) + len(leaves) - 1), max_size=4)) | {len(steps) + len(leaves) - 1}
    outside = draw(st.lists(st.sampled_from(["nobody", "node", "array", "view"]), min_size=3, max_size=3))
    return size, leaves, steps, held, outside


def start(size, orders):
    """The leaves' arrays."""
    rng = np.random.default_rng(size + len(orders))
    return [np.asarray(rng.standard_normal((size, size)), order=order) for order in orders]


def with_numpy(program):
    """The values of all leaves and results, by NumPy at once."""
    size, orders, steps, _, _ = program
    values = start(size, orders)
    with np.errstate(all="ignore"):
        for name, *choices in steps:
            operands = [values[c % len(values)] for c in choices if isinstance(c, int)]
            values.append(_numpy_step(name, operands, choices))
    return values


def _numpy_step(name, operands, choices):
    x, y = operands[0], operands[-1]
    if name in _UNARY or name in _BINARY:
        return getattr(np, name)(*operands)
    if name == "number":
        return x * choices[1]
    if name == "transposed":
        return x.T + y
    if name == "matmul":
        return x @ y
    if name == "again":
        return np.negative(np.negative(x)) + np.negative(np.negative(x))
    if name == "cast":
        return x.astype("c16").astype("f8") if x.dtype.kind == "c" else x.astype("g").astype("f8")
    result = x.copy(order="K")
    if name == "shift":
        result[1:] = result[:-1]
    else:
        rows = choices[2] if name == "store_part" else len(result)
        result[:rows] = y[:rows]
    return result


def as_nodes(program):
    """The nodes of all leaves and results, and what else stays alive; nobody else holds the leaves' arrays."""
    size, orders, steps, _, outside = program
    values, alive = [], []
    for i, x in enumerate(start(size, orders)):
        values.append(leaf(x, None if x.flags.c_contiguous else x.strides))
        if outside[i] != "nobody":
            held = {"node": values[-1], "array": x, "view": x[1:]}[outside[i]]
            alive.append((held, x.copy(order="K")))
    with np.errstate(all="ignore"):
        for name, *choices in steps:
            operands = [values[c % len(values)] for c in choices if isinstance(c, int)]
            values.append(_node_step(name, operands, choices))
    return values, alive


def _node_step(name, operands, choices):
    x, y = operands[0], operands[-1]
    if name in _UNARY or name in _BINARY:
        return apply((_UNARY | _BINARY)[name], *operands)
    if name == "number":
        return apply(MULTIPLY, x, choices[1])
    if name == "transposed":
        return apply(ADD, transposed(x), y)
    if name == "matmul":
        return matmul(x, y)
    if name == "again":
        return apply(ADD, apply(NEGATIVE, apply(NEGATIVE, x)), apply(NEGATIVE, apply(NEGATIVE, x)))
    if name == "cast":
        return apply(CAST, apply(CAST, x, dtype="g"), dtype="f8")
    if name == "shift":
        return store(x, 1, None, part(x, None, -1))
    rows = choices[2] if name == "store_part" else None
    return store(x, None, rows, part(y, None, rows) if rows else y)


def same_values(expected, nodes, held):
    """Asserts that held nodes have NumPy's values, bits and layout."""
    for i in sorted(held):
        actual = nodes[i].buffer
        assert actual is not None, f"value {i} was not computed"
        assert actual.dtype == expected[i].dtype and actual.shape == expected[i].shape
        assert actual.strides == expected[i].strides, (i, actual.strides, expected[i].strides)
        same = (actual == expected[i]) & (np.signbit(actual) == np.signbit(expected[i]))
        assert (same | (np.isnan(actual) & np.isnan(expected[i]))).all(), f"value {i} differs"


def keep_only(nodes, held):
    """Forgets the nodes that are not held."""
    for i in range(len(nodes)):
        if i not in held:
            nodes[i] = None
    gc.collect(0)
