"""That the extension does what it is there for: a call of a compiled function enters no Python at all.

A fast path that is no longer taken gives the same results; these tests are what notices.
"""

import importlib.machinery
import os
import pathlib
import sys

import numpy as real
import pytest

import lazytensor as np
from lazytensor import hot
from lazytensor.hybrid import calling, effects, fast, fusing, jit, streams, tapes, tracing
from lazytensor.hybrid.tracing import Operand, Record
from lazytensor.ir.node import leaf

FOLDER = pathlib.Path(fast.__file__).parent
WANTED = os.environ.get("LAZYTENSOR_HOT") != "0"


def built(folder, name):
    """Whether an extension was built for this Python."""
    return any((folder / (name + suffix)).exists() for suffix in importlib.machinery.EXTENSION_SUFFIXES)


@pytest.mark.skipif(not WANTED, reason="the extensions are left out")
def test_an_extension_that_was_built_is_used():
    assert built(FOLDER, "_replay") == (fast.native is not None)
    assert built(FOLDER, "_tape") == (tapes.tape is not None)
    assert built(pathlib.Path(hot.__file__).parent, "_hot") == (hot.native is not None)


native = pytest.mark.skipif(fast.native is None, reason="the extension was not built here")
needs_kernels = pytest.mark.skipif(not fusing.possible(), reason="no kernels here")


@native
def test_its_classes_are_those_in_use():
    g = np.jit(lambda x: x + 1)
    assert jit.Jitted.__base__ is calling.Caller is fast.native.Caller
    assert type(tracing.Trace({}, {}).book) is fast.native.Book
    for _ in range(3):
        g(np.ones(3))
    assert type(g._compiled[0].replay) is type(g._compiled[0].predict) is fast.native.Program


def entered(f, *args):
    """The names of the Python functions that a call enters."""
    found = []

    def see(frame, event, argument):
        if event == "call":
            found.append(frame.f_code.co_name)
    sys.setprofile(see)
    try:
        f(*args)
    finally:
        sys.setprofile(None)
    return found


def array(*shape):
    return (np.arange(float(np.prod(shape))).reshape(shape) + 1).copy().realize()


def branch(x):
    return x * 2 if x.sum() > 3 else x


def standardised(x):
    return (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, keepdims=True)


def updated(x, y):
    x += y
    x[1:] = x[1:] * 2


def jacobi(x):
    for _ in range(30):
        x[1:-1] = x[:-2] * 0.5 + x[2:] * 0.25


def triangular(x):
    for i in range(len(x)):
        for j in range(i):
            x[i, j] -= x[i, :j] @ x[:j, j]


weight = array(10)
CALLS = {  # the function, its arguments, and whether it becomes a kernel
    "chain": (lambda x, y: (x * y + 1) / (x + 2), lambda: (array(10), array(10)), True),
    "captured": (lambda x: x * weight, lambda: (array(10),), True),
    "number": (lambda x, k: x * k, lambda: (array(10), 2.5), True),
    "text": (lambda x, s: x + len(s), lambda: (array(10), "ab"), True),
    "sum": (lambda x, y: (x * y + 1).sum(), lambda: (array(3000), array(3000)), True),
    "rows": (standardised, lambda: (array(4, 5),), True),
    "branch": (branch, lambda: (array(10),), True),
    "several": (lambda x: (x + 1, [x + 2], {"k": x + 3}), lambda: (array(10),), True),
    "matmul": (lambda x: np.maximum(x @ x, 0), lambda: (array(4, 4),), True),
    "where": (lambda x: np.where(x > 2, x, 0), lambda: (array(10),), True),
    "element": (lambda x: x[0] * x, lambda: (array(10),), False),
    "list": (lambda xs: xs[0] + xs[1], lambda: ([array(10), array(10)],), True),
    "dict": (lambda d: d["a"] + d["b"], lambda: ({"a": array(10), "b": array(10)},), True),
}
HOT = 20
"""Calls after which a function has its kernels."""


def warm(f, arguments):
    g = np.jit(f)
    for _ in range(HOT):
        g(*arguments())
    return g


@native
@needs_kernels
@pytest.mark.parametrize("name", CALLS)
def test_a_call_enters_no_python(name):
    f, arguments, fuses = CALLS[name]
    g, given = warm(f, arguments), arguments()
    assert entered(g, *given) == []
    assert (g._compiled[0].kernels > 0) == fuses


