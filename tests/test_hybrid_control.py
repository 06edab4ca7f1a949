"""Control flow as functions, in jitted functions and outside: `while_loop`, `fori_loop`, `scan`, `map`, `range`."""

import random
import sys
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor import nn
from lazytensor.hybrid.tracing import Trace
from tests.helpers import difference
from tests.program_jit import unchecked
from tests.test_hybrid_loops import _statement as statement


def _told(monkeypatch):
    found = []
    monkeypatch.setattr(warnings, "warn_explicit", lambda message, *_: found.append(str(message)))
    return found


# ---- loops outside of jitted functions -------------------------------------------------------------------------------


def test_loops_over_python_numbers_are_not_traced(monkeypatch):
    told = _told(monkeypatch)
    before = np.jit.cache_info()["traces"]
    assert np.while_loop(lambda i: i < 100, lambda i: i + 1, 0) == 100
    assert np.scan(lambda c, x: (c + x, c), 0, range(50))[0] == 1225
    assert (np.map(lambda n: np.ones(2) * n, range(20))[:, 0] == real.arange(20)).all()
    i, x = np.while_loop(lambda s: s[0] < 40, lambda s: (s[0] + 1, s[1] * 0.5), (0, np.ones(3)))
    assert i == 40 and x[0] == 0.5**40
    assert not told and np.jit.cache_info()["traces"] - before <= 2


def test_loops_over_arrays_are_traced_once(monkeypatch):
    told = _told(monkeypatch)
    before = np.jit.cache_info()["traces"]
    x = np.while_loop(lambda x: x.max() < 2.0**50, lambda x: x * 2, np.ones(3))
    assert x[0] == 2.0**50 and np.jit.cache_info()["traces"] - before <= 4
    before = np.jit.cache_info()["traces"]
    (total, scale), ys = np.scan(lambda c, x: ((c[0] + x * c[1], c[1]), x * 2), (0.0, 3), np.arange(60.0))
    assert total == 3 * 1770 and scale == 3 and (ys == real.arange(60) * 2).all()
    assert np.jit.cache_info()["traces"] - before <= 3 and not told


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("call", [
    lambda xs: np.map(lambda x: x * 2, xs), lambda xs: np.scan(lambda c, x: (c, x), 0.0, xs),
    lambda xs: np.scan(lambda c, x: (c, x), 0.0, None, length=0),
    lambda xs: np.map(lambda x: x[0], (xs, xs))])  # fmt: skip
def test_what_has_no_parts_is_an_error_that_says_what_to_do(call, jitted):
    with pytest.raises(ValueError, match="no turn.*fori_loop|no parts.*len"):
        (np.jit(call) if jitted else call)(np.zeros((0, 3)))


def test_other_bad_arguments_of_loops():
    with pytest.raises(ValueError, match=r"scan: .*length=5.*3 parts"):
        np.scan(lambda c, x: (c, x), 0.0, np.ones(3), length=5)
    with pytest.raises(ValueError, match="parts along their first axes.*3 and 2"):
        np.map(lambda x: x[0], (np.ones(3), np.ones(2)))


def test_a_scan_sees_what_its_body_writes():
    def f(x):
        def step(carry, value):
            x[2:] += value
            return carry + value, value

        total, seen = np.scan(step, 0.0, x)
        return total, seen

    x = real.ones(5)
    seen, total = [], 0.0
    for value in x:
        x[2:] += value
        seen.append(value)
        total += value
    for g in (f, np.jit(f)):
        for _ in range(3):
            assert difference((total, real.array(seen)), g(np.ones(5))) is None


# ---- layers, and what cache_info says --------------------------------------------------------------------------------


def test_layers_that_are_none():
    with pytest.raises(TypeError, match=r"Sequential: layer 1 is an int, 3"):
        nn.Sequential(nn.ReLU(), 3)
    with pytest.raises(TypeError, match=r"Sequential: layer 0 is a list.*Sequential\(\*layers\)"):
        nn.Sequential([nn.ReLU()])
    assert difference(real.ones(2) * 2, nn.Sequential(lambda x: x * 2)(np.ones(2))) is None


