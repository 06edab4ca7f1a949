"""`fori_loop` whose body reads its index: traced for a few turns, the others generated; or traced in full."""

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import tapes
from tests import program_loops
from tests.helpers import difference
from tests.program_jit import unchecked
from tests.program_loops import attempt, loop


def generated(f):
    """The loops of a jitted function that were generated."""
    return [record.fn.rolled for compiled in f._compiled for branch in compiled.tree.lines()
            for record in branch.records if hasattr(record.fn, "rolled")]


def check(f, make, calls=5, checks=False):
    """`f(np, fori_loop, *make(np))`, jitted, beside NumPy with Python's loop."""
    g = np.jit(lambda *args: (f(np, np.fori_loop, *args), args))
    with unchecked(not checks):
        for call in range(calls):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = attempt(lambda: f(real, loop, *given), given := make(real))
            found = attempt(lambda: g(*args)[0], args := make(np))
            assert difference(expected, found) is None, f"call {call + 1}"
            assert difference(list(given), list(args)) is None, f"arguments of call {call + 1}"
    return g


def two(np):
    return np.arange(40.0) + 1, np.ones(40) * 0.5


# ---- bodies that are generated ---------------------------------------------------------------------------------------


def numbers(i, s):
    return s[0] * 0.9 + i, s[1] / (i + 1) + (2 * i - 3) * s[0]


def floats(i, s):
    return s[0] * 0.9 + i * 0.1, s[1] * (1.0 / (i + 1)) - i / 7


def on_the_left(i, s):
    return (30 - i) - s[0] * 0.5, i / (s[1] + 2) + (-i) * 0.25 * s[0]


def compared(i, s):
    return s[0] * (s[0] < i) + (i <= s[1]) * 1.0, s[1] * 0.5 + (s[0] == i)


def stored(i, s):
    x, y = s
    x[i] = y[i - 1] * 2 + x[i + 1]
    return x, y * 0.99 + x[i] / (i + 1)


def slices(i, s):
    x, y = s
    x[1:i] += y[2:i + 1]
    y[i:] *= 0.5
    return x, y


def rows_of_constant_length(i, s):
    x, y = s
    return x, y + x[i:i + 1] + (x[i - 1:i + 2] * 0.1).sum()


def from_the_end(i, s):
    x, y = s
    x[-i] = y[-1 - i] + y[39 - i]
    return x, y + x[-1]


def constant_put(i, s):
    x, y = s
    x[i] = 0
    x[i - 1] = 2.5
    y[30 - i] = i
    return x, y


def backwards(i, s):
    x, y = s
    return x, y * 0.5 + x[35 - i:None:-1].sum()


def scalars(i, s):
    x, y = s
    total = x[i] * y[i] + x[i - 1]
    return x, y * 0.5 + total * 0.125 / (i + 2)


def unused(i, s):
    s[0][i]
    s[1][i:i + 3] + 1
    return s[0] + i, s[1]


def given_functions(i, s):
    return real.maximum(s[0], i) * 0.5, real.add(s[1] * 0.5, 2 * i)


GENERATED = [numbers, floats, on_the_left, compared, stored, slices, rows_of_constant_length, from_the_end,
             constant_put, backwards, scalars, unused, given_functions]


@pytest.mark.parametrize("turns", [0, 1, 2, 7, 8, 9, 10, 25, 33])
@pytest.mark.parametrize("body", GENERATED, ids=lambda f: f.__name__)
def test_a_body_that_reads_its_index_gives_what_a_loop_does(body, turns):
    def f(np, fori_loop, x, y):
        found = fori_loop(1, 1 + turns, body, (x, y))
        return found, fori_loop(2, 2 + turns, body, found)

    check(f, two)


@pytest.mark.parametrize("body", GENERATED, ids=lambda f: f.__name__)
def test_such_a_body_is_generated(body):
    f = np.jit(lambda x, y: np.fori_loop(1, 31, body, (x, y)))
    f(*two(np))
    assert f.cache_info()["compiled"] == 1 and not f.cache_info()["reasons"], f.cache_info()
    assert len(generated(f)) == 1, body.__name__
    assert len(f._compiled[0].tree.records) < 40


