"""Arguments that only count the turns of a loop: one program serves for all numbers; what else they do is followed."""

import argparse
import builtins
import inspect
import itertools
import random
import sys
import types
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.errors import HybridWarning
from lazytensor.hybrid import bytecode, fast, fusing
from lazytensor.hybrid.sized import sized
from tests.helpers import difference


def jacobi(a, b, steps):
    for _ in range(steps):
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
    return a


def changing_places(a, b, steps):
    for _ in range(steps):
        b[1:-1] = 0.5 * (a[:-2] + a[2:])
        a, b = b, a
    return a, b


def three_places(a, b, steps):
    x, y, z = a, b, a + b
    for _ in range(steps):
        x, y, z = y, z, (x + y + z) * 0.4
    return x, y, z


def from_numbers(a, b, steps):
    n = a.shape[0]
    h, x = 1 / n, np.zeros(n)
    for _ in range(steps):
        x[1:-1] += h * (a[2:] - a[:-2])
        x *= 0.5
    return x, h


def into_a_part(a, b, steps):
    c = a[1:-1]
    for _ in range(steps):
        c += b[1:-1]
        c *= 0.5
    return a, c


def by_functions(a, b, steps):
    for _ in range(steps):
        t = np.where(a > b, a, b)
        a = np.sqrt(t * t + 1.0) - abs(a) * t.mean(axis=0)
    return a, b


def tensors_after_a_turn(a, b, steps):
    x = 0.5
    for _ in range(steps):
        x = x * 0.5 + a
    return x


def with_a_default(a, b, steps, rate=0.25):
    for _ in range(steps):
        a = a * rate + b
    return a


def two_loops(a, b, steps):
    for _ in range(30):
        b *= 0.75
    for _ in range(steps):
        a = a * 0.5 + b
    for _ in range(20):
        a += 1.0
    return a


def range_of_a_module(a, b, steps):
    for _ in np.range(steps):
        a = a * 0.5 + b
    return a


COUNTED = [jacobi, changing_places, three_places, from_numbers, into_a_part, by_functions, tensors_after_a_turn,
           two_loops, with_a_default, range_of_a_module]


def also_decides(a, b, steps):
    for _ in range(steps):
        a = a * 0.5 + b
    if steps % 7 == 0:
        a = a + 1
    return a


def a_factor(a, b, steps):
    for _ in range(steps):
        a = a * 0.5 + b
    return a * steps


def reads_the_turn(a, b, steps):
    for i in range(steps):
        a = a * 0.5 + i
    return a


def last_turn_after(a, b, steps):
    i = 0
    for i in range(steps):  # noqa: B007
        a = a * 0.5 + b
    return a * i


def counts_itself(a, b, steps):
    k = 0
    for _ in range(steps):
        a = a * 0.5 + b
        k += 1
    return a if k < 110 else b


def decays(a, b, steps):
    dt = 1.0
    for _ in range(steps):
        a = a + b * dt
        dt *= 0.5
    return a


def decays_unused(a, b, steps):
    dt = 1.0
    for _ in range(steps):
        a = a * 0.5 + b
        dt *= 0.5
    return a + dt * 1e20


def appends(a, b, steps):
    out = []
    for _ in range(steps):
        a = a * 0.5 + b
        out.append(1)
    return a * len(out)


def extends(a, b, steps):
    out = [1]
    for _ in range(steps):
        a = a * 0.5 + b
        out += [2]
    return a * len(out)


def writes_to_a_list(a, b, steps):
    out = [0, 1]
    for _ in range(steps):
        a = a * 0.5 + b
        out[0], out[1] = out[1], out[0]
    return a + out[0]


def branches(a, b, steps):
    x = 0
    for _ in range(steps):
        a = a * 0.5 + b
        if x is None:
            a = a + 1
    return a


def shrinks(a, b, steps):
    c = np.zeros(2000)
    for _ in range(steps):
        a = a * 0.5 + b
        c = c[1:]
    return a, c


def closes_over(a, b, steps):
    for _ in range(steps):
        a = a * 0.5 + b
    return a + (lambda: steps)()


def looks_around(a, b, steps):
    for _ in range(steps):
        a = a * 0.5 + b
    return a + locals()["steps"]


def next_of_an_iterator(a, b, steps):
    numbers = itertools.count()
    for _ in range(steps):
        a = a * 0.5 + b
        next(numbers)
    return a + next(numbers)


def deleted(a, b, steps):
    for _ in range(steps):
        a = a * 0.5 + b
    del steps
    return a


