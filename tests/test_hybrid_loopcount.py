"""Numbers that only end a generated loop: one program serves for all of them."""

import itertools
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid.loopcount import _only_ends_loops
from tests.helpers import difference
from tests.program_jit import unchecked
from tests.program_loops import attempt
from tests.test_hybrid_ways import plain

NUMBERS = (30, 41, 25, 60, 33, 18, 90, 17, 300, 3, 2, 1, 0, -4, 31, 45, 52, 300, 61)


def check(f, compares=False, numbers=NUMBERS):
    """`f(x, n)`, made of a module, for many n, jitted, beside NumPy."""
    g, own = np.jit(f(np)), f(plain)
    with unchecked(compares), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call, n in enumerate(numbers):
            data = real.random.default_rng(call).standard_normal(100)
            expected = attempt(lambda: own(*given), given := (data.copy(), n))
            found = attempt(lambda: g(*args), args := (np.array(data), n))
            assert difference((expected, given[0]), (found, args[0])) is None, f"n = {n}, call {call + 1}"
    return g


def numbers_beside(np):
    return lambda x, n: np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x)


def not_from_the_beginning(np):
    return lambda x, n: np.fori_loop(2, n, lambda i, s: s * 0.5 + i * 0.25, x)


def elements(np):
    return lambda x, n: np.fori_loop(0, n, lambda i, s: s * 0.5 + x[i], x)


def stores(np):
    def f(x, n):
        def body(i, x):
            x[i] = x[i - 1] * 0.5 + 1
            return x
        return np.fori_loop(1, n, body, x)
    return f


def a_tape(np):
    def f(x, n):
        def body(i, A):
            A[i + 1] = A[i] * 0.5 + A[0]
            return A
        return np.fori_loop(0, n, body, x).sum()
    return f


def two_loops(np):
    def f(x, n):
        y = np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x)
        return np.fori_loop(1, n, lambda i, s: s - x[3] * i, y) + y, y
    return f


def with_choices(np):
    def f(x, n):
        def body(i, s):
            if i % 3 == 0:
                return s + i
            return np.cond(s.sum() > 3, lambda s: s * 0.5, lambda s: s + 1, s)
        return np.fori_loop(0, n, body, x)
    return f


def within(np):
    def f(x, n):
        A = np.outer(x, x)

        def outer(i, A):
            def inner(j, A):
                A[i, j] -= A[j, j] * 0.5
                return A
            return np.fori_loop(0, i, inner, A)
        return np.fori_loop(0, n, outer, A)
    return f


def slices(np):
    return lambda x, n: np.fori_loop(0, n, lambda i, s: s + x[i:i + 3].sum(), x)


SERVED = [numbers_beside, not_from_the_beginning, elements, stores, a_tape, two_loops, with_choices, within, slices]


@pytest.mark.parametrize("f", SERVED, ids=lambda f: f.__name__)
def test_one_program_serves_for_all_numbers(f):
    check(f)
    g = check(f, numbers=(30, 41, 25, 60, 33, 18, 90))
    assert g.cache_info()["compiled"] == 1 and "for other numbers of turns" in g.explain()


def test_with_comparisons():
    for f in SERVED:
        check(f, compares=True)


def test_it_is_traced_no_more():
    f = np.jit(lambda x, n: np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x))
    for n in (30, 40):
        f(np.ones(3), n)
    before = np.jit.cache_info()["traces"]
    with unchecked(False):
        for n in itertools.chain(range(9, 60), range(100, 3000, 300)):
            expected = 1.0
            for i in range(n):
                expected = expected * 0.5 + i
            assert f(np.ones(3), n)[0] == expected
    assert np.jit.cache_info()["traces"] == before


# ---- numbers that do something else ----------------------------------------------------------------------------------


def ends_decide(np):
    """A turn that shorter loops have not."""
    return lambda x, n: np.fori_loop(0, n, lambda i, s: s * 2 if i == 50 else s + i, x)


def is_captured(np):
    return lambda x, n: np.fori_loop(0, n, lambda i, s: s * 0.5 + (n if i == n - 2 else i), x)


def is_used(np):
    return lambda x, n: np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x) * n


def is_computed(np):
    return lambda x, n: np.fori_loop(0, n - 1, lambda i, s: s * 0.5 + i, x)


