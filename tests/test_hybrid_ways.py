"""Loops in jitted functions whose bodies decide on values: both ways of a choice are in the loop that is generated."""

import sys
import types
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import carried
from lazytensor.hybrid.ways import MOST
from lazytensor.run.watching import active, hand_over
from tests import program_loops
from tests.helpers import difference
from tests.program_jit import unchecked
from tests.program_loops import attempt, chosen, loop


def _repeated(condition, body, value):
    while condition(value):
        value = body(value)
    return value


def _scanned(f, carry, xs):
    ys = []
    for x in xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, real.stack(ys)


plain = types.SimpleNamespace(**{
    **vars(real), "cond": chosen, "fori_loop": loop, "while_loop": _repeated, "scan": _scanned, "range": range,
    "map": lambda f, xs: real.stack([f(x) for x in xs])})
SIZES = (40, 40, 40, 12, 40, 61, 1, 0, 40)
SCALES = (1, 1, 3, 0.3, 1, -1, 2)


def check(f, calls=9, compares=False):
    """`f(np, x, n)` for many x and numbers of turns, jitted, beside NumPy."""
    g = np.jit(lambda x, n: f(np, x, n))
    rng = real.random.default_rng(5)
    with unchecked(compares), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in range(calls):
            n = SIZES[call % len(SIZES)]
            data = rng.standard_normal(max(n, 6) + 2) * SCALES[call % len(SCALES)]
            expected = attempt(lambda: f(plain, *given), given := (data.copy(), n))
            found = attempt(lambda: g(*args), args := (np.array(data), n))
            assert difference(expected, found) is None, f"call {call + 1}"
            assert difference(given[0], args[0]) is None, f"argument of call {call + 1}"
    return g


# ---- what is generated -----------------------------------------------------------------------------------------------


def gives_what_the_turn_made(np, x, n):
    return np.fori_loop(0, n, lambda i, s: np.cond(s.sum() > 3, lambda s: s * 0.5, lambda s: s, s * 1.1 + i * 0.01), x)


def without_an_index(np, x, n):
    return np.fori_loop(0, n + 60, lambda _, s: np.cond(s.sum() > 3, lambda s: s * 0.5, lambda s: s, s * 1.1 + 1), x)


def may_give_its_argument(np, x, n):
    y = np.fori_loop(0, n, lambda i, s: np.cond(x[i] > 0.2, lambda s: s * 0.5, lambda s: s, s), x)
    y[0] = 77
    return y, x


def swapped_numbers(np, x, n):
    def body(i, s):
        a, b = s
        return (b, a) if a > b else (a + 1, b * 1.5)
    return np.fori_loop(0, n, body, (x.sum(), x.max()))


def written_on_one_way(np, x, n):
    def body(i, s):
        if s[i] > 0:
            s[i] = s[i] * 2 + i
        return s
    return np.fori_loop(0, n, body, x)


def written_or_new(np, x, n):
    def body(i, s):
        if s[0] > i:
            s[1] = -s[1]
            return s
        return s * 0.5 + 2
    y = np.fori_loop(0, n, body, x)
    y[0] = 9
    return y, x


def written_then_new(np, x, n):
    def body(i, s):
        s = s + 1
        if s[0] > i:
            s[1] = -s[1]
        else:
            s = s * 0.5
        return s
    return np.fori_loop(0, n, body, x)


def others_written(np, x, n):
    A = np.zeros(len(x))

    def body(i, s):
        if s.sum() > 1:
            A[i] = s.sum()
        elif s[0] > 0:
            A[i:] += 3
        return s * 0.9 + 0.1
    return np.fori_loop(0, n, body, x), A


def three_choices(np, x, n):
    def body(i, s):
        t = s * 1.1
        if t.sum() > 5:
            t = t * 0.5
        if t.max() > 1:
            t = t - 0.3
        if t.min() < -2:
            t = t + 1
        return t
    return np.fori_loop(0, n, body, x)


def one_test_twice(np, x, n):
    def body(i, s):
        p = s.sum() > 3
        if p:
            s = s * 0.5
        t = s + 1
        if p:
            t = t - i
        return t
    return np.fori_loop(0, n, body, x)


def least_and_greatest(np, x, n):
    return np.fori_loop(0, n, lambda i, s: (min(s[0], x[i]), max(s[1], x[i])), (x[0], x[1]))


def chained(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + 1 if 0 < x[i] < 1 else s, x.sum())


def an_element_or_not(np, x, n):
    return np.fori_loop(0, n, lambda i, s: x[i] if s < x[i] else s, x[0])


