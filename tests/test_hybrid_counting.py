"""Python's loops that a value ends, in jitted functions, which also count their turns, or have more ways out: these
are generated as others are, and the numbers that are given out are Python's own."""

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import branches, exits, tracing
from tests.helpers import difference
from tests.test_hybrid_convergence import followed, is_rolled, plain, vectors

pytestmark = pytest.mark.skipif(not exits.KNOWN, reason="the bytecode of this Python's loops is not known")


# ---- one program for any number of turns -----------------------------------------------------------------------------


def bisection(x):
    lo, hi, n = x * 0, x * 1, 0
    while (hi - lo).max() > 1e-3:
        mid = (lo + hi) / 2
        big = mid * mid > x
        hi = np.where(big, mid, hi)
        lo = np.where(big, lo, mid)
        n += 1
    return lo, n


def at_most(x):
    n = 0
    while x.max() > 1 and n < 100:
        x = x * 0.7
        n += 1
    return x, n


def at_most_asked_first(x):
    n = 0
    while n < 100 and x.max() > 1:
        x = x * 0.7
        n += 1
    return n, x


def seldom_at_most(x):
    n = 0
    while x.max() > 1 and n < 15:
        x = x * 0.7
        n += 1
    if n == 15:
        x = x + 1
    return {"x": x, "n": n + 1, "both": [n, 1 + n]}


def returned_within(x):
    for k in range(200):
        x = x * 0.7
        if x.max() < 1:
            return x, k + 1
    raise RuntimeError("no")


def index_afterwards(x):
    for k in range(200):  # noqa: B007
        x = x * 0.7
        if x.max() < 1:
            break
    else:
        raise RuntimeError("no")
    return x, k


def two_conditions(x):
    while x.max() > 1 and x.min() > 1e-4:
        x = x * 0.7
    return x


def counts_down(x):
    n = 50
    while x.max() > 1:
        x = x * 0.7
        n -= 2
    return n


def counter_beside_arrays(x):
    n = 1
    while x.max() > 1:
        x = x * 0.7 / n
        n += 1
    return x, n


