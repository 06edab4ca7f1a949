"""What the extension keeps and finds by itself: freed nodes, plans by a structure's words, operators from slots."""

import gc
import itertools
import pathlib
import subprocess
import sys
import threading
import weakref

import numpy as real
import pytest

from lazytensor import hot
from lazytensor.compile import clear_cache
from lazytensor.config import current
from lazytensor.lower import fused

from .helpers import module_under_test, plan_soon, same_bits

pytestmark = pytest.mark.skipif(hot.native is None, reason="the extension was not built here")


@pytest.fixture(autouse=True)
def at_once():
    plan_soon(module_under_test())


# ---- nodes -----------------------------------------------------------------------------------------------------------


def test_a_long_chain_is_freed_without_recursion():
    np = module_under_test()
    with np.config(depth=10**6):
        x = y = np.arange(4.0).realize()
        refs = []
        for i in range(200_000):
            y = y + x
            if i % 50_000 == 0:
                refs.append(weakref.ref(y._value))
        assert all(ref() is not None for ref in refs)
        del y
        assert all(ref() is None for ref in refs)


def test_freed_nodes_are_made_again_with_nothing_in_them():
    np = module_under_test()
    x = np.arange(4.0).realize()
    many = [x + i for i in range(600)]
    del many
    again = [np.add(x, i) for i in range(600)]
    for node in (t._value for t in again):
        assert node.buffer is None and node.claim is None and node.rest == () and node.attrs is None
    empty = object.__new__(type(again[0]._value))
    with pytest.raises(AttributeError):
        empty.op  # noqa: B018  a slot that nobody has set
    assert all(same_bits(real.asarray(t), real.arange(4.0) + i) for i, t in enumerate(again))


def test_a_node_in_a_cycle_is_collected():
    np = module_under_test()
    y = np.arange(4.0) + 1
    node, ref = y._value, weakref.ref(y._value)
    node.claim = error = RuntimeError()
    error.node = node
    del node, error, y
    gc.collect()
    assert ref() is None


def test_threads_free_chains_of_their_own():
    np = module_under_test()
    found = []

    def work():
        for _ in range(20):
            y = np.ones(3).realize()
            for _ in range(300):
                y = y * 1.0 + 0.0
            found.append(float(y.sum()))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3.0] * 80


# ---- structures ------------------------------------------------------------------------------------------------------


PROGRAMS = {
    "numbers": lambda np, x, y: x * 2 + 3, "floats": lambda np, x, y: x * 2.0 + 3,
    "bools": lambda np, x, y: x * True + 3,
    "scalars": lambda np, x, y: x * real.float64(2) + 3, "twice": lambda np, x, y: x * x + 3,
    "other": lambda np, x, y: x * y + 3, "turned": lambda np, x, y: y * x + 3, "first": lambda np, x, y: x[0] * y + 3,
    "rows": lambda np, x, y: x[1:] * y[:-1] + 3, "same rows": lambda np, x, y: x[1:] * x[1:] + 3,
    "sum 0": lambda np, x, y: x.sum(0) + 3, "sum 1": lambda np, x, y: x.sum(1) + 3,
    "sum -1": lambda np, x, y: x.sum(-1) + 3, "kept": lambda np, x, y: x.sum(0, keepdims=True) + 3,
    "real": lambda np, x, y: (x + 1j).real + (x + 1j).imag, "imag": lambda np, x, y: (x + 1j).imag + (x + 1j).imag,
    "cast": lambda np, x, y: (x * y).astype("f4"), "stored": lambda np, x, y: np.where(x > 1, x, y)[1:] * 2,
}


def test_structures_that_differ_a_little_have_plans_of_their_own():
    np = module_under_test()
    arrays = [real.arange(12.0).reshape(3, 4) / k for k in (3, 7)]
    lazy = [np.array(a).realize() for a in arrays]
    for program in [*PROGRAMS.values()] * 4:
        assert same_bits(real.asarray(program(np, *lazy)), program(real, *arrays))
    square = [a[:, :3] for a in arrays]
    lazy = [np.array(a).realize() for a in square]
    for first, second in itertools.permutations(PROGRAMS.values(), 2):
        for program in (first, second):
            assert same_bits(real.asarray(program(np, *lazy)), program(real, *square))


def test_plans_that_were_met_are_forgotten_with_the_cache():
    np = module_under_test()
    x = np.arange(4.0).realize()
    for _ in range(4):
        (x * 2 + 1).realize()
    before = hot.native.counts()[2]
    (x * 2 + 1).realize()
    assert hot.native.counts()[2] == before + 1
    clear_cache()
    (x * 2 + 1).realize()
    assert hot.native.counts()[2] == before + 1


def test_long_structures_have_more_words_than_have_room():
    np = module_under_test()
    x = np.arange(4.0).realize()
    for _ in range(5):
        z, expected = x, real.arange(4.0)
        for i in range(120):
            z, expected = z * (1 + i / 1000), expected * (1 + i / 1000)
        assert same_bits(real.asarray(z), expected)


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
def test_a_kernel_that_reads_views_of_what_it_does_not_make_is_launched_here(monkeypatch):
    np = module_under_test()
    image = real.arange(40 * 30, dtype="u1").reshape(40, 30)
    x = np.array(image).realize()

    def blurred(np, x):
        wide = x.astype("i2")
        rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
        return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) >> 4
    with np.config(compile_after=0):
        for _ in range(4):
            assert same_bits(real.asarray(blurred(np, x)), blurred(real, image))
        before = hot.native.counts()[4]
        result = blurred(np, x)
        np.realize(result)
        assert hot.native.counts()[4] == before + 1
        assert same_bits(real.asarray(result), blurred(real, image))