def bound_again(a, b, steps):
    steps = steps + 1
    for _ in range(steps):
        a = a * 0.5 + b
    return a


def stops(a, b, steps):
    for _ in range(steps):
        a = a * 0.5 + b
        break
    return a


def long_chain(a, b, steps):
    p = q = r = s = t = a
    for _ in range(steps):
        b = b * 0.5 + a
        p, q, r, s, t = q, r, s, t, b
    return p, b


def half_as_often(a, b, steps):
    for _ in range(steps):
        a = a * 0.5 + b
    return a


def its_own_range(n):
    return builtins.range(2 * n + n % 7)


half_as_often = types.FunctionType(half_as_often.__code__, {"range": its_own_range})


class Counting:
    """A number that counts what is done with it."""

    def __init__(self):
        self.done = 0

    def __mul__(self, other):
        self.done += 1
        return other * 0.5


def an_object(a, b, steps):
    half = Counting()
    for _ in range(steps):
        a = half * a + b
    return a * half.done


FOLLOWED = [also_decides, a_factor, reads_the_turn, last_turn_after, counts_itself, decays, decays_unused, appends,
            extends, writes_to_a_list, branches, shrinks, closes_over, looks_around, next_of_an_iterator, deleted,
            bound_again, stops, long_chain, an_object, half_as_often]
MANY = (100, 103, 98, 41, 40, 250, 251, 22, 30, 12, 7, 3, 0, 1001)


def on_numpy(function):
    numpy = types.ModuleType("numpy")
    vars(numpy).update(vars(real), range=range)
    space = {**function.__globals__, "np": numpy}
    return types.FunctionType(function.__code__, space, None, function.__defaults__, function.__closure__)


def outcome(function, module, n):
    rng = real.random.default_rng(n)
    a, b = (module.array(rng.random(40)) for _ in range(2))
    found = function(a, b, n)
    return found, a, b


def traces():
    return np.jit.cache_info()["traces"]



@pytest.mark.parametrize("function", [*COUNTED, *FOLLOWED])
def test_every_number_of_turns_gives_what_numpy_gives(function):
    compiled = np.jit(function)
    for n in MANY * 2:
        expected = outcome(on_numpy(function), real, n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HybridWarning)  # of many traces, and of what no guard sees
            assert not difference(expected, outcome(compiled, np, n)), n
    assert compiled.cache_info()["python"] is None or function in (next_of_an_iterator,)


@pytest.mark.skipif(fast.native is None, reason="other turns are alike where the extension is not there")
@pytest.mark.parametrize("function", COUNTED)
def test_numbers_of_turns_are_not_traced_again(function):
    compiled = np.jit(function)
    assert sized(function, 2, (np.ones(3), np.ones(3), 5)) is not None
    for n in range(100, 148):  # a few, for what is done alike after some turns only, and when kernels come
        outcome(compiled, np, n)
    before = traces()
    for n in (*range(40, 90, 3), 1000, 12345):
        assert not difference(outcome(on_numpy(function), real, n), outcome(compiled, np, n)), n
    assert traces() == before
    assert "another number of turns" in compiled.explain()


@pytest.mark.parametrize("function", FOLLOWED)
def test_numbers_that_do_more_are_guarded(function):
    assert sized(function, 2, (np.ones(3), np.ones(3), 5)) is None
    compiled = np.jit(function)
    for n in (100, 101):
        outcome(compiled, np, n)
    before = traces()
    outcome(compiled, np, 102)
    assert traces() > before or compiled._off is not None


def codes_of(module):
    stack = [compile(open(module.__file__).read(), module.__file__, "exec")]
    while stack:
        code = stack.pop()
        stack += [x for x in code.co_consts if isinstance(x, types.CodeType)]
        yield code


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="elsewhere `dis` reads instructions")
@pytest.mark.parametrize("module", [argparse, inspect, bytecode])
def test_instructions_are_read_as_dis_reads_them(module):
    for code in codes_of(module):
        own, expected = ([line for line in read(code) if line[0] not in ("KW_NAMES", "FORMAT_VALUE")]
                         for read in (bytecode._listed_quickly, bytecode.listed))
        assert list(map(repr, own)) == list(map(repr, expected))


def unneeded_until_it_is_short(a, b, steps):
    y = np.ones(70)
    for _ in range(steps):
        a = a * 0.5 + b
        y = y[1:] + 1.0
        y[5] * 2.0
    return a


def test_what_nothing_needs_may_raise_in_a_later_turn():
    compiled = np.jit(unneeded_until_it_is_short)
    for n in (10, 20, *[30] * 9):
        outcome(compiled, np, n)
    with pytest.raises(IndexError):
        outcome(compiled, np, 100)


