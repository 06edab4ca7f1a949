"""Running totals along other axes than the last are parts of kernels, and have NumPy's bits."""

import itertools

import numpy as real
import pytest

from lazytensor.config import current
from lazytensor.lower import fused
from lazytensor.run import kernels

from .helpers import module_under_test, plan_soon, same_bits

PROGRAMS = {
    "cumsum": lambda np, x, axis: np.cumsum(x, axis=axis),
    "cumprod": lambda np, x, axis: np.cumprod(x * 1, axis),
    "between": lambda np, x, axis: np.cumsum(x * 2, axis=axis) * 3,
    "centred": lambda np, x, axis: x.cumsum(axis) - x.cumsum(axis).mean(axis, keepdims=True),
    "of totals": lambda np, x, axis: np.exp(np.cumsum(np.exp(x * 0.01), axis) * 1e-3).cumsum(axis),
    "summed": lambda np, x, axis: (x * 2).cumsum(axis).sum(axis),
    "with a maximum": lambda np, x, axis: x - x.cumsum(axis) / (1 + x.max(axis, keepdims=True)),
}
SHAPES = [(40, 30), (6, 20, 17), (7, 900), (3, 5, 4, 6), (2000, 3), (5, 1), (5, 4, 1), (1, 9), (9000, 2)]
SPECIAL = real.array([0.0, -0.0, 1.5, -2.0, real.inf, real.nan, 0.1, 1e300])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("program", PROGRAMS)
def test_bits(program, threads):
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(3)
    for char, shape, special in itertools.product("dflB?" if threads == 1 else "d", SHAPES, (False, True)):
        values = SPECIAL if char in "fd" else SPECIAL[:4]
        with real.errstate(all="ignore"), np.errstate(all="ignore"), np.config(threads=threads):
            x = (rng.choice(values, size=shape) if special else rng.normal(size=shape) * 5).astype(char)
            if char == "?" and program == "with a maximum":
                continue  # bools are not subtracted
            for axis, turned in itertools.product(range(len(shape)), (False, True)):
                want = PROGRAMS[program](real, x.T if turned else x, axis)
                a = np.array(x).T if turned else np.array(x)
                for _ in range(2):
                    got = PROGRAMS[program](np, a, axis).realize()
                assert same_bits(want, real.asarray(got)) and got.dtype == want.dtype
                assert got.strides == want.strides or 1 in got.shape
    assert not kernels.failures


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
def test_one_kernel():
    np = module_under_test()
    plan_soon(np)
    x = np.array(real.random.default_rng(8).normal(size=(40, 30, 20)))
    for axis, kernels_found in ((0, "1 kernel"), (1, "1 kernel"), (2, "along the last axis is NumPy's own call")):
        for _ in range(2):
            y = np.exp(np.cumsum(x * 2, axis) * 0.1)
            text = y.explain()
            y.realize()
        assert kernels_found in text
        assert axis == 2 or "arrays made: 1 (" in text


def test_warnings_are_numpys():
    np = module_under_test()
    plan_soon(np)
    x = real.full((40, 17), 1e308)
    for _ in range(3):
        with pytest.warns(RuntimeWarning, match="overflow encountered in accumulate"):
            (np.array(x) * 0.5).cumsum(0).realize()