def test_the_number_of_turns_costs_nothing():
    runs = []

    def count(frame, event, arg):
        if event == "call" and frame.f_code is numbers.__code__:
            runs.append(1)

    for turns in (100, 10000):
        runs.clear()
        f = np.jit(lambda x, y, turns=turns: np.fori_loop(0, turns, numbers, (x, y)))
        sys.setprofile(count)
        try:
            f(*two(np))
        finally:
            sys.setprofile(None)
        assert len(runs) < 10 and len(generated(f)) == 1


# ---- loops within loops ----------------------------------------------------------------------------------------------


def triangular(np, fori_loop, A):
    n = len(A)

    def row(i, A):
        def below(j, A):
            A[i, j] -= A[i, :j] @ A[:j, j]
            A[i, j] /= A[j, j]
            return A

        def above(j, A):
            A[i, j] -= A[i, :i] @ A[:i, j]
            return A

        return fori_loop(i, n, above, fori_loop(0, i, below, A))

    return fori_loop(0, n, row, A)


def backward(np, fori_loop, A):
    n = len(A)

    def row(i, A):
        return fori_loop(i + 1, n, lambda j, A: put(A, n - 1 - i, A[n - 1 - i, j] * 0.5 + A[j, n - 1 - i]), A)

    return fori_loop(0, n, row, A)


def put(A, i, value):
    A[i, i] = value
    return A


def totals(np, fori_loop, A):
    n = len(A)
    found = np.zeros(n)

    def row(i, s):
        total = fori_loop(0, n, lambda j, t: t + A[i, j] * A[j, i], 0.0)
        found[i] = total
        return s + total * i

    return fori_loop(0, n, row, 0.0), found


def functional(np, fori_loop, A):
    def outer(i, s):
        return fori_loop(0, 10, lambda j, t: t * 0.5 + A[i] + j, s)

    return fori_loop(0, len(A), outer, A[0] + 0)


def three(np, fori_loop, A):
    n = len(A)
    B = A * 0

    def i_loop(i, s):
        def j_loop(j, s):
            def k_loop(k, s):
                B[i, j] += A[i, k] * A[k, j]
                return s

            return fori_loop(0, n, k_loop, s)

        return fori_loop(0, n, j_loop, s)

    fori_loop(0, n, i_loop, 0)
    return B


@pytest.mark.parametrize("n", [1, 5, 12, 17])
@pytest.mark.parametrize("f", [triangular, backward, totals, functional, three], ids=lambda f: f.__name__)
def test_loops_within_loops(f, n):
    A = real.random.default_rng(n).random((n, n)) + real.eye(n) * n
    for dtype in (float, "f4", int):
        check(f, lambda np, dtype=dtype: (np.array(A.astype(dtype)),), 3)


@pytest.mark.parametrize("f", [triangular, totals, functional, three], ids=lambda f: f.__name__)
def test_loops_within_loops_are_generated(f):
    A = real.random.default_rng(0).random((16, 16)) + real.eye(16) * 16
    g = np.jit(lambda A: f(np, np.fori_loop, A))
    g(np.array(A))
    assert any(rolled.body.loops > 1 for rolled in generated(g))


@pytest.mark.skipif(tapes.tape is None, reason="the extension was not built, or is left out")
def test_a_loop_over_elements_is_a_tape():
    A = real.random.default_rng(0).random((16, 16)) + real.eye(16) * 16
    f = np.jit(lambda A: triangular(np, np.fori_loop, A))
    f(np.array(A))
    assert generated(f)[-1].tape is not None


# ---- bodies that ask -------------------------------------------------------------------------------------------------


