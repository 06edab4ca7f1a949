"""Loops in jitted functions whose conditions a call asks for, or whose state is Python's numbers: their turns are
generated, and nothing else shows."""

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import exits
from tests import program_states
from tests.test_hybrid_convergence import followed, is_rolled, vectors

pytestmark = pytest.mark.skipif(not exits.KNOWN, reason="the bytecode of this Python's loops is not known")


# ---- conditions that a call asks for ---------------------------------------------------------------------------------


def asked_by_bool(x):
    err = x.max()
    while not bool(err < 1e-3):
        x = x * 0.5
        err = x.max()
    return x


def asked_by_allclose(x):
    while True:
        new = 0.5 * (x + 4 / x)
        if np.allclose(new, x, rtol=1e-9):
            break
        x = new
    return new


def until_allclose(x):
    old = np.zeros_like(x)
    n = 0
    while not np.allclose(x, old):
        old, x = x, np.sqrt(x)
        n += 1
    return x, n


def asked_by_array_equal(x):
    x = np.floor(x)
    for k in range(200):
        new = np.floor(x / 2)
        if np.array_equal(new, x):
            return new, k
        x = new
    return x, -1


def numbers_alike(x):
    old = 0.0 * x.sum()
    for _ in range(300):
        x = np.sqrt(x)
        new = x.sum()
        if np.isclose(new, old, rtol=1e-6):
            break
        old = new
    return new


def all_close(x):
    while True:
        old = x
        x = np.sqrt(x)
        if np.isclose(x, old, atol=1e-6).all():
            return x


def compared_within(x):
    while x.max() > 1:
        y = np.rint(x)
        x = x * 0.5
        if np.allclose(x, y, rtol=0.51):
            x = x * 0.75
    return x


def norms_of_all_kinds(x):
    while np.linalg.norm(x, 1) > 1 or np.linalg.norm(x, np.inf) > 1:
        x = np.roll(np.concatenate([x[1:], x[:1]]), 2) * 0.5 + np.diff(x, append=0.0) * 0.125
    return x


CALLED = [asked_by_bool, asked_by_allclose, until_allclose, asked_by_array_equal, numbers_alike, all_close,
          compared_within, norms_of_all_kinds]


@pytest.mark.parametrize("fn", CALLED)
def test_a_condition_that_a_call_asks_for_ends_a_generated_loop(fn):
    f = followed(fn, vectors)
    assert is_rolled(f), f.explain()


@pytest.mark.parametrize("fn", CALLED)
def test_other_dtypes(fn):
    followed(fn, lambda rng: (rng.uniform(1, 10 ** rng.uniform(0.1, 12), 7).astype(real.float32),))


@pytest.mark.parametrize("fn", [asked_by_allclose, until_allclose, all_close, numbers_alike])
def test_values_that_are_not_finite(fn):
    def made(rng):
        x = rng.uniform(1, 10 ** rng.uniform(0.1, 12), 7)
        x[3] = rng.choice([real.inf, 5.0, 2.0])
        return (x,)
    with real.errstate(all="ignore"):
        followed(fn, made)


def test_a_user_s_function_of_that_name_is_no_condition():
    def bool(x):  # noqa: A001
        seen.append(1)
        return x

    def f(x):
        n = 0
        while bool(x.max() > 1):
            x = x * 0.5
            n += 1
        return x, n
    seen = []
    g = np.jit(f)
    for k in range(8):
        x = real.random.default_rng(k).uniform(1, 10.0 ** k, 5)
        (found, n), (expected, m) = g(np.array(x)), f(x)
        assert n == m and found.numpy().tobytes() == expected.tobytes()


# ---- random programs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_random_loops(seed):
    differs, _ = program_states.tried(seed, np)
    assert differs is None, f"{differs}\n{program_states.random_program(seed)}"


def test_most_random_loops_are_generated():
    found = [program_states.tried(seed, np)[1] for seed in range(60, 80)]
    assert sum(map(is_rolled, found)) >= 6