def is_the_beginning(np):
    return lambda x, n: np.fori_loop(n, 120, lambda i, s: s * 0.5 + i, x)


def is_tested(np):
    return lambda x, n: np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x) if n > 30 else x


def is_given_on(np):
    return lambda x, n: np.fori_loop(0, n, lambda i, s: (s[0] * 0.5 + i, s[1]), (x, n))


def the_first_turn_decides(np):
    return lambda x, n: np.fori_loop(0, n, lambda i, s: s * 0.5 if s.sum() > 3 else s + i, x)


def is_another_kind(np):
    return lambda x, n: np.fori_loop(0, int(n), lambda i, s: s * 0.5 + i, x)


def ends_a_loop_in_full(np):
    """One that is traced turn by turn, and does the same in both traces."""
    def f(x, n):
        y = np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x)
        return np.fori_loop(0, n, lambda i, s: s + 1 if float(i) in (1, 2, 50) else s, y)
    return f


def ends_a_short_loop(np):
    def f(x, n):
        y = np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x)
        return np.fori_loop(26, n, lambda i, s: s + 1 if i < 28 else s, y)
    return f


def ends_a_loop_without_turns(np):
    def f(x, n):
        y = np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x)
        return np.fori_loop(50, n, lambda i, s: s + 1, y)
    return f


def ends_a_loop_that_skips(np):
    def f(x, n):
        y = np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x)
        return np.fori_loop(0, n, lambda _, s: (s[0] + 1, s[1] * 2 if s[0] in (1, 2, 50) else s[1]), (0, y))[1]
    return f


def ends_at_a_border(np):
    """The turns from the border on, and those after it, which do nothing."""
    def f(x, n):
        y = np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x)
        z = x[:14] * 2
        return np.fori_loop(0, n, lambda i, s: s + z[i:i + 2].sum() if i < 14 else s, y)
    return f


@pytest.mark.parametrize("f", [ends_a_loop_in_full, ends_a_short_loop, ends_a_loop_without_turns,
                               ends_a_loop_that_skips, ends_at_a_border], ids=lambda f: f.__name__)
def test_numbers_that_end_another_loop_too(f):
    check(f)
    check(f, numbers=(41, 45, 30, 2, 27, 60, 300, 1, 0, 52))
    check(f, numbers=(15, 17, 18, 2, 9, 60, 300, 1, 0, 52, 14, 16))


@pytest.mark.parametrize("f", [ends_decide, is_captured, is_used, is_computed, is_the_beginning, is_tested, is_given_on,
                               is_another_kind, the_first_turn_decides], ids=lambda f: f.__name__)
def test_numbers_that_do_something_else(f):
    g = check(f)
    if f is not ends_decide:
        assert "for other numbers of turns" not in g.explain()


def test_other_kinds_of_numbers():
    f = np.jit(lambda x, n: np.fori_loop(0, n, lambda i, s: s * 0.5 + i, x))
    for n in (30, 40, 50):
        f(np.ones(3), n)
    for n in (20.0, "20", None):
        with pytest.raises(TypeError):
            f(np.ones(3), n)
    assert f(np.ones(3), True)[0] == 0.5 and f(np.ones(3), real.int64(2))[0] == 1.25


def test_what_the_bytecode_shows():
    def yes(x, n, body):
        if x is None:
            return np.fori_loop(0, n, lambda i, s: (i, [s, body]), x)
        return [1, np.fori_loop(1 + (2 if body else 3), 7, body, x),
                np.fori_loop(0, n, body, np.fori_loop(3, n, body, x))]

    def sums(x, n, body):
        return np.fori_loop(0, n + 1, body, x)

    def both(x, n, body):
        return np.fori_loop(n, n, body, x)

    def state(x, n, body):
        return np.fori_loop(0, 9, body, n)

    def other(x, n, body):
        return np.scan(0, n, body, x)

    def bound(x, n, body):
        n = n or 3
        return np.fori_loop(0, n, body, x)

    def starred(x, n, body):
        return np.fori_loop(*(0, n, body, x))

    def chosen(x, n, body):
        return np.fori_loop(0, n if body else 3, body, x)
    assert _only_ends_loops(yes, 1)
    for f in (sums, both, state, other, bound, starred, chosen):
        assert not _only_ends_loops(f, 1), f.__name__