def raises_on_one_way(np, x, n):
    def body(i, s):
        if s.sum() > 40:
            raise ValueError("too much")
        return s * 1.02 + 0.01
    return np.fori_loop(0, n, body, x)


def warns_on_one_way(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + np.log(x[i]) if x[i] > -0.01 else s - 1, x.sum())


def divides_on_one_way(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s + x[i] * (1.5 / (i + 1)) if x[i] > 0 else s - 1, x.sum())


def numbers_of_other_kinds(np, x, n):
    k = (x * 2).astype(np.int64)
    return np.fori_loop(0, n, lambda i, s: s + 1 if k[i] else s * 0.5, x), np.map(lambda q: q * 2 if q > 0 else -q, k)


def scanned(np, x, n):
    rows = np.outer(x, x)

    def f(c, r):
        c = np.cond(r.sum() > 0, lambda c: c + r, lambda c: c * 0.5 - r, c)
        return c, (c * 2 if c[0] > 0 else c + 1)
    return np.scan(f, x, rows)


def mapped(np, x, n):
    return np.map(lambda r: np.cond(r.sum() > 0, lambda r: r, lambda r: -r, r), np.outer(x, x))


def until_two(np, x, n):
    return np.while_loop(lambda s: s.sum() < 1e3 and s.max() < 200, lambda s: s * 1.1 + 1, x)


def until_one_of_some(np, x, n):
    return np.while_loop(lambda s: not (s.sum() > 1e3) and (s.max() < 100 or s.min() < 50), lambda s: s * 1.1 + 1, x)


def until_with_a_choice(np, x, n):
    def body(s):
        x, k = s
        return np.cond(x[0] > x[1], lambda x: x + 2, lambda x: x * 1.5 + 1, x), k + 1
    return np.while_loop(lambda s: s[0].max() < 200, body, (x, np.zeros(3).sum()))


def within_each_other(np, x, n):
    def outer(i, s):
        return np.fori_loop(0, n, lambda j, t: np.cond(t[j] > 1, lambda t: t * 0.5, lambda t: t + x[j], t * 1.01), s)
    return np.fori_loop(0, n, outer, x)


def triangular(np, x, n):
    A = np.outer(x, x) + 1

    def outer(i, A):
        def inner(j, A):
            if A[i, j] > 1:
                A[i, j] -= A[j, i] * 0.5
            else:
                A[i, j] += 1
            return A
        return np.fori_loop(0, i, inner, A)
    return np.fori_loop(0, n, outer, A)


def loop_on_one_way(np, x, n):
    def body(i, s):
        if s.sum() > 2:
            return np.fori_loop(0, i, lambda j, t: t * 0.9 - x[j], s)
        return s + 1
    return np.fori_loop(0, n, body, x)


def choice_on_one_way(np, x, n):
    def body(i, s):
        return np.cond(s.sum() > 2, lambda s: np.cond(s[0] > 1, lambda s: s * 0.5, lambda s: s - 1, s),
                       lambda s: s + i, s)
    return np.fori_loop(0, n, body, x)


def dicts(np, x, n):
    def body(i, s):
        if s["a"].sum() > 3:
            return {"a": s["a"] * 0.5, "b": s["b"] + 1}
        return {"a": s["a"] + 0.3, "b": s["b"]}
    found = np.fori_loop(0, n, body, {"a": x, "b": x.sum()})
    return found["a"], found["b"]


def large(np, x, n):
    y = np.fori_loop(0, n, lambda i, s: s * 0.5 if s[0] > 2 else s * 1.5 + 1, np.ones(200000) * x[0])
    return y[:5], y.sum()


def python_s_loop(np, x, n):
    for i in np.range(n):
        x = x * 1.01 + i * 0.01
        if x.sum() > 6:
            x = x * 0.5
    return x


def python_s_loop_goes_on(np, x, n):
    t, A = x.sum(), np.zeros(n)
    for i in np.range(n):
        if x[i] < 0:
            A[i] = t
            continue
        t = t + x[i] * i
    return t, A


def python_s_loops(np, x, n):
    A = np.outer(x, x)
    for i in np.range(n):
        for j in np.range(i):
            if A[i, j] > A[j, i] * 0.5:
                A[i, j] -= A[j, j]
            else:
                A[i, j] = i
    return A


def nothing_carried(np, x, n):
    for i in np.range(n):
        if x[i] > 9:
            raise ValueError("too much")
    return x


def counted(np, x, n):
    return np.while_loop(lambda s: s[0] < n and s[1].sum() < 1e3, lambda s: (s[0] + 1, s[1] * 1.1 + s[0]), (0, x))


