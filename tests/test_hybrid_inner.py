"""Loops of nothing but NumPy's ufuncs into memory in compiled functions, run by their inner loops (`_inner.c`)."""

import signal
import threading
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import fast, inner
from lazytensor.hybrid.running import Abandon, abandoning
from lazytensor.ir import errstate

from .test_hybrid_launches import jacobi_2d

pytestmark = pytest.mark.skipif(fast.native is None, reason="no extension here")

TURNS = 5
EXACT = ["add", "subtract", "multiply", "divide"]
OTHERS = ["maximum", "arctan2", "hypot", "copysign", "equal", "less", "fmod", "power", "logaddexp"]
ALONE = ["negative", "absolute", "sqrt", "exp", "tanh", "sin", "rint", "isnan", "square", "signbit"]


def run(lines, names, turns=TURNS, state=None, **given):
    """Lines run as a loop of a program, under an error state in which a warning leaves the call to the Python."""
    body = "".join(f"        {line}\n" for line in lines)
    text = f"def call({', '.join(given)}):\n    for _ in range({turns}):\n{body}"
    program = fast.native.Program(text, {name: getattr(real, name) for name in names} | {"Abandon": Abandon})
    return errstate.under(abandoning(state or errstate.in_force()), program, *given.values())


def ran(lines, names, turns=TURNS, **given):
    """Whether lines are run by inner loops; they leave what NumPy leaves in all arrays."""
    copies = {id(x): copied(x) for x in given.values()}
    own = {name: copies[id(x)] for name, x in given.items()}
    space = {name: getattr(real, name) for name in names} | given
    before = fast.native.inner_loops()
    with real.errstate(all="ignore"):
        run(lines, names, turns, **own)
        for _ in range(turns):
            exec("\n".join(lines), space)
    for name, x in given.items():
        if isinstance(x, real.ndarray):
            assert_same(own[name], x)
    return fast.native.inner_loops() > before


def copied(x):
    """An array of the same layout."""
    if not isinstance(x, real.ndarray):
        return x
    base = x if x.base is None else x.base
    memory = base.copy(order="K")
    offset = x.ctypes.data - base.ctypes.data
    return real.ndarray(x.shape, x.dtype, memory, offset, x.strides)


def assert_same(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    if a.dtype.kind in "fc":
        assert real.array_equal(real.isnan(a), real.isnan(b))
        a, b = real.where(real.isnan(a), 0, a), real.where(real.isnan(b), 0, b)
    assert a.tobytes() == b.tobytes() or a.dtype.char == "g" and (  # with bytes that say nothing
        real.array_equal(a, b) and real.array_equal(real.signbit(a), real.signbit(b)))


def values(rng, dtype, shape):
    x = rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape)
    x = real.where(rng.random(shape) < 0.05, rng.choice([0.0, -0.0, real.inf, -real.inf, real.nan], shape), x)
    if dtype.kind == "c":
        return (x + 1j * rng.standard_normal(shape)).astype(dtype)
    if dtype.kind in "biu":
        return rng.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype)
    return x.astype(dtype)


def laid(rng, dtype, shape, how):
    """An array of that shape: of its own, a part of a larger one, every second element, transposed, backwards."""
    if how == "part":
        return values(rng, dtype, tuple(n + 2 for n in shape))[tuple(slice(1, -1) for _ in shape)]
    if how == "second":
        return values(rng, dtype, tuple(2 * n for n in shape))[tuple(slice(None, None, 2) for _ in shape)]
    if how == "transposed":
        return values(rng, dtype, shape[::-1]).T
    if how == "backwards":
        return values(rng, dtype, shape)[..., ::-1]
    return values(rng, dtype, shape)


