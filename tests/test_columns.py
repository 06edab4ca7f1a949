"""Reductions of columns that are few: one thread reduces them, all go over the rows; the same bits on any number."""

import numpy as real
import pytest

from lazytensor.run import kernels

from .helpers import module_under_test, plan_soon, same_bits

PROGRAMS = {
    "standardised": lambda np, x: (x - x.mean(0)) / x.std(0),
    "softmax": lambda np, x: np.exp(x - x.max(0)) / np.exp(x - x.max(0)).sum(0),
    "several": lambda np, x: ((x - x.mean(0)) / x.std(0), x.sum(0), x * 2),
    "scaled": lambda np, x: (x - x.min(0)) * 3.5 / (x.max(0) - x.min(0)),
    "sums": lambda np, x: (x.sum(0), (x * x).sum(0)),
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_few_columns(dtype, program, threads):
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(3)
    for shape in ((5000, 64), (3001, 100), (12000, 17), (2000, 127), (40, 33)):
        x = rng.normal(size=shape).astype(dtype)
        for layout in (x, real.asfortranarray(x).copy("K")[:, ::1], x[::2]):
            want = PROGRAMS[program](real, layout)
            with np.config(threads=threads):
                got = PROGRAMS[program](np, np.array(layout))
                np.realize(*got if type(got) is tuple else (got,))
            for a, b in zip(*[r if type(r) is tuple else (r,) for r in (want, got)], strict=True):
                assert same_bits(a, real.asarray(b))
    assert not kernels.failures
