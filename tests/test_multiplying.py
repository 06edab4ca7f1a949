"""Products that the lazy engine meets often run by loops of lazytensor's own, with NumPy's bits and warnings."""

import itertools
import threading

import numpy as real
import pytest

import lazytensor as np
from lazytensor.config import current
from lazytensor.hot import native
from lazytensor.run import interpreter

from .test_gemm import blas_threads, has_twins

pytestmark = pytest.mark.skipif(not has_twins or native is None or current.engine == "numpy",
                                reason="NumPy's BLAS or the CPU is another, or only NumPy is asked for")
OFTEN = 1200
"""After so many of these products the two loops have been compared."""
WAYS = {"plain": lambda x, w: x @ w, "left": lambda x, w: x.T @ w, "right": lambda x, w: x @ w.T}
depths = itertools.count(300)
"""Depths of products: each test has geometries that were not counted yet."""


@pytest.fixture(autouse=True)
def asked():
    """Geometries for which a loop was found."""
    found = []

    def spy(*geometry):
        answer = interpreter._product_loop(*geometry)
        found.extend([geometry[:2]] * (answer is not None))
        return answer

    native.learn(product_loop=spy)
    with blas_threads(1):
        yield found
    native.learn(product_loop=interpreter._product_loop)


def operands(rng, way, char, sizes):
    m, inner, n = sizes
    x, w = rng.normal(size=(m, inner)).astype(char), rng.normal(size=(inner, n)).astype(char)
    return (x.T.copy() if way == "left" else x), (w.T.copy() if way == "right" else w)


def pending(product, x, w):
    """In a chain, so that it waits."""
    return np.maximum(product(x, w) + 1, 0)


def at_once(product, x, w):
    return product(x, w)


@pytest.mark.parametrize("form", [pending, at_once])
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("char", ["f", "d"])
def test_bits_of_what_comes_up_often(asked, char, way, form):
    rng, product, sizes = real.random.default_rng(1), WAYS[way], (24, next(depths), 160)
    x, w = operands(rng, way, char, sizes)
    lx, lw = np.array(x), np.array(w)
    expected = product(x, w) if form is at_once else real.maximum(product(x, w) + 1, 0)
    for i in range(OFTEN + 100):
        got = form(product, lx, lw).realize()
        if i % 100 == 0 or i > OFTEN:
            assert real.asarray(got).tobytes() == expected.tobytes()
    assert asked == [(char, sizes)]
    for special in (-0.0, real.inf, real.nan, 1e-44, real.finfo(char).max):
        x, w = operands(rng, way, char, sizes)
        x[::5, ::7], w[3:9, 2] = special, special
        with real.errstate(all="ignore"), np.errstate(all="ignore"):
            wanted = product(x, w) if form is at_once else real.maximum(product(x, w) + 1, 0)
            assert real.asarray(form(product, np.array(x), np.array(w))).tobytes() == wanted.tobytes()


def test_a_row_and_a_matrix(asked):
    sizes = (1, next(depths), 512)
    x, w = operands(real.random.default_rng(1), "plain", "f", sizes)
    lx, lw = np.array(x), np.array(w)
    for i in range(7200):
        got = pending(WAYS["plain"], lx, lw).realize()
        if i > 7100:
            assert real.asarray(got).tobytes() == real.maximum(x @ w + 1, 0).tobytes()
    assert asked == [("f", sizes)]


@pytest.mark.parametrize("form", [pending, at_once])
def test_warnings_and_errors(asked, form):
    sizes = (24, next(depths), 160)
    x, w = operands(real.random.default_rng(1), "plain", "d", sizes)
    lx, lw = np.array(x), np.array(w)
    for _ in range(OFTEN + 50):
        form(WAYS["plain"], lx, lw).realize()
    assert asked
    y, small = x.copy(), x * 1e-300
    y[3, 5], y[3, 6] = real.inf, -real.inf

    def call(x, w=lw):
        return form(WAYS["plain"], np.array(x), w).realize()

    with pytest.warns(RuntimeWarning, match="invalid value encountered in matmul"):
        call(y)
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="invalid value encountered in matmul"):
        call(y)
    with np.errstate(under="raise"), pytest.raises(FloatingPointError, match="underflow encountered in matmul"):
        call(small, np.array(w * 1e-10))
    assert (real.asarray(form(WAYS["plain"], np.array(small), np.array(w * 1e-10)))
            == real.asarray(form(WAYS["plain"], small, w * 1e-10))).all()


def test_the_product_with_its_own_transpose(asked):
    x = real.random.default_rng(2).normal(size=(next(depths) // 16 * 16, 160))
    lx = np.array(x)
    for product in (lambda x: x.T @ x, lambda x: x @ x.T):
        expected = product(x)
        for i in range(200):
            got = (product(lx) + 1).realize()
            if i > 190:
                assert real.asarray(got).tobytes() == (expected + 1).tobytes()


def test_several_threads(asked):
    rng, inner, wrong = real.random.default_rng(3), next(depths), []
    pairs = [operands(rng, "plain", "f", (32, inner, 160)) for _ in range(4)]

    def work(x, w):
        lx, lw, expected = np.array(x), np.array(w), real.maximum(x @ w + 1, 0)
        for _ in range(OFTEN // 2):
            if not (real.asarray(pending(WAYS["plain"], lx, lw)) == expected).all():
                wrong.append(1)

    threads = [threading.Thread(target=work, args=pair) for pair in pairs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong and len(asked) == 1


def test_many_geometries(asked):
    """More than the table has places for."""
    rng = real.random.default_rng(4)
    inner = next(depths)
    for n in range(1, 200):
        x, w = operands(rng, "plain", "f", (16, inner, n))
        assert real.asarray(np.array(x) @ np.array(w) + 1).tobytes() == (x @ w + 1).tobytes()


def test_a_comparison_that_fails():
    def fails(*geometry):
        raise MemoryError

    native.learn(product_loop=fails)
    x, w = operands(real.random.default_rng(5), "plain", "f", (24, next(depths), 160))
    lx, lw = np.array(x), np.array(w)
    for _ in range(OFTEN + 10):
        got = pending(WAYS["plain"], lx, lw).realize()
    assert real.asarray(got).tobytes() == real.maximum(x @ w + 1, 0).tobytes()
