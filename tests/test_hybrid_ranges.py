"""``for i in lazytensor.range(...)`` in a jitted function: a few turns are traced, others generated; or all traced."""

import dis
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import forloops, jit, ranges
from tests import program_ranges
from tests.helpers import difference
from tests.program_jit import unchecked
from tests.program_loops import attempt
from tests.program_ranges import plain
from tests.test_hybrid_indexed import generated


def check(f, make, calls=5, checks=False):
    """`f(np, *make(np))`, jitted, beside NumPy with Python's `range`."""
    g = np.jit(lambda *args: (f(np, *args), args))
    with unchecked(not checks):
        for call in range(calls):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = attempt(lambda: f(plain, *given), given := make(real))
            found = attempt(lambda: g(*args)[0], args := make(np))
            assert difference(expected, found) is None, f"call {call + 1}"
            assert difference(list(given), list(args)) is None, f"arguments of call {call + 1}"
    return g


def two(np):
    return np.arange(60.0) + 1, np.ones(60) * 0.5


# ---- loops that are generated ----------------------------------------------------------------------------------------


def numbers(np, x, y):
    for i in np.range(1, 50):
        x = x * 0.9 + i
        y = y / (i + 1) + (2 * i - 3) * x
    return x, y, i


def indexed(np, x, y):
    for i in np.range(x.size):
        x[i] = y[i] * 2 + i
        y[:i] += 0.5
    return i


def views_stay(np, x, y):
    for i in np.range(40):
        part = x[i:i + 3]
        j = 2 * i + 1
        y = y + part.sum() * j
    part[0] = 100.0
    return part, j, i, y


def returned_in_place(np, x, y):
    for i in np.range(45):
        x += i
        x *= y[i]
    return x


def with_steps(np, x, y):
    for i in np.range(2, 58, 1):
        y[i] = x[i - 1] + i
    for i in np.range(55, 3, -1):
        x[i] = x[i + 1] * 0.5 + y[i - 2]
    for i in np.range(0, 200, 5):
        y = y * 0.5 + i
    return y


def passed_on(np, x, y):
    def helper(a, k):
        return a * 0.5 + k

    for i in np.range(len(x)):
        x = helper(x, i)
        y[i] = helper(y[i], i - 1)
    return x


def closures(np, x, y):
    scale = 0.5
    for i in np.range(40):
        f = lambda a: a * scale + i  # noqa: B023, E731
        x = f(x)
    return x, i


def within_try(np, x, y):
    total = 0.0
    try:
        for i in np.range(50):
            total = total + x[i] * i
    except ValueError:
        total = None
    else:
        total = total + 1
    finally:
        y[0] = 2
    return total


def conditions_that_stay(np, x, y):
    doubled = True
    for i in np.range(50):
        if doubled:
            x[i] = x[i] * 2
        else:
            break
        if y is None:
            continue
        y = y + i
    else:
        x[0] = -1
    return y


def several_targets(np, x, y):
    state = (x, y)
    for i in np.range(50):
        a, b = state
        state = (a * 0.5 + i, b + a[i])
    return state


GENERATED = [numbers, indexed, views_stay, returned_in_place, with_steps, passed_on, closures, within_try,
             conditions_that_stay, several_targets]


@pytest.mark.parametrize("f", GENERATED, ids=lambda f: f.__name__)
def test_a_loop_that_reads_its_index_gives_what_numpy_gives(f):
    g = check(f, two)
    assert generated(g), (g.cache_info(), g.explain())
    check(f, two, checks=True)


@pytest.mark.parametrize("f", GENERATED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["f4", "i8", "u1", "c16"])
def test_numbers_are_weak(f, dtype):
    check(f, lambda np: (np.arange(60).astype(dtype), np.ones(60, dtype)), 2)


def test_the_number_of_turns_costs_nothing():
    for turns in (100, 10_000):
        runs = []

        def helper(x, i, runs=runs):
            runs.append(1)
            return x * 0.5 + i

        def f(x, turns=turns, helper=helper):
            for i in np.range(turns):
                x = helper(x, i)
            return x

        np.jit(f)(np.ones(3)).realize()
        assert len(runs) >= turns, "what has effects runs in every turn"

        def g(x, turns=turns):
            for i in np.range(turns):
                x = x * 0.5 + i
            return x

        jitted = np.jit(g)
        jitted(np.ones(3)).realize()
        assert len(generated(jitted)) == 1 and len(jitted._compiled[0].tree.records) < 12


@pytest.mark.parametrize("turns", [0, 1, 2, 31, 32, 33, 40])
def test_few_turns(turns):
    def f(np, x, y):
        i = "none"
        for i in np.range(turns):
            x = x + i
        return x, i

    check(f, two)