LAYOUTS = ["own", "part", "second", "transposed", "backwards"]
SHAPES = [(1,), (7,), (33,), (100,), (3, 5), (13, 13), (4, 40), (2, 3, 4), (5, 1, 6), (1, 1)]


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "u1", "c16", "f2", "g"])
@pytest.mark.parametrize("name", EXACT + OTHERS)
def test_ufuncs_of_two_operands(name, dtype):
    rng, dtype, taken = real.random.default_rng(1), real.dtype(dtype), 0
    f = getattr(real, name)
    try:
        result = f(real.ones(1, dtype), real.ones(1, dtype)).dtype
    except TypeError:
        pytest.skip("NumPy has no such loop")
    if name == "power" and dtype.kind == "i":
        pytest.skip("it raises")
    for shape in SHAPES:
        for how in LAYOUTS:
            x, y = laid(rng, dtype, shape, how), laid(rng, dtype, shape, LAYOUTS[rng.integers(5)])
            out = laid(rng, result, shape, LAYOUTS[rng.integers(5)])
            taken += ran([f"{name}(x, y, out=out)"], [name], x=x, y=y, out=out)
            taken += ran([f"{name}(x, y, out)"], [name], x=x, y=y, out=x if result == dtype else out)
            taken += ran([f"{name}(x, y, out)"], [name], x=x, y=y[..., :1], out=out)
            number = 3 if dtype.kind in "biu" else 0.3
            taken += ran([f"{name}({number}, x, out)"], [name], x=x, out=out)
    if dtype.char in "fd" or name in EXACT[:2]:  # contiguous arrays at least, of loops that are not exact over any rows
        assert taken
    if name in EXACT and dtype.char in "fd" or name in EXACT[:3] and dtype.kind in "iu":
        assert taken > 50


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("name", ALONE)
def test_ufuncs_of_one_operand(name, dtype):
    rng, dtype, taken = real.random.default_rng(2), real.dtype(dtype), 0
    result = getattr(real, name)(real.ones(1, dtype)).dtype
    for shape in SHAPES:
        for how in LAYOUTS:
            x, out = laid(rng, dtype, shape, how), laid(rng, result, shape, LAYOUTS[rng.integers(5)])
            taken += ran([f"{name}(x, out)"], [name], x=x, out=out)
            taken += ran([f"{name}(x, out)"], [name], x=x, out=values(rng, result, shape))
    assert taken


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "c16", "?", "u1"])
def test_copies(dtype):
    rng, dtype, taken = real.random.default_rng(3), real.dtype(dtype), 0
    for shape in SHAPES:
        for how in LAYOUTS:
            x, out = laid(rng, dtype, shape, how), laid(rng, dtype, shape, LAYOUTS[rng.integers(5)])
            taken += ran(["copyto(out, x, 'unsafe')"], ["copyto"], x=x, out=out)
            taken += ran(["copyto(out, x)"], ["copyto"], x=x[:1], out=out)
            assert not ran(["copyto(out, x, 'unsafe')"], ["copyto"], x=x.astype("f2"), out=out)
    assert taken > 50


