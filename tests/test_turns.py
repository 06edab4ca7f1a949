"""Long loops that ask for nothing run by a few turns at a time, so that they find the plan of the turns before."""

import functools

import numpy as real
import pytest

from lazytensor import compile as pipeline
from lazytensor.api.handle import tensor
from lazytensor.hot import native
from lazytensor.ir.node import make
from lazytensor.ir.operation import register
from lazytensor.run import turns

from .helpers import module_under_test, same_bits


class Written:
    """As much of a node as is looked at."""

    def __init__(self, code, lasti):
        self.code, self.lasti = code_of(code, 1) if isinstance(code, str) else code, lasti


@functools.cache
def code_of(name, line):
    return compile("", "program", "exec").replace(co_name=name, co_qualname=name, co_firstlineno=line)


def loop(code, places, count, start=0):
    return [Written(code, at) for at in (places * count)[start:]]


def test_segments_begin_where_the_loop_does():
    nodes = loop("main", [10, 20, 30, 40, 50], 40, start=3)
    cuts = turns.segments(nodes)
    assert [a for a, _ in cuts[1:]] == [b for _, b in cuts[:-1]] and cuts[0] == (0, 2) and cuts[-1][1] == len(nodes)
    assert all(nodes[a].lasti == 10 for a, _ in cuts[1:]) and all(b - a == 65 for a, b in cuts[1:-1])


def test_a_function_that_is_called_twice_a_turn_does_not_cut():
    called = [("f", 2), ("f", 4)]
    turn = [Written(c, at) for c, at in [("main", 10), *called, ("main", 20), *called, ("main", 30)]]
    cuts = turns.segments(turn * 30)
    assert all((a % 7, b % 7) == (0, 0) for a, b in cuts[1:-1]) and len(cuts) > 2


def test_of_two_that_fit_as_well_it_is_the_same_in_every_process():
    """Wherever their code objects lie in memory."""
    chosen = set()
    for line in range(2, 12):
        first, second = [code_of("step", of) for of in ((line, line + 20) if line % 2 else (line + 20, line))]
        turn = [Written(code, at) for code in (first, second) for at in (10, 20, 30)]
        cuts = turns.segments(turn * 30)
        chosen.add((cuts[1][0] % 6 == 0) == (first.co_firstlineno > second.co_firstlineno))
    assert chosen == {True}


def test_without_a_loop_there_are_none():
    assert turns.segments([Written("main", i) for i in range(300)]) == []
    assert turns.segments([Written(None, -1) for i in range(300)]) == []


def simulation(np, n, steps):
    x = np.linspace(0, 1, n)
    v = np.zeros(n)
    for _ in range(steps):
        v[1:-1] += 0.1 * (x[2:] - 2 * x[1:-1] + x[:-2])
        x += v * 0.5
        x[0] = x[-1] = 0
    return x, v


@pytest.mark.parametrize("engine", ["llvm", "numpy"])
def test_steps_find_a_plan_wherever_the_chain_is_cut(engine):
    np = module_under_test()
    pipeline.clear_cache()
    with np.config(engine=engine, plan_after=2, compile_after=0, depth=301):
        before = pipeline.cache_info()
        x, v = simulation(np, 200, 1000)
        np.realize(x, v)
        after = pipeline.cache_info()
        assert all(map(same_bits, simulation(real, 200, 1000), (real.asarray(x), real.asarray(v))))
    assert after["hits"] - before["hits"] > 50 and after["plans"] - before["plans"] < 20


def test_what_fails_in_a_segment_leaves_the_rest_to_be_run_again():
    np = module_under_test()
    calls = []

    def fails(x):
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError("once")
        return x + 1
    op = register("fails_once", "call", fails)
    x = np.ones(50)
    with np.config(depth=None):
        for k in range(200):
            x = x * 1.5 - x
            if k == 120:
                node = make(op, (x._value,), None, x.shape, x.dtype, None, x._value.errstate, x._value.depth + 1)
                x = tensor(node)
        with pytest.raises(MemoryError):
            x.realize()
        right = 0.5 ** 121 + 1
        for _ in range(79):
            right = right * 1.5 - right
        assert float(x[3]) == right


@pytest.mark.skipif(native is None, reason="without the extension there is one way")
def test_the_extension_finds_the_same_returns():
    codes = [compile(f"{i}", "turns", "eval") for i in range(40)]
    nodes = [make(register("turns_of_a_loop", "call", real.sin), (), None, (), real.dtype(float), None, None, 1)
             for _ in range(400)]
    draw = real.random.default_rng(7)
    for kinds in (1, 3, 16, 40):
        for node in nodes:
            node.code, node.lasti = codes[draw.integers(kinds)], int(draw.integers(-1, 5))
        written = [Written(x.code, x.lasti) for x in nodes]
        assert turns._returns(nodes, set(codes[:kinds])) == turns._returns(written, set(codes[:kinds]))
        assert turns._returns(nodes, set(codes[:2])) == turns._returns(written, set(codes[:2]))
