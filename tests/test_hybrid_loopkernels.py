"""Kernels in loops whose turns are generated: the bits, warnings and effects are NumPy's."""

import types
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import exits, fusing, tapes
from lazytensor.run import kernels
from tests import program_rolled
from tests.helpers import difference
from tests.program_jit import unchecked

pytestmark = [pytest.mark.skipif(not exits.KNOWN, reason="the bytecode of this Python's loops is not known"),
              pytest.mark.skipif(not fusing.possible(), reason="there are no kernels here")]


def plain(fn):
    return types.FunctionType(fn.__code__, {**fn.__globals__, "np": real}, fn.__name__, fn.__defaults__, fn.__closure__)


def followed(fn, made, calls=18):
    """Calls both with fresh data, from a third of the calls on with kernels, and compares all; gives how many kernels
    the loops have."""
    f, g = np.jit(fn), plain(fn)
    with unchecked(True), real.errstate(all="ignore"):
        for k in range(calls):
            if k >= calls // 3:
                for one in f._compiled:
                    one.quicken()
                assert not kernels.failures, kernels.failures
            given = made(real.random.default_rng(k))
            own = [np.array(x) if isinstance(x, real.ndarray) else x for x in given]
            assert difference((g(*given), given), (f(*own), tuple(own))) is None, k
    assert f.cache_info()["python"] is None
    return sum(x.kernels for x in program_rolled.loops_of(f))


def newton(a):
    x = a.copy()
    while np.abs(x * x * x - a).max() > 1e-6 * a.max():
        x = x - (x * x * x - a) / (3 * x * x)
    return x


def beside_numbers(a):
    x, s, t = a * 0.5, a.sum(), a.max()
    while s > 1:
        x = x * (t / s) + s
        s = s * 0.7
        t = (x - s).max()
    return x, s, t


def products(a):
    A = np.outer(a, a) / (a @ a) + np.eye(len(a))
    v, e = a, 1.0 + a.max()
    while e > 1e-2:
        w = A @ v
        v = w / np.sqrt(w @ w)
        e = e * 0.5
        B = A.T @ A
    return v, B


def parts_and_views(a):
    x, e = a * 1, a.max() + 10
    while e > 1:
        y = (x[1:] + x[:-1]) * 0.5 - a[::2][:1]
        x[1:-1] = y[1:] - a[2:] * 0.1
        e = e * 0.5 + y[::-1][0] * 0
        x = x * 0.9
    return x, y, e


def ways_of_other_shapes(a):
    x, y, e, s = a * 1, a * 0.5, a.max() + 1, a.sum()
    while e > 1e-2:
        if s > x[0]:
            y = y * 0.5
            s = s - y.sum()
        else:
            t = s * 0.5
            y = x - t
            s = t + 1
        e = e * 0.5
        x = np.where(x > 0.2, x, y)
    return x, y, s


def no_turn_at_times(a):
    x = a - 1
    while x.max() > 3:
        x = x * 0.5
    return x


def several_axes(a):
    A = np.outer(a, a[:5]) + 1
    e = A.max()
    while e > 1e-3:
        rows = A / A.sum(axis=1)[:, None]
        A = rows * 0.5 - rows.mean(axis=0)
        e = e * 0.3 + np.abs(A).max() * 0
    return A, rows


def transposed(a):
    A = np.asfortranarray(np.outer(a, a[:3]))
    e = A.sum()
    while e > 1e-1:
        A = A * 0.5 + e
        e = e * 0.4
        B = A.T * 2 - e
    return A, B


def powers(a):
    x, p, e = a * 1, a.max() * 0 + 2, a.max() + 1
    while e > 0.1:
        x = np.abs(x) ** p * 0.5 + 1e-3
        p = p * 0.9
        e = e * 0.5
    return x, p


def elements(a):
    x, e = a * 1, a.max() + 100
    for _ in range(40):
        if e < 1e-3:
            break
        x = x * 0.5 + x[1]
        e = (e + a[1]) * 0.3 - 0.3 * a[1]
        x = np.sqrt(x * x + 1) - x[0]
    return x, e


def labels(a):
    x, old = a * 1, np.full(len(a), -1)
    while True:
        new = (x > 1) * 2 + (x > 100)
        if not new.any():
            break
        old = new
        x = x * 0.6 - new * 0.01
    return x, old


def whole_numbers(a):
    x = (np.abs(a) * 100).astype(np.int64)
    n = x.max()
    while n > 1:
        x = (x * 3 + n) // 4 - 1
        n = x.max() - n // 8
    return x, n


def single_precision(a):
    x = a.astype(np.float32)
    s, e = x.sum(), a.max() + 1
    while e > 1e-3:
        x = x * s + 0.1
        s = 1 / (x.sum() + s)
        y = x * e
        e = e * 0.5
    return x, y, s


WITH_KERNELS = [newton, beside_numbers, products, parts_and_views, ways_of_other_shapes, several_axes, transposed,
                elements, labels, whole_numbers, single_precision, powers, no_turn_at_times]


@pytest.mark.parametrize("size", [5, 60, 301])
@pytest.mark.parametrize("fn", WITH_KERNELS, ids=lambda fn: fn.__name__)
def test_loops_have_kernels_and_numpys_bits(fn, size):
    found = followed(fn, lambda rng: (rng.uniform(1, 10 ** rng.uniform(0.1, 6), size),))
    assert found > 0


def few_turns(a):
    x, y, s, e = a * 1, a * 0.5, a.sum(), a.max()
    for _ in range(40):
        if e < 1:
            break
        x = x * s + np.sqrt(np.abs(x)) - y.min()
        s = s * 0.5 - 1 / x.max()
        e = e * 0.5
    return x, s, e