def asking_bodies(np):
    """Bodies that see the value of their index, one way or another."""
    table = {k: 0.5 + k for k in range(60)}
    listed = [0.1 * k for k in range(60)]
    log = []

    class Counter:
        last = 0

    counter, cell = Counter(), [0]
    last = None

    def closure(i, x):
        nonlocal last
        last = i
        return x * 0.5 + last

    def attribute(i, x):
        counter.last = i
        return x * 0.5 + counter.last

    def appends(i, x):
        log.append(i)
        return x * 0.5 + log[-1] + len(log)

    def element(i, x):
        cell[0] = i
        return x + cell[0]

    def swallows(i, x):
        try:
            if i > 20:
                return x + 1
        except BaseException:
            return x - 1
        return x * 0.5

    return {
        "if": lambda i, x: x + 1 if i == 13 else x * 0.5,
        "parity": lambda i, x: x + 1 if i % 2 else x * 0.5,
        "truth": lambda i, x: x + 1 if i else x * 0.5,
        "list": lambda i, x: x * 0.5 + listed[i],
        "dict": lambda i, x: x * 0.5 + table[i],
        "range": lambda i, x: x * 0.5 + sum(range(i)),
        "float": lambda i, x: x * 0.5 + float(i),
        "int": lambda i, x: x * 0.5 + int(i),
        "text": lambda i, x: x * 0.5 + len(f"{i}"),
        "format": lambda i, x: x * 0.5 + len("%d" % i),  # noqa: UP031
        "isinstance": lambda i, x: x * 0.5 + isinstance(i, int),
        "type": lambda i, x: x * 0.5 + (type(i) is int),
        "hash": lambda i, x: x * 0.5 + hash(i),
        "max": lambda i, x: x * 0.5 + max(i, 17),
        "array": lambda i, x: x * 0.5 + np.array(i),
        "float64": lambda i, x: x * 0.5 + np.float64(i),
        "arange": lambda i, x: x * 0.5 + np.arange(i).sum(),
        "full": lambda i, x: x * 0.5 + np.full(len(x), i),
        "power": lambda i, x: x * 0.5 + (x * 0.1) ** i,
        "whole": lambda i, x: x * 0.5 + i // 3 + i % 4 + (i << 1),
        "bits": lambda i, x: x * 0.5 + i.bit_length(),
        "sum": lambda i, x: x * 0.5 + x.reshape(2, 2).sum(axis=i % 2).sum(),
        "length": lambda i, x: x * 0.5 + len(x[:i]),
        "shape": lambda i, x: x * 0.5 + x[:i].shape[0],
        "iterated": lambda i, x: x * 0.5 + sum([1 for _ in x[i:]]),
        "roll": lambda i, x: np.roll(x, i) + 1,
        "any": lambda i, x: x * 0.5 + (1 if x[0] > i else 2),
        "carried": lambda i, x: (x if type(x) is not tuple else x[0]) * 0.5,
        "callable": lambda i, x: x * 0.5 + callable(i),
        "closure": closure, "attribute": attribute, "appends": appends, "element": element, "swallows": swallows,
    }  # fmt: skip


ASKING = list(asking_bodies(real))


@pytest.mark.parametrize("which", ASKING)
@pytest.mark.parametrize("checks", [True, False])
def test_a_body_that_asks_for_its_index(which, checks):
    def run(np, jit, fori_loop):
        body = asking_bodies(np)[which]
        f = jit(lambda x: fori_loop(0, 40, body, x) * 2)
        return [f(np.arange(4.0) + 1) for _ in range(3)]

    with unchecked(not checks):
        assert difference(run(real, lambda f: f, loop), run(np, np.jit, np.fori_loop)) is None


def test_an_index_that_is_kept_is_a_number():
    kept = []

    def f(x):
        last = None

        def body(i, x):
            nonlocal last
            last = i
            kept.append(i)
            return x + i

        return np.fori_loop(0, 20, body, x), last

    found, last = np.jit(f)(np.arange(3.0))
    assert type(last) is int and last == 19 and kept == list(range(20)) and all(type(i) is int for i in kept)
    (i, x) = np.jit(lambda x: np.fori_loop(0, 20, lambda i, s: (i, s[1] + i), (0, x)))(np.zeros(2))
    assert type(i) is int and i == 19 and x[0] == 190


# ---- errors and warnings ---------------------------------------------------------------------------------------------


def beyond(i, s):
    s[0][i] = i
    return s


def beyond_dead(i, s):
    s[0][i]
    s[1][...] += 1
    return s


