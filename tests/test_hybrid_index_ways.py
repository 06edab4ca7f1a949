"""Loops in jitted functions whose bodies decide on their index: the loops that are generated decide by it, too."""

import operator

import pytest

import lazytensor as np
from lazytensor.hybrid.bounds import Even
from lazytensor.hybrid.intervals import NEGATED, Span, where, where_even
from lazytensor.hybrid.steps import Literal
from tests import program_loops
from tests.test_hybrid_ways import check

# ---- in which turns --------------------------------------------------------------------------------------------------


def test_turns_in_which_a_comparison_holds():
    holds = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
             "!=": operator.ne}
    span = Span(2, 9)
    for symbol in holds:
        for difference_ in range(-12, 13):
            for slope in range(-3, 4):
                for at in (2, 5):
                    found = where(span, symbol, difference_, slope, at)
                    turns = [t for t in range(*span) if holds[symbol](difference_ + slope * (t - at), 0)]
                    expected = (turns[0], turns[-1] + 1) if turns else None
                    assert (tuple(found) if found.low < found.high else None) == expected or (
                        symbol == "!=" and slope and found == Span(*expected))
    assert all(NEGATED[NEGATED[symbol]] == symbol for symbol in holds)


def test_tests_of_steps():
    numbers = [Even(4, (0, 2))]
    assert where_even(Span(0, 9), ("test", "<", "#", ("=", Literal(9))), numbers, True) == Span(0, 3)
    assert where_even(Span(0, 9), ("test", "<", ("=", Literal(9)), "#"), numbers, True) == Span(3, 9)
    assert where_even(Span(0, 9), ("test", "<", "#", ("=", Literal(9))), [Even(4, (1, 2))], True) == Span(0, 9)
    assert where_even(Span(0, 9), ("test", "<", "#", ("=", Literal(9.5))), numbers, False) == Span(0, 9)
    assert where_even(Span(0, 9), ("value", "r1", None), [], False) == Span(0, 9)


# ---- bodies ----------------------------------------------------------------------------------------------------------


def equal(np, x, n):
    def body(i, s):
        if i == 3:
            s = s * 2
        return s + 0.1
    return np.fori_loop(0, n, body, x)


def not_equal(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + i if i != 7 else s * 2, x)


def odd_and_even(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s * 1.01 if i % 2 == 0 else s - 0.5, x)


def odd(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s * 1.01 + i if i % 2 else s - 0.5, x)