def few_turns_of_rows(a):
    A, e = np.outer(a, a[:3]).astype(np.float32), a[0]
    for _ in range(40):
        if e > 100:
            break
        rows = A / A.sum(axis=1)[:, None]
        A = np.where(rows > A.mean(), rows, A * e)
        e = e * 1.5 + rows.max() * 0.1
    return A, e


@pytest.mark.parametrize("fn", [few_turns, few_turns_of_rows], ids=lambda fn: fn.__name__)
def test_values_that_are_special(fn):
    special = [0.0, -0.0, real.nan, real.inf, -real.inf, 1e300, 5e-324, 1.0]

    def made(rng):
        a = rng.uniform(1, 10 ** rng.uniform(0.5, 6), 11)
        if rng.uniform() < 0.7:
            a[rng.integers(0, 11, 3)] = rng.choice(special, 3)
        return (a,)
    assert followed(fn, made, calls=40) > 0


def test_warnings_come_from_the_line_that_numpy_says():
    def f(a):
        x, e = a * 1, a.max()
        while e > 1:
            e = e * 0.5
            x = 1 / (x - 1)
            x = x + e
        return x

    def seen(g, a):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            result = g(a)
            result = result if isinstance(result, real.ndarray) else result.numpy()
        return [(w.lineno, str(w.message)) for w in found], result

    g, numpys = np.jit(f), plain(f)
    given = [real.random.default_rng(k).uniform(3, 10 ** (2 + k % 7), 9) for k in range(20)]
    for a in given[:12]:
        g(np.array(a))
    for one in g._compiled:
        one.quicken()
    assert sum(x.kernels for x in program_rolled.loops_of(g)) > 0
    for a in given:
        assert difference(numpys(a), g(np.array(a))) is None
        a[3] = 1
        with real.errstate(divide="raise"):
            for call, x in ((g, np.array(a)), (numpys, a)):
                with pytest.raises(FloatingPointError, match="divide by zero encountered in divide"):
                    call(x)
        expected, found = seen(numpys, a), seen(g, np.array(a))
        assert expected[0] == found[0] and difference(expected[1], found[1]) is None


def test_arguments_and_earlier_results_are_left_as_they_were():
    def f(x, y):
        while np.abs(x).max() > 1:
            x, y = x * 0.5 + y * 0.01, x * 0.5
        return x, y

    g, numpys = np.jit(f), plain(f)
    kept = []
    for k in range(20):
        if k == 10:
            for one in g._compiled:
                one.quicken()
            assert sum(x.kernels for x in program_rolled.loops_of(g)) > 0
        rng = real.random.default_rng(k)
        given = rng.normal(size=(7, 3)) * 10 ** rng.uniform(1, 4), rng.normal(size=(7, 3))
        own = tuple(map(np.array, given))
        kept.append((numpys(*given), g(*own), given, own))
        for expected, found, before, after in kept:
            assert difference((expected, before), (found, after)) is None
    for _, found, _, own in kept:
        found[0][:] = 0
        assert float(own[0].numpy().sum()) != 0 and float(found[1].numpy().sum()) != 0


@pytest.mark.parametrize("turns", [9, 12, 33])
def test_loops_of_a_number_that_is_an_argument(turns):
    def f(x, n):
        for i in np.range(n):
            x = np.sin(x) * 2 + x / (i + 1) - x[i % 1]
        return x

    def g(x, n):
        return np.fori_loop(0, n, lambda i, x: (np.sqrt(x * x + 1) - 1) * 0.5 + x[0], x)

    for body in (f, g):
        jitted = np.jit(body)
        for k in range(12):
            x = real.random.default_rng(k).normal(size=31)
            n = turns + k % 4
            expected = x
            for i in range(n):
                expected = real.sin(expected) * 2 + expected / (i + 1) - expected[i % 1] if body is f else (
                    real.sqrt(expected * expected + 1) - 1) * 0.5 + expected[0]
            assert difference(expected, jitted(np.array(x), n)) is None
            if k >= 6:
                for one in jitted._compiled:
                    one.quicken()
                assert not kernels.failures, kernels.failures


@pytest.mark.skipif(tapes.tape is None, reason="the extension was not built, or is left out")
def test_products_and_what_follows_them_are_no_calls_of_numpy():
    def f(A, b):
        x = b * 0.0
        r = b - A @ x
        p, rs = r.copy(), r @ r
        while np.sqrt(rs) > 1e-8:
            Ap = A @ p
            alpha = rs / (p @ Ap)
            x = x + alpha * p
            r = r - alpha * Ap
            new = r @ r
            p = r + (new / rs) * p
            rs = new
        return x

    def made(rng):
        q = rng.normal(size=(20, 20))
        return q @ q.T + 10 ** rng.uniform(0.5, 2.5) * real.eye(20), rng.normal(size=20)
    g, numpys = np.jit(f), plain(f)
    for k in range(12):
        if k == 8:
            for one in g._compiled:
                one.quicken()
        given = made(real.random.default_rng(k))
        assert difference(numpys(*given), g(*map(np.array, given))) is None
    text, = [x.text for x in program_rolled.loops_of(g)]
    assert "= matmul" not in text and "multiply" not in text


@pytest.mark.parametrize("first", range(0, 30, 10))
def test_random_loops_with_kernels_give_what_numpy_gives(first):
    with_kernels = 0
    for seed in range(first, first + 10):
        found, f = program_rolled.tried(seed, np)
        assert found is None, f"{found}\n{program_rolled.random_program(seed)}\n{f.explain()}"
        with_kernels += any(loop.kernels for loop in program_rolled.loops_of(f))
    assert with_kernels >= 3
