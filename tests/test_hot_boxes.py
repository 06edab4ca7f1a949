"""Kernels that read and write through views, launched by the addresses of these: as NumPy has it."""

import gc
import sys

import numpy as real
import pytest

from lazytensor import hot

from .helpers import module_under_test, plan_soon, same_bits, warned

pytestmark = pytest.mark.skipif(hot.native is None, reason="the extension was not built here")


@pytest.fixture(autouse=True)
def at_once():
    plan_soon(module_under_test())


INDICES = [
    (slice(1, -1), slice(2, None)), (slice(None, None, -1),), (slice(-3, 1, -1), Ellipsis), (Ellipsis, slice(1, -1)),
    (2, slice(None)), (slice(None), -1), (-2,), (None, slice(3, 9)), (slice(1, 100, 3), None, slice(-50, 50)),
    (Ellipsis, 3, slice(None)), (slice(None), slice(None), slice(None, None, 2)), (),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_a_kernel_reads_where_the_index_says(index, dtype):
    np = module_under_test()
    data = real.arange(12 * 14 * 16).reshape(12, 14, 16).astype(dtype)
    x = np.array(data).realize()
    for turn in range(5):
        part, own = x[index], data[index]
        got = (part * 2 + part - 1 + turn).realize()
        assert same_bits(real.asarray(got), own * 2 + own - 1 + turn)


def test_starts_that_move_are_followed():
    np = module_under_test()
    data = real.arange(400.0)
    x = np.array(data).realize()
    for i in range(40):
        expected = data[i:i + 300] * 2 + data[i + 50:i + 350][::-1]
        assert same_bits(real.asarray((x[i:i + 300] * 2 + x[i + 50:i + 350][::-1]).realize()), expected)


def _heat(u, turns):
    for _ in range(turns):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return u


@pytest.mark.parametrize("dtype", ["f8", "f4", "c16"])
@pytest.mark.parametrize("shape", [(40, 50), (33, 3), (3, 70)])
def test_what_is_around_a_part_is_copied(shape, dtype):
    np = module_under_test()
    data = (real.random.default_rng(3).random(shape) * 100).astype(dtype)
    for _ in range(6):
        assert same_bits(real.asarray(_heat(np.array(data), 9).realize()), _heat(data.copy(), 9))


def test_borders_of_blocks_and_of_one_element():
    np = module_under_test()

    def step(u):
        for _ in range(6):
            u[1:-1, 2:, :-1] = u[:-2, 2:, 1:] + u[2:, 1:-1, :-1] * 0.5
        return u
    data = real.random.default_rng(4).random((20, 21, 22))
    for _ in range(5):
        assert same_bits(real.asarray(step(np.array(data)).realize()), step(data.copy()))


def test_parts_that_warn_are_computed_again_with_numpys_warnings():
    np = module_under_test()

    def divide(u, v):
        for _ in range(3):
            u[5:-5] = u[5:-5] / v[5:-5] + 1.0
        return u
    data, divisors = real.arange(50_000.0), real.ones(50_000)
    divisors[40_000] = 0.0
    for _ in range(8):
        with warned() as wanted:
            expected = divide(data.copy(), divisors)
        with warned() as got:
            result = divide(np.array(data), np.array(divisors)).realize()
        assert same_bits(real.asarray(result), expected)
        assert got == wanted


def test_error_states_that_change_are_heeded():
    np = module_under_test()
    y = real.full(5000, 1e300)
    x = np.array(y).realize()
    with real.errstate(over="ignore"):
        expected = y[1:] * y[1:] + y[:-1]
    for turn in range(8):
        with np.errstate(over="ignore" if turn % 2 else "warn"), warned() as got:
            result = (x[1:] * x[1:] + x[:-1]).realize()
        assert same_bits(real.asarray(result), expected)
        assert len(got) == (turn % 2 == 0)


def test_nothing_is_held_afterwards():
    np = module_under_test()
    x = np.array(real.random.default_rng(5).random((60, 60))).realize()

    def turns():
        for _ in range(50):
            (x[1:] * 2 + x[:-1]).realize()
            _heat(x.copy(), 4).realize()
    for _ in range(3):  # what the plans keep of their first runs
        turns()
    gc.collect()
    before, blocks = sys.getrefcount(x._value.buffer), sys.getallocatedblocks()
    for _ in range(10):
        turns()
    gc.collect()
    after = sys.getrefcount(x._value.buffer)  # not within an assert, which would count, too
    assert after == before
    assert sys.getallocatedblocks() - blocks < 400
