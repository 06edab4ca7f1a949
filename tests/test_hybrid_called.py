"""Tapes that call NumPy's loops: powers, remainders and ufuncs of numbers and short rows, against NumPy, to the bit."""

import operator
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import called, stretches
from tests.helpers import difference
from tests.program_jit import unchecked

needs_extension = pytest.mark.skipif(stretches.tape is None, reason="the extension is not built")


@pytest.fixture(autouse=True)
def compiled_alone():
    """Without the comparisons by which a jitted function would find a difference itself, and do the right thing."""
    with unchecked(False):
        yield


NUMBERS = {
    "square": lambda xp, x, y: x ** 2,
    "cube": lambda xp, x, y: x ** 3 - y ** 3,
    "negative power": lambda xp, x, y: y ** -1 + x ** -2,
    "root": lambda xp, x, y: abs(x) ** 0.5 + abs(y) ** 1.5,
    "power of numbers": lambda xp, x, y: abs(x) ** y,
    "power of a constant": lambda xp, x, y: 2 ** x + 1.5 ** y,
    "ufunc of a power": lambda xp, x, y: xp.power(abs(x), 2) + xp.power(abs(y), 1.5) + xp.float_power(x, 2),
    "remainder": lambda xp, x, y: x % 1 + y % x + 7 % x,
    "floor division": lambda xp, x, y: x // 1 + y // x + 7.5 // y,
    "sines": lambda xp, x, y: xp.sin(x) + xp.cos(y) * xp.tan(x) - xp.tanh(y),
    "exponentials": lambda xp, x, y: xp.exp(x * 0.1) + xp.log(abs(y) + 1) + xp.expm1(x * 0.01),
    "angles": lambda xp, x, y: xp.arctan2(x, y) + xp.hypot(x, y) * xp.arctan(x),
    "bounds": lambda xp, x, y: xp.maximum(x, y) - xp.minimum(x, 0.25) + xp.fmax(0, y),
    "roundings": lambda xp, x, y: xp.floor(x) + xp.ceil(y) - xp.rint(x) + xp.trunc(y) + xp.sign(y),
    "squares": lambda xp, x, y: xp.square(x) + xp.reciprocal(y) - xp.copysign(x, y),
    "two results": lambda xp, x, y: xp.modf(x)[0] + divmod(x, 2)[1],
    "not of floats": lambda xp, x, y: x * xp.isnan(y) + xp.signbit(x),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "c16", "i8"])
@pytest.mark.parametrize("name", NUMBERS)
def test_functions_of_numbers(name, dtype):
    def program(xp):
        def f(y):
            for _ in range(15):
                y = y + 0.125 * xp.array([NUMBERS[name](xp, y[0], y[1]), y[0] - 0.5, y[1] * 0.5])
            return y, y[0], NUMBERS[name](xp, y[1], y[2])
        return f
    f, on_numpy = np.jit(program(np)), program(real)
    for call in range(5):
        y = (real.random.default_rng(call).normal(size=3) * 3).astype(dtype)
        expected, found = outcome(on_numpy, y), outcome(f, np.array(y))
        different = difference(expected, found)
        assert not different, different
    if dtype in ("f8", "f4") and name not in ("two results", "not of floats", "ufunc of a power"):
        assert stretches.tape is None or "tape" in f.source, f.source


def outcome(f, y):
    with real.errstate(all="ignore"):
        try:
            return [real.asarray(x) for x in f(y)]
        except (TypeError, ValueError) as error:
            return repr(error)