def test_the_number_of_turns_may_be_a_value_or_an_argument():
    @np.jit
    def f(x, n):
        for i in np.range(n):
            x = x * 0.5 + i
        for i in np.range(x.argmax() + 40):
            x = x + i
        return x

    for n in (40, 50, 40, 0, 60):
        x = real.ones(5)
        for i in range(n):
            x = x * 0.5 + i
        for i in range(x.argmax() + 40):
            x = x + i
        assert difference(x, f(np.ones(5), n)) is None


# ---- loops within loops ----------------------------------------------------------------------------------------------


def factorised(np, A):
    n = len(A)
    for i in np.range(n):
        for j in np.range(i):
            A[i, j] -= A[i, :j] @ A[:j, j]
            A[i, j] /= A[j, j]
        for j in np.range(i, n):
            A[i, j] -= A[i, :i] @ A[:i, j]
    return A


def totals(np, A):
    n = len(A)
    found = np.zeros(n)
    for i in np.range(n):
        total = 0.0
        for j in np.range(n):
            total = total + A[i, j] * A[j, i]
        found[i] = total
    return found, total


def three(np, A):
    B = A * 0
    for i in np.range(len(A)):
        for j in np.range(len(A)):
            for k in np.range(len(A)):
                B[i, j] += A[i, k] * A[k, j]
    return B, i, j, k


def read_after(np, A):
    last = A[0] * 0
    for i in np.range(len(A)):
        for j in np.range(i, len(A)):
            last = A[j] * i
        A[i] = A[i] + last + j
    return last


@pytest.mark.parametrize("n", [3, 35, 40])
@pytest.mark.parametrize("f", [factorised, totals, three, read_after], ids=lambda f: f.__name__)
def test_loops_within_loops(f, n):
    A = real.random.default_rng(n).random((n, n)) + real.eye(n) * n
    for dtype in (float, "f4"):
        check(f, lambda np, dtype=dtype: (np.array(A.astype(dtype)),), 2)


@pytest.mark.parametrize("f", [factorised, totals], ids=lambda f: f.__name__)
def test_loops_within_loops_are_generated(f):
    A = real.random.default_rng(0).random((40, 40)) + real.eye(40) * 40
    g = np.jit(lambda A: f(np, A))
    g(np.array(A))
    assert any(rolled.body.loops > 1 for rolled in generated(g)), g.explain()
    assert len(g._compiled[0].tree.records) < 2000


# ---- loops of which every turn is traced -----------------------------------------------------------------------------


def decay(np, x, y):
    dt = 0.25
    for i in np.range(50):
        x = x + dt * y * i
        dt *= 0.5
    return x, dt


def special(np, x, y):
    for i in np.range(50):
        if i == 33:
            x = x * 2
        x = x + i
    return x


def appended(np, x, y):
    out = []
    for i in np.range(50):
        out.append(x[i] * i)
    return out


def broken(np, x, y):
    for i in np.range(50):
        if i > 40:
            break
        x = x + i
    else:
        x = x * 0
    return x, i


def continued(np, x, y):
    for i in np.range(50):
        if i % 3:
            continue
        x = x + i
    return x


def early(np, x, y):
    for i in np.range(50):
        x[i] = i
        if i == 45:
            return x, i
    return None


def on_a_value(np, x, y):
    for i in np.range(50):
        if x[i] > 20:
            y[i] = i
    return y


def counted(np, x, y):
    k = 0
    for i in np.range(50):
        x[k] = i
        k = k + 1
    return k


def exchanged(np, x, y):
    for i in np.range(45):
        x[i] = 100 + i
        x, y = y, x
    return x, y


def kept_once(np, x, y):
    kept = None
    for i in np.range(45):
        if kept is None:
            kept = x = x * 2
        x[i] = i
        x = x * 0.5
    return kept, x


def out_of_bounds(np, x, y):
    for i in np.range(100):
        x[i] = y[i] * i
    return x


def caught(np, x, y):
    try:
        for i in np.range(100):
            x[i] = y[i] * i
    except IndexError:
        return i, y
    return None


def unbound(np, x, y):
    for i in np.range(50):
        if i > 40:
            z = x * i
    return z


def bound_by_a_later_turn(np, x, y):
    first = True
    for i in np.range(40):
        if first:
            first = False
        elif x is None:
            z = i
        else:
            w = z  # noqa: F821
        x = x + i
    return x, w


def rebound(np, x, y):
    seen = 0.0

    def bump():
        nonlocal seen
        seen = seen + 1

    for i in np.range(40):
        bump()
        x = x + seen * i
    return x, seen


def deleted(np, x, y):
    for i in np.range(40):
        t = x * i
        y = y + t
        del t
    return y


def comprehended(np, x, y):
    for i in np.range(40):
        y = y + sum([x[k] * i for k in (1, 2)])
    return y


def printed(np, x, y):
    for i in np.range(40):
        y = y + float(i) + int(i) // 2 + x[i] ** i
    return y, str(i)