def beyond_read(i, s):
    s[1][0] += s[0][2 * i]
    return s


def clamped(i, s):
    s[1][:3] += s[0][i:i + 3].sum()
    return s


def misfit(i, s):
    s[1][:3] += s[0][i:i + 3]
    return s


def misfit_dead(i, s):
    s[0][i:i + 3] + s[1][:3]
    s[1][...] += 1
    return s


def divides(i, s):
    return s[0] + 1 / (50 - i), s[1]


def divides_dead(i, s):
    1 / (50 - i)
    return s[0] + i, s[1]


@pytest.mark.parametrize("body", [beyond, beyond_dead, beyond_read, clamped, misfit, misfit_dead, divides,
                                  divides_dead], ids=lambda f: f.__name__)
def test_what_goes_wrong_does_so_in_its_turn(body):
    check(lambda np, fori_loop, x, y: fori_loop(0, 60, body, (x, y)), two, 3)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "f2", "f4", "f8", "c8", "?"])
@pytest.mark.parametrize("body", [
    lambda i, x: x * i, lambda i, x: x + 3 * i, lambda i, x: i - x, lambda i, x: x / (i + 1), lambda i, x: (x < i) + x,
    lambda i, x: x * (i * 0.5), lambda i, x: put_at(x, i)])  # fmt: skip
def test_numbers_are_weak(body, dtype):
    """As Python's: the dtype is the array's, and a number beyond it raises."""
    for turns in (12, 140, 300):
        check(lambda np, fori_loop, x, turns=turns: fori_loop(0, turns, lambda i, s: [body(i, x)], [x]),
              lambda np: (np.ones(400, dtype),), 2)


def put_at(x, i):
    x[i] = i
    return x


def test_warnings_are_those_of_the_loop():
    def body(i, x):
        return x / (i - 20)

    for turns in (15, 30):
        found = []
        f = np.jit(lambda x, turns=turns: np.fori_loop(0, turns, body, x))
        for module, run in ((real, lambda x, turns=turns: loop(0, turns, body, x)), (np, f)):
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                real.asarray(run(module.ones(3)))
            found.append([str(w.message) for w in told])
        assert found[0] == found[1]


# ---- effects ---------------------------------------------------------------------------------------------------------


def test_captured_arrays_are_written():
    def run(np, jit, fori_loop, local):
        outer, weights = np.zeros(50), np.arange(50.0)

        def f(x):
            own = np.zeros(50) + x[0] if local else outer

            def body(i, x):
                own[i] += x[0] * weights[i]
                return x * 0.5 + own[i]

            return fori_loop(0, 45, body, x), own + 0

        g = jit(f)
        found = []
        for _ in range(4):
            found.append((g(np.arange(4.0)), outer + 0))
            weights[3] += 1
        return found

    for local in (False, True):
        for checks in (True, False):
            with unchecked(not checks):
                expected = run(real, lambda f: f, loop, local)
                assert difference(expected, run(np, np.jit, np.fori_loop, local)) is None


def aliased(np, fori_loop, x, y):
    row = x[3:10]

    def body(i, s):
        row[i] = s[i] + 1
        x[i + 20] = row[i] * 2
        return s * 0.5 + x[3]

    return fori_loop(0, 7, body, y), fori_loop(0, 7, body, x[:10] + 0), row


def one_twice(np, fori_loop, x, y):
    def body(i, s):
        s[0][i] += 1
        return s[0], s[1] + s[0][i]

    return fori_loop(0, 30, body, (x, x))


def exchanged(np, fori_loop, x, y):
    return fori_loop(0, 31, lambda i, s: (s[1], s[0] * 0.5 + i), (x, y)), fori_loop(
        0, 31, lambda i, s: (s[1], s[0]), (x, y))


def states(np, fori_loop, x, y):
    def body(i, s):
        with np.errstate(divide="ignore", over="raise" if len(s) == 40 else "warn"):
            return s / (i - 15) + s / (i + 1)

    return fori_loop(0, 31, body, x)


def catches(np, fori_loop, x, y):
    def body(i, s):
        try:
            s[1:i] + y[:20]
        except ValueError:
            return s + 1
        return s * 0.5

    return fori_loop(0, 31, body, x)


