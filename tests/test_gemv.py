"""Products of a row and a matrix by a loop of lazytensor's own have NumPy's bits and flags, and what is not as it was
when the two were compared is left to NumPy."""

import ctypes
import random

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import fusing, tapes
from lazytensor.lower import loops, products

from .helpers import difference

FLOAT = real.dtype("f4")
LOOP = loops.strided_loop(real.matmul, (FLOAT,) * 3) if loops.available() else None
SHAPES = [(64, 32), (512, 256), (256, 128), (48, 48), (49, 48), (4, 16), (1, 64), (2, 512), (784, 128), (300, 240)]


def strides(inner, n):
    return (0, 4 if inner > 1 else 0, 4 * n if inner > 1 else 0, 4, 0, 4)


def twin_of(inner, n, loop=LOOP):
    return products.loop_of(loop, FLOAT, (1, inner, n), strides(inner, n))


needs_twin = pytest.mark.skipif(LOOP is None or twin_of(64, 32) is LOOP, reason="NumPy's BLAS or the CPU is another")


@needs_twin
@pytest.mark.parametrize(("inner", "n"), SHAPES)
def test_bits_and_flags(inner, n):
    for seed in range(1, 6):
        assert products.differences(LOOP, twin_of(inner, n), FLOAT, (1, inner, n), strides(inner, n), seed) == []


@needs_twin
def test_bits_and_flags_of_many_shapes():
    chance, used = random.Random(7), 0
    for seed in range(300):
        inner, n = chance.choice((chance.randint(1, 60), chance.randint(1, 700))), 16 * chance.randint(1, 20)
        twin = twin_of(inner, n)
        used += twin is not LOOP  # a BLAS may add up in this order for some shapes only
        assert products.differences(LOOP, twin, FLOAT, (1, inner, n), strides(inner, n), seed) == []
    assert used


@needs_twin
def test_the_programs_error_state_hears_nothing_of_the_comparison():
    with real.errstate(all="raise"):
        assert products.differences(LOOP, twin_of(64, 32), FLOAT, (1, 64, 32), strides(64, 32)) == []


class Counted:
    """NumPy's loop, counted; or another one in its place."""

    def __init__(self, other=None):
        kind = ctypes.PYFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 5)
        call = kind(LOOP.loop)

        def counted(*args):
            self.calls += 1
            return (other or call)(*args)

        self.calls, self.made = 0, kind(counted)
        self.loop = LOOP._replace(loop=ctypes.cast(self.made, ctypes.c_void_p).value)


@needs_twin
def test_what_is_not_as_it_was_compared_is_numpys(monkeypatch):
    monkeypatch.setattr(products, "_found", {})
    counted, inner, n = Counted(), 300, 64
    twin = twin_of(inner, n, counted.loop)
    assert twin.loop != counted.loop.loop and counted.calls > 0
    assert inner * n > products.ANYWHERE
    raw = real.random.default_rng(0).normal(size=(inner + 2) * n + 64).astype("f4")
    start = -raw.ctypes.data % 64 // 4
    x, out = real.random.default_rng(1).normal(size=inner).astype("f4"), real.empty(n, "f4")

    def calls(begin, rows=inner, steps=None):
        before = counted.calls
        matrix = raw[begin:begin + rows * n].reshape(rows, n)
        twin.call([x.ctypes.data, matrix.ctypes.data, out.ctypes.data], [1, 1, rows, n],
                  [0, 0, 0, *(steps or strides(inner, n))])
        assert real.array_equal(out, x[:rows] @ matrix)
        return counted.calls - before

    assert calls(start) == 0
    assert calls(start + 4) == 1  # no row begins a cache line
    assert calls(start, rows=299) == 1
    assert calls(start, steps=(4 * inner, *strides(inner, n)[1:])) == 1
    own = twin.capsule[1]
    own.compared += 1  # BLAS has another number of threads now
    assert calls(start) == 1