@native
@pytest.mark.parametrize("name", CALLS)
def test_the_extension_has_the_whole_guard(name):
    g = warm(*CALLS[name][:2])
    compiled, = g._compiled
    rest = fast.guard(compiled._checks, compiled.given.count)[2]
    assert rest == []


@native
@needs_kernels
@pytest.mark.parametrize("f, arguments", [
    (updated, lambda: (array(10), array(10))), (triangular, lambda: (array(6, 6),))], ids=["updated", "triangular"])
def test_an_update_in_place_enters_no_python(f, arguments):
    g, given = warm(f, arguments), arguments()
    assert entered(g, *given) == []


@native
def test_a_loop_over_elements_runs_on_a_tape():
    g = warm(triangular, lambda: (array(6, 6),))
    assert g._compiled[0].steps >= 6 * 5 // 2 and "tape" in g.explain()


@native
@needs_kernels
def test_a_loop_of_kernels_is_launched_at_one_go():
    g, given, before = warm(jacobi, lambda: (array(50),)), (array(50),), fast.native.launched_loops()
    assert g._compiled[0].kernels > 0
    g(*given)
    assert fast.native.launched_loops() >= before


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_the_state_of_numpys_streams_is_made_anew(kind):
    """So no copy of it is made: a state that was asked for stays as it was."""
    bits = getattr(np.random, kind)(3)
    rng = np.random.Generator(bits)
    state, = streams.states_of([rng])
    first = rng.normal(size=700).tolist()
    streams.put_back([rng], [state])
    assert rng.normal(size=700).tolist() == first and streams._is_anew(type(bits))
    streams.put_back([rng], [state])
    assert rng.normal(size=700).tolist() == first


@pytest.mark.skipif(fast.native is None, reason="the extension was not built")
@pytest.mark.parametrize(("made", "read"), [((4, 5), None), ((1 << 17,), None), ((3,), (1 << 18,)), ((), (2, 2))])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_sizes_of_records_are_those_that_python_finds(made, read, dtype):
    """`exceeds` looks at what operations give and at the views that they read, and at no other records."""
    laid = None if read is None else (read, real.dtype(dtype), None)
    operand = Operand("r0", None if read is None else "steps", None, laid)
    record = Record("operation", "r1", (operand,), shape=made, dtype=real.dtype(dtype))
    other = Record("call", "r2", (), shape=(1 << 30,), dtype=real.dtype(dtype))
    most = max(real.prod(shape, dtype=int) * real.dtype(dtype).itemsize for shape in (made, read or ()))
    for limit in (most, most + 1, 1 << 20):
        assert fast.native.exceeds([other, record], limit) is bool(most >= limit)
    with pytest.raises(TypeError, match="records"):
        fast.native.exceeds([1], 1)


@pytest.mark.parametrize("commit", [effects.commit, getattr(hot.native, "commit", effects.commit)])
def test_new_values_are_committed_all_together_or_not_at_all(commit):
    arrays = [np.arange(float(n)) for n in (3, 3, 4)] + [np.ones((2, 3)) for _ in range(70)]
    np.realize(*arrays)
    fresh = [real.array(a.tolist()) * 2 for a in arrays]
    fresh[2] = real.ones((2, 2)).T.copy()
    writes = tuple((a, a._value, b, None) for a, b in zip(arrays, fresh, strict=True))
    arrays[1] += 1
    before = [a._value for a in arrays]
    assert not commit(writes) and all(a._value is node for a, node in zip(arrays, before, strict=True))
    np.realize(arrays[1])
    given = (arrays[0], arrays[0]._value, leaf(fresh[0], None), None)
    assert commit((given, *((a, a._value, b, None) for a, b in zip(arrays[1:], fresh[1:], strict=True))))
    assert all(a._value.buffer is b and a.shape == b.shape for a, b in zip(arrays, fresh, strict=True))
    assert arrays[0]._value is given[2] and arrays[3].tolist() == [[2.0] * 3] * 2
    arrays[0].flags.writeable = False
    assert not commit(((arrays[0], arrays[0]._value, fresh[0], None),)) and arrays[0]._value is given[2]
