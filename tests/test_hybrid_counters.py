"""Python's numbers that count the turns of loops, in what these carry: the loops are generated all the same."""

from collections import namedtuple

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid.counters import _unread
from tests.test_hybrid_ways import check, plain

Pair = namedtuple("Pair", "k x")


def until_a_value_or_a_number(np, x, n):
    def body(s):
        k, x, r = s
        y = x * 0.9 + k * 0.01
        return k + 1, y, abs(y - x).max()
    k, y, r = np.while_loop(lambda s: s[0] < n and s[2] > 1e-2, body, (0, x, x.max()))
    return y, r


def the_value_first(np, x, n):
    _, y = np.while_loop(lambda s: s[1].max() < 50 and s[0] < 100, lambda s: (s[0] + 1, s[1] * 1.1 + 1), (0, x))
    return y


def the_number_is_returned(np, x, n):
    return np.while_loop(lambda s: s[1].max() < 50 and s[0] < 100, lambda s: (s[0] + 1, s[1] * 1.1 + 1), (0, x))


def the_number_is_used(np, x, n):
    k, y = np.while_loop(lambda s: s[1].max() < 50 and s[0] < 100, lambda s: (s[0] + 1, s[1] * 1.1 + 1), (0, x))
    return y * k if k % 2 else y[:2]


def the_number_alone(np, x, n):
    return np.while_loop(lambda s: s[0] < 30, lambda s: (s[0] + 1, s[1] * 0.9 + s[0]), (0, x))[1]


def counts_down_by_three(np, x, n):
    return np.while_loop(lambda s: s[0] > 5 and s[1].max() < 50, lambda s: (s[0] - 3, s[1] * 1.1 + 1), (100, x))[1]


def two_numbers(np, x, n):
    def body(s):
        k, j, x = s
        return k + 1, j + 2, x * 1.05 + (j - k)
    return np.while_loop(lambda s: s[0] < 40 and s[2].max() < 90 and s[1] < 70, body, (0, 3, x))


def decides_by_the_number(np, x, n):
    def body(s):
        k, x = s
        return k + 1, x * 0.5 if k % 5 == 4 else x * 1.3 + 1
    return np.while_loop(lambda s: s[1].max() < 60 and s[0] < 50, body, (0, x))[1]


def one_of_two(np, x, n):
    return np.while_loop(lambda s: s[1].max() < 50 or s[0] < 20, lambda s: (s[0] + 1, s[1] * 1.1 + 1), (0, x))[1]


def elements(np, x, n):
    """An index that the loop counts itself."""
    def body(s):
        k, t = s
        return k + 1, t + x[k] * 0.5
    k, t = np.while_loop(lambda s: s[1] < 3 and s[0] < len(x), body, (0, x[0]))
    return t


def in_a_fori_loop(np, x, n):
    return np.fori_loop(0, n, lambda i, s: (s[0] * 0.5 + s[1], s[1] + 2), (x, 5))


def named(np, x, n):
    found = np.fori_loop(0, n, lambda i, s: Pair(s.k - 1, s.x * 0.5 + s.k * i), Pair(3, x))
    return found.x, found.k


def given_to_another(np, x, n):
    """What is unpacked is not what the loop gives."""
    def solved(start):
        return np.while_loop(lambda s: s[1].max() < 50 and s[0] < 100, lambda s: (s[0] + 1, s[1] * 1.1 + 1),
                             (start, x))[0]
    a, b = max((0, 1), (5, 2), key=lambda s: solved(s[0]))
    k, y = sorted([(1, x), (3, x)], key=lambda s: -np.while_loop(
        lambda s: s[0] < 30 and s[1].max() < 80, lambda s: (s[0] + 1, s[1] * 0.9 + s[0]), s)[0])[0]
    return b, y


GENERATED = [until_a_value_or_a_number, the_value_first, the_number_is_returned, the_number_is_used, the_number_alone,
             counts_down_by_three, two_numbers, decides_by_the_number, one_of_two, elements]


@pytest.mark.parametrize("f", [*GENERATED, in_a_fori_loop], ids=lambda f: f.__name__)
def test_loops_that_count_are_generated(f):
    assert "generated" in check(f, 14).explain()


def test_with_comparisons():
    for f in (the_value_first, the_number_is_returned, two_numbers, elements, given_to_another):
        check(f, 14, compares=True)


