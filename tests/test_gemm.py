"""Products of matrices by loops of lazytensor's own have NumPy's bits and flags, and what is not as it was when the two
were compared is left to NumPy."""

import random
import threading
from contextlib import contextmanager

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import fusing, tapes
from lazytensor.lower import loops, native, products
from lazytensor.run import workers

from .test_gemv import quicken

LOOPS = {c: loops.strided_loop(real.matmul, (real.dtype(c),) * 3) if loops.available() else None for c in "fd"}
SHAPES = [(64, 512, 256), (16, 784, 128), (9, 512, 256), (128, 128, 128), (40, 2000, 48), (1000, 64, 64)]


WAYS = ["", "left", "right", "left right"]
"""Which of the matrices are transposed."""


def strides(dtype, m, inner, n, transposed=""):
    size = dtype.itemsize
    left = (size, m * size) if "left" in transposed else (inner * size, size)
    right = (size, inner * size) if "right" in transposed else (n * size, size)
    return (*left, *right, n * size, size)


def twin_of(char, sizes, transposed="", threads=1):
    dtype = real.dtype(char)
    parallel = workers.entry(threads) if threads > 1 else 0
    return products.loop_of(LOOPS[char], dtype, sizes, strides(dtype, *sizes, transposed), parallel)


@contextmanager
def blas_threads(count):
    """So many threads for OpenBLAS: with several, products of a few microseconds may take 8 ms where cores are few."""
    before, change = products._threads(), products._of_blas("num_threads", "set")
    if before is None or change is None:
        yield
        return
    before = before()
    change(count)
    try:
        yield
    finally:
        change(before)


@pytest.fixture(autouse=True)
def _one_thread():
    with blas_threads(1):
        yield


with blas_threads(1):
    has_twins = LOOPS["f"] is not None and twin_of("f", SHAPES[0]) is not LOOPS["f"]
needs_workers = pytest.mark.skipif(not native.available(), reason="there is no machine code, so there are no workers")
needs_twins = pytest.mark.skipif(not has_twins, reason="NumPy's BLAS or the CPU is another")


@needs_twins
@pytest.mark.parametrize("transposed", WAYS)
@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("char", ["f", "d"])
def test_bits_and_flags(char, sizes, transposed):
    twin, dtype = twin_of(char, sizes, transposed), real.dtype(char)
    if twin is LOOPS[char]:
        pytest.skip("OpenBLAS adds up in another order for this size")
    assert products.differences(LOOPS[char], twin, dtype, sizes, strides(dtype, *sizes, transposed), seed=1) == []


@needs_workers
@needs_twins
@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("transposed", ["", "right"])
def test_bits_with_several_threads(char, transposed):
    """OpenBLAS halves the depth in another way then, and threads of lazytensor's share the rows, or the columns."""
    dtype = real.dtype(char)
    with blas_threads(2):
        for sizes in ((16, 784, 128), (40, 1000, 64), (64, 300, 16), (64, 256, 240)):
            twin = twin_of(char, sizes, transposed, threads=2)
            assert twin is LOOPS[char] or twin.capsule[1].parallel
            by = strides(dtype, *sizes, transposed)
            assert products.differences(LOOPS[char], twin, dtype, sizes, by, seed=1) == []
            assert twin_of(char, sizes, transposed) is LOOPS[char]  # nobody to share the work with


@needs_twins
@pytest.mark.parametrize("char", ["f", "d"])
def test_small_products_need_nobody_to_share_them(char):
    """OpenBLAS has one thread for them, however many it may have."""
    dtype, sizes = real.dtype(char), (64, 10, 128)
    with blas_threads(2):
        twin = twin_of(char, sizes, "right")
        assert twin is not LOOPS[char] and twin_of(char, sizes, "right", threads=2) is twin
        assert products.differences(LOOPS[char], twin, dtype, sizes, strides(dtype, *sizes, "right"), seed=1) == []


