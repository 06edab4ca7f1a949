"""Kernels that write over an operand: the same values and warnings, wherever flags are raised."""

import operator
import os
import re
import subprocess
import sys
import warnings

import numpy as real
import pytest

from lazytensor.compile import clear_cache
from lazytensor.lower import fused
from lazytensor.run import in_place, kernels

from .helpers import check_same, module_under_test, plan_soon, same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


@pytest.fixture(autouse=True)
def at_once():
    np = module_under_test()
    plan_soon(np)
    before = len(kernels.failures)
    with np.config(engine="llvm"):
        yield
    assert kernels.failures[before:] == [], "a kernel could not be made"


@pytest.fixture
def flags(monkeypatch):
    """What the runs over operands gave: the first of each kernel, where the extension does the others."""
    clear_cache()
    found = []
    run = in_place.run

    def noted(*args):
        found.append(run(*args))
        return found[-1]
    monkeypatch.setattr(in_place, "run", noted)
    return found


def layer(np, x, w, b):
    return np.maximum(x @ w + b, 0)


def activations(np, x, w, b):
    y = x @ w
    return np.tanh(y * 0.5 + b) * y - y


def chosen(np, x, w, b):
    y = x @ w
    return np.where(y > b, y, y * 0.01)


def cumulated(np, x, w, b):
    return np.sqrt(np.exp(x.cumsum(1)) + 1.0) / 3


def scalars(np, x, w, b):
    s = (x @ w)[0, 0] * 0 + 2
    return (x @ w) * s + b[0]


PROGRAMS = [layer, activations, chosen, cumulated, scalars]


def data(dtype, rows=300, special=()):
    rng = real.random.default_rng(0)
    x, w, b = (rng.normal(size=s).astype(dtype) for s in ((rows, 256), (256, 256), (256,)))
    for place, value in special:
        x[place] = value
    return x, w, b


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.usefixtures("lines_wait")
def test_values(program, dtype, threads, flags):
    np = module_under_test()
    with np.config(threads=threads):
        for rows in (300, 1037):
            x, w, b = data(dtype, rows)
            a = [np.array(v) for v in (x, w, b)]
            for _ in range(4):
                assert same_bits(program(real, x, w, b), real.asarray(program(np, *a)))
    assert flags and set(flags) == {0}


@pytest.mark.parametrize("special", [
    [((0, 0), 1e300)], [((299, 255), -1e300)], [((5, 5), real.nan)], [((77, 3), real.inf)], [((slice(None), 0), 1e300)],
    [((slice(100, 104), 9), real.inf), ((7, 7), 1e300)]], ids=str)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_flags(program, special, flags):
    """Warnings are those of NumPy, in its order, also where only some pieces raise flags."""
    np = module_under_test()
    x, w, b = data("d", special=special)

    def scaled(np, x, w, b):
        return program(np, x * 1e5, w, b * 1e300) * 1e10
    for k in range(6):
        for wanted in (program, scaled):
            a = [np.array(v) for v in (x, w, b)]
            with real.errstate(all="warn", under="ignore") if k % 2 else real.errstate(over="ignore"):
                with np.config(depth=None):
                    pending = wanted(np, *a)
                with real.errstate(all="ignore"):
                    right = wanted(real, x, w, b)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    assert same_bits(right, real.asarray(pending.numpy()))


SCRIPT = """
import warnings, sys
import numpy, NAME as np
if np is not numpy:
    np.config(engine="llvm", plan_after=1, compile_after=0)
    from lazytensor.run import in_place
    raised, run = [], in_place.run
    in_place.run = lambda *args: (raised.append(run(*args)), raised[-1])[1]
warnings.simplefilter("always")
g = numpy.random.default_rng(0)
for special in ((), ((0, 0, 1e305), (250, 1, numpy.inf)), ((299, 7, -1e304),), ((100, 0, numpy.nan), (9, 9, 1e308))):
    x, w, b = g.normal(size=(300, 256)), numpy.abs(g.normal(size=(256, 256))), g.normal(size=256)
    for i, j, value in special:
        x[i, j] = value
    x, w, b = np.array(x), np.array(w), np.array(b)
    for _ in range(3):
        with numpy.errstate(invalid="ignore"):
            y = x @ w
        y = (y * 1e4 + b) * 1e4
        y = y - y / b
        y = np.sqrt(np.abs(y)) * b
        with numpy.errstate(all="ignore"):
            y = y * 1e300
        y = np.exp(y * 0) + y
        print(float(y[0, 0]), float(y[299, 1]), bool((y == y).all()))
if np is not numpy:
    from lazytensor.hot import native  # it runs such kernels again without `in_place.run`
    assert 0 in raised and (native is not None or any(raised)), raised
"""


