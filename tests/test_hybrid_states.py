"""Loops in jitted functions whose conditions a call asks for, or whose state is Python's numbers: their turns are
generated, and nothing else shows."""

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import convergence, exits
from tests import program_states
from tests.test_hybrid_convergence import followed, is_rolled, plain, vectors

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


# ---- Python's floats as state ----------------------------------------------------------------------------------------


def decaying_rate(x):
    rate = 0.5
    while np.abs(x).max() > 1e-3:
        x = x - rate * np.sin(x) * 0.25 - 0.5 * x
        rate = rate * 0.99 + 0.001
    return x


def damped(x):
    damping, old = 0.125, 2 * x.max()
    error = x.max()
    while error > 1e-3:
        new = np.sqrt(x) * 0.5
        error = np.abs(new - x).max()
        if error > 0.5 * old:
            damping = min(damping * 2, 1.0)
        old = error
        x = (1 - damping) * x + damping * new
    return x


def marquardt(x):
    lam = 1e-3
    f = x @ x
    while f > 1e-3:
        new = x - x / (lam + 1)
        value = new @ new + 1e-6 * lam
        if value < f:
            x, f = new, value
            lam /= 10
        else:
            lam *= 10
    return x, f


def momentum(x):
    beta, t = 0.0, 1.0
    v = x * 0
    while np.abs(x).max() > 1e-2:
        old, t = t, (1 + abs(4 * t)) / 2 if t < 100 else 1.0
        beta = (old - 1) / t if beta < 0.125 else 0.0625
        v *= beta
        v += x * 0.125
        x = x * 0.5 - v * 0.125
        if beta > 0.1 and x.max() < 1:
            x = x * 0.5
    return x


def stored(x):
    h = 4.0
    while np.abs(x).sum() > 1:
        x = np.where(x > 2 * h, x * 0.5, x * 0.75)
        x[1] = h
        h = h ** 2 / 8 if h > 0.25 else 0.125
        x[2] = -h
    return x


def divided_by_none(x):
    h = 4.0
    while x.sum() > 1:
        x = x * 0.5
        h = 1 / (h - 1)
        h = 1 / h - 1
    return x


FLOATS = [decaying_rate, damped, marquardt, momentum, stored]


@pytest.mark.parametrize("fn", FLOATS)
def test_a_float_that_changes_is_state_of_a_generated_loop(fn):
    f = followed(fn, vectors)
    assert is_rolled(f), f.explain()


@pytest.mark.parametrize("fn", [*FLOATS, divided_by_none])
def test_floats_beside_other_dtypes(fn):
    followed(fn, lambda rng: (rng.uniform(1, 10 ** rng.uniform(0.1, 6), 7).astype(real.float32),))


def test_a_division_of_floats_by_zero_is_python_s():
    followed(divided_by_none, vectors)


def overflowing(x):
    h = 1e300
    while x.max() > 1:
        x = x * 0.5
        h = h * 1e5
        h = h - h if h > 1e305 else h * 1e5
    return x


def test_floats_that_overflow_say_nothing():
    followed(overflowing, vectors)


def too_large(x):
    h = 1e10
    while x.max() > 1:
        x = x * 0.5
        h = h ** 2
    return x


def test_a_power_that_overflows_raises():
    with real.errstate(all="ignore"):
        followed(too_large, vectors)


# ---- loops in loops --------------------------------------------------------------------------------------------------


def backtracking(x):
    f = x @ x
    while True:
        g = x * 2 + np.sin(x)
        gg = g @ g
        if gg < 1e-6:
            return x
        step = 1.0
        while True:
            new = x - step * g
            value = new @ new
            if value <= f - 1e-4 * step * gg:
                break
            step *= 0.5
        x, f = new, value


def in_a_function(x):
    def halved(x, limit):
        t = 1.0
        while np.abs(x).max() > limit:
            x = x * 0.5 + t
            t = t * 0.5
        return x

    limit = x.max()
    while limit > 1.5:
        y = halved(x, limit)
        y += 0.25
        x = y * 0.5
        limit = limit * 0.5
    return x


def most_turns_known(x):
    while x.max() > 1:
        q = x.sum()
        for _ in range(20):
            if q < 3:
                break
            q = q * 0.25
            x = x * 0.9
        x = x * 0.5
    return x


def perhaps_the_same(x):
    q = x.max()
    while q > 1e-3:
        y, r = x, q
        while r > 1:
            y = y * 0.5
            r = r * 0.5
        y += 1
        x = np.minimum(x, y) * 0.5
        q = q * 0.5
    return x, y


def three_deep(x):
    q = x.max()
    while q > 1:
        r = q
        while r > 1:
            s = r
            while s > 1:
                s = s * 0.05
                x = x * 0.9
            r = r * 0.05
        q = q * 0.05
    return x


NESTED = [backtracking, in_a_function, most_turns_known, perhaps_the_same, three_deep]