def own_constants(np, fori_loop, x, y):
    def body(i, s):
        table = np.array([[1.0, 2, 3], [4, 5, 6]], order="F")
        table[1, 2] += 1
        return s * 0.5 + table.T.reshape(-1)[2] * i + np.array([[7.0, 8], [9, 10]], order="F")[1, 0] + table[0].sum()

    return fori_loop(0, 31, body, x)


def gives_an_element(np, fori_loop, x, y):
    return fori_loop(0, 31, lambda i, s: x[i], 0.0), fori_loop(0, 12, lambda i, s: fori_loop(
        0, 12, lambda j, s: x[j] if s is not None else 0, s), 0.0)


def in_place_exchanged(np, fori_loop, x, y):
    def body(i, s):
        s[0][i] += 1
        return s[1], s[0]

    found = fori_loop(0, 31, body, (x, y))
    found[0][0] = 77
    return found


def dict_of(np, fori_loop, x, y):
    return fori_loop(0, 31, lambda i, s: {"x": s["x"] + s["y"][i], "y": s["y"], "n": s["n"]}, {"x": x, "y": y, "n": 3})


def shrinking(np, fori_loop, x, y):
    return fori_loop(0, 20, lambda i, s: s[1:] + i, x)


def view_carried(np, fori_loop, x, y):
    def body(i, v):
        v[i] = i
        return v

    return fori_loop(0, 20, body, x[5:30]), x


def copies(np, fori_loop, x, y):
    def body(i, s):
        old = s[0].copy()
        s[0][i] = 5
        return s[0], s[1] + old[i] + old

    return fori_loop(0, 31, body, (x, y))


def overlapping(np, fori_loop, x, y):
    def body(i, s):
        s[1:] = s[:-1]
        s[i] += i
        s[i:] += s[:40 - i]
        return s

    return fori_loop(0, 31, body, x)


@pytest.mark.parametrize("f", [aliased, one_twice, exchanged, in_place_exchanged, states, catches, dict_of, shrinking,
                               own_constants, gives_an_element,
                               view_carried, copies, overlapping], ids=lambda f: f.__name__)
@pytest.mark.parametrize("checks", [True, False])
def test_what_a_loop_carries(f, checks):
    check(f, two, 4, checks)


def test_draws_and_decisions_are_those_of_the_loop():
    def run(np, jit, fori_loop):
        rng = np.random.default_rng(3)
        f = jit(lambda x: fori_loop(0, 20, lambda i, x: x * 0.5 + rng.random(4) * i, x))
        g = jit(lambda x: fori_loop(0, 20, lambda i, x: x * 0.5 + i if x.sum() < 30 else x - 20, x))
        h = jit(lambda x: fori_loop(0, 20, lambda i, x: x * 0.5 + np.random.rand(4) * i + np.random.random() * i, x))
        np.random.seed(5)
        return [(f(np.ones(4)), g(np.arange(4.0)), h(np.ones(4))) for _ in range(4)], rng.random(), np.random.rand()

    assert difference(run(real, lambda f: f, loop), run(np, np.jit, np.fori_loop)) is None


def test_an_array_that_is_known_twice_and_then_written():
    def carried_twice(np, fori_loop, x, y):
        def body(i, s):
            x, kept = s
            x[i] = i
            x = x * 2
            return x, x if kept is None else kept

        return fori_loop(0, 30, body, (x, None))

    def known_before(np, fori_loop, x, y):
        def body(i, s):
            a, b = s
            a[i] = i
            return (y if b is None else a * 0.5), 1

        return fori_loop(0, 30, body, (x, None))

    check(carried_twice, two)
    check(known_before, two)


# ---- random programs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_random_programs(first):
    for seed in range(first, first + 20):
        found, f = program_loops.tried(seed, np)
        assert found is None, f"{found}\n{program_loops.random_program(seed)}"


# ---- rows, and conditions that are values ----------------------------------------------------------------------------


def plain_scan(f, init, xs, length=None):
    carry, ys = init, []
    for x in rows(xs):
        carry, y = f(carry, x)
        ys.append(y)
    return carry, put_together(ys)