@needs_twin
def test_a_blas_that_adds_up_in_another_order_stays(monkeypatch):
    monkeypatch.setattr(products, "_found", {})
    inner, n = 64, 32

    def in_float64(_context, data, _sizes, _strides, _auxdata):
        x, matrix, out = (ctypes.c_void_p.from_address(data + 8 * i).value for i in range(3))
        row, table, result = ((ctypes.c_float * size).from_address(at)
                              for at, size in ((x, inner), (matrix, inner * n), (out, n)))
        with real.errstate(all="ignore"):
            exact = real.array(row, "f8") @ real.array(table, "f8").reshape(inner, n)
            result[:] = exact.astype("f4").tolist()
        return 0

    other = Counted(in_float64)
    assert twin_of(inner, n, other.loop) is other.loop


def test_other_dtypes_layouts_and_sizes_have_numpys_loop():
    for dtype, sizes, steps in (
            ("f8", (1, 64, 32), (0, 8, 256, 8, 0, 8)), ("f4", (2, 64, 32), (256, 4, 128, 4, 128, 4)),
            ("f4", (1, 64, 33), (0, 4, 132, 4, 0, 4)), ("f4", (1, 64, 32), (0, 4, 4, 256, 0, 4)),
            ("f4", (1, 64, 32), (0, 8, 128, 4, 0, 4)), ("f4", (1, 1 << 20, 16), (0, 4, 64, 4, 0, 4))):
        loop = loops.strided_loop(real.matmul, (real.dtype(dtype),) * 3)
        assert products.loop_of(loop, real.dtype(dtype), sizes, steps) is loop


def quicken(f):
    """Has what is compiled of it compiled once more, with kernels."""
    for compiled in f._compiled:
        compiled.quicken()


def test_a_layer_on_one_sample():
    rng = real.random.default_rng(3)
    for inner, n in [*SHAPES, (64, 33), (700, 10)]:
        w, b = (rng.normal(size=shape).astype("f4") for shape in ((inner, n), (n,)))
        lw, lb = np.array(w), np.array(b)
        f = np.jit(lambda x, w, b: np.maximum(x @ w + b, 0))
        for i in range(6):
            x = rng.normal(size=(1, inner)[i % 2:]).astype("f4")
            x[..., :1] = (1, real.inf, real.nan, 1e-44, -0.0, 1e38)[i]
            quicken(f)
            with real.errstate(all="ignore"):
                assert difference(real.maximum(x @ w + b, 0), f(np.array(x), lw, lb)) is None


def test_a_layer_that_overflows_raises_and_warns():
    w = np.array(real.full((64, 32), 1e30, "f4"))
    f = np.jit(lambda x: x @ w * 1)
    for k in (1, 1e20, 1, 1e20):
        quicken(f)
        x = np.array(real.full((1, 64), k, "f4"))
        if k == 1:
            assert (f(x).numpy() == real.full((1, 64), k, "f4") @ w.numpy()).all()
            continue
        with real.errstate(all="raise"), pytest.raises(FloatingPointError, match="matmul"):
            f(x)
        with pytest.warns(RuntimeWarning, match="overflow encountered in matmul"):
            f(x).numpy()


@needs_twin
@pytest.mark.skipif(tapes.tape is None, reason="the extension is not built")
@pytest.mark.skipif(not fusing.possible(), reason="the engine has no kernels")
def test_a_jitted_layer_runs_it_once_it_has_been_called_often(monkeypatch):
    monkeypatch.setattr(products, "_found", {})
    w, x = (np.array(real.random.default_rng(0).normal(size=s).astype("f4")) for s in ((80, 48), (1, 80)))
    f = np.jit(lambda x: x @ w)
    for _ in range(2):
        f(x)
    assert not products._found
    quicken(f)
    assert f(x).numpy().tobytes() == (x.numpy() @ w.numpy()).tobytes()
    assert "matmul" in f.source and any(loop is not None for loop in products._found.values())