@pytest.mark.parametrize("shift", [1, 2, 5, -1, -3])
def test_what_overlaps_is_left_to_numpy(shift):
    for n in (6, 40, 200):
        memory = real.arange(float(2 * n))
        x = memory[n // 2 + shift:][:n]
        if len(x) < n:
            continue
        program = fast.native.Program("def call(x, y):\n    for _ in range(4):\n        add(x, 1.5, y)\n",
                                      {"add": real.add})
        y, before = memory[n // 2:][:n], fast.native.inner_loops()
        expected = memory.copy()
        for _ in range(4):
            real.add(expected[n // 2 + shift:][:n], 1.5, expected[n // 2:][:n])
        errstate.under(abandoning(errstate.in_force()), program, x, y)
        assert fast.native.inner_loops() == before
        assert_same(memory, expected)


def test_an_array_over_itself_is_numpys():
    base = real.zeros(4)
    over = real.lib.stride_tricks.as_strided(base, (3, 4), (0, 8))
    before = fast.native.inner_loops()
    run(["add(over, 1.0, over)"], ["add"], over=over)
    assert fast.native.inner_loops() == before


@pytest.mark.parametrize("number", [1e300, 2 ** 70, 3.5, True, None])
def test_numbers_that_numpy_has_to_cast(number):
    x = real.ones(9, "f4")
    lines = [f"multiply(x, {number!r}, out)"]
    try:
        with real.errstate(all="ignore"):
            expected = real.multiply(x, number)
    except (OverflowError, TypeError) as error:
        with pytest.raises(type(error)):
            run(lines, ["multiply"], x=x, out=x.copy())
        return
    out = real.ones(9, expected.dtype)
    with real.errstate(all="ignore"):
        run(lines, ["multiply"], state=errstate.SILENT, x=x, out=out)
    assert_same(out, expected)


@pytest.mark.parametrize(("line", "kind"), [("divide(x, 0.0, out)", "divide"), ("multiply(x, 1e200, x)", "over"),
                                            ("multiply(x, 1e-200, x)", "under"), ("sqrt(y, out)", "invalid")])
def test_flags_end_the_call(line, kind):
    x, y = real.full((3, 7), 3e100), real.full((3, 7), -1.0)
    names = [line[:line.index("(")]]
    if kind == "under":
        x *= 1e-300
    for silent in (False, True):
        with real.errstate(all="warn", **({kind: "ignore"} if silent else {})):
            state = errstate.in_force()
        before, own = fast.native.inner_loops(), x.copy()
        given = {"x": own, "y": y, "out": real.empty((3, 7))}
        if silent:
            run([line], names, turns=3, state=state, **given)
        else:
            with pytest.raises(Abandon):
                run([line], names, turns=3, state=state, **given)
        assert fast.native.inner_loops() == before + 1


def test_comparisons_of_nan_are_quiet_and_hide_no_flag():
    x, flags = real.array([[1.0, real.nan, 3.0]]), real.empty((1, 3), bool)
    run(["less(x, 2.0, flags)"], ["less"], x=x, flags=flags)
    out = real.empty((1, 3))
    with pytest.raises(Abandon):
        run(["divide(1.0, y, out)", "less(x, 2.0, flags)"], ["divide", "less"], turns=2, x=x, y=real.zeros((1, 3)),
            out=out, flags=flags)


def test_whole_numbers_divided_by_zero_end_the_call():
    x = real.arange(6)
    with pytest.raises(Abandon):
        run(["floor_divide(x, 0, out)"], ["floor_divide"], x=x, out=x.copy())


def test_under_another_error_state_numpy_runs():
    x, out = real.ones(5), real.empty(5)
    text = "def call(x, out):\n    for _ in range(3):\n        add(x, x, out)\n"
    program = fast.native.Program(text, {"add": real.add})
    before = fast.native.inner_loops()
    program(x, out)
    assert fast.native.inner_loops() == before and (out == 2).all()


def test_what_cannot_be_written_raises_as_in_numpy():
    x, out = real.ones(5), real.ones(5)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        run(["add(x, x, out)"], ["add"], x=x, out=out)
    with pytest.raises(ValueError, match="broadcast"):
        run(["add(x, y, out)"], ["add"], x=x, y=real.ones((2, 5)), out=real.ones(5))


def test_a_signal_ends_a_long_loop():
    class Enough(Exception):
        pass

    def raises(*_):
        raise Enough

    x = real.ones((20, 20))
    before = signal.signal(signal.SIGALRM, raises)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Enough):
            run(["multiply(x, 1.0, x)"], ["multiply"], turns=10 ** 9, x=x)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_other_threads_go_on_meanwhile():
    x, seen, stop = real.ones((20, 20)), [], threading.Event()

    def counts():
        while not stop.wait(0.001):
            seen.append(1)

    thread = threading.Thread(target=counts)
    thread.start()
    run(["multiply(x, 1.0, x)"], ["multiply"], turns=1_000_000, x=x)
    stop.set()
    thread.join()
    assert len(seen) > 5


def test_loops_that_numpy_would_cast_for_are_not_given():
    assert inner.loop_of(real.add, (real.dtype("f4"), real.dtype("f8"), real.dtype("f8"))) is None
    assert inner.loop_of(real.add, (real.dtype("f8"), real.dtype("f8"), real.dtype("f4"))) is None
    assert inner.loop_of(real.power, (real.dtype("i8"), real.dtype("i8"), real.dtype("i8"))) is None
    assert inner.loop_of(real.add, (real.dtype("f8"), float, real.dtype("f8")))[4] == (real.dtype("f8"),) * 3


def growing(a, b, steps):
    for _ in range(steps):
        b[1:-1] = 9.0 * (a[:-2] + a[2:])
        a[1:-1] = 9.0 * (b[:-2] + b[2:])
    return a


@pytest.mark.parametrize("n", [3, 4, 15, 60])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_the_first_call_runs_them(n, dtype):
    a, b = (real.random.default_rng(0).random((2, n, n))).astype(dtype)
    x, y, before = np.array(a), np.array(b), fast.native.inner_loops()
    found = np.jit(jacobi_2d)(x, y, 60)
    assert fast.native.inner_loops() > before
    assert_same(found.numpy(), jacobi_2d(a, b, 60))
    assert_same(y.numpy(), b)


def test_a_warning_of_a_late_turn_is_of_the_users_line():
    a, b = real.ones((2, 30))
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        plain = growing(a.copy(), b.copy(), 200)
    x, y = np.array(a), np.array(b)
    compiled = np.jit(growing)
    for _ in range(3):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            assert_same(compiled(np.array(a), np.array(b), 200).numpy(), plain)
        assert {(str(w.message), w.lineno, w.category) for w in found} == {
            (str(w.message), w.lineno, w.category) for w in expected}
    with np.errstate(over="ignore", invalid="ignore"):
        assert_same(np.jit(growing)(x, y, 200).numpy(), plain)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        np.jit(growing)(np.array(a), np.array(b), 200)
