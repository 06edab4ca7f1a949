"""The greatest and least of rows: NumPy's, also which of two zeros, and its warnings."""


import numpy as real
import pytest

from lazytensor.lower import fused

from .helpers import module_under_test, plan_soon, same_bits, warned

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


def spoilt(kind, n, dtype):
    """Rows of which some have NaN, zeros of both signs or infinities."""
    x = real.random.default_rng(n).normal(size=(70, n)).astype(dtype)
    if kind == "many NaN":
        x[:, ::3] = real.nan
    elif kind == "NaN at the ends":
        x[5, n - 1], x[7, 0] = real.nan, -real.nan
    elif kind == "zero is the greatest":
        x = -abs(x)
        x[:, ::4], x[:, 1::4] = 0.0, -0.0
    elif kind == "zero is the least":
        x = abs(x)
        x[:, n // 2], x[::2, n // 3] = -0.0, 0.0
    elif kind == "infinite":
        x[:, 3], x[:, 4] = real.inf, -real.inf
    elif kind == "all infinite":
        x[...] = -real.inf
    return x


PROGRAMS = [lambda x: (x * 2).max(1), lambda x: (x * 2).min(1), lambda x: abs(x).max(1) + x.min(1),
            lambda x: x + x.max(1, keepdims=True) * x.min(1, keepdims=True)]


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("kind", ["plain", "many NaN", "NaN at the ends", "zero is the greatest", "zero is the least",
                                  "infinite", "all infinite"])
def test_rows_of_all_lengths(kind, dtype):
    np = module_under_test()
    plan_soon(np)
    for n in (*range(16, 140, 9), 127, 128, 129, 512, 1000, 1023):
        x = spoilt(kind, n, dtype)
        for program in PROGRAMS:
            for _ in range(3):
                with warned() as expected:
                    wanted = program(x)
                with warned() as seen:
                    got = real.asarray(program(np.array(x)))
                assert same_bits(wanted, got), n
                assert seen == expected