@needs_twins
def test_bits_and_flags_of_many_shapes(monkeypatch):
    for least in ("LEAST", "LEAST_TRANSPOSED"):
        monkeypatch.setattr(products, least, 0)
    chance, used = random.Random(7), dict.fromkeys(WAYS, 0)
    for seed in range(160):
        char, transposed = chance.choice("fd"), chance.choice(WAYS)
        dtype = real.dtype(char)
        sizes = chance.randint(2, 80), chance.choice((chance.randint(2, 60), chance.randint(2, 1000))), chance.choice(
            (8, 16)) * chance.randint(1, 15)
        twin = twin_of(char, sizes, transposed)
        used[transposed] += twin is not LOOPS[char]
        found = products.differences(LOOPS[char], twin, dtype, sizes, strides(dtype, *sizes, transposed), seed) if (
            twin is not LOOPS[char]) else []
        assert found == [], (char, sizes, transposed)
    assert min(used.values()) > 1


@needs_twins
def test_the_order_of_additions():
    """Blocks of the depth are added up one by one; of at most two blocks half each, rounded up."""
    assert products.Order(448, 16, True).blocks(1000) == [448, 288, 264]
    assert products.Order(448, 1, True).blocks(784) == [392, 392]
    assert products.Order(448, 16, True).blocks(448) == [448]
    for order in (products.Order(8, 4, True), products.Order(384, 1, False)):
        for depth in range(1, 2000, 37):
            assert sum(order.blocks(depth)) == depth and max(order.blocks(depth)) <= max(order.block, order.round)


@needs_twins
def test_what_is_not_as_it_was_compared_is_numpys(monkeypatch):
    monkeypatch.setattr(products, "_found", {})
    sizes, dtype = (16, 512, 256), real.dtype("f")
    twin = twin_of("f", sizes)
    own = twin.capsule[1]
    x = real.random.default_rng(0).normal(size=(512, 512)).astype("f4")
    out, steps = real.empty((16, 256), "f4"), strides(dtype, *sizes)

    def product(a, b, of=sizes, by=steps):
        out[...] = 0
        twin.call([a.ctypes.data, b.ctypes.data, out.ctypes.data], [1, *of], [0, 0, 0, *by])
        return out.copy()

    expected = x[:16] @ x.ravel()[:512 * 256].reshape(512, 256)
    assert (product(x, x.copy()) == expected).all()
    assert (product(x, x) == expected).all()  # one memory: NumPy asks whether it is a product with its own transpose
    loop, own.loop = own.loop, None  # whatever is left to NumPy's loop now ends the process
    assert (product(x, x.copy()) == expected).all()
    own.loop = loop
    assert (product(x, x.copy(), (16, 256, 256), (1024, 4, 1024, 4, 1024, 4))
            == x.ravel()[:16 * 256].reshape(16, 256) @ x.ravel()[:256 * 256].reshape(256, 256)).all()
    own.compared += 1  # BLAS has another number of threads now
    assert (product(x, x.copy()) == expected).all()


@needs_workers
def test_other_dtypes_layouts_and_sizes_have_numpys_loop():
    for char, sizes, steps in (
            ("F", (64, 512, 256), (4096, 8, 2048, 8, 2048, 8)), ("f", (64, 512, 256), (2048, 4, 4, 2052, 1024, 4)),
            ("f", (64, 512, 250), (2048, 4, 4, 2048, 1000, 4)), ("f", (64, 8, 16), (32, 4, 4, 32, 64, 4)),
            ("f", (64, 64, 64), (256, 4, 256, 4, 256, 4)), ("f", (64, 512, 256), (4096, 8, 1024, 4, 1024, 4)),
            ("f", (8, 4096, 256), (16384, 4, 1024, 4, 1024, 4)), ("f", (64, 512, 1), (2048, 4, 4, 0, 4, 0)),
            ("f", (64, 512, 250), (2048, 4, 1000, 4, 1000, 4))):
        loop = loops.strided_loop(real.matmul, (real.dtype(char),) * 3)
        assert products.loop_of(loop, real.dtype(char), sizes, steps, workers.entry(2)) is loop