@pytest.mark.parametrize("fn", NESTED)
def test_a_loop_that_a_value_ends_in_another(fn):
    followed(fn, lambda rng: (rng.uniform(1, 10 ** rng.uniform(0.1, 6), 7),))


@pytest.mark.parametrize("fn", [backtracking, most_turns_known])
def test_loops_in_loops_are_generated(fn):
    f = followed(fn, lambda rng: (rng.uniform(1, 10 ** rng.uniform(0.1, 6), 7),))
    assert is_rolled(f) and f.cache_info()["paths"] < 4, f.explain()


def exact(x):
    h = 1.0
    while x.max() > 1:
        x = x * 0.5
        h = h * 0.5
    return x, h


def test_a_float_that_is_used_afterwards():
    followed(exact, vectors)


# ---- random programs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_random_loops(seed):
    differs, _ = program_states.tried(seed, np)
    assert differs is None, f"{differs}\n{program_states.random_program(seed)}"


def test_random_loops_are_generated():
    found = [program_states.tried(seed, np)[1] for seed in range(60, 70)]
    assert sum(map(is_rolled, found)) >= 2


# ---- floats that become others ---------------------------------------------------------------------------------------


def from_int(x):
    h = 8
    while x.max() > 1:
        h = h / 2
        x = x * 0.5
        x[0] = h
    return x


def int_at_the_end(x):
    h = 8.0
    while x.max() > 1:
        h = h / 2
        if h < 1:
            h = 1
        x = x * 0.5
        x[0] = h
    return x


def beyond_all_numbers(x):
    h, g = 1e308, -1e-300
    while x.max() > 1:
        h, g = h * 10, g * 1e-10
        n = h - h
        x = np.minimum(x * 0.5, h)
        if n != n:
            x[2] = g
        if n == n:
            x[3] = 1 / h
    return x


def one_and_the_same(x):
    h = g = 1.0
    while x.max() > 1:
        x = x * 0.5
        if g is h:
            x = x - 0.001
        g = h
        h = h * 0.9
        x[0], x[1] = g * 0.5, h * 0.5
    return x


def given_to_others(x):
    h, g = 1.0, 0.3
    while x.max() > 1:
        x = x * 0.5
        h, g = sorted([h * 0.7, sum([g, h, 1e-17]) * 0.3])
        if any([h > 0.5, g > 0.2]) and all((h, g)):
            x = x + 0.01
        x[1] = g
    return x


def left_as_it_was(x):
    while x.max() > 1:
        q, w = x.max(), x
        while q > 3:
            q = q * 0.3
            w = w * 0.95
        w += 0.001
        x = x * 0.5
        x[0] = w[0] * 1e-3
    return x, w


def without_a_value(x):
    while x.max() > 1:
        q = x.max()
        while q > 3:
            w = x * q
            q = q * 0.3
        x = x * 0.5
    return x, w


@pytest.mark.parametrize("fn", [from_int, int_at_the_end, beyond_all_numbers, one_and_the_same, given_to_others,
                                left_as_it_was, without_a_value])
def test_floats_and_names_that_become_others(fn):
    with real.errstate(all="ignore"):
        followed(fn, vectors, calls=36)


# ---- what first calls take -------------------------------------------------------------------------------------------


def searched(A, b):
    x = np.zeros(A.shape[1])
    r = A @ x - b
    f = (r * r).sum()
    for _ in range(20):
        g = 2 * (A.T @ r)
        if (g * g).sum() < 1e-6:
            break
        step = 0.125
        while True:
            new = x - step * g
            r = A @ new - b
            value = (r * r).sum()
            if value <= f - 0.5 * step * (g * g).sum():
                break
            step = step * 0.5
        x, f = new, value
    return x


def systems():
    """Matrices that are nearly orthogonal, so that a search is soon over, or, at every third call, are not."""
    def made(rng):
        rows = real.linalg.qr(rng.normal(size=(8, 3)))[0]
        calls.append(1)
        hard = len(calls) > 6 and len(calls) % 3 == 0
        return rows * (4 ** real.arange(3) if hard else 9), rng.normal(size=8)
    calls = []
    return made


def test_loops_of_many_turns_within_each_other_are_generated_from_the_second_call_on():
    f = np.jit(searched)
    for k in range(3):
        rng = real.random.default_rng(k)
        rows, b = real.linalg.qr(rng.normal(size=(8, 3)))[0] * 4 ** real.arange(3), rng.normal(size=8)
        found = f(np.array(rows), np.array(b))
        assert found.numpy().tobytes() == plain(searched)(rows, b).tobytes()
        assert (f.source == "") is (k == 0)
    reasons = f.cache_info()["reasons"]
    assert len([x for x in reasons if "loops generated" in x]) == 1


def test_a_call_that_goes_through_all_turns_is_compiled_if_there_are_several():
    f = followed(searched, systems(), calls=90, checks=False)
    assert is_rolled(f)
    reasons = [x for x in f.cache_info()["reasons"] if "not over after all its turns" in x]
    assert len(reasons) == convergence.MOST_PUT_OFF