def test_a_number_that_nobody_reads_is_not_asked():
    f = np.jit(lambda x: the_value_first(np, x, 0))
    for k in range(1, 30):
        f(np.ones(5) * k)
    assert f.cache_info()["paths"] == 1


def test_a_number_that_is_read_is_a_way_each_time():
    f = np.jit(lambda x: the_number_is_returned(np, x, 0))
    for k in (3, *range(1, 39, 2)):
        expected = the_number_is_returned(plain, x := real.ones(5) * k, 0)
        found = f(np.array(x))
        assert type(found[0]) is int and found[0] == expected[0] and (found[1] == expected[1]).all()
    assert f.cache_info()["paths"] > 8 and f.cache_info()["python"] is None


def to_the_border(np, x, n):
    def body(s):
        k, t = s
        return k + 1, t + x[k] * 0.001
    return np.while_loop(lambda s: s[1] < 100, body, (0, x[0]))


def cut_short(np, x, n):
    return np.while_loop(lambda s: s[1] < 100 and s[0] < 60, lambda s: (s[0] + 1, s[1] + x[s[0]:].sum() * 0.01),
                         (0, x[0]))


def from_the_end(np, x, n):
    def body(s):
        k, t = s
        x[k] += x[-k] * 0.5
        return k + 2, t + 1
    return np.while_loop(lambda s: s[1] < 50, body, (0, x[0])), x


@pytest.mark.parametrize("compares", [False, True])
@pytest.mark.parametrize("f", [to_the_border, cut_short, from_the_end], ids=lambda f: f.__name__)
def test_numbers_that_come_to_a_border(f, compares):
    """The turns before it are not the loop."""
    check(f, 14, compares)


# ---- what does not count ---------------------------------------------------------------------------------------------


def not_by_as_much(np, x, n):
    return np.while_loop(lambda s: s[0] < 1000 and s[1].max() < 50, lambda s: (2 * s[0] + 1, s[1] * 1.1 + 1), (0, x))


def on_one_way(np, x, n):
    return np.fori_loop(0, n, lambda i, s: (s[0] * 0.5, s[1] + 1) if s[0].sum() > 3 else (s[0] + 0.3, s[1]), (x, 0))


def changes_later(np, x, n):
    return np.fori_loop(0, n, lambda i, s: (s[0] * 0.5, s[1] + (1 if i < 9 else 2)), (x, 0))


def in_a_list(np, x, n):
    def body(i, s):
        s[0] += 1
        s[1] = s[1] * 0.5
        return s
    own = [0, x]
    return np.fori_loop(0, n, body, own), own


def a_list_made_anew(np, x, n):
    return np.fori_loop(0, n, lambda i, s: [s[0] + 1, s[1] * 0.5 + s[0]], [0, x])


def becomes_a_float(np, x, n):
    return np.fori_loop(0, n, lambda i, s: (s[0] + (1 if i < 12 else 1.0), s[1] * 0.5 + i), (0, x))


def is_exchanged(np, x, n):
    return np.fori_loop(0, n, lambda i, s: (s[1] + 1, s[0] + 1, s[2] + s[0] * i), (0, 7, x))


def truths(np, x, n):
    return np.fori_loop(0, n, lambda i, s: (not s[0], s[1] + i), (False, x))


@pytest.mark.parametrize("f", [not_by_as_much, on_one_way, changes_later, in_a_list, a_list_made_anew, becomes_a_float,
                               is_exchanged, truths, named], ids=lambda f: f.__name__)
def test_what_counts_otherwise(f):
    check(f, 9)


def test_parts_that_are_not_read():
    def unpacked(f, x):
        k, y, _ = f(x)
        return y

    def read(f, x):
        k, y, z = f(x)
        if z:
            return y
        return k

    def part(f, x):
        return f(x)[1]

    def whole(f, x):
        return f(x)

    def captured(f, x):
        k, y = f(x)
        return lambda: k

    def shown(f, x):
        k, y = f(x)
        return y, locals()

    def found(f):
        import dis
        call = next(x.offset for x in dis.get_instructions(f) if x.opname == "CALL")
        return set(_unread(f.__code__, call))
    assert found(unpacked) == {0, 2} and not found(read) and not found(whole) and found(captured) == {1}
    assert 0 in found(part) and 1 not in found(part)