ROWS = {
    "sine": lambda xp, y: xp.sin(y) * 0.5,
    "several": lambda xp, y: xp.exp(-xp.abs(y)) + xp.sqrt(xp.square(y)) - xp.tanh(y[::-1]),
    "in parts": lambda xp, y: xp.array([y[0], *y[1:]]) + xp.cos(y[:1]) + xp.maximum(y, 0.1),
    "two rows": lambda xp, y: xp.arctan2(y, y[::-1]) + xp.hypot(y, 1) + xp.minimum(xp.sin(y), y),
    "power": lambda xp, y: y ** 2 - abs(y) ** 1.5 + abs(y) ** y + y % 1,
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("n", [3, 7, 40])
@pytest.mark.parametrize("name", ROWS)
def test_functions_of_rows(name, n, dtype):
    def program(xp):
        def f(y, out):
            for i in range(20):
                z = ROWS[name](xp, y)
                for k in range(3):
                    out[i] = out[i] + y[k] * 0.25
                y = y + 0.1 * z
            return y, out
        return f
    f, on_numpy = np.jit(program(np)), program(real)
    for call in range(5):
        y = real.random.default_rng(call).normal(size=n).astype(dtype)
        out = real.zeros(20, dtype)
        own = np.array(y), np.array(out)
        different = difference(on_numpy(y, out), f(*own))
        assert not different, different


@needs_extension
@pytest.mark.parametrize("char", "df")
def test_loops_over_one_number_are_numpy_s_calls_of_numbers(char):
    """All that a tape may call, on special and random numbers."""
    kind = real.dtype(char).type
    values = [kind(x) for x in (*called._NUMBERS, *real.random.default_rng(1).normal(size=60) * 20)]
    seen = 0
    for name, fn in vars(real).items():
        if not isinstance(fn, real.ufunc) or (loop := called.loop_of(fn, char)) is None:
            continue
        seen += 1
        for i, x in enumerate(values):
            given = [x, values[(3 * i + 1) % len(values)]][:fn.nin]
            arrays = [*map(real.array, given), real.zeros((), char)]
            loop.call([a.ctypes.data for a in arrays], [1], [*[0] * fn.nin, arrays[-1].itemsize])
            with real.errstate(all="ignore"):
                expected = fn(*given)
            assert expected.tobytes() == arrays[-1].tobytes() or expected != expected, (name, given)
    assert seen > 40


@pytest.mark.parametrize("fn", [operator.pow, operator.mod, operator.floordiv])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("least", [0.0, 1e-30])
def test_warnings_are_those_of_the_python(fn, dtype, least):
    def program(xp):
        def f(y):
            z = y[0] * 1
            for _ in range(30):
                z = y[1] * 0.5 + fn(y[2], y[0])
                z = z - fn(y[3], y[1])
            return z, fn(z, y[0])
        return f
    f, on_numpy = np.jit(program(np)), program(real)
    for call in range(7):
        y = real.array([2.0, 3.0, 1.5 + call, 0.5], dtype)
        if call == 3:
            y[0], y[2] = (-1000, 1e-30) if fn is operator.pow else (least, 3.0)
        if call == 5:
            y[2] = -4.0
            y[0] = 0.5
        expected, found = [], []
        for module, g, notes in ((real, on_numpy, expected), (np, f, found)):
            with warnings.catch_warnings(record=True) as given:
                warnings.simplefilter("always")
                notes += [x.tolist() for x in g(module.array(y))]
                notes += [(str(w.message), w.category, w.filename, w.lineno) for w in given]
        assert repr(expected) == repr(found)


@pytest.mark.parametrize("fn", [operator.pow, operator.mod, operator.floordiv])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_errors_are_those_of_the_python(fn, dtype):
    def program(xp):
        def f(y):
            z = y[0] * 1
            for _ in range(30):
                z = y[1] * 0.5 + fn(y[2], y[0]) - fn(y[3], y[1])
            return z
        return f
    f, on_numpy = np.jit(program(np)), program(real)
    starts = [*[[2.0, 3.0, 1.5, 0.5]] * 4, [-1000.0, 3.0, 1e-30, 0.5], [0.5, 3.0, -4.0, 0.5], [0.0, 3.0, 1.0, 0.5],
              [-2.0] * 4]
    with real.errstate(all="raise"):
        for start in starts:
            expected, found = [], []
            for module, g, notes in ((real, on_numpy, expected), (np, f, found)):
                try:
                    notes.append(g(module.array(start, dtype)).item().hex())
                except FloatingPointError as error:
                    notes.append(str(error))
            assert expected == found


SYSTEMS = {
    "van der Pol": (lambda xp, y: xp.array([y[1], 1.5 * (1 - y[0] ** 2) * y[1] - y[0]]), [2.0, 0.0]),
    "Kepler": (lambda xp, y: xp.array([y[2], y[3], *(-y[:2] / (y[0] ** 2 + y[1] ** 2) ** 1.5)]), [1.0, 0.0, 0.0, 0.9]),
    "pendulum": (lambda xp, y: xp.array([y[1], -xp.sin(y[0]) - 0.1 * y[1]]), [2.0, 0.0]),
    "wrapped": (lambda xp, y: xp.array([y[1] % 1, 3.7 * y[0] * (1 - y[0]) - y[1] // 1]), [0.3, 0.4]),
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_are_one_tape(name):
    slope, start = SYSTEMS[name]

    def program(xp):
        def f(y, h):
            for _ in range(60):
                a = slope(xp, y)
                b = slope(xp, y + h / 2 * a)
                y = y + h * b
            return y
        return f
    f, on_numpy = np.jit(program(np)), program(real)
    for call in range(6):
        y = real.array(start) + call
        assert difference(on_numpy(y, 0.01), f(np.array(y), 0.01)) is None
    assert stretches.tape is None or f.source.count("tape") == 1, f.source


def test_generated_loops_call_too():
    def f(y):
        def turn(i, s):
            return s - (s ** 3 - 2 * s - 5) / (3 * s ** 2 - 2) + np.sin(s) * 0.125 + s % 1
        return np.fori_loop(0, 500, turn, y[0])

    def on_numpy(y):
        s = y[0]
        for _ in range(500):
            s = s - (s ** 3 - 2 * s - 5) / (3 * s ** 2 - 2) + real.sin(s) * 0.125 + s % 1
        return s

    g = np.jit(f)
    for call in range(5):
        y = real.array([1.5 + call, 0])
        assert difference(on_numpy(y), g(np.array(y))) is None


def _greatest(xp, y, dtype=None):
    most = y[1]
    for _ in range(12):
        y = y + 0.1 * xp.array([-y[0], (y[1] * 3), 2], dtype)
        most = max(most, y[1])
    return y, most, xp.array([[most, y[0]], (1.5, -0.0)])


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "c16", ">f8"])
@pytest.mark.parametrize("given", [None, float, "f4"])
def test_lists_of_numbers_between_decisions(dtype, given):
    f = np.jit(lambda y: _greatest(np, y, given))
    for call in range(6):
        y = real.array([0.5 + call, 1.0, -2.0]).astype(dtype)
        with real.errstate(all="ignore"):
            expected, found = _result(_greatest, real, y, given), _result(f, np.array(y))
        assert difference(expected, found) is None
    if dtype == "f8" and given is None:
        assert "run_" not in f.source, f.source


def _result(f, *args):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            return [real.asarray(x) for x in f(*args)], [str(w.message) for w in given]
        except TypeError as error:
            return repr(error)


BOUNDS = [(0, 1), (-0.5, 2), (1, 0), (0, None), (real.float64(0.25), 1), (-70000, 70000.0), (real.nan, 1), (0, 1j),
          (True, 2), (1e300, 1)]  # fmt: skip


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "c16"])
@pytest.mark.parametrize("bounds", BOUNDS, ids=repr)
def test_bounded_numbers(dtype, bounds):
    def program(xp, number):
        def f(y):
            kept = []
            for _ in range(10):
                z = xp.clip(number(y), *bounds)
                y = y + xp.array([z, y[1] * 0.5, -1]).astype(y.dtype)
                kept.append(z)
            return y, kept[0], kept[-1], kept[0] * 2
        return f
    for number in (lambda y: y[0] * y[1], lambda y: y.sum()):  # there, and pending
        f, lazily, on_numpy = np.jit(program(np, number)), program(np, number), program(real, number)
        for call in range(4):
            y = (real.random.default_rng(call).normal(size=3) * 2).astype(dtype)
            y[2] = [1, real.nan, real.inf, 0][call] if dtype != "i8" else 0
            expected = raised_or(on_numpy, y)
            for g in (lazily, f):
                assert difference(expected, raised_or(g, np.array(y))) is None


def raised_or(f, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with real.errstate(all="ignore"):
            try:
                return [x if isinstance(x, real.generic) else real.asarray(x) for x in f(y)]
            except (TypeError, OverflowError, ValueError) as error:
                return repr(error)
