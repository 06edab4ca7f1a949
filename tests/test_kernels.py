"""Whole programs through kernels: NumPy's bits, errors and warnings, and that kernels are what runs."""

import subprocess
import sys
import warnings

import numpy as real
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytensor import hot
from lazytensor.lower import fused
from lazytensor.lower.kernel import ARRAY, Input, Kernel, Step
from lazytensor.run import kernels, launch

from .helpers import module_under_test, plan_soon, same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


@pytest.fixture(autouse=True)
def at_once():
    np = module_under_test()
    plan_soon(np)
    with np.config(engine="llvm"):
        yield


class Launched(list):
    """Whether each kernel that was tried ran; those that the extension ran are among them."""

    def __init__(self):
        self.before = hot.native.counts()[4] if hot.native else 0

    def by_extension(self):
        """How many the extension ran since it was last asked."""
        now = hot.native.counts()[4] if hot.native else 0
        ran, self.before = now - self.before, now
        return ran

    def all(self):
        self.extend([True] * self.by_extension())
        return self


@pytest.fixture(params=["extension", "python"])
def launched(monkeypatch, request):
    """Counts the kernels that ran; once with the extension, if there is one, and once without."""
    if request.param == "python":
        hot.learn(held_up=True)
        request.addfinalizer(lambda: hot.learn(held_up=False))
    elif hot.native is None:
        pytest.skip("no extension here")
    count, run = Launched(), kernels._launched

    def counting(*args):
        done = run(*args)
        count.append(done)
        return done
    monkeypatch.setattr(kernels, "_launched", counting)
    return count


def chain(np, x, y):
    return (x * y + x - 0.5 * y) * x + y


def transcendental(np, x, y):
    return np.sqrt(np.exp(x) + np.sin(y) ** 2) * np.tanh(x)


def masks(np, x, y):
    return np.where((x > 0) & ~(y < 0.3), x - y, np.maximum(x, y)), abs(x) >= y


def casts(np, x, y):
    i = (x > 0).astype("i4") + 3
    return i * x, (i.astype("f8") / 2 + y).astype("f4"), i // 1


def softmax(np, x, y):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def standardise(np, x, y):
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


def layernorm(np, x, y):
    m, v = x.mean(-1, keepdims=True), x.var(-1, keepdims=True, ddof=1)
    return (x - m) / np.sqrt(v + 1e-5) * y[..., :1] + y


def statistics(np, x, y):
    return x.sum(-1), x.mean(-1), x.var(-1), x.min(-1), x.max(-1), x.std(-1)


def whole(np, x, y):
    z = x * 2 + y
    return (z - z.mean()) / z.std(), z.sum(), z.max() - z.min()


def log_sum_exp(np, x, y):
    m = x.max(-1, keepdims=True)
    return m + np.log(np.exp(x - m).sum(-1, keepdims=True))


def sums_of_products(np, x, y):
    return (x * y).sum(-1), (x * x + y).sum(), (x + y).sum(axis=(-2, -1)), (x * y).mean(-1)


def deviations_of_products(np, x, y):
    return (x * y).std(-1), x * x - (x * x).sum(-1, keepdims=True), (x * y - 1).var(-1)


def column_standardise(np, x, y):
    return (x - x.mean(0)) / x.std(0, keepdims=True), ((x - y) * 2).sum(0)


def column_statistics(np, x, y):
    return x.sum(0), x.mean(0), x.var(0, ddof=1), x.min(0), x.max(0), (x * y).sum(0), np.log(x.std(0)) + y[0]


def column_log_sum_exp(np, x, y):
    m = x.max(0)
    return m + np.log(np.exp(x - m).sum(0)), (x * y + 1).max(0) - m


PROGRAMS = [column_standardise, column_statistics, column_log_sum_exp, chain, transcendental, masks, casts, softmax,
            standardise, layernorm, statistics, whole, log_sum_exp, sums_of_products, deviations_of_products]
SHAPES = [(3, 17), (2, 5), (40, 130), (2, 5, 257), (2, 9000), (5, 1025), (1000, 16)]