def plain_map(f, xs):
    return put_together([f(x) for x in rows(xs)])


def plain_while(cond, body, value):
    while cond(value):
        value = body(value)
    return value


def rows(xs):
    if type(xs) in (tuple, list):
        return [type(xs)(x) for x in zip(*map(rows, xs), strict=True)]
    return [dict(zip(xs, x, strict=True)) for x in zip(*map(rows, xs.values()), strict=True)] if (
        type(xs) is dict) else list(xs)


def put_together(ys):
    if ys[0] is None:
        return None
    if type(ys[0]) in (tuple, list):
        return type(ys[0])(put_together([y[k] for y in ys]) for k in range(len(ys[0])))
    return {k: put_together([y[k] for y in ys]) for k in ys[0]} if type(ys[0]) is dict else real.stack(ys)


class Plain:
    scan, map, while_loop, fori_loop = map(staticmethod, (plain_scan, plain_map, plain_while, loop))

    def __getattr__(self, name):
        return getattr(real, name)


def both(f, make, calls=4, checks=False):
    """`f(np, *make(np))`, jitted, beside NumPy with plain loops; gives the jitted function."""
    g = np.jit(lambda *args: f(np, *args))
    with unchecked(not checks):
        for call in range(calls):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = attempt(lambda: f(Plain(), *given), given := make(real))
            found = attempt(lambda: g(*args), args := make(np))
            assert difference(expected, found) is None, f"call {call + 1}"
            assert difference(list(given), list(args)) is None, f"arguments of call {call + 1}"
    return g


def table(np):
    return np.arange(90.0).reshape(30, 3) * 0.25, np.arange(30.0) + 1


SCANS = {
    "sum": lambda np, x, v: np.scan(lambda c, row: (c + row, c * 2), x[0] * 0, x),
    "numbers": lambda np, x, v: np.scan(lambda c, a: (c + a, c * a), 0.0, v),
    "both": lambda np, x, v: np.scan(lambda c, s: (c * 0.5 + s[0] * s[1], (s[0].sum(), c)), x[1] + 0, (x, v)),
    "dict": lambda np, x, v: np.scan(lambda c, s: (c + s["a"], {"y": c * s["b"], "z": [s["a"] * 2]}), x[1] + 0,
                                     {"a": x, "b": v}),
    "nothing": lambda np, x, v: np.scan(lambda c, a: (c * 0.5 + a, None), 0.0, v),
    "row": lambda np, x, v: np.scan(lambda c, row: (c, row), 0.0, x),
    "carry": lambda np, x, v: np.scan(lambda c, row: (c + row, c), x[0] * 1, x),
    "shared": lambda np, x, v: np.scan(lambda c, row: (same := c + row, same), x[0] * 1, x),
    "map": lambda np, x, v: (np.map(lambda row: row * 2 + row.sum(), x), np.map(lambda a: a * 2, v)),
    "map of two": lambda np, x, v: np.map(lambda s: (s[0] * s[1], s[1]), (x, v)),
}


@pytest.mark.parametrize("which", SCANS)
@pytest.mark.parametrize("checks", [True, False])
def test_rows(which, checks):
    f = both(SCANS[which], table, checks=checks)
    assert f.cache_info()["compiled"] == 1 and generated(f), f.cache_info()
    both(SCANS[which], lambda np: tuple(x[:5] for x in table(np)))


def writes_to_carry(np, x, v):
    def step(c, row):
        c[...] += row
        return c, c

    return np.scan(step, x[0] + 0, x)


def writes_to_rows(np, x, v):
    def step(c, row):
        row[0] = c[1]
        return c + row, row

    return np.scan(step, x[0] + 0, x), x


def writes_to_result(np, x, v):
    def step(c, row):
        y = row * 2
        y[1] = 7
        c[0] += 1
        return y, y

    return np.scan(step, x[0] + 0, x)


def writes_later_rows(np, x, v):
    def step(c, row):
        x[20:] += row
        return c + row, row + 0

    return np.scan(step, x[0] + 0, x), x


