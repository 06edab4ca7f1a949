"""Branches on values: how many ways through a function are compiled, and what is said and done beyond."""

import itertools
import re
import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import branches, compiled, tracing
from tests.helpers import difference
from tests.program_jit import unchecked


def many(x):
    y = x * 1.0
    for k in range(8):
        if x[k] > 0:  # the line that multiplies
            y = y + k
        else:
            y = y * (k + 1)
    return y


def separate(x):
    y = x * 1.0
    if x[0] > 0:
        y = y + 1
    if x[1] > 0:
        y = y * 2
    if x[2] > 0:
        y = y - 3
    if x[3] > 0:
        y = y / 4
    if x[4] > 0:
        y = y + 5
    if x[5] > 0:
        y = y * 6
    if x[6] > 0:
        y = y - 7
    return y


def signs(n):
    return [real.array(found + (1.0,) * (8 - n)) for found in itertools.product((-1.0, 1.0), repeat=n)]


@pytest.fixture
def told(monkeypatch):
    """The HybridWarnings: message, file and line. (While warnings are recorded nothing is compiled.)"""
    found = []
    monkeypatch.setattr(warnings, "warn_explicit", lambda message, category, filename, line, *_: found.append(
        (str(message), filename, line)))  # fmt: skip
    return found


def line_of(function, text):
    start = function.__code__.co_firstlineno
    with open(__file__) as file:
        lines = file.read().splitlines()
    return next(i for i in range(start, start + 40) if text in lines[i]) + 1


@pytest.mark.parametrize("checks", [True, False])
def test_ways_through_are_bounded_with_a_warning_that_names_the_line(told, checks):
    f = np.jit(many)
    with unchecked(not checks):
        for x in signs(8):
            for _ in range(2):
                assert difference(many(x), f(np.array(x))) is None
    assert f.cache_info()["paths"] in (0, branches.MOST_PATHS)
    (message, filename, line), = told
    assert filename == __file__ and line > 0
    assert f"{branches.MOST_PATHS} ways" in message and "many" in message
    assert f"test_hybrid_branches.py, line {line_of(many, '# the line that multiplies')}" in message
    for advice in ("lazytensor.where", "lazytensor.cond", "static_argnames"):
        assert advice in message
    assert f"{branches.MOST_PATHS} ways" in f.explain() and "test_hybrid_branches.py, line" in f.explain()
    info = f.cache_info()
    assert any(f"{branches.MOST_PATHS} ways" in reason for reason in info["reasons"])


def test_what_is_compiled_goes_on_and_the_rest_runs_its_python(told):
    f = np.jit(many)
    cases = signs(8)
    for x in cases[:branches.MOST_PATHS + 1]:
        f(np.array(x))
    assert len(told) == 1 and f.cache_info()["compiled"] == 1
    traces = np.jit.cache_info()["traces"]
    for _ in range(30):  # paths that are there
        for x in cases[:4]:
            assert difference(many(x), f(np.array(x))) is None
    for x in cases[-10:]:
        assert difference(many(x), f(np.array(x))) is None
    assert np.jit.cache_info()["traces"] == traces and f.cache_info()["compiled"] == 1
    assert "left to Python" in f.explain() and len(told) == 1


def test_a_function_that_goes_another_long_way_at_each_call_is_soon_left_to_its_python(told, monkeypatch):
    monkeypatch.setattr(compiled, "MANY", 8)
    f = np.jit(many)
    for x in signs(8)[:branches.FEW + 1]:
        assert difference(many(x), f(np.array(x))) is None
    info, traces = f.cache_info(), np.jit.cache_info()["traces"]
    assert info["compiled"] == 0 and "another way at nearly every call" in info["python"]
    for x in signs(8):
        assert difference(many(x), f(np.array(x))) is None
    (message, filename, _), = told
    assert filename == __file__ and "another way at nearly every call" in message
    assert "another way" in f.explain() and np.jit.cache_info()["traces"] == traces


def test_lengths_that_are_others_at_each_call_are_soon_left_to_python(told):
    def f(x):
        while True:
            keep = np.abs(x - x.mean()) <= 2 * x.std()
            if keep.all():
                return x.sum()
            x = x[keep]

    g = np.jit(f)
    for k in range(40):
        x = real.random.default_rng(k).normal(size=300)
        assert difference(f(x), g(np.array(x))) is None
    assert g.cache_info()["compiled"] == 0 and "at nearly every call" in g.cache_info()["python"] and len(told) == 1


def test_long_ways_that_come_again_now_and_then_are_compiled(monkeypatch):
    monkeypatch.setattr(compiled, "MANY", 8)
    f = np.jit(many)
    for k, x in enumerate(signs(5) * 3):
        assert difference(many(x), f(np.array(x))) is None
        if k % 4 == 3:
            f(np.array(signs(5)[k % 3]))
    assert f.cache_info()["paths"] == 32