# ---- slots -----------------------------------------------------------------------------------------------------------


class Other:
    """What answers operators with its name, or declines."""

    __array_ufunc__ = None

    def __radd__(self, other):
        return "added"

    def __add__(self, other):
        return NotImplemented

    __rpow__ = __rand__ = __radd__

    def __gt__(self, other):
        return "greater"


def test_operands_of_other_classes_are_asked():
    np = module_under_test()
    x, other = np.arange(3.0), Other()
    assert x + other == "added" and x ** other == "added" and x & other == "added" and (x < other) == "greater"
    with pytest.raises(TypeError, match="unsupported operand"):
        other + x
    with pytest.raises(TypeError, match="unsupported operand"):
        x - other
    with pytest.raises(TypeError):
        pow(x, 2, 3)


@pytest.mark.parametrize("left", [2, 2.5, True, 1j, real.float32(3), [1.0, 2.0, 3.0]])
def test_reflected_operators_are_as_in_numpy(left):
    np = module_under_test()
    for _ in range(2):
        for operation in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b,
                          lambda a, b: a ** b, lambda a, b: a == b):
            assert same_bits(real.asarray(operation(left, np.arange(1.0, 4.0))), operation(left, real.arange(1.0, 4.0)))


SETS_METHODS = """
import numpy as real
import pytest
from tests.helpers import module_under_test, same_bits

np = module_under_test()
x = np.arange(3.0)
with pytest.MonkeyPatch.context() as monkeypatch:
    monkeypatch.setattr(np.ndarray, "__sub__", lambda self, other: "mine")
    monkeypatch.setattr(np.ndarray, "__getitem__", lambda self, index: "part")
    assert x - 1 == "mine" and x[0] == "part"
    monkeypatch.setattr(type(np.sqrt), "__call__", lambda self, x: "called")
    assert np.sqrt(x) == "called"
assert same_bits(real.asarray(x - 1), real.arange(3.0) - 1) and x[1] == 1.0
assert same_bits(real.asarray(np.sqrt(x)), real.sqrt(real.arange(3.0)))
"""


def test_a_method_that_the_program_sets_is_called():
    """In a process of its own: Python gives classes slots of its own for methods that are set, and leaves them these
    when the methods are put back."""
    done = subprocess.run([sys.executable, "-c", SETS_METHODS], capture_output=True, text=True,
                          cwd=pathlib.Path(__file__).parent.parent)
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "?"])
def test_what_is_laid_out_alike_keeps_its_layout(axes, dtype):
    np = module_under_test()
    array = (real.arange(4 * 6 * 10).reshape(4, 6, 10) % 7).astype(dtype)
    x, a = np.array(array).realize()[::2, 1:, ::3].transpose(axes), array[::2, 1:, ::3].transpose(axes)
    for _ in range(2):
        for operation in (lambda v: v * 2, lambda v: 2.5 + v, lambda v: v == v, lambda v: abs(v), lambda v: v + v * v,
                          lambda v: (v + 1).T * 2, lambda v: (v * 2).sum(1), lambda v: (v + real.float32(1)) / 3):
            made, expected = operation(x), operation(a)
            assert (made.strides, made.dtype, made.flags.c_contiguous) == (
                expected.strides, expected.dtype, expected.flags.c_contiguous)
            assert same_bits(real.asarray(made), expected) and real.asarray(made).strides == expected.strides


@pytest.mark.parametrize("value", [
    real.arange(6.0), real.arange(12, dtype="i2").reshape(3, 4), real.zeros((0, 3)), real.array(1.5),
    real.zeros((2, 1, 3), "c16"), real.array(["a", "bcd"]), real.array([None, 1])], ids=lambda value: str(value.shape))
def test_what_an_array_is_like_is_told_without_python(value):
    """The properties whose functions are the extension's, of arrays, pending ones and views."""
    np = module_under_test()
    made = np.array(value)
    forms = [(value, made), (value[...], made[...]), (value.T, made.T)]
    if value.dtype.kind in "fic" and value.ndim:
        forms.append((value * 2, made * 2))
    for theirs, ours in forms:
        for name in ("shape", "dtype", "ndim", "size", "nbytes"):
            asked, expected = getattr(type(ours), name).fget, getattr(theirs, name)
            assert getattr(ours, name) == expected and type(getattr(ours, name)) is type(expected), name
            assert getattr(asked, "slow", asked)(ours) == expected, name
        assert same_bits(theirs.T, real.asarray(ours.T)) if theirs.dtype.kind != "O" else ours.T.shape == theirs.T.shape
        if theirs.ndim:
            assert len(ours) == len(theirs) == type(ours).__len__(ours)
        else:
            with pytest.raises(TypeError, match="unsized"):
                len(ours)


def test_a_program_may_set_the_length_and_attributes_of_the_class(monkeypatch):
    np = module_under_test()
    x, kind = np.arange(3.0), type(np.arange(3.0))
    with monkeypatch.context() as patch:
        patch.setattr(kind, "__len__", lambda self: 7)
        patch.setattr(kind, "transpose", lambda self: "turned")
        assert len(x) == 7 and x.T == "turned"
    assert len(x) == 3 and x.T.shape == (3,)
