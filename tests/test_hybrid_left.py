"""``for i in lt.range(n)`` that is left by `break` or `return` on a value, in jitted functions."""

import numpy as real
import pytest

import lazytensor as np
from tests.test_hybrid_ways import check, plain


def breaks(np, x, n):
    for i in np.range(n):
        x = x * 1.1 + i * 0.01
        if x.sum() > 60:
            break
    return x


def with_an_else(np, x, n):
    for i in np.range(n):
        x = x * 1.1 + i * 0.01
        if x.sum() > 60:
            break
    else:
        return x
    return x, i


def returns(np, x, n):
    for i in np.range(n):
        if x[i] > 1.5:
            return x * i
        x[i] = x[i] + 1
    return x


def returns_from_within(np, x, n):
    t = x.sum()
    for i in np.range(1, 3 * n, 3):
        t = t * 0.9 + i
        if t > 60:
            return t, i
        elif t < -100:
            break
    return x


def goes_on_after(np, x, n):
    for i in np.range(n):  # noqa: B007
        y = x * 1.05 + 0.1
        if abs(y - x).max() < 0.3:
            break
        x = y
    for j in np.range(n):
        x = x - j * 0.5
    return x, i if n else None


def by_the_index(np, x, n):
    for i in np.range(n):
        if i == 37:
            break
        x = x * 0.9 + i
    return x, i if n else None


def continues_and_breaks(np, x, n):
    t = x.sum()
    for i in np.range(n):
        if x[i] < 0:
            continue
        t = t + x[i] * i
        if t > 40:
            break
    return t


def breaks_after_a_write(np, x, n):
    for i in np.range(n):
        x[i] = x[i] * 2 + i
        if x[i] > 30:
            break
    return x


def raises_too(np, x, n):
    for i in np.range(n):
        if x[i] > 2.5:
            raise ValueError("too much")
        if x[i] < -2:
            break
        x[i] *= 2
    return x


def within_another(np, x, n):
    for _ in np.range(4):
        for i in np.range(n):
            x = x * 1.01 + i * 0.01
            if x.sum() > 60:
                break
        x = x * 0.5
    return x


def leaves_at_once(np, x, n):
    """What no turn has given anew is what it was."""
    z = x
    for i in np.range(n):
        if x[i] > 0.3:
            break
        if i > 0:
            z = z + i
    z[0] = 77
    return z, x


def returns_at_once(np, x, n):
    z = x
    for i in np.range(n):
        if i > 1 and x[1] > -1:
            z[0] = 77
            return x
        if i > 1:
            z = z + i
    return z


GENERATED = [breaks, with_an_else, returns, returns_from_within, goes_on_after, by_the_index, continues_and_breaks,
             raises_too]


@pytest.mark.parametrize("f", GENERATED, ids=lambda f: f.__name__)
def test_turns_before_that_are_generated(f):
    assert "generated" in check(f, 14).explain()


@pytest.mark.parametrize("f", [breaks_after_a_write, within_another, leaves_at_once, returns_at_once],
                         ids=lambda f: f.__name__)
def test_what_may_be_traced(f):
    check(f, 14)


def test_with_comparisons():
    for f in (breaks, with_an_else, returns, goes_on_after, continues_and_breaks, leaves_at_once):
        check(f, 14, compares=True)


def test_many_numbers_of_turns():
    f = np.jit(lambda x: with_an_else(np, x, 90))
    for k in range(24):
        x = real.ones(5) * 1.2 ** k * 0.01
        expected, found = with_an_else(plain, x, 90), f(np.array(x))
        assert found[1] == expected[1] and (found[0] == expected[0]).all()
    assert f.cache_info()["python"] is None
