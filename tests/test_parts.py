"""Operators on parts of an array, ``a[1:] += b``: one kernel, into the array's memory, with NumPy's bits and warnings.

Each program runs on NumPy's arrays and on Tensors, several times, so that its plan is made, bound and found again.
"""

import operator
import re
import subprocess
import sys
import threading
import warnings

import numpy as real
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazytensor.compile import clear_cache
from lazytensor.hot import native
from lazytensor.lower import fused
from lazytensor.run import in_place, kernels, parts

from .helpers import module_under_test, plan_soon, same_bits

needs_kernels = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


@pytest.fixture(autouse=True)
def at_once():
    np = module_under_test()
    plan_soon(np)
    before = len(kernels.failures)
    with np.config(engine="llvm" if fused.available() else "numpy"):
        yield
    assert kernels.failures[before:] == [], "a kernel could not be made"


@pytest.fixture
def ways(monkeypatch):
    """How writes into parts were done: 'in place' with the flags of the run, or 'renewed', into new memory. (By Python,
    which binds kernels; the extension runs them again.)"""
    found = []
    clear_cache()
    monkeypatch.setattr(parts, "ready", lambda *_: None)
    run, renewed = in_place.run, parts.renewed

    def noted(*args):
        found.append(("in place", run(*args)))
        return found[-1][1]

    def noted_renewed(*args):
        found.append(("renewed", 0))
        return renewed(*args)
    monkeypatch.setattr(in_place, "run", noted)
    monkeypatch.setattr(parts, "renewed", noted_renewed)
    return found


def data(*shape, dtype="d", seed=0):
    return (real.random.default_rng(seed).normal(size=shape) * 9).astype(dtype)


def check(program, *arrays, times=4):
    """The program's result and what it leaves in the arrays, bit for bit, each time."""
    np = module_under_test()
    for _ in range(times):
        own, theirs = [np.array(a) for a in arrays], [a.copy() for a in arrays]
        with real.errstate(all="ignore"):
            wanted, got = program(real, *theirs), program(np, *own)
            assert all(same_bits(e, real.asarray(g)) for e, g in zip(theirs, own, strict=True))
            if wanted is not None:
                assert same_bits(wanted, real.asarray(got))
        del own, got


def neighbours(np, a, b):
    a[1:] += 0.5 * (b[1:] - b[:-1])


def inner(np, a, b):
    a[1:-1, 1:-1] *= 2 * b[1:-1, 2:]


def every_second(np, a, b):
    a[::2] -= b[::2] * 3


def every_second_column(np, a, b):
    a[:, 1::2] -= b[:, :-1:2] * 3 + 1


def out(np, a, b):
    np.add(a[1:], b[:-1] * 2, out=a[1:])


def out_of_others(np, a, b):
    np.subtract(b[1:] * 3, b[:-1], out=a[1:])


def stored(np, a, b):
    a[1:] = a[1:] + b[:-1] * 2


def the_whole(np, a, b):
    a[...] = a * b + b[0]


def backwards(np, a, b):
    a[::-1] += b * 2 + 1


def view_of_a_view(np, a, b):
    a[1:][1:-1] /= b[2:-1] + 30


def divided(np, a, b):
    a[1:] /= b[1:]


def broadcast(np, a, b):
    a[1:] += (b[2] * 2 + b[1:]) * 3


def kept(np, a, b):
    t = b[1:] * 2 + 1
    a[1:] += t
    return t


def read_afterwards(np, a, b):
    a[1:] += b[1:] * 2 + 1
    return a[1:] * 2


def two_arrays(np, a, b):
    t = b[1:] * 2 + 1
    a[1:] += t
    b[1:] -= t * 3


def one_after_the_other(np, a, b):
    a[1:] += b[1:] * 2
    a[1:] *= b[:-1] + 1
    a[:-1] -= b[1:] * a[:-1]