def keeps_a_view(np, x, v):
    def step(c, row):
        c = c + row
        return c, c[::-1]

    return np.scan(step, x[0] + 0, x)


def view_of_written(np, x, v):
    c = x[0] + 0

    def step(_, row):
        c[...] += row
        return None, c[1:]

    return np.scan(step, None, x)


def decides(np, x, v):
    return np.scan(lambda c, row: (c + 1 if row[0] > 5 else c - 1, row * 2), 0.0, x)


def types_change(np, x, v):
    return np.scan(lambda c, a: (c + a, c), 0, v)


@pytest.mark.parametrize("f", [writes_to_carry, writes_to_rows, writes_to_result, writes_later_rows, keeps_a_view,
                               view_of_written, decides, types_change], ids=lambda f: f.__name__)
@pytest.mark.parametrize("checks", [True, False])
def test_results_that_are_written_later(f, checks):
    both(f, table, checks=checks)


WHILES = {
    "sum": lambda np, x, v: np.while_loop(lambda x: x.sum() < 1e6, lambda x: x * 1.1 + 1, x),
    "many": lambda np, x, v: np.while_loop(lambda x: x.max() < 40, lambda x: x + 0.01, v * 0.1),
    "pair": lambda np, x, v: np.while_loop(lambda s: s[1] > 1e-3, lambda s: (s[0] + s[1], s[1] * 0.5), (v, v.sum())),
    "in place": lambda np, x, v: (np.while_loop(lambda x: x[3] < 50, lambda x: grown(x), v), v),
    "none": lambda np, x, v: np.while_loop(lambda x: x.sum() < 0, lambda x: x * 2, v),
    "once": lambda np, x, v: np.while_loop(lambda x: x[0] < 1.5, lambda x: x * 2, v),
    "counts": lambda np, x, v: np.while_loop(lambda s: s[0] < 20, lambda s: (s[0] + 1, s[1] * 0.5), (0, v)),
    "inner": lambda np, x, v: np.while_loop(lambda x: x.sum() < 1e4, lambda x: np.fori_loop(
        0, 12, lambda i, x: x * 1.01 + i * 0.01, x), v),
    "both": lambda np, x, v: np.while_loop(lambda x: (x[0] < 50) and (x[1] < 70), lambda x: x * 1.1, v),
    "warns": lambda np, x, v: np.while_loop(lambda x: x[0] < 1e400, lambda x: x * 1e10, v),
}


def grown(x):
    x[1:] *= 1.05
    x[0] += 1
    return x


@pytest.mark.parametrize("which", WHILES)
@pytest.mark.parametrize("checks", [True, False])
def test_a_condition_that_is_a_value(which, checks):
    if which == "warns":  # it ends as soon as it has overflown
        WHILES[which] = lambda np, x, v: np.while_loop(lambda x: x[0] < 1e300, lambda x: x * 1e10, v * 1e10)
    f = both(WHILES[which], table, checks=checks)
    if which in ("sum", "many", "pair", "in place"):
        assert generated(f)


def test_the_number_of_turns_may_differ_from_call_to_call():
    f = np.jit(lambda x, most: np.while_loop(lambda x: x.sum() < most[0], lambda x: x * 1.5 + 1, x))
    for most in (10, 1e3, 1e9, 10, 1e12, 1e4):
        expected = plain_while(lambda x, most=most: x.sum() < most, lambda x: x * 1.5 + 1, real.arange(3.0))
        assert difference(expected, f(np.arange(3.0), np.array([float(most)]))) is None
    assert f.cache_info()["paths"] == 1 and f.cache_info()["compiled"] == 1
    assert difference(real.arange(3.0) + 90, f(np.arange(3.0) + 90, np.array([10.0]))) is None


def test_turns_before_the_border_are_generated():
    def body(i, s):
        s[1][:3] += s[0][i:i + 3].sum() * s[0][20 - i]
        return s

    f = check(lambda np, fori_loop, x, y: fori_loop(0, 39, body, (x, y)), two)
    (rolled,) = generated(f)
    assert rolled.count == 20


