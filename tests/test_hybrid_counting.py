"""Python's loops that a value ends, in jitted functions, which also count their turns, or have more ways out: these
are generated as others are, and the numbers that are given out are Python's own."""

import pytest

import lazytensor as np
from lazytensor.hybrid import exits
from tests.test_hybrid_convergence import followed, is_rolled, vectors

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


ROLLED = [bisection, at_most, at_most_asked_first, seldom_at_most, returned_within, index_afterwards, two_conditions,
          counts_down, counter_beside_arrays, tells_of_the_number, two_returns, two_counters, counter_that_nobody_reads]


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


LOOKED_AT = [divides, given_by_a_function, indexes, told, kept_elsewhere, closed_over, compared_with_a_value,
             sum_of_counts, another_loop_goes_on, counts_only_sometimes, index_of_a_list]


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("fn", LOOKED_AT, ids=lambda fn: fn.__name__)
def test_whatever_else_is_done_with_the_number_it_is_pythons(fn, checks):
    followed(fn, vectors, calls=30, checks=checks)


def test_the_number_is_an_int_in_the_call_that_is_traced_as_well():
    f = np.jit(seldom_at_most)
    for k in range(30):
        found = f(np.array([2.0 + k % 9, 7.0]))
        assert type(found["n"]) is int and [type(x) for x in found["both"]] == [int, int]