def outputs(result):
    return result if type(result) is tuple else (result,)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs(program, dtype, launched):
    np = module_under_test()
    rng = real.random.default_rng(3)
    for shape in SHAPES:
        x, y = (rng.normal(size=shape).astype(dtype) for _ in range(2))
        expected = outputs(program(real, x, y))
        a, b = np.array(x), np.array(y)
        for _ in range(3):
            got = outputs(program(np, a, b))
            np.realize(*got)
            for e, g in zip(expected, got, strict=True):
                assert same_bits(real.asarray(e), real.asarray(g)), (program.__name__, shape)
                assert real.asarray(e).strides == getattr(g, "strides", ())
    assert any(launched.all()) and not kernels.failures


def test_a_row_keeps_what_the_next_pass_does_not_read():
    double = real.dtype("d")
    kernel = Kernel((Input(ARRAY, "d"),), (
        Step("call", "d", (0,), (real.exp, (double, double))), Step("reduce", "d", (1,), (real.add, (double,) * 3)),
        Step("multiply", "d", (0, 2)), Step("reduce", "d", (3,), (real.maximum, (double,) * 3)),
        Step("multiply", "d", (1, 4))), (5,))
    x = real.random.default_rng(4).normal(size=(13, 300))
    out = real.empty_like(x)
    bound = launch.bind(kernel, x.shape, [x, out], (1,))
    assert launch.run(bound, [x, out], ()) >= 0
    e = real.exp(x)
    assert same_bits(out, e * (x * e.sum(1, keepdims=True)).max(1, keepdims=True))


def whole_statistics(np, x, y):
    return x.sum(), x.mean(), x.var(ddof=1), x.min(), x.max(), (x * y).sum(), np.exp(x).mean()


def whole_standardised(np, x, y):
    return (x - x.mean()) / x.std() + y, np.sqrt(((x - y) ** 2).sum())


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("program", [whole_statistics, whole_standardised], ids=lambda p: p.__name__)
@pytest.mark.parametrize("shape", [(65536,), (65537,), (100_003,), (300, 1111), (1_000_001,)])
def test_long_rows(program, dtype, shape, launched):
    """One row that the workers share, with NumPy's tree."""
    np = module_under_test()
    rng = real.random.default_rng(3)
    x, y = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    expected = program(real, x, y)
    a, b = np.array(x), np.array(y)
    for threads in (1, 2, 3):
        with np.config(threads=threads):
            got = program(np, a, b)
            np.realize(*got)
            for e, g in zip(expected, got, strict=True):
                assert same_bits(real.asarray(e), real.asarray(g))
    assert any(launched.all())


@pytest.mark.parametrize("dtype", ["f", "d", "i", "B", "q"])
def test_extremes_of_columns_and_rows(dtype):
    """Zeros of both signs, infinities and NaN in every order."""
    np = module_under_test()
    rng = real.random.default_rng(0)
    pool = [0.0, -0.0, 1.0, -1.0, real.inf, -real.inf] if dtype in "fd" else [0, 1, 2, 255 if dtype == "B" else -5]
    for shape in ((1, 70), (2, 70), (5, 64), (70, 33)):
        for _ in range(5):
            x = rng.choice(pool, size=shape).astype(dtype)
            if dtype in "fd":
                x[rng.random(shape) < 0.02] = real.nan
            a = np.array(x)
            for _ in range(3):
                got = a.max(0), a.min(0), (-a).max(0), a.max(-1), (-a).min(-1), a.max(0, keepdims=True)
                np.realize(*got)
                want = x.max(0), x.min(0), (-x).max(0), x.max(-1), (-x).min(-1), x.max(0, keepdims=True)
                for e, g in zip(want, got, strict=True):
                    assert same_bits(e, real.asarray(g))


def test_the_sign_of_a_zero_maximum_is_numpys():
    np = module_under_test()
    x = real.where(real.arange(100_000) % 3 == 0, 0.0, -0.0)
    for array in (x, -x, real.abs(x) * -1):
        a = np.array(array)
        for _ in range(3):
            m, s = a.max(), a.sum()
            np.realize(m, s)
            assert same_bits(real.asarray(array.max()), real.asarray(m))
            assert same_bits(real.asarray(array.sum()), real.asarray(s))