def test_large_arrays_are_left_to_kernels():
    f = np.jit(lambda x: np.fori_loop(0, 12, lambda i, x: x * 0.5 + i, x))
    f(np.ones(1 << 18))
    assert not generated(f) and f.cache_info()["compiled"] == 1


def test_jitted_bodies_and_helpers():
    def run(np, jit, fori_loop):
        @jit
        def helper(x, k):
            return x * 0.5 + k

        class Model:
            def __init__(self):
                self.w = np.arange(20.0)

            def step(self, i, x):
                self.w[i] += 1
                return helper(x, i) + self.w[i]

        model = Model()
        body = jit(lambda i, x: x[:4] * 0.5 + i)
        f = jit(lambda x: (fori_loop(0, 20, model.step, x), fori_loop(0, 20, body, x), fori_loop(
            0, 15, lambda i, x: fori_loop(0, 15, lambda _, x: x * 0.9, x) + i, x)))
        return [(f(np.arange(4.0)), model.w + 0) for _ in range(5)]

    for checks in (True, False):
        with unchecked(not checks):
            assert difference(run(real, lambda f: f, loop), run(np, np.jit, np.fori_loop)) is None


def test_several_threads_trace_one_loop():
    shared = np.arange(50.0)
    f = np.jit(lambda x: np.fori_loop(0, 40, lambda i, s: s * 0.5 + shared[i] * i, x))
    expected = loop(0, 40, lambda i, s: s * 0.5 + real.arange(50.0)[i] * i, real.ones(3))
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: f(np.ones(3)), range(200)))
    assert all(difference(expected, x) is None for x in found)


TABLES = {
    "transposed": lambda A, i: A.T.__setitem__(i, A[i] * 0.5 + i),
    "row and column": lambda A, i: A.__setitem__(i, A[:, i] + A[i - 1]),
    "in place": lambda A, i: A[i].__iadd__(A[:, i] * i),
    "reversed": lambda A, i: A[::-1][i].__imul__(0.5),
    "flat": lambda A, i: A.reshape(-1).__setitem__(7 * i + 3, i),
    "block": lambda A, i: A[i:, i:].__imul__(0.9),
    "outer": lambda A, i: A[i:, i:].__isub__(A[i:, i - 1:i] * A[i - 1:i, i:] * 0.01),
    "new axes": lambda A, i: A.__iadd__(A[i][:, None] * A[None, i] * 0.01),
    "ellipsis": lambda A, i: A[..., i].__iadd__(A[i, ...]),
    "product": lambda A, i: A.__setitem__(i, (A @ A[i]) * 0.01),
    "strided": lambda A, i: A[i, ::2].__iadd__(A[i, 1::2][:10] * i),
    "clip": lambda A, i: A.__setitem__(slice(None), real.clip(A, -i, i)),
    "mask": lambda A, i: A.__setitem__(A > i, 0.5),
    "diagonal": lambda A, i: A.__setitem__((i, i), A[i, i] * 2 + A[i].sum() / A.sum()),
    "sums": lambda A, i: A.__iadd__(A[:i + 1].sum(axis=0) * 0.01 - A[i].mean()),
}


@pytest.mark.parametrize("which", TABLES)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_tables(which, dtype):
    def f(np, fori_loop, A):
        def body(i, A):
            TABLES[which](A, i)
            return A

        return fori_loop(1, 19, body, A), fori_loop(1, 15, lambda i, s: (s[1], s[0] * 0.5 + A[i]), (A[0] + 0, A[1] + 0))

    A = real.random.default_rng(1).random((20, 20)) * 9 - 3
    with real.errstate(all="ignore"):
        check(f, lambda np: (np.array(A.astype(dtype), order="F" if dtype == "f4" else "C"),), 3)


def test_a_body_that_binds_its_index_anew_leaves_python_s_number():
    cell = [0]

    def element(i, x):
        cell[0] = i
        return x + cell[0]

    f = np.jit(lambda x: np.fori_loop(0, 40, element, x) * 2)
    for _ in range(3):
        assert f(np.arange(4.0)).tolist() == [1560, 1562, 1564, 1566] and type(cell[0]) is int and cell == [39]
        cell[0] = 0