STATEMENTS = """
x = x * 0.5 + y; x, y = y, x; x, y, z = y, z, x; x[1:-1] += y[2:] * h; y *= 0.5; z = x; t = x * h; x = t + y * 0.25
z = np.where(x > y, x, y) * 0.5; h *= 0.75; k += 1; out.append(k); z = z[1:]; t = z; x = -x + h; y[2:] = x[:-2]
z = x[::-1] * 0.5; y = x + h * k; z = (x + y) * 0.3; t = y; c = x[1:]; y[:-1] = c * 0.5; h = h
x = x + x.mean(axis=0) * 0.1; out[0], k = k, out[0]
""".strip().replace("\n", "; ").split("; ")
LEFT = ["x", "y", "z", "x * h", "k", "len(out)", "t", "z * k", "(x, y, z, t)", "(x, h, k)"]


@pytest.mark.parametrize("seed", range(30))
def test_random_loops(seed):
    chance = random.Random(seed)
    body = "".join(f"        {chance.choice(STATEMENTS)}\n" for _ in range(chance.randint(1, 6)))
    text = ("def f(x, y, steps):\n    z, t, h, k, out, c = x * 1, y * 1, 0.5, 1, [0], x[1:]\n"
            f"    for _ in range(steps):\n{body}    return {chance.choice(LEFT)}, x, y\n")
    spaces = [{"np": module} for module in (real, np)]
    for space in spaces:
        exec(text, space)
    compiled = np.jit(spaces[1]["f"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HybridWarning)
        for n in (60, 61, 62, 63, 30, 47, 65, 66, 20, 81, 101, 7, 9, 64):
            try:
                expected = outcome(spaces[0]["f"], real, n)
            except (ValueError, IndexError) as error:
                with pytest.raises(type(error)):
                    outcome(compiled, np, n)
            else:
                assert not difference(expected, outcome(compiled, np, n)), (n, text)


def test_two_traces_are_enough_and_nothing_is_said():
    compiled = np.jit(jacobi)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HybridWarning)
        before = traces()
        for n in range(20, 90):
            outcome(compiled, np, n)
    assert traces() == before + 2 and compiled.cache_info()["compiled"] == 1
    assert "range(turns_)" in compiled.source


def test_with_kernels_too():
    compiled = np.jit(jacobi)
    for n in (100, 101):
        outcome(compiled, np, n)
    for one in compiled._compiled:
        one.quicken()
    before = traces()
    for n in range(40, 60):
        assert not difference(outcome(jacobi, real, n), outcome(compiled, np, n)), n
    assert traces() == before and (compiled._compiled[0].kernels or not fusing.possible())


@pytest.mark.parametrize("odd", [True, 100.0, "many", None, -5, 1 << 70, real.int64(100)])
def test_other_arguments_are_as_ever(odd):
    compiled = np.jit(jacobi)
    for n in (100, 101):
        outcome(compiled, np, n)
    for arrays in (1, 2):
        a, b = [(real.ones(40), real.ones(40)), (np.ones(40), np.ones(40))][arrays - 1]
        try:
            found = (jacobi if arrays == 1 else compiled)(a, b, odd) if odd != 1 << 70 else None
        except TypeError as error:
            found = str(error)
        if arrays == 1:
            expected = found
        else:
            assert not difference(expected, found)


def test_keywords_and_other_defaults():
    compiled = np.jit(with_a_default)
    for n, more in ((100, {}), (101, {}), (102, {}), (103, {"rate": 0.5}), (104, {"rate": 0.5}), (90, {}), (91, {})):
        a, b = real.linspace(0, 1, 30), real.linspace(1, 2, 30)
        found = compiled(np.array(a), np.array(b), n, **more)
        assert real.array_equal(found.numpy(), with_a_default(a, b, n, **more)), (n, more)


def test_a_method_and_a_captured_array():
    class Solver:
        def __init__(self, module):
            self.rate = 0.25

        def step(self, a, b, steps):
            for _ in range(steps):
                a = a * 0.5 + b * CAPTURED
            return a
    own, plain = Solver(np), Solver(real)
    step = np.jit(Solver.step)
    for n in (100, 101, 102, 103, 104, 50, 70, 71):
        a, b = real.linspace(0, 1, 30), real.linspace(1, 2, 30)
        before = traces()
        assert real.array_equal(step(own, np.array(a), np.array(b), n).numpy(), plain.step(a, b, n))
    assert traces() == before


CAPTURED = 0.125