def breaks_later(np, x, n):
    """Once the limit lies within the turns, each call ends the loop, in its program."""
    for i in np.range(50):
        x = x * 1.1 + i
        if x[0] > 1e9 / (n % 40 + 1) ** 6:
            break
    return x


GENERATED = [
    gives_what_the_turn_made, without_an_index, may_give_its_argument, swapped_numbers, written_on_one_way,
    written_or_new, written_then_new, others_written, three_choices, one_test_twice, least_and_greatest, chained,
    an_element_or_not, raises_on_one_way, warns_on_one_way, divides_on_one_way, numbers_of_other_kinds, scanned, mapped,
    until_two, until_one_of_some, until_with_a_choice, counted, within_each_other, triangular, loop_on_one_way,
    choice_on_one_way, dicts, python_s_loop, python_s_loop_goes_on, python_s_loops, nothing_carried,
    breaks_later]


@pytest.mark.parametrize("f", GENERATED, ids=lambda f: f.__name__)
def test_both_ways_are_in_the_loop(f):
    g = check(f)
    assert "generated" in g.explain()


def test_with_comparisons():
    for f in (may_give_its_argument, written_or_new, raises_on_one_way, warns_on_one_way, python_s_loop_goes_on):
        check(f, 12, compares=True)


def test_the_python_runs_for_each_way_and_not_for_each_turn():
    def body(i, s):
        s = s * 1.01 + i * 0.001
        return np.cond(s.sum() > 6, lambda s: s * 0.5, lambda s: s, s)

    runs = []
    f = np.jit(lambda x: np.fori_loop(0, 3000, body, x))
    sys.setprofile(lambda frame, what, _: what == "call" and frame.f_code is body.__code__ and runs.append(1))
    try:
        f(np.ones(5))
    finally:
        sys.setprofile(None)
    assert len(runs) <= 20


# ---- what is traced turn by turn -------------------------------------------------------------------------------------

log: list = []
numbers = {"n": 0}


class Held:
    n = 0


held = Held()


def appends_on_one_way(np, x, n):
    log.clear()

    def body(i, s):
        if s.sum() > 8:
            log.append(1)
        return s + 0.2
    return np.fori_loop(0, n, body, x), len(log)


def appends_far_away(np, x, n):
    def body(i, s):
        if s.sum() > 1e9:
            log.append(1)
        return s + 0.2
    log.clear()
    return np.fori_loop(0, n, body, x), len(log)


def binds_far_away(np, x, n):
    held.__dict__.clear()
    numbers["n"] = k = 0

    def body(i, s):
        nonlocal k
        if s.sum() > 1e9:
            held.n += 1
            numbers["n"] += 1
            numbers["m"] = 2
            k += 1
        return s + 0.2
    return np.fori_loop(0, n, body, x), held.n, len(held.__dict__), dict(numbers), k


def stores_far_away(np, x, n):
    numbers["n"] = 0

    def body(i, s):
        if s.sum() > 1e9:
            numbers["m"] = 2
        return s + 0.2
    return np.fori_loop(0, n, body, x), dict(numbers)


def two_names_for_one(np, x, n):
    def body(i, s):
        c = s[0] * 0.9 + i * 0.1
        return c, np.cond(c.sum() > 2, lambda: c, lambda: c * 2)
    a, b = np.fori_loop(0, n, body, (x, x * 2))
    a[0] = 99
    return a, b


def a_captured_one(np, x, n):
    w = x * 2
    y = np.fori_loop(0, n, lambda i, s: w if s.sum() > 4 else s * 1.1 + i, x)
    y[0] = 55
    return y, w


def swapped_arrays(np, x, n):
    def body(i, s):
        a, b = s
        return (b, a) if a.sum() > b.sum() else (a + 1, b * 1.5)
    a, b = np.fori_loop(0, n, body, (x, x * 2))
    a[0] = 99
    return a, b


def swapped_in_the_first_turns(np, x, n):
    def body(i, s):
        a, b = s
        return (b, a) if b.sum() > a.sum() * 1.5 else (b, a * 0.9)
    a, b = np.fori_loop(0, n, body, (x, x * 2))
    a[0] = 99
    return a, b, x


def swapped_always(np, x, n):
    a, b = np.fori_loop(0, n, lambda i, s: (s[1], s[0]), (x, x * 2))
    a[0] = 99
    b[1] = 98
    return a, b, x


def too_many(np, x, n):
    def body(i, s):
        t = s * 1.1
        for k in range(5):
            if t[k] > k:
                t = t * 0.9
        return t
    return np.fori_loop(0, n, body, x)