LAYOUTS = [lambda a: a, lambda a: a.T.copy().T, lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a[::2, ::2],
           lambda a: a[:1], lambda a: a[:, :1]]
UNARY = ["negative", "sqrt", "exp", "tanh", "square", "abs", "floor", "log1p", "cos"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "hypot", "arctan2", "copysign"]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_random_programs(data):
    """Maps and reductions of arrays of many layouts, dtypes and special values."""
    np = module_under_test()
    rng = real.random.default_rng(data.draw(st.integers(0, 1000)))
    rows, columns = data.draw(st.sampled_from([(2, 3), (7, 33), (4, 600), (1, 40), (30, 16)]))
    base = [rng.normal(size=(2 * rows, 2 * columns)).astype(data.draw(st.sampled_from("fd"))) for _ in range(3)]
    for a in base:
        special = data.draw(st.sampled_from([0.0, -0.0, real.inf, real.nan, 1e30]))
        a.flat[data.draw(st.integers(0, a.size - 1))] = special
    layouts = [data.draw(st.sampled_from(LAYOUTS)) for _ in base]
    plan = []
    for _ in range(data.draw(st.integers(2, 9))):
        kind = data.draw(st.sampled_from(["u", "b", "b", "n", "r", "w"]))
        plan.append((kind, data.draw(st.sampled_from({"u": UNARY, "r": ["sum", "mean", "max", "min", "std"]}.get(
            kind, BINARY))), data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9)), data.draw(
                st.sampled_from([0.5, -2.0, 3.0]))))

    def program(np, arrays):
        values = [layout(a) for layout, a in zip(layouts, arrays, strict=True)]
        target = (rows * 2, columns * 2)
        values = [v if v.shape == target or 1 in v.shape else v[:, :] for v in values]
        for kind, name, i, j, number in plan:
            a, b = values[i % len(values)], values[j % len(values)]
            if kind == "u":
                values.append(getattr(np, name)(a))
            elif kind == "r":
                values.append(getattr(a, name)(axis=-(i % 2), keepdims=True))
            elif kind == "n":
                values.append(getattr(np, name)(a, number))
            elif all(m in (n, 1) or n == 1 for m, n in zip(a.shape, b.shape, strict=True)):
                values.append(np.where(a > b, a, b) if kind == "w" else getattr(np, name)(a, b))
        return values[3:]

    with real.errstate(all="ignore"):
        expected = program(real, base)
        arrays = [np.array(a) for a in base]
        for _ in range(3):
            got = program(np, arrays)
            if data.draw(st.booleans()):
                got[:-1] = [None] * (len(got) - 1)
            np.realize(*[g for g in got if g is not None])
            for e, g in zip(expected, got, strict=True):
                if g is not None:
                    assert same_bits(e, real.asarray(g)), plan
                    assert e.strides == g.strides


def jacobi(np, a, b, steps):
    for _ in range(steps):
        b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
        a, b = b, a
    return a, b


@pytest.mark.parametrize("n", [5, 40, 300])
def test_stencil_writes_into_its_array(n, launched):
    np = module_under_test()
    start = real.random.default_rng(0).random((n, n))
    expected = jacobi(real, start.copy(), start.copy(), 7)
    for _ in range(3):
        got = jacobi(np, np.array(start), np.array(start), 7)
        np.realize(*got)
        for e, g in zip(expected, got, strict=True):
            assert same_bits(e, real.asarray(g))
    assert any(launched.all())


def test_a_reader_of_the_old_value_keeps_it():
    np = module_under_test()
    for _ in range(4):
        x, y = np.arange(200_000.0), np.ones(200_000)
        before = x + 1
        x[1:] = y[1:] * 3 - y[:-1]
        after = x + 1
        np.realize(before, after)
        assert same_bits(real.arange(200_000.0) + 1, real.asarray(before))
        assert real.asarray(after)[:3].tolist() == [1.0, 3.0, 3.0]


def test_warnings_are_those_of_numpy():
    np = module_under_test()

    def program(np):
        x = np.array([1.0, 0.0, -1.0] * 50)
        y = x + 1
        return (1 / x - real.inf) * (y / y), np.sqrt(x) + np.log(x)

    def given(np):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            list(map(real.asarray, program(np)))
        return sorted(str(w.message) for w in found)

    assert given(np) == given(real)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(4):
            results = program(np)
            for r, e in zip(results, program_quietly(program), strict=True):
                assert same_bits(e, real.asarray(r))