def every_seventh(np, x, n):
    A = np.zeros((n // 7 + 1, len(x)))

    def body(i, s):
        s = s * 0.9 + 0.2
        if not i % 7:
            A[0] = s
        return s
    return np.fori_loop(0, n, body, x), A


def halves(np, x, n):
    def body(i, s):
        k = 3.0 if i > n // 2 else 0.25
        return s * 0.5 + k
    return np.fori_loop(0, n, body, x)


def chosen_arrays(np, x, n):
    a, b = x * 2, x - 1
    return np.fori_loop(0, n, lambda i, s: s * 0.5 + (a if i < n // 3 else b), x)


def chain(np, x, n):
    def body(i, s):
        if 3 <= i < 9:
            return s + 1
        elif i in (12, 20):
            return s * 0.5
        elif i >= n - 5:
            return s - i
        return s
    return np.fori_loop(0, n, body, x)


def behind(np, x, n):
    def body(i, s):
        if i >= 5:
            s[i] = s[i - 5] + 1
        else:
            s[i] += i
        return s
    return np.fori_loop(0, n, body, x)


def slices_behind(np, x, n):
    def body(i, s):
        if i >= 5:
            return s + x[i - 5:i].sum()
        return s + x[:i + 1].sum()
    return np.fori_loop(0, n, body, x)


def one_special_slice(np, x, n):
    def body(i, s):
        if i == 6:
            s[i - 4:i] = x[i - 3:i + 1]
        return s * 0.5 + i
    return np.fori_loop(0, n, body, x * 1)


def ahead(np, x, n):
    def body(i, s):
        if i < n - 1:
            s[i] = s[i] + s[i + 1]
        return s
    return np.fori_loop(0, n, body, x[:max(n, 1)] * 1)


def clamped(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + x[max(i - 3, 0)] * x[min(i + 3, n - 1)], x)


def distances(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + 1 if abs(i - n // 2) < 4 else s * 0.5, x)


def floats(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + i * 0.25 if i * 0.1 > 1.05 else s * 0.5, x)


def rest_of_floats(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + 1 if (i * 0.5) % 2.0 < 0.7 and i // 2.5 != 3 else s * 0.5, x)


def two_tests(np, x, n):
    def body(i, s):
        s = s * 1.01
        if i % 3 == 1:
            s = s + 1
        if i > 10:
            s = s - i * 0.1
        return s
    return np.fori_loop(0, n, body, x)


def one_test_twice(np, x, n):
    def body(i, s):
        if i % 3 == 1:
            s = s + 1
        t = s * 0.5
        if i % 3 == 1:
            t = t - 1
        return t
    return np.fori_loop(0, n, body, x)


def two_that_meet(np, x, n):
    """2 i and i + 1 are one number in the turn that is traced first."""
    def body(i, s):
        if 2 * i == 6:
            s = s + 100
        if i + 1 == 6:
            s = s - 30
        if i * 3 - i == 2 * i:
            s = s + 1
        return s * 0.5
    return np.fori_loop(0, n, body, x)


def with_values(np, x, n):
    def body(i, s):
        if i % 4 == 3 and s.sum() > 1:
            return s * 0.5
        return s + (1 if i > 8 or s[0] < 0 else 0.25)
    return np.fori_loop(0, n, body, x)


def remainder_by_the_index(np, x, n):
    return np.fori_loop(1, n, lambda i, s: s + 1 if n % i == 0 else s * 0.5, x)


def remainder_by_zero(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + 1 if 7 % (i - 13) == 0 else s * 0.5, x)


def raises_in_a_turn(np, x, n):
    def body(i, s):
        if i == 20:
            raise ValueError("the twentieth")
        s[i] += 1
        return s
    return np.fori_loop(0, n, body, x)


def within(np, x, n):
    A = np.outer(x, x)

    def outer(i, A):
        def inner(j, A):
            if i == j:
                A[i, j] = 1
            elif j > 0 and i > 0:
                A[i, j] += A[i - 1, j - 1] * 0.5
            return A
        return np.fori_loop(0, n, inner, A)
    return np.fori_loop(0, n, outer, A)


def triangles(np, x, n):
    A = np.outer(x, x)

    def outer(i, A):
        def inner(j, A):
            A[i, j] = A[j, i] + 1 if j % 2 else A[i, j] * 0.5
            return A
        if i % 3:
            A = np.fori_loop(0, i, inner, A)
        return A
    return np.fori_loop(0, n, outer, A)


def scanned(np, x, n):
    def f(c, r):
        i, s = c
        return (i + 1, s * 0.5 + r), s
    return np.scan(f, (x.sum(), x), np.outer(x, x))


def python_s_loop(np, x, n):
    y = x * 0
    for i in np.range(n):
        x = x * 1.01 + i * 0.01
        if i % 10 == 0:
            y = x * 2
        if i == 5:
            x = x - 1
        if i == n - 1:
            y = y + 1
    return x, y, i if n else -1


def python_s_loop_with_steps(np, x, n):
    A = np.zeros(200)
    for i in np.range(3, 3 * n, 3):
        if i % 2 == 0:
            continue
        A[i] = x[0] * i if i < 60 else x[1] - i
    return A


def python_s_loop_backwards(np, x, n):
    for i in np.range(n - 1, -1, -1):
        x[i] = x[i + 1] + 1 if i < n - 4 else i
    return x


def python_s_loops(np, x, n):
    A = np.outer(x, x)
    for i in np.range(1, n):
        for j in np.range(n):
            if j > 0:
                A[i, j] += A[i, j - 1] * 0.5
            if j < n - 1 and i % 2:
                A[i, j] -= A[i - 1, j + 1] * 0.25
    return A


GENERATED = [equal, not_equal, odd_and_even, odd, every_seventh, halves, chosen_arrays, chain, behind, slices_behind,
             one_special_slice, ahead, clamped, distances, floats, rest_of_floats, two_tests, one_test_twice,
             two_that_meet, with_values, remainder_by_the_index, raises_in_a_turn, within, triangles, python_s_loop,
             python_s_loop_with_steps, python_s_loop_backwards, python_s_loops]
TRACED = [remainder_by_zero, scanned]


@pytest.mark.parametrize("f", GENERATED, ids=lambda f: f.__name__)
def test_the_loop_decides_by_its_index(f):
    g = check(f)
    assert "generated" in g.explain()


@pytest.mark.parametrize("f", TRACED, ids=lambda f: f.__name__)
def test_what_may_be_traced_turn_by_turn(f):
    check(f)


def test_with_comparisons():
    for f in (chain, behind, slices_behind, one_special_slice, clamped, with_values, within, python_s_loop):
        check(f, 12, compares=True)


def test_decisions_after_a_generated_loop_are_branches():
    def f(np, x, n):
        y = np.fori_loop(0, 50, lambda i, s: s * 0.5 + i, x)
        z = np.while_loop(lambda s: s.sum() < 90, lambda s: s * 1.1 + 1, x)
        return y + z if x.sum() > 3 else y * z

    g = check(f, 14)
    assert "generated" in g.explain() and "did something else" not in g.explain()


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_random_bodies_that_decide_by_their_index(first):
    for seed in range(first, first + 25):
        found, _ = program_loops.tried(seed, np, decides=True, by_index=True)
        assert found is None, f"{found}\n{program_loops.random_program(seed, True, True)}"