def tells_of_the_number(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
        if n > 90:
            raise RuntimeError(f"no convergence after {n} steps")
    return x, n


def two_returns(x):
    n = 0
    while True:
        x = x * 0.7
        n += 1
        if x.max() < 1:
            return x, n
        if n > 60:
            return x, -1


def two_counters(x):
    n, k = 0, 10
    while x.max() > 1:
        if x[0] > 3:
            x = x * 0.7
        else:
            x = x * 0.6
        n, k = n + 1, k + 3
    return n, k, x.sum()


def counter_that_nobody_reads(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    n = 3
    return x, n


def either_condition(x):
    n = 0
    while x.max() > 1 or x.sum() > 2:
        x = x * 0.7
        n += 1
    return x, n


def either_and_at_most(x):
    n = 0
    while (x.max() > 1 or x.sum() > 2) and n < 200:
        x = x * 0.7
        n += 1
    return x, n


def break_within_a_branch(x):
    n = 0
    while True:
        if x.max() > 3:
            x = x * 0.7
        else:
            x = x * 0.6
            if x.sum() < 1:
                break
        n += 1
    return n, x


ROLLED = [either_condition, break_within_a_branch, bisection, at_most, at_most_asked_first, seldom_at_most,
          returned_within, index_afterwards, two_conditions, counts_down, counter_beside_arrays,
          tells_of_the_number, two_returns, two_counters, counter_that_nobody_reads]


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("fn", ROLLED, ids=lambda fn: fn.__name__)
def test_a_loop_that_counts_its_turns_is_one_way(fn, checks):
    f = followed(fn, vectors, calls=40, checks=checks)
    assert is_rolled(f), f.explain()
    assert f.cache_info()["paths"] <= 4


# ---- numbers that are looked at: a way for each ----------------------------------------------------------------------


def divides(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    return x / (n + 1)


def solved(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    return x, n


def given_by_a_function(x):
    y, n = solved(x)
    return y + 1, n


def indexes(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    return x[n % 7], [0.5] * n


def told(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    return x, f"{n} turns"


def kept_elsewhere(x):
    log, n = [], 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    m = n
    log.append(n)
    return log, m, n


def closed_over(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    return [k + n for k in range(2)], x


def compared_with_a_value(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    least = x.min() * 20
    if n < least:
        return n
    return x


def sum_of_counts(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    m = n * 2
    return m + (n + 1), -n, n * n, n / 2, bool(n), n ** 2


def another_loop_goes_on(x):
    n = 0
    while x.max() > 1:
        x = x * 0.7
        n += 1
    x = x + 5
    while x.max() > 1:
        x = x * 0.7
        n += 1
    return x, n


def counts_only_sometimes(x):
    n = 0
    while x.max() > 1:
        if x.min() < 1:
            n += 1
        x = x * 0.7
    return x, n


def index_of_a_list(x):
    names, n = ["even", "odd"], 0
    while x.max() > 1 and n < 60:
        x = x * 0.7
        n += 1
    return names[n % 2], {n: x}


LOOKED_AT = [divides, either_and_at_most, given_by_a_function, indexes, told, kept_elsewhere, closed_over,
             compared_with_a_value, sum_of_counts, another_loop_goes_on, counts_only_sometimes,
             index_of_a_list]


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("fn", LOOKED_AT, ids=lambda fn: fn.__name__)
def test_whatever_else_is_done_with_the_number_it_is_pythons(fn, checks):
    followed(fn, vectors, calls=30, checks=checks)


def test_the_number_is_an_int_in_the_call_that_is_traced_as_well():
    f = np.jit(seldom_at_most)
    for k in range(30):
        found = f(np.array([2.0 + k % 9, 7.0]))
        assert type(found["n"]) is int and [type(x) for x in found["both"]] == [int, int]


# ---- loops with more turns than a program has answers ----------------------------------------------------------------


@pytest.mark.parametrize("module, name", [(tracing, "MOST_DECISIONS"), (branches, "MOST_ANSWERS")])
def test_a_loop_of_many_turns_is_generated_at_the_next_call(monkeypatch, module, name):
    monkeypatch.setattr(module, name, 30)
    f = np.jit(at_most)
    for k in range(12):
        x = real.array([1e8 + k, 3e10 * 2 ** k])
        assert difference(plain(at_most)(x), f(np.array(x))) is None
    assert is_rolled(f) and f.cache_info()["paths"] <= 2, f.explain()


# ---- ways that raise -------------------------------------------------------------------------------------------------


def too_large(x):
    x += 1
    if x.max() > 8:
        raise ValueError(f"too large: {len(x)}")
    y = x * 2
    if not y.min() > 3:
        raise AssertionError("too small")
    return y


def not_converged(x):
    for k in range(20):
        x = x * 0.7
        if x.max() < 1:
            return x, k
    raise RuntimeError("no convergence")


def draws_and_raises(x, rng):
    y = x[:4] * 0.1 + rng.normal(size=4)
    if y.max() > 1.7:
        raise RuntimeError
    return y


def nothing(x):
    if x.sum() < 20:
        return np.linalg.inv(np.outer(x, x) * 0 + np.eye(7) * (x[0] > 3))
    return x


def few(rng):
    return (rng.uniform(0.5, 7.5, 7),)


def seldom_long(rng):
    return (rng.uniform(1, 50 if rng.uniform() > 0.3 else 1e8, 7),)


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("fn, made", [(too_large, few), (not_converged, seldom_long), (nothing, few)])
def test_what_raises_gives_pythons_exception_and_effects(fn, made, checks):
    followed(fn, made, calls=60, checks=checks)


def test_draws_before_an_exception_are_made_once():
    f, g = np.jit(draws_and_raises), plain(draws_and_raises)
    own, theirs = np.random.default_rng(3), real.random.default_rng(3)
    for k in range(60):
        x = real.random.default_rng(k).uniform(size=4)
        outcomes = []
        for call, args in ((g, (x, theirs)), (f, (np.array(x), own))):
            try:
                outcomes.append(call(*args))
            except RuntimeError as error:
                outcomes.append(repr(error))
        assert difference(*outcomes) is None and difference(theirs, own) is None


def test_a_way_that_raises_is_traced_once():
    f = np.jit(too_large)
    for k in range(40):
        traces = np.jit.cache_info()["traces"]
        x = np.array([5.0, 6.0 + k % 3])
        if k % 3 > 1:
            with pytest.raises(ValueError, match="too large: 2"):
                f(x)
            assert (x.numpy() == [6, 9]).all()
        else:
            f(x)
        assert k < 8 or np.jit.cache_info()["traces"] == traces