def test_a_kernel_that_warns_says_where_and_of_what():
    script = ("import numpy, warnings, lazytensor as np; np.config(plan_after=1, compile_after=0)\n"
              "for k in range(3):\n"
              "    warnings.simplefilter('always')\n"
              "    x = np.array([1.0, 0.0, -1.0] * 50)\n"
              "    y = x + 1\n"
              "    z = y * (1 / x)\n"
              "    numpy.asarray(z)\n")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.count("divide by zero encountered in divide") == 3
    assert done.stderr.count("<string>:6: RuntimeWarning") == 3


def program_quietly(program):
    with real.errstate(all="ignore"):
        return program(real)


def test_flags_that_nobody_asks_for_cost_nothing(launched):
    np = module_under_test()
    x = np.array([1.0, 0.0, -1.0] * 50)
    with np.errstate(all="ignore"):
        for _ in range(5):
            y = np.log(1 / x) * 2
            y.realize()
    assert launched.all()[-3:] == [True] * 3
    with real.errstate(all="ignore"):
        assert same_bits(real.log(1 / real.asarray(x)) * 2, real.asarray(y))


def test_a_kernel_that_cannot_be_compiled_is_left_to_numpy(monkeypatch):
    np = module_under_test()

    def fail(*args):
        raise RuntimeError("no code today")
    monkeypatch.setattr(launch, "code", fail)
    before = len(kernels.failures)
    for _ in range(4):
        x = np.arange(777.0)
        assert same_bits(real.arange(777.0) * 3 - 11, real.asarray(x * 3 - 11))
    assert len(kernels.failures) == before + 1
    del kernels.failures[before:]


def test_numpy_engine_runs_no_kernels(launched):
    np = module_under_test()
    with np.config(engine="numpy"):
        for _ in range(4):
            x = np.arange(5000.0)
            (x * 2 + np.exp(-x)).realize()
    assert launched.all() == []


def counts(np, x, y):
    big = x > y
    seen = (x > 1).any(), big.all(-1), (x < 9).all(0), (x * 0).any(-1, keepdims=True)
    return big.sum(), big.sum(-1), big.sum(0), *seen


def integer_sums(np, x, y):
    i, j = (x * 50).astype("h"), (y * 100).astype("b").view("B")
    sums = (i + 1).sum(), (i * 2).sum(-1), (j ^ 3).sum(0), (j & 7).sum(-1, keepdims=True) + i
    return *sums, (i - i).any(), i.max(0) - 1


def places(np, x, y):
    i = (x * 3).astype("i")
    return (x * y).argmin(-1), x.argmax(-1), (i + 1).argmin(-1) * 2, i.argmax(-1), (x > y).argmax(-1), (x - y).argmin()


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("program", [counts, integer_sums, places], ids=lambda p: p.__name__)
@pytest.mark.parametrize("shape", [*SHAPES, (70, 5), (40_000,), (90_001,), (300, 128), (300, 129), (4, 40, 7)], ids=str)
def test_reductions_without_an_order(program, dtype, shape, launched):
    np = module_under_test()
    rng = real.random.default_rng(3)
    x, y = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    for kind in range(3):
        if kind == 1:
            x, y = real.rint(x), real.abs(real.rint(y))
        if kind == 2:
            x.flat[::5] = real.nan
            y.flat[1::3] = real.inf
        with real.errstate(all="ignore"):
            expected = outputs(program(real, x, y))
            a, b = np.array(x), np.array(y)
            for _ in range(3):
                got = outputs(program(np, a, b))
                np.realize(*[g for g in got if isinstance(g, np.ndarray)])
                for k, (e, g) in enumerate(zip(expected, got, strict=True)):
                    e, g = real.asarray(e), real.asarray(g)
                    assert same_bits(e, g) and e.dtype == g.dtype, (program.__name__, k, kind)
    assert any(launched.all()) or program is places or x.size < 100  # what NumPy is left to
    assert kernels.failures == []