def nothing_is_a_range(np, x, y):
    bounds = list(np.range(40)), len(np.range(50)), np.range(3, 5), list(map(np.range, [2]))
    for i in list(map(np.range, [40, 33])):
        x = x + len(i)
    for i in reversed(np.range(40)):
        x = x + i
    for i in (np.range(33) if bounds else []):
        x = x + i
    return x, *bounds


IN_FULL = [decay, special, appended, broken, continued, early, on_a_value, counted, exchanged, kept_once, out_of_bounds,
           caught, unbound, bound_by_a_later_turn, rebound, deleted, comprehended, printed, nothing_is_a_range]


@pytest.mark.parametrize("checks", [False, True])
@pytest.mark.parametrize("f", IN_FULL, ids=lambda f: f.__name__)
def test_what_python_decides(f, checks):
    check(f, two, 3, checks=checks)


def test_warnings_are_those_of_the_loop():
    def f(np, x, y):
        for i in np.range(40):
            x = x / (y - 39 + i)
        return x

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        np.jit(lambda x, y: f(np, x, y))(np.ones(3), np.zeros(3)).realize()
    assert any("divide by zero" in str(w.message) for w in told)


def test_captured_arrays_are_written():
    def run(np, jit):
        weights = np.arange(50.0)

        def step(x):
            for i in np.range(40):
                weights[i] += x[i] * i
            return x + weights[:3].sum()

        f, x = jit(step), np.ones(50)
        found = [f(x) * 1 for _ in range(4)]
        weights[3] = 70.0
        return [*found, f(x), weights]

    assert difference(run(plain, lambda f: f), run(np, np.jit)) is None


def test_what_is_called_often_is_traced_in_full(monkeypatch):
    monkeypatch.setattr(jit, "HOTTER", 16)

    @np.jit
    def f(x):
        for i in np.range(40):
            x = x * 0.5 + i
        return x

    expected = real.ones(3)
    for i in range(40):
        expected = expected * 0.5 + i
    for _ in range(40):
        assert difference(expected, f(np.ones(3))) is None
    assert not generated(f) and f.cache_info()["compiled"] == 1
    assert "called often" in f.cache_info()["reasons"][0]


# ---- bytecode --------------------------------------------------------------------------------------------------------


def test_what_a_loop_hands_on():
    def f(x, n, m=3):
        acc = t = 0
        for k in range(2):
            for i in np.range(n):
                if i == 7:
                    break
                if i == 9:
                    return k
                t = x * i
                u = t + m
                acc = acc + u
            acc += m
        return acc, u

    calls = [x.offset for x in dis.get_instructions(f.__code__) if x.opname == "CALL"]
    loop = [found for call in calls if (found := forloops.for_loop(f.__code__, call)) and found.uses][0]
    assert "acc" in loop.carried and "t" not in loop.carried and "u" not in loop.carried or "u" in loop.later
    assert loop.stored == {"i", "t", "u", "acc"}
    turn = forloops.turn_of(loop, f.__globals__, {"x": 3, "m": 1, "acc": 10, "k": 0, "u": 0, "n": 5})
    given = tuple({"acc": 10, "u": 0, "k": 0}[name] for name in loop.carried)
    assert dict(zip(loop.carried, turn(2, given), strict=True))["acc"] == 17
    outer = [forloops.Ended, None]  # a turn around it, which has asked for its index
    forloops.FEED.turns.append(outer)
    try:
        for left in (7, 9):
            with pytest.raises(RuntimeError):
                turn(left, given)
            assert forloops.FEED.turns[0] is outer and len(forloops.FEED.turns) == 1
    finally:
        del forloops.FEED.turns[:]


def test_whose_call_it_is():
    def f(np, x):
        for i in np.range(min(len(x), max(3, 50))):
            x = x + i
        for i in list(map(np.range, [int(min(40, 41))])):
            x = x + len(i)
        return x

    code = f.__code__
    found = [forloops.callee(code, x.offset) for x in dis.get_instructions(code) if x.opname == "CALL"]
    assert [attribute for _, attribute in found if attribute == "range"] == ["range"]
    g = np.jit(lambda x: f(np, x))
    assert difference(f(plain, real.ones(45)), g(np.ones(45))) is None and len(generated(g)) == 1


def test_python_s_own_range_elsewhere():
    assert np.range(3) == range(3) and np.range(1, np.arange(4).max(), 2) == range(1, 3, 2)
    f = np.jit(lambda n: np.range(n))
    assert f(40) == range(40) and ranges.WORTH <= 40


# ---- random programs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_random_programs(first, monkeypatch):
    monkeypatch.setattr(ranges, "WORTH", 9)
    for seed in range(first, first + 20):
        found, _ = program_ranges.tried(seed, np)
        assert found is None, f"{found}\n{program_ranges.random_program(seed)}"