def scalars(np, a, b):
    s = b[0].sum() + 1
    a[1:] += b[1:] * s


def of_views(np, a, b):
    t = np.fmax(b, 1)
    a[1:] = np.minimum(t[1:] + 1, t[:-1] * 3)


def of_views_beside(np, a, b):
    t = abs(np.maximum(a, b))
    a[1:-1] = t[2:] + t[:-2] * 3


def of_a_view_of_views(np, a, b):
    t = np.negative(b)[1:]
    a[2:] += t[1:] - t[:-1] * a[2:]


PROGRAMS = [neighbours, every_second, out, out_of_others, stored, the_whole, backwards, view_of_a_view, divided, kept,
            read_afterwards, two_arrays, one_after_the_other, of_views, of_views_beside, of_a_view_of_views]
IN_TWO = [*PROGRAMS, inner, every_second_column, broadcast, scalars]


@pytest.mark.parametrize("dtype", ["d", "f", "i8", "i2", "F"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_one_axis(program, dtype):
    def guarded(np, a, b):
        try:
            return program(np, a, b)
        except TypeError as error:  # a float into an integer
            return real.array(type(error).__name__)
    for n in (7, 130, 5001):
        check(guarded, data(n, dtype=dtype), data(n, dtype=dtype, seed=1))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("orders", ["CC", "CF", "FC", "FF"])
@pytest.mark.parametrize("program", IN_TWO, ids=lambda p: p.__name__)
def test_two_axes(program, orders, threads):
    np = module_under_test()
    with np.config(threads=threads):
        for shape in ((7, 9), (130, 65), (700, 301), (4, 20001)):
            a, b = (real.asarray(data(*shape, seed=k), order=order) for k, order in enumerate(orders))
            check(program, a, b, times=3)


def test_three_axes():
    def program(np, u, b):
        u[1:-1, 1:-1, 1:-1] += 0.1 * (
            b[2:, 1:-1, 1:-1] + b[1:-1, :-2, 1:-1] - 6 * b[1:-1, 1:-1, 1:-1] + b[1:-1, 1:-1, 2:])
    for shape in ((5, 6, 7), (31, 25, 40), (40, 60, 3)):
        for axes in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
            u, b = (data(*[shape[i] for i in axes], seed=k).transpose(axes) for k in range(2))
            check(program, u, b)


@needs_kernels
@pytest.mark.parametrize("program", [neighbours, inner, every_second, out, stored, the_whole, backwards, kept,
                                     two_arrays, broadcast], ids=lambda p: p.__name__)
def test_they_are_written_in_place(program, ways):
    check(program, data(300, 301), data(300, 301, seed=1))
    assert ("in place", 0) in ways and {way for way, _ in ways} == {"in place"}


@needs_kernels
def test_the_memory_is_the_arrays_own():
    np = module_under_test()
    a, b = np.array(data(300, 300)), np.array(data(300, 300, seed=1))
    a.realize()
    for _ in range(5):
        before = a._value.buffer.ctypes.data
        a[1:-1, 1:-1] += 0.5 * (b[1:-1, 1:-1] - b[2:, 1:-1])
        a.realize()
        assert a._value.buffer.ctypes.data == before


@needs_kernels
@pytest.mark.skipif(native is None, reason="without the extension Python runs it")
@pytest.mark.parametrize("program", [neighbours, every_second, stored, kept, two_arrays, scalars, of_views,
                                     of_views_beside, of_a_view_of_views])
def test_the_extension_runs_a_kernel_again(program, monkeypatch):
    """Python binds it, and is asked no more while nothing changes, whatever else the parts' places are."""
    np = module_under_test()
    clear_cache()
    asked = []
    run = kernels._run_storing
    monkeypatch.setattr(kernels, "_run_storing", lambda *args: (asked.append(1), run(*args))[1])
    counts = []
    a, b, c, d = np.array(data(90, 80)), np.array(data(90, 80, seed=1)), data(90, 80), data(90, 80, seed=1)
    for _ in range(12):
        program(np, a, b)
        np.realize(a, b)
        program(real, c, d)
        assert same_bits(c, real.asarray(a)) and same_bits(d, real.asarray(b))
        a, b = np.array(c), np.array(d)
        counts.append(len(asked))
    assert 0 < counts[-1] == counts[5]


@needs_kernels
def test_views_of_results_that_are_not_made_are_others_at_each_run():
    """What a view of a result sees of that one's operand is looked up at each run, here and in the extension."""
    np = module_under_test()
    b, d = np.array(data(300)), data(300)
    for k in [0, 0, 0, 0, 3, 7, 1, 0, 5, 2, 7, 7]:
        a, c = np.zeros(200), real.zeros(200)
        for source, target in ((b, a), (d, c)):
            t = -source
            target[k:k + 190] = t[2 * k:2 * k + 190] + t[k + 1:k + 191] * 3
        del t
        assert same_bits(c, real.asarray(a))


def over_an_operand(np, a, b):
    return np.tanh(np.cumsum(a, 1) * 0.5 + b[0])


@needs_kernels
@pytest.mark.parametrize("program", [inner, over_an_operand])
def test_another_thread_runs_the_same_while_pieces_are_made(program, monkeypatch):
    np = module_under_test()
    clear_cache()
    x, y = data(300, 301), data(300, 301, seed=1)
    pieces_of, found = in_place.pieces_of, []

    def run():
        a = np.array(x)
        result = program(np, a, np.array(y))
        found.append(real.asarray(a if result is None else result))

    def interrupted(*args):
        monkeypatch.setattr(in_place, "pieces_of", pieces_of)
        other = threading.Thread(target=run)
        other.start()
        other.join()
        return pieces_of(*args)
    monkeypatch.setattr(in_place, "pieces_of", interrupted)
    for _ in range(4):
        run()
    c = x.copy()
    result = program(real, c, y)
    assert len(found) == 5 and all(same_bits(c if result is None else result, a) for a in found)


# ---- what overlaps ---------------------------------------------------------------------------------------------------


def shifted(np, a, b):
    a[1:] += a[:-1] * 2


def onto_itself(np, a, b):
    a[1:-1] = a[:-2] + a[2:] * 2


def onto_itself_by_operator(np, a, b):
    a[1:-1] += 0.1 * (a[:-2] + a[2:] - 2 * a[1:-1])


def turned(np, a, b):
    a[...] = a[::-1] * 2 + b


def red_and_black(np, a, b):
    a[1:-1:2] = 0.5 * (a[:-2:2] + a[2::2])
    a[2:-1:2] = 0.5 * (a[1:-2:2] + a[3::2])


def halves(np, a, b):
    n = len(a) // 2
    a[:n] += a[n:2 * n] * 3
    a[n:2 * n] -= a[:n] * b[:n]


@pytest.mark.parametrize("program", [shifted, onto_itself, onto_itself_by_operator, turned, red_and_black, halves],
                         ids=lambda p: p.__name__)
def test_parts_that_overlap(program):
    for n in (8, 131, 70001):
        check(program, data(n), data(n, seed=1))
    for shape in ((8, 9), (131, 257), (301, 302)):
        check(program, data(*shape), data(*shape, seed=1))


@needs_kernels
@pytest.mark.parametrize("program, expected", [(shifted, "renewed"), (onto_itself, "renewed"), (turned, "renewed"),
                                               (red_and_black, "in place"), (halves, "in place")],
                         ids=lambda p: getattr(p, "__name__", p))
def test_what_reads_other_elements_that_it_writes_takes_new_memory(program, expected, ways):
    check(program, data(301, 302), data(301, 302, seed=1))
    assert {way for way, _ in ways} == {expected}


def border(np, u, number, other):
    """What a time step does besides, by the kind of program."""
    if other == "a border" and number % 3 == 0:
        u[0] = number
    elif other == "another part":
        u[1:-1, 2:-2] = u[1:-1, 1:-3] - u[1:-1, 3:-1]
    elif other == "a column":
        u[1:-1, 0] = u[1:-1, -2]
    return u + 1 if other == "a new array" and number == 7 else u


def time_steps(np, start, count, other):
    u, kept = start.copy(), []
    for number in range(count):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        u = border(np, u, number, other)
        if other == "what is kept" and number % 4 == 1:
            kept += [u * 2, u[:3].copy(), u]
            u = u.copy()
    return (u, *kept)


@needs_kernels
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("other", ["", "a border", "another part", "a column", "a new array", "what is kept"])
def test_time_steps_go_to_and_fro_between_two_arrays(other, dtype):
    """The border is copied where it is not there already."""
    np = module_under_test()
    x = data(60, 70, dtype=dtype)
    wanted = time_steps(real, x, 17, other)
    for _ in range(5):
        found = time_steps(np, np.array(x), 17, other)
        np.realize(*found)
        for own, right in zip(found, wanted, strict=True):
            assert same_bits(real.asarray(own), right)


@pytest.mark.parametrize("name", ["exp", "log1p", "expm1", "cbrt", "arcsinh", "sin", "tanh"])
@pytest.mark.parametrize("part", [slice(None, None, -1), slice(None, None, -2), slice(1, None, 2)], ids=str)
@pytest.mark.parametrize("dtype", "fd")
def test_numpys_loops_have_other_bits_backwards(name, part, dtype):
    np = module_under_test()
    for seed in range(4):
        a = real.zeros(1000, dtype)
        b, x = np.array(a), abs(data(a[part].size, dtype=dtype, seed=seed))
        getattr(real, name)(x * 0.5, out=a[part])
        getattr(np, name)(np.array(x) * 0.5, out=b[part])
        assert same_bits(a, real.asarray(b))


def test_what_somebody_holds_is_not_written_over():
    np = module_under_test()
    x, y = data(300, 300), data(300, 300, seed=1)
    for hold in (lambda a: a * 1, lambda a: a[2:] * 1, lambda a: (a[1:], a[1:] * 2)[1]):
        for _ in range(4):
            a, b = np.array(x), np.array(y)
            before = hold(a)  # pending: it reads the old values
            a[1:] += b[1:] * 2
            a.realize()
            changed = x.copy()
            changed[1:] += y[1:] * 2
            assert same_bits(changed, real.asarray(a)) and same_bits(hold(x), real.asarray(before))
    for _ in range(4):
        a, b = np.array(x), np.array(y)
        memory = real.asarray(a)  # shared from now on
        a[1:] += b[1:] * 2
        assert same_bits(changed, memory) and same_bits(changed, real.asarray(a))
        view = a[5:]
        a[1:] -= b[1:] * 2
        again = changed.copy()
        again[1:] -= y[1:] * 2
        assert same_bits(again[5:], real.asarray(view))


def test_elements_that_are_repeated():
    np = module_under_test()
    for _ in range(4):
        found = []
        for module in (real, np):
            a, b = module.array(data(40)), module.array(data(30, seed=1))
            v = module.lib.stride_tricks.as_strided(a, (30,), (8,))
            w = module.lib.stride_tricks.as_strided(a, (5, 30), (8, 8))
            v += b * 2
            w += b * 2 + 1
            found.append(real.asarray(a).copy())
        assert same_bits(*found)


# ---- errors and warnings ---------------------------------------------------------------------------------------------


ODD = {
    "complex into float": lambda np, a, b: operator.iadd(a[1:], b[1:] * 1j),
    "float into integers": lambda np, a, b: operator.iadd(a.astype(int)[1:], b[1:] * 2),
    "integers divided": lambda np, a, b: operator.itruediv(a.astype(int)[1:], 3),
    "bools subtracted": lambda np, a, b: operator.isub((a > 0)[1:], (b > 0)[1:]),
    "wide into narrow": lambda np, a, b: operator.iadd(a.astype("f")[1:], b[1:] * 2),
    "int64 into int8": lambda np, a, b: operator.iadd(a.astype("i1")[1:], b.astype(int)[1:] * 2),
    "another shape": lambda np, a, b: operator.iadd(a[1:], b * 2),
    "read-only": lambda np, a, b: (a.setflags(write=False), operator.iadd(a[1:], b[1:] * 2))[1],
    "empty": lambda np, a, b: operator.iadd(a[9:2], b[9:2] * 2),
    "0-d": lambda np, a, b: operator.iadd(a[3, ...], b[4] * 2) if a.ndim == 1 else a,
    "a mask": lambda np, a, b: a.__setitem__(a > 0, 1) or operator.iadd(a[1:], b[1:] * 2),
    "where": lambda np, a, b: np.add(a[1:], b[1:] * 2, out=a[1:], where=a[1:] > 0),
    "a dtype": lambda np, a, b: np.add(a[1:], b[1:] * 2, out=a[1:], dtype="f", casting="unsafe"),
    "indices": lambda np, a, b: a.__setitem__([1, 3, 1], a[[1, 3, 1]] + b[:3] * 2) or a,
    "another type": lambda np, a, b: operator.iadd(a.view("i8")[1:], b.view("i8")[1:] * 2),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_operands(case):
    np = module_under_test()

    def outcome(module):
        a, b = module.array(data(50)), module.array(data(50, seed=1))
        try:
            found = ODD[case](module, a, b)
        except Exception as error:
            return type(error).__name__, str(error)
        return [(x.dtype, x.shape, real.asarray(x).tobytes()) for x in (found, a)]
    with real.errstate(all="ignore"):
        wanted = outcome(real)
        assert [outcome(np) for _ in range(4)] == [wanted] * 4


SCRIPT = """
import warnings, sys
import numpy, NAME as np
if np is not numpy:
    np.config(engine="llvm", plan_after=1, compile_after=0)
warnings.simplefilter("always")
g = numpy.random.default_rng(0)
for special in ((), ((1, 0, 1e308), (250, 1, numpy.inf)), ((299, 7, -1e304),), ((100, 0, numpy.nan), (9, 9, 1e308))):
    x, y = g.normal(size=(300, 256)), g.normal(size=(300, 256)) * 1e10
    for i, j, value in special:
        x[i, j] = value
    x, y = np.array(x), np.array(y)
    for _ in range(3):
        x[1:, :-1] *= y[1:, :-1] * 2
        x[::2] -= y[::2] / y[1::2]
        with numpy.errstate(all="ignore"):
            x[2:-2] *= y[2:-2] * 1e300
        x[1:-1] += np.sqrt(np.abs(y[1:-1])) * x[1:-1]
        x[:3] /= y[:3] * 0
        print(float(x[0, 0]), float(x[299, 1]), bool((x == x).all()))
"""


@needs_kernels
def test_warnings_are_numpys_at_numpys_lines():
    told = []
    for name in ("numpy", "lazytensor"):
        done = subprocess.run([sys.executable, "-c", SCRIPT.replace("NAME", name)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told.append((done.stdout, re.findall(r"^<string>:(\d+): \w*Warning: (.*)$", done.stderr, re.M)))
    assert told[0][0] == told[1][0]
    assert told[0][1] == told[1][1] and len(told[0][1]) > 10


@needs_kernels
@pytest.mark.parametrize("special", [[((5, 5), 1e308)], [((0, 0), 1e308)], [((1, 0), real.inf), ((299, 300), -1e308)],
                                     [((slice(None), 3), 1e308)]], ids=str)
@pytest.mark.parametrize("program", [neighbours, inner, every_second, every_second_column, out, stored, the_whole,
                                     backwards, kept, two_arrays, of_views, of_views_beside, of_a_view_of_views],
                         ids=lambda p: p.__name__)
def test_pieces_that_raise_flags(program, special, ways):
    np = module_under_test()
    x, y = data(300, 301), data(300, 301, seed=1)
    for place, value in special:
        x[place] = y[place] = value
    for k in range(6):
        a, b, c, d = np.array(x), np.array(y), x.copy(), y.copy()
        with real.errstate(all="ignore"):
            right = program(real, c, d)
        with real.errstate(all="warn", under="ignore") if k % 2 else real.errstate(over="ignore"):
            got = program(np, a, b)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert same_bits(c, real.asarray(a)) and same_bits(d, real.asarray(b))
            assert right is None or same_bits(right, real.asarray(got))


# ---- anything at all -------------------------------------------------------------------------------------------------


def slices(lengths):
    """Slices of arrays with axes that long, all of one shape: bounds are within the margins of two elements."""
    def one(n, step):
        return st.integers(0, 2).map(lambda k: slice(k, k + n - 2, step))
    steps = st.tuples(*[st.sampled_from([1, 1, 1, 2, -1]) for _ in lengths])

    def of(chosen):
        def part(low):
            return tuple([slice(k, k + n - 2, s) if s > 0 else slice(k + n - 3, k - 1 if k else None, s)
                          for k, n, s in zip(low, lengths, chosen, strict=True)])
        return st.tuples(*[st.integers(0, 2) for _ in lengths]).map(part)
    return steps.flatmap(lambda chosen: st.lists(of(chosen), min_size=6, max_size=6))


OPERATORS = [operator.iadd, operator.isub, operator.imul, operator.itruediv]


@st.composite
def random_programs(draw):
    lengths = draw(st.sampled_from([(9,), (300,), (9, 8), (40, 300), (6, 7, 9)]))
    lines = draw(st.lists(st.tuples(slices(lengths), st.lists(st.integers(0, 2), min_size=3, max_size=3),
                                    st.sampled_from(OPERATORS), st.integers(0, 3)), min_size=1, max_size=4))

    def program(np, *arrays):
        for (p, q, r, s, _, _), (i, j, k), apply, kind in lines:
            a, b, c = arrays[i], arrays[j], arrays[k]
            if kind == 0:
                a[p] = a[p] + b[q] * 0.5
            elif kind == 1:
                a[p] = 0.5 * (b[q] + c[r]) - a[s]
            elif kind == 2:
                np.multiply(a[p], b[q] - c[r], out=a[p])
            else:
                part = a[p]
                part = apply(part, 0.5 * b[q] + c[r])
                a[p] = part
    return program, lengths, draw(st.sampled_from(["CCC", "CFC", "FFF"]))


@given(random_programs())
def test_any_parts(made):
    program, lengths, orders = made
    check(program, *[real.asarray(data(*lengths, seed=k), order=order) for k, order in enumerate(orders)], times=3)


@pytest.mark.parametrize("strides", [(16, 8), (8, 16), (8, 8), (24, 16)])
@pytest.mark.parametrize("line", ["x[::-1] = y * 2", "x[...] = y * 2 + 1", "x[:, ::-1] = y * 2", "x += y * 2",
                                  "np.add(x, y * 2, out=x)", "x[:, 1:] += y[:, 1:] * 2"])
def test_of_elements_that_share_memory_numpys_last_one_stays(line, strides):
    base, y = real.arange(60.0), real.arange(36.0).reshape(6, 6) ** 2
    found = []
    for np in (real, *[module_under_test()] * 3):
        b = np.array(base)
        x = np.lib.stride_tricks.as_strided(b, (6, 6), strides)
        exec(line, {"np": np, "x": x, "y": np.array(y)})
        found.append(real.asarray(b))
    assert all(same_bits(found[0], one) for one in found[1:])
