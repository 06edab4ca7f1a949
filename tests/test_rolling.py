"""Rolls of one array by a few places (`api/rolling.py`): NumPy's result, read from one array with margins."""

import random
import re

import numpy as real
import pytest

from lazytensor.api import rolling
from lazytensor.lower import fused

from .helpers import check_same, module_under_test


@pytest.fixture(autouse=True)
def small_arrays_too(monkeypatch):
    monkeypatch.setattr(rolling, "LEAST", 16)
    monkeypatch.setattr(rolling, "MARGIN", 4)


@pytest.mark.parametrize("seed", range(60))
def test_rolls_of_rolls(seed):
    rng = random.Random(seed)
    ndim = rng.randint(1, 3)
    shape = [rng.randint(8, 20) for _ in range(ndim)]
    dtype = rng.choice(("f8", "f8", "f4", "i4", "u1", "?", "c16", ">f8", "f2"))
    array = (real.random.default_rng(seed).normal(size=shape) * 50).astype(dtype)
    rolls = [(rng.choice((0, 1, -1, 2, -4, 5, 9)), rng.randrange(-ndim, ndim)) for _ in range(6)]
    if rng.random() < 0.3:
        rolls += [((1, -2), (0, rng.randrange(ndim))), (3, None), (1, ndim), (real.int64(1), 0)]
    how = [rng.random() for _ in range(20)]

    def program(np):
        x = np.array(array)
        if how[0] < 0.5:
            x = x + x
        found = []
        for turn in range(3):
            for k, (shift, axis) in enumerate(rolls):
                try:
                    y = np.roll(x, shift, axis)
                    z = np.roll(y, 1, -1)
                except Exception as error:
                    found.append((type(error).__name__, str(error)))
                    continue
                if how[k] < 0.2:
                    y[0] = 1
                    z = np.roll(y, -1, 0)
                found += [y + x, z] if how[k] < 0.6 else [np.roll(z, 1, 0), z.sum()]
                if how[k + 10] < 0.15:
                    x[..., 1] = 7
            if turn == 1 and dtype != "?":
                x += 1
        return found

    check_same(program, messages=True)


def neighbours(np, u):
    return np.roll(u, 1, 0) + np.roll(u, -1, 0) + np.roll(u, 1, 1) + np.roll(u, -1, 1)


def test_a_periodic_time_loop():
    def program(np):
        u = np.array(real.random.default_rng(1).random((40, 50)))
        alive = u > 0.5
        for _ in range(8):
            u = u + 0.1 * (neighbours(np, u) - 4 * u)
            around = sum(np.roll(np.roll(alive.astype("i4"), i, 0), j, 1)
                         for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
            alive = (around == 3) | (alive & (around == 2))
        return u, alive

    check_same(program)


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_rolls_are_parts_of_one_array_and_one_kernel():
    np = module_under_test()
    with np.config(engine="llvm"):
        u = np.array(real.random.default_rng(1).random((40, 50)))
        for _ in range(2):
            text = np.explain(neighbours(np, u) - 4 * u)
            u = u + 1
        assert int(re.search(r"(\d+) steps? to run", text)[1]) == 3, text  # u + 1, its margins, the kernel


def test_no_memory_is_kept():
    np = module_under_test()
    u = np.array(real.random.default_rng(1).random((40, 50)))
    for _ in range(2):
        found = neighbours(np, u)
        wholes = [source.whole for source in rolling._known.values() if source.whole is not None]
    assert wholes and all(whole() is not None for whole in wholes)
    found.realize()
    assert all(whole() is None for whole in wholes)


def test_a_tensor_that_is_gone_is_forgotten():
    np = module_under_test()
    rolling._known.clear()
    u = np.array(real.random.default_rng(1).random((40, 50)))
    for _ in range(2):
        neighbours(np, u).realize()
    del u
    assert not rolling._known