def python_s_while_inside(np, x, n):
    def body(i, s):
        while s.sum() > 3:
            s = s * 0.5
        return s + 1
    return np.fori_loop(0, n, body, x)


def other_shapes(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s * 1.1 if s.sum() > 0 else (s[:-1] + 1 if len(s) > 3 else s + 1), x)


def other_dtypes(np, x, n):
    return np.fori_loop(0, n, lambda i, s: s.astype(np.float64 if s[0] > 0 else np.float32), x)


def numbers_of_python_s(np, x, n):
    return np.fori_loop(0, n, lambda i, s: (s[0] * 0.5, s[1] + 1) if s[0].sum() > 3 else (s[0] + 0.3, s[1]), (x, 0))


def an_element_on_one_way(np, x, n):
    return np.fori_loop(0, n, lambda i, s: x[i] if s < x[i] else s + 0.0, x[0])


TRACED = [appends_on_one_way, appends_far_away, binds_far_away, stores_far_away, two_names_for_one, a_captured_one,
          too_many, python_s_while_inside, other_shapes, other_dtypes, numbers_of_python_s,
          an_element_on_one_way, large]


@pytest.mark.parametrize("f", TRACED, ids=lambda f: f.__name__)
def test_what_is_traced_turn_by_turn(f):
    assert MOST < 1 << 5
    assert "generated" not in check(f, 7).explain()


@pytest.mark.parametrize("f", [swapped_arrays, swapped_in_the_first_turns, swapped_always], ids=lambda f: f.__name__)
@pytest.mark.parametrize("calls", [7, 12])
def test_arrays_that_change_places(f, calls):
    check(f, calls)


def test_lists_of_the_program_are_not_written_to_on_the_side():
    numbers.clear()
    numbers["n"] = 0
    log.clear()
    f = np.jit(lambda x: np.fori_loop(0, 40, lambda i, s: (log.append(i), s)[1] if s.sum() > 1e9 else s + 0.2, x))
    f(np.ones(3))
    stores_far_away(np, np.ones(3), 40)
    assert not log and numbers == {"n": 0}


def test_ways_that_no_turn_goes_have_no_effects(tmp_path):
    file = tmp_path / "it.npy"

    def leaves(s):
        raise SystemExit

    def seeds(s):
        np.random.seed(3)
        return s

    def sets(s):
        np.seterr(all="raise")
        return s

    def saves(s):
        np.save(file, np.zeros(2))
        return s

    np.random.seed(1)
    state, errors = np.random.get_state()[1].tolist(), np.geterr()
    for way in (leaves, seeds, sets, saves):
        f = np.jit(lambda x, way=way: np.fori_loop(0, 40, lambda i, s: way(s) if s.sum() > 1e9 else s + i, x))
        for _ in range(3):
            assert f(np.ones(3))[0] == 781
    assert np.random.get_state()[1].tolist() == state and np.geterr() == errors and not file.exists()
    with pytest.raises(SystemExit):
        np.jit(lambda x: np.fori_loop(0, 40, lambda i, s: leaves(s) if s.sum() > 500 else s + i, x))(np.ones(3))


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_random_bodies_that_decide(first):
    for seed in range(first, first + 25):
        found, _ = program_loops.tried(seed, np, decides=True)
        assert found is None, f"{found}\n{program_loops.random_program(seed, True)}"


@pytest.mark.parametrize("at", range(1, 25, 3))
def test_an_interrupt_while_turns_are_traced_leaves_all_as_it_was(at, monkeypatch):
    w, x, calls = np.arange(3.0), np.ones(3), []

    def interrupted(old, new):
        calls.append(1)
        if at % 2 or len(calls) != at:
            hand_over(old, new)
        if len(calls) == at:
            raise KeyboardInterrupt

    def body(i, s):
        w[0] += 1
        return s * 0.5 + w if s.sum() > 9 else s * 1.1 + i

    f = np.jit(lambda x: np.fori_loop(0, 40, body, x))
    monkeypatch.setattr(carried, "hand_over", interrupted)
    with pytest.raises(KeyboardInterrupt):
        f(x)
    assert not active and np.geterr() == real.geterr() and x.tolist() == [1] * 3 and w[1] == 1 and w[0] <= 40
    w[0] = 0
    expected, v = real.ones(3), real.arange(3.0)
    for i in range(40):
        v[0] += 1
        expected = expected * 0.5 + v if expected.sum() > 9 else expected * 1.1 + i
    assert difference((expected, v), (f(x), w)) is None