def test_warnings_are_numpys_at_numpys_lines():
    """In NumPy's order, each as often; some pieces of the array raise flags, others do not."""
    told = []
    for name, hot in (("numpy", "1"), ("lazytensor", "1"), ("lazytensor", "0")):
        done = subprocess.run([sys.executable, "-c", SCRIPT.replace("NAME", name)], capture_output=True, text=True,
                              env={**os.environ, "LAZYTENSOR_HOT": hot}, check=False)
        assert done.returncode == 0, done.stderr
        told.append((done.stdout, re.findall(r"^<string>:(\d+): \w*Warning: (.*)$", done.stderr, re.M)))
    assert told[0] == told[1] == told[2] and len(told[0][1]) > 10


@pytest.mark.parametrize("special", [(), [((0, 0), 1e304)], [((250, 3), -1e304), ((5, 5), real.nan)]], ids=str)
@pytest.mark.usefixtures("lines_wait")
def test_several_results(special, flags):
    np = module_under_test()
    x, w, b = data("d", special=special)

    def program(np, x, w, b):
        z = (x @ w) * 1e3 + b
        a = np.maximum(z, 0)
        return z, a * a, a < 2
    with real.errstate(all="ignore"):
        right = program(real, x, w, b)
    for _ in range(6):
        got = program(np, *[np.array(v) for v in (x, w, b)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.realize(*got)
        for e, g in zip(right, got, strict=True):
            assert same_bits(e, real.asarray(g))
    assert flags


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.usefixtures("lines_wait")
def test_again_and_again(threads):
    """What the extension does with a kernel that wrote over an operand: somebody holds it now and then, elements raise
    flags now and then."""
    np = module_under_test()
    start = real.random.default_rng(5).normal(size=(300, 200))
    addend = real.abs(start) + 1
    with np.config(threads=threads):
        for special in (0, 1e308, real.inf):
            told = []
            for module in (real, np):
                x, y, held, kept = module.array(start), module.array(addend), [], []
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    for i in range(24):
                        if i % 5 == 3:
                            held.append(x)
                            x = x.copy() if i % 2 else x
                        if i == 14:
                            x[7, 5] = special
                        if held and held[-1] is x:
                            x = x * 1.5 + y
                        else:
                            x *= 1.5
                            x += y
                        kept.append(float(x[299, 199]))
                told.append([real.asarray(v).tobytes() for v in (x, *held)] + kept)
            assert told[0] == told[1]


def test_what_somebody_holds_is_not_written_over(flags):
    np = module_under_test()
    x, w, b = data("d")
    a = [np.array(v) for v in (x, w, b)]
    for _ in range(4):
        y = a[0] @ a[1]
        z = y * 2 + a[2]
        assert same_bits((x @ w) * 2 + b, real.asarray(z)) and same_bits(x @ w, real.asarray(y))
        view = (a[0] @ a[1])[1:]
        z = view * 2
        assert same_bits((x @ w)[1:] * 2, real.asarray(z)) and same_bits((x @ w)[1:], real.asarray(view))


def test_leaves_that_nobody_holds_any_more(flags):
    np = module_under_test()
    for _ in range(4):
        y = np.array(data("d")[0])
        y.realize()
        y = y * 2 + 1
        y = np.sqrt(y * y)
        x = data("d")[0]
        assert same_bits(real.sqrt((x * 2 + 1) ** 2), real.asarray(y))
    kept = np.array(x)
    same = kept
    kept = kept * 3 - 1
    assert same_bits(x * 3 - 1, real.asarray(kept)) and same_bits(x, real.asarray(same))



CHAINS = {
    "sum of products": lambda np, o, x, y: (operator.iadd(o, 2 * x), operator.iadd(o, y * x), o / 16)[-1],
    "out": lambda np, o, x, y: np.sin(x, out=o) * 2,
    "out of rows": lambda np, o, x, y: np.add(x[0], y[1], out=o) + 1,
    "reversed": lambda np, o, x, y: operator.imul(o, x[::-1]) + y,
    "turned": lambda np, o, x, y: operator.isub(o, (x.T * 2).T) * y,
    "number": lambda np, o, x, y: operator.iadd(operator.imul(o, 3), 1.5) - x,
    "truth": lambda np, o, x, y: np.logical_not(x > 1, out=o) + y,
}


@pytest.mark.parametrize("orders", ["CC", "CF", "FC", "FF"])
@pytest.mark.parametrize("codes", ["dd", "ff", "fd", "gg", "il"])
@pytest.mark.parametrize("chain", CHAINS)
def test_chains_that_write_into_an_array(chain, codes, orders):
    np, rng = module_under_test(), real.random.default_rng(5)
    o, x, y = (rng.normal(size=(6, 6)) * 9 for _ in range(3))

    def outcome(module):
        target = module.array(o.astype(codes[0]), order=orders[0])
        sources = [module.array(a.astype(codes[1]), order=orders[1]) for a in (x, y)]
        try:
            found = CHAINS[chain](module, target, *sources)
        except Exception as error:
            return type(error).__name__, str(error)
        return [(a.dtype, a.strides, real.asarray(a).strides, real.asarray(a).tobytes() if codes != "gg" else str(a))
                for a in (found, target)]

    want = outcome(real)
    assert [outcome(np) for _ in range(3)] == [want] * 3


def test_in_place_operators_are_part_of_a_kernel():
    np = module_under_test()
    x, y = (np.array(real.random.default_rng(k).random((300, 300))) for k in range(2))
    o = np.zeros((300, 300))
    o += 2 * x
    o += x * y
    o -= y[::-1] * 3
    text = np.explain(o / 16)

    assert "1 step to run" in text and "1 kernel among" in text, text


def test_an_integer_array_keeps_its_type_where_what_follows_raises():
    """'l' and 'q' are equal dtypes, and other scalar types."""
    np = module_under_test()
    shift = real.arange(16, dtype="l").reshape(4, 4) % 5
    for _ in range(3):  # the second time by a plan
        x = np.array(real.arange(16, dtype="q").reshape(4, 4))
        x >>= shift
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            np.realize(x / real.zeros(1))
        assert real.asarray(x).dtype.char == "q"


@pytest.mark.parametrize("dtype", ["f8", "c8"])
def test_a_store_whose_kernel_raises_a_flag_runs_again_on_the_same_memory(dtype, capsys):
    """A plan that is one kernel takes the memory of the array, and must give it back to the operations."""
    np = module_under_test()
    values = real.ones(17, dtype)
    values[3] = real.inf
    a = np.array(values)
    code = "def store(np, a, r):\n    r[1:] = a * 0\n"  # a line of its own: it has not warned yet
    for _ in range(4):
        names = {}
        exec(code, names)
        r = np.array(real.ones(18, dtype))
        names["store"](np, a, r)
        with real.errstate(all="ignore"):
            expected = real.concatenate([real.ones(1, dtype), values * 0])
        assert same_bits(expected, r.numpy())


def test_a_pad_whose_kernel_raises_a_flag():
    program = """
import sys, numpy, lazytensor as np
from lazytensor.api import joining
joining.LEAST = 16
np.config(plan_after=1, compile_after=0)
a = np.array([1, 2, 3, numpy.inf] * 4)
k = [np.pad(a * 0, 1) for _ in range(2)]
for x in k:
    print(x.tolist()[:6])
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], capture_output=True, text=True)
    assert done.stdout == "[0.0, 0.0, 0.0, 0.0, nan, 0.0]\n" * 2, done.stderr
    assert done.stderr.count("invalid value encountered in multiply") == 2, done.stderr


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("function", ["fmax", "fmin", "power", "cbrt", "multiply", "hypot"])
def test_a_single_element_is_written_over_as_numpy_writes_over_it(function, dtype):
    """NumPy's loops take another way there: another zero, another last bit."""
    def program(np, values):
        found = []
        for x, y in values:
            a, b, c = (np.array([v], dtype) for v in (x, y, x))
            a, b = 1 * a, 1 * b
            f = getattr(np, function)
            if f.nin == 1:
                found += [f(a, out=a), f(b + 0)]
                continue
            found += [f(a, b, out=a), f(c, b, out=b), f(np.array([x], dtype), b.dtype.type(y), out=c), a, b]
            c = 1 * np.array([x], dtype)
            c **= np.array([y], dtype)
            found.append(f(1 * c, c, out=c[...]))
            d = 1 * np.array([5, x, 6], dtype)
            d[1:2] **= np.array([y], dtype)
            f(d[1:2], np.array([y], dtype), out=d[1:2])
            found.append(d)
        return found

    special = (0.0, -0.0, 2.0, 0.5, 0.1, -1.0, 3.25, 7.3)
    check_same(program, [(x, y) for x in special for y in special])