@pytest.mark.parametrize("draws", [False, True])
def test_comparisons_of_a_tree_with_ways_do_nothing(draws):
    """What a prediction tells is the program's own lines with another end: it writes to no argument."""
    def f(x, rng):
        if draws:
            x += rng.normal(size=3)
        for k in range(3):
            if x[k] > 0:
                x[k] -= 1
            else:
                x[k:] += x.sum()
        return x.sum(), x

    g, rng, twin = np.jit(f), np.random.default_rng(1), real.random.default_rng(1)
    for k in range(40):
        x = real.random.default_rng(k).normal(size=3)
        own = np.array(x)
        assert difference((f(x, twin), x), (g(own, rng), own)) is None
    assert g.cache_info()["python"] is None


def test_effects_and_draws_beyond_the_bound_happen_once(told):
    rng, twin = np.random.default_rng(3), real.random.default_rng(3)

    def step(x, generator):
        x += generator.random(8)
        for k in range(7):
            if x[k] > 1:
                x[k] -= 1
        return x * 2

    f = np.jit(step)
    for i in range(150):
        x = real.random.default_rng(i).random(8)
        own = np.array(x)
        assert difference((step(x, twin), x), (f(own, rng), own)) is None
    assert len(told) == 1


def test_all_lines_that_multiply_are_named(told):
    f = np.jit(separate)
    for x in signs(7):
        assert difference(separate(x), f(np.array(x))) is None
    (message, *_), = told
    numbers = set(map(int, re.findall(r"\d+", message)))
    lines = {line_of(separate, f"if x[{k}]") for k in range(7)}
    assert len(numbers & lines) >= 3


def test_a_deep_comb_of_ways_is_bounded_too(told):
    def f(x):
        n = 0
        while x.max() > 1:
            x = x * 0.5
            n += 1
        return x + n

    g = np.jit(f)
    for k in range(90, 0, -1):
        x = real.full(3, 2.0**k)
        assert difference(f(x), g(np.array(x))) is None
    assert len(told) == 1 and "line" in told[0][0]
    for one in g._compiled:
        one.quicken()
    for k in (90, 40, 1):
        x = real.full(3, 2.0**k)
        assert difference(f(x), g(np.array(x))) is None


def test_ways_are_compiled_together_where_there_are_many(monkeypatch):
    times = []
    own = compiled.Compiled._compile
    monkeypatch.setattr(compiled.Compiled, "_compile", lambda self: times.append(1) or own(self))
    f = np.jit(many)
    with unchecked(False):
        for x in signs(6)[:60]:
            assert difference(many(x), f(np.array(x))) is None
    assert f.cache_info()["paths"] == 60 and len(times) < 30


def test_a_way_that_is_seen_again_is_compiled():
    f = np.jit(many)
    cases = signs(6)
    for x in cases[:30]:
        f(np.array(x))
    for _ in range(2):
        assert difference(many(cases[40]), f(np.array(cases[40]))) is None
    traces = np.jit.cache_info()["traces"]
    for _ in range(5):
        assert difference(many(cases[40]), f(np.array(cases[40]))) is None
    assert np.jit.cache_info()["traces"] == traces


def descent(x, tol):
    steps = x * 0
    while abs(x).max() > tol:  # the line that goes round and round
        try:  # the bytecode does not say what such a turn does
            x = x * 0.5
        except KeyError:
            pass
        steps += 1
        if steps[0] > 100:
            raise OverflowError("too many steps")
    return x, steps


def test_a_call_with_too_many_decisions_is_not_compiled_and_the_line_is_named(told, monkeypatch):
    monkeypatch.setattr(tracing, "MOST_DECISIONS", 20)
    f = np.jit(descent)
    for turns in (3, 4, 5, 30, 40, 3, 99, 120, 5):
        x = real.linspace(0.5, 1.0, 5)
        expected = found = None
        try:
            expected = descent(x, 0.5 ** turns)
        except OverflowError as error:
            expected = str(error)
        try:
            found = f(np.array(x), 0.5 ** turns)
        except OverflowError as error:
            found = str(error)
        assert difference(expected, found) is None
    (message, filename, line), = told
    assert "more than 20 times in a call" in message and filename == __file__ and line > 0
    assert f"test_hybrid_branches.py, line {line_of(descent, '# the line that goes')}" in message
    assert "It runs its Python" in message and "lazytensor.while_loop" in message
    assert f.cache_info()["compiled"] == 3 and "more than 20 times" in f.explain()


def test_no_other_trace_follows_one_of_too_many_decisions(told, monkeypatch):
    monkeypatch.setattr(tracing, "MOST_DECISIONS", 20)
    f = np.jit(descent)
    for call in range(4):
        x = real.linspace(0.5, 1.0, 5) + call
        assert difference(descent(x, 1e-9), f(np.array(x), 1e-9)) is None
    assert len(f.cache_info()["reasons"]) == 1 and len(told) == 1