def test_cache_info_says_that_nothing_is_compiled_while_warnings_are_recorded():
    f = np.jit(lambda x: x + 1)
    with warnings.catch_warnings(record=True):
        for _ in range(30):
            assert f(np.ones(1))[0] == 2
        (reason,) = f.cache_info()["reasons"]
        assert "warnings are recorded" in reason and "warnings are recorded" in f.explain()
    for _ in range(3):
        f(np.ones(1))
    assert f.cache_info()["compiled"] == 1
    with warnings.catch_warnings(record=True):
        for _ in range(60):
            assert f(np.ones(1))[0] == 2
    assert f.cache_info()["compiled"] == 1 and f.cache_info()["python"] is None
    g = np.jit(lambda x: x + 1)
    with np.errstate(over="raise"):
        g(np.ones(1))
    assert g.cache_info()["compiled"] == 1 or "error state" in g.cache_info()["reasons"][0]
    h = np.jit(lambda x: x + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        h(np.ones(1))
    assert "errors" in h.cache_info()["reasons"][0]


# ---- turns that are not traced ---------------------------------------------------------------------------------------


def smooth(_, s):
    a, b = s
    b[1:-1] = 0.3 * (a[:-2] + a[1:-1] + a[2:])
    a[1:-1] = 0.3 * (b[:-2] + b[1:-1] + b[2:])
    return a, b


def decayed(_, s):
    return s[0] * 0.5 + s[1], s[1]


def swapped(_, s):
    return s[1], s[0] * 0.4 + s[1] * 0.1


def three_swapped(_, s):
    a, b, c = s["x"]
    return {"x": (b, c, (a + b + c) * 0.3), "n": s["n"]}


def with_a_number(_, s):
    return s[0] * 0.9 + s[1], s[1] * 0.5, 3


def scalar(_, s):
    x, total = s
    return x * 0.9, total * 0.5 + x.sum()


def kinked(_, s):
    x, y = s
    for _ in range(3):
        x = x * 0.9 + y
    return x, y * 0.5 + x


def given_away(_, s):
    s[0][...] += s[1]
    s[0][...] *= 0.4
    return s[0] + 0.0, s[1]


def loop(lower, upper, body, value):
    for i in range(lower, upper):
        value = body(i, value)
    return value


BODIES = {
    smooth: lambda np: (np.arange(9.0), np.ones(9)), decayed: lambda np: (np.arange(9.0), np.ones(9)),
    swapped: lambda np: (np.arange(9.0), np.ones(9)), scalar: lambda np: (np.arange(9.0), np.arange(4.0).sum()),
    three_swapped: lambda np: {"x": (np.arange(9.0), np.ones(9), np.ones(9) * 2), "n": 1},
    with_a_number: lambda np: (np.arange(9.0), np.ones(9), 3), kinked: lambda np: (np.arange(9.0), np.ones(9)),
    given_away: lambda np: (np.arange(9.0), np.ones(9)),
}  # fmt: skip


@pytest.mark.parametrize("turns", [5, 63, 64, 100, 101, 102, 1000])
@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("body", BODIES, ids=lambda f: f.__name__)
def test_a_fori_loop_gives_what_a_loop_does(body, checks, turns):
    def f(value, turns):
        before = [value]
        found = np.fori_loop(0, turns, body, value)
        return found, before, np.fori_loop(3, 3 + turns, body, found)

    g = np.jit(f)
    with unchecked(not checks):
        for call in range(6):
            value, plain = BODIES[body](np), BODIES[body](real)
            expected = loop(0, turns, body, plain)
            expected = expected, [plain], loop(3, 3 + turns, body, expected)
            assert difference(expected, g(value, turns)) is None, f"call {call + 1}"
            assert difference(plain, value) is None
            if call == 3:
                for one in g._compiled:
                    one.quicken()


def test_a_body_that_ignores_its_index_runs_its_python_a_few_times_only():
    for body in (smooth, decayed, swapped, three_swapped, with_a_number, scalar):
        seen = []
        probe = body.__code__

        def count(frame, event, arg, probe=probe, seen=seen):
            if event == "call" and frame.f_code is probe:
                seen.append(1)

        f = np.jit(lambda value, turns, body=body: np.fori_loop(0, turns, body, value))
        value = BODIES[body](np)
        sys.setprofile(count)
        try:
            f(value, 3000)
        finally:
            sys.setprofile(None)
        assert len(seen) < 160, body.__name__
        assert f.cache_info()["compiled"] == 1 and not f.cache_info()["reasons"]
        assert len(f._compiled[0].tree.records) < 400 and "for _ in range(" in f.source


class Counter:
    def __init__(self):
        self.n = 0

    def next_one(self):
        self.n += 1
        return self.n


def stateful_bodies(np):
    """Bodies whose turns are not alike, though their index says nothing, each with what it leaves."""
    counter, log, numbers, cell = Counter(), [], iter([1.0] * 40 + [2.0] * 10000), [0]
    generator = (1.5 if i > 90 else 0.5 for i in range(10**6))
    n = 0

    def counts(_, x):
        nonlocal n
        n += 1
        return x * 0.5 + (1 if n > 70 else 0)

    def appends(_, x):
        log.append(len(log))
        return x * 0.5 + (1 if len(log) > 71 else 0)

    def attribute(_, x):
        return x * 0.5 + (1 if counter.next_one() > 72 else 0)

    def iterates(_, x):
        return x * 0.5 + next(numbers)

    def generates(_, x):
        for value in generator:
            return x * 0.5 + value

    def element(_, x):
        cell[0] += 1
        return x * 0.5 + (2 if cell[0] == 95 else 1)

    def reflects(_, x):
        return x * 0.5 + locals()["_"]

    def varies(*args):
        return args[1] * 0.5 + args[0]

    def branches(_, x):
        return x - 3 if x.sum() > 20 else x * 1.5 + 0.1

    def shrinks(_, x):
        return x[1:] if len(x) > 3 and x[0] > 100 else x * 1.05

    def raises(_, x):
        x += 1
        if x[0] > 80:
            raise KeyError("enough")
        return x

    return [counts, appends, attribute, iterates, generates, element, reflects, varies, branches, shrinks, raises]


@pytest.mark.parametrize("which", range(11))
@pytest.mark.parametrize("checks", [True, False])
def test_a_body_whose_turns_are_not_alike(which, checks):
    def run(np, jit, fori_loop):
        body = stateful_bodies(np)[which]
        f = jit(lambda x: fori_loop(0, 200, body, x) * 2)
        found = []
        for _ in range(1 if not checks else 3):
            x = np.arange(4.0) + 1
            try:
                found.append(f(x))
            except KeyError as error:
                found.append(repr(error))
            found.append(x)
        return found

    with unchecked(not checks):
        assert difference(run(real, lambda f: f, loop), run(np, np.jit, np.fori_loop)) is None


def test_captured_arrays_are_written_in_loops():
    def run(np, jit, fori_loop, local):
        outer = np.zeros(5)

        def f(x):
            own = np.zeros(5) + x[0] if local else outer

            def body(_, x):
                own[1:] += x[0]
                own[...] = own * 0.5
                return x * 0.5 + own[:4]

            return fori_loop(0, 300, body, x), own + 0

        g = jit(f)
        return [(g(np.arange(4.0)), outer + 0) for _ in range(5)]

    for local in (False, True):
        for checks in (True, False):
            with unchecked(not checks):
                expected = run(real, lambda f: f, loop, local)
                assert difference(expected, run(np, np.jit, np.fori_loop, local)) is None


def random_body(seed):
    """A function of two vectors and a number of turns with `fori_loop`, as text."""
    chance = random.Random(seed)
    lines = ["def f(a, b, steps):", "    c, d, s = a * 2, b[::-1] + 0, a.sum()", "    def body(_, state):",
             "        a, b, c, d, s = state"]  # fmt: skip
    lines += ["        " + statement(chance) for _ in range(chance.randint(1, 5))]
    lines += ["        return a, b, c, d, s", "    state = fori_loop(0, steps, body, (a, b, c, d, s))"]
    if chance.random() < 0.3:
        lines.append("    state = fori_loop(0, steps + 1, body, state)")
    lines += ["    return *state, a, b"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_random_bodies(first, monkeypatch):
    skipped, own = [], Trace.skip
    monkeypatch.setattr(Trace, "skip", lambda self, count: skipped.append(count) or own(self, count))
    for seed in range(first, first + 15):
        text = random_body(seed)
        worlds = [{"np": real, "fori_loop": loop}, {"np": np, "fori_loop": np.fori_loop}]
        for world in worlds:
            exec(compile(text, "<random body>", "exec"), world)
        f, steps = np.jit(worlds[1]["f"]), random.Random(-seed).choice((64, 65, 100, 131))
        with unchecked(seed % 3 == 0):
            for call in range(4):
                data = real.random.default_rng(seed + call)
                plain = data.normal(size=9), data.normal(size=9)
                own_ = np.array(plain[0]), np.array(plain[1])
                with real.errstate(all="ignore"):
                    found = difference(worlds[0]["f"](*plain, steps), f(*own_, steps)) or difference(plain, own_)
                assert not found, f"seed {seed}, call {call + 1}: {found}\n{text}"
    assert skipped


def test_warnings_and_threads_in_turns_that_are_not_traced():
    f = np.jit(lambda x: np.fori_loop(0, 500, lambda _, x: x * 10, x))
    for _ in range(3):
        with real.errstate(over="ignore"):
            assert np.isinf(f(np.ones(2))).all()
    with pytest.raises(FloatingPointError), np.errstate(over="raise"):
        f(np.ones(2)).realize()
