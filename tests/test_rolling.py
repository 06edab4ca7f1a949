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


def plan(np, value):
    """How many steps a value takes, how many kernels are among them, and how many arrays are made."""
    text = np.explain(value)
    numbers = re.search(r"(\d+) steps? to run.*?(\d+) kernels?", text), re.search(r"arrays made: (\d+)", text)
    return (*map(int, numbers[0].groups()), int(numbers[1][1])), text


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_golden_plans():
    np = module_under_test()
    with np.config(engine="llvm"):
        a = np.array(real.random.default_rng(1).random((40, 50)))
        # The memory, a kernel that computes the array into it, its margins, a kernel that reads it at five places.
        found, text = plan(np, (lambda e: neighbours(np, e) - 4 * e)(a * 0.5 + 1))
        assert found == (4, 2, 2), text
        assert plan(np, np.roll(a * 2, -1, 0) - a)[0] == (4, 2, 2)
        separate = np.roll(a * 2, -1, 0) + np.roll(a * 3, 1, 1) * np.roll(a + 1, (2, -1), (0, 1))
        assert plan(np, separate)[0] == (10, 4, 4)
        u = a + 0
        for _ in range(3):  # a kernel a turn, from one array with margins into the next
            u = u + 0.1 * (neighbours(np, u) - 4 * u)
        found, text = plan(np, u)
        assert found == (10, 4, 4), text
        for _ in range(2):  # what is there is copied once, from the second time on
            found, text = plan(np, neighbours(np, a) - 4 * a)
        assert found == (4, 2, 2), text


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_one_line_that_rolls_an_array_in_many_ways_is_one_kernel():
    np = module_under_test()
    with np.config(engine="llvm"):
        a = np.array(real.random.default_rng(1).random((40, 50)))

        def line(a):
            return sum(np.roll(a, shift, axis) for shift in (1, -1) for axis in (0, 1)) - 4 * a
        line(a).realize()
        found, text = plan(np, line(a))
        assert found == (4, 2, 2), text


def test_rolls_that_run_before_the_next_one_are_calls():
    np = module_under_test()
    a = np.array(real.random.default_rng(1).random((40, 50)))

    def once():
        return np.roll(a, 1, 0)

    def again():
        return np.roll(a, -1, 0)
    for _ in range(3):
        once().realize()
        again().realize()
    assert "roll.memory" not in np.explain(once() * 2)
    assert "roll.memory" not in np.explain(again() * 2)


def test_what_others_hold_of_a_pending_array_that_is_rolled():
    def program(np):
        x = np.array(real.random.default_rng(1).random((40, 50)))
        a = x * 2
        b, before, part = a, a + 1, a[1:]
        y = np.roll(a, 1, 0) + np.roll(a, -1, 1)
        part[0] = 5
        z = np.roll(a, 1, 0) + b
        a += 1
        x[:] = 0
        return a, b is a, before, part, y, z, np.roll(b, 2, 1), x

    check_same(program)


@pytest.mark.parametrize("shift", [(3, 4), (4, 4, 4), (-4, -3, -4), (4, -4, 2)])
@pytest.mark.parametrize("traced", [False, True])
def test_one_axis_several_times(shift, traced):
    x = real.random.default_rng(1).random((8, 9))

    def program(np):
        def step(u):
            return np.roll(u, shift, (0,) * len(shift)) + np.roll(u, shift[::-1], (1,) * len(shift))
        if traced and hasattr(np, "jit"):
            step = np.jit(step)
        return [step(np.array(x) * k) for k in range(4)]

    check_same(program)


@pytest.mark.parametrize("state", ["warn", "raise"])
def test_what_raises_flags_on_its_way_into_its_place(state):
    def program(np):
        a = np.array(real.random.default_rng(1).random((40, 50)))
        a[3, 4] = 0
        found = []
        for _ in range(3):
            with real.errstate(divide=state):
                try:
                    found.append(np.roll(1 / a, 1, 0) + np.roll(1 / a, 1, 1) * 2)
                    found[-1].sum().item()
                except FloatingPointError as error:
                    found.append(str(error))
        return found

    check_same(program)


def _steps(np):
    """Functions of one array and a number of places."""
    def one(u, k):
        return u + 0.1 * (neighbours(np, u) - 4 * u)

    def of_an_expression(u, k):
        e = u * 0.5
        return e + np.roll(e, 1, 0) - np.roll(e, -1, 1) * np.roll(u, 2, 0)

    def many(u, k):
        for _ in range(12):
            u = u + 0.1 * (neighbours(np, u) - 4 * u)
        return u

    def written(u, k):
        u[:] = 0.5 * u + 0.125 * neighbours(np, u)
        return u.sum(), np.roll(u, k, 0)

    def by_places(u, k):
        return np.roll(u, k, 0) - np.roll(u, -k, 1) + np.roll(np.roll(u, 1, 0), k, 1)

    def loops(u, k):
        def body(i, u):
            return u + 0.1 * (neighbours(np, u) - 4 * u)
        if np is real:
            for i in range(9):
                u = body(i, u)
            return u
        return np.fori_loop(0, 9, body, u)

    def counted(u, k):
        a = u * 1
        for _ in range(20) if np is real else np.range(20):
            a[:] = a + 0.1 * np.roll(a, 1, 0) - 0.1 * np.roll(a, -1, 1)
        return a

    def until(u, k):
        n = 0
        while n < 5 and abs(u).max() > 1e-3:
            u = 0.4 * (np.roll(u, 1, 0) + np.roll(u, -1, 0))
            n += 1
        return u, n

    def decided(u, k):
        d = np.roll(u * 2, 1, 0) - u
        return d * 2 if d.sum() > 0 else np.roll(d, -1, 1)

    return one, of_an_expression, many, written, by_places, decided, loops, counted, until


@pytest.mark.parametrize("which", range(9))
def test_in_functions_that_are_traced(which):
    np = module_under_test()
    own, real_own = np.jit(_steps(np)[which]), _steps(real)[which]
    rng = real.random.default_rng(which)
    for turn in range(24):
        if turn % 6 == 0:
            start = rng.normal(size=(40, 50) if turn < 18 else (33, 41))
            u, v = np.array(start), start.copy()
        k = (1, 2, 1, 3)[turn % 4]
        found, expected = own(u, k), real_own(v, k)
        for a, b in zip(*(x if type(x) is tuple else (x,) for x in (found, expected)), strict=True):
            real.testing.assert_array_equal(real.asarray(a), b)
        outside = np.roll(u, 1, 0) + np.roll(u, 1, 1)
        real.testing.assert_array_equal(real.asarray(outside), real.roll(v, 1, 0) + real.roll(v, 1, 1))
        real.testing.assert_array_equal(real.asarray(u), v)
        if which < 3:
            u, v = (found, expected) if turn % 3 else (found + 0, expected + 0)


@pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
def test_a_compiled_step_is_kernels_and_no_calls():
    np = module_under_test()
    with np.config(engine="llvm"):
        step = np.jit(_steps(np)[0])
        u = np.array(real.random.default_rng(0).normal(size=(40, 50)))
        for _ in range(20):
            u = step(u, 1)
        text = step.explain()
        assert "2 kernels" in text and "of NumPy" not in text, text


def test_no_memory_is_kept():
    np = module_under_test()
    rolling._known.clear()  # what other tests rolled may live on
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