@needs_twins
@pytest.mark.parametrize("char", ["f", "d"])
def test_layers_and_their_gradients_in_a_compiled_function(char):
    rng = real.random.default_rng(3)
    w, b = rng.normal(size=(512, 256)).astype(char), rng.normal(size=256).astype(char)

    def step(np, x, w, b):
        h = np.maximum(x @ w + b, 0)
        return h, x.T @ h, h.sum(0), h @ w.T

    f = np.jit(lambda x, w, b: step(np, x, w, b))
    for i in range(6):
        x = rng.normal(size=(40, 512)).astype(char)
        x[:1, :2] = (1, real.inf, real.nan, 1e-44, -0.0, 1e38)[i]
        lw, lb = np.array(w), np.array(b)
        with real.errstate(all="ignore"), np.errstate(all="ignore"):
            for got, wanted in zip(f(np.array(x), lw, lb), step(real, x, w, b), strict=True):
                assert real.asarray(got).tobytes() == wanted.tobytes() or real.isnan(wanted).any() and (
                    real.array_equal(got, wanted, equal_nan=True))
        if i == 1:
            quicken(f)
    for sizes in ((40, 512, 256), (512, 40, 256), (40, 256, 512)):
        assert any(key[:2] == (char, sizes) and found for key, found in products._found.items()) == fusing.possible()


@needs_twins
@pytest.mark.parametrize("product", [lambda x: x.T @ x, lambda x: x @ x.T, lambda x: x.T @ x.T])
def test_the_product_with_its_own_transpose(product):
    rng = real.random.default_rng(5)
    f = np.jit(product)
    for i in range(5):
        x = rng.normal(size=(128, 128)).astype("f4")
        assert real.asarray(f(np.array(x))).tobytes() == product(x).tobytes()
        if i == 1:
            quicken(f)


@needs_twins
def test_warnings_of_a_layer(recwarn):
    f = np.jit(lambda x, w: x @ w)
    w = np.array(real.ones((512, 256), "f4"))
    for i in range(4):
        f(np.ones((16, 512), "f4"), w)
        if i == 1:
            quicken(f)
    x = real.ones((16, 512), "f4")
    x[3, 5], x[3, 6] = real.inf, -real.inf
    with pytest.warns(RuntimeWarning, match="invalid value encountered in matmul"):
        real.asarray(f(np.array(x), w))


@needs_workers
@needs_twins
@pytest.mark.parametrize("transposed", ["", "right"])
def test_threads_that_multiply_at_once(transposed):
    dtype, wrong = real.dtype("d"), []

    def multiply(twin, seed):
        a, b = (real.random.default_rng(seed).normal(size=shape) for shape in ((64, 256), (256, 128)))
        b = b.reshape(128, 256).T if transposed else b
        out, expected = real.empty((64, 128)), a @ b
        for _ in range(50):
            out[...] = 0
            twin.call([a.ctypes.data, b.ctypes.data, out.ctypes.data], [1, 64, 256, 128],
                      [0, 0, 0, *strides(dtype, 64, 256, 128, transposed)])
            wrong.extend([seed] * (not (out == expected).all()))

    with blas_threads(2):
        twin = twin_of("d", (64, 256, 128), transposed, threads=2)
        threads = [threading.Thread(target=multiply, args=(twin, seed)) for seed in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert not wrong


def test_which_products_want_threads_of_blas():
    dtype = real.dtype("f")

    def laid(*shape, by=None):
        return shape, dtype, by

    assert not tapes.wants_threads_of_blas(laid(64, 512), laid(512, 256), laid(64, 256))
    assert not tapes.wants_threads_of_blas(laid(8, 8), laid(8, 8, by=(4, 32)), laid(8, 8))
    assert not tapes.wants_threads_of_blas(laid(64, 512), laid(512, 256, by=(4, 2048)), laid(64, 256))
    assert tapes.wants_threads_of_blas(laid(64, 512), laid(512, 250, by=(4, 2048)), laid(64, 250))
    assert tapes.wants_threads_of_blas(laid(64, 512), None, laid(64, 256))
