"""NumPy's loops, called in kernels for parts of arrays: where their elements lie together along the last axis."""

import numpy as real
import pytest

from lazytensor.lower import fused
from lazytensor.lower.fused import lies_together

from .helpers import module_under_test, plan_soon, same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")

TOGETHER = [lambda a: a[1:-1], lambda a: a[:, 1:-1], lambda a: a[2:, :-3], lambda a: a.reshape(-1),
            lambda a: a[::2, 1:], lambda a: a.reshape(4, -1)[1:, 5:], lambda a: a[None], lambda a: a[:, None, 1:]]
APART = [lambda a: a[:, ::-1], lambda a: a[::-1], lambda a: a[:, ::2], lambda a: a.T, lambda a: a[:, 0],
         lambda a: a.T[1:]]


@pytest.fixture(autouse=True, scope="module")
def at_once():
    np = module_under_test()
    plan_soon(np)
    with np.config(engine="llvm"):
        yield


def one(np, x):
    return np.exp(x) * 2 + 1


def two(np, x):
    return np.arctan2(x, np.abs(x) + 1) - np.sin(x)


def of_rows(np, x):
    return (np.exp(x) - x).sum(-1), np.log(np.abs(x) + 1).max(0)


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("program", [one, two, of_rows], ids=lambda p: p.__name__)
@pytest.mark.parametrize("view", [*TOGETHER, *APART])
def test_they_give_numpys_bits(view, program, dtype):
    np = module_under_test()
    x = real.random.default_rng(0).normal(size=(40, 36)).astype(dtype) * 4
    expected, a = program(real, view(x)), np.array(x)
    for _ in range(3):
        got = program(np, view(a))
        for e, g in zip(expected, got, strict=True) if program is of_rows else [(expected, got)]:
            assert same_bits(real.asarray(e), real.asarray(g))
            assert g.strides == real.asarray(e).strides


@pytest.mark.parametrize("views, kernels", [(TOGETHER, 1), (APART, 0)])
def test_what_is_one_kernel(views, kernels):
    np = module_under_test()
    x = np.array(real.ones((40, 36)))
    for view in views:
        text = np.explain(np.exp(view(x)) * 2)
        assert ("exp" in text.partition("one pass over memory")[2]) == bool(kernels), text


def test_a_plan_met_with_other_views_is_run_otherwise():
    np = module_under_test()
    x = real.random.default_rng(1).normal(size=(60, 60))
    a = np.array(x)
    for step in (1, 1, 2, -1, 1, 3):
        for _ in range(3):
            part = a[:, ::step]
            assert same_bits(real.asarray(np.exp(part) * 2 - part), real.exp(x[:, ::step]) * 2 - x[:, ::step])


@pytest.mark.parametrize("shape, strides, together", [
    ((3, 4), None, True), ((3, 4), (40, 8), True), ((3, 4), (8, 24), False), ((3, 4), (32, -8), False),
    ((3, 1), (8, 64), True),
    ((1, 1), (0, 0), False), ((1,), None, False), ((1,), (-16,), False), ((3, 4), (0, 8), False), ((4,), (16,), False)])
def test_lies_together(shape, strides, together):
    assert lies_together(shape, strides, 8) is together
