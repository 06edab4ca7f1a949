"""Traces of one function that begin otherwise than its first: under an error state made anew, or when loops have come
to be traced in full."""

import types

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import exits, jit
from tests.helpers import difference
from tests.program_jit import unchecked
from tests.test_hybrid_ways import plain as numpys

VALUE_ENDED = pytest.mark.skipif(not exits.KNOWN, reason="the bytecode of this Python's loops is not known")


def plain(fn):
    spaces = {**fn.__globals__, "np": numpys}
    if "ways" in spaces:
        spaces["ways"] = types.FunctionType(ways.__code__, spaces)
    return types.FunctionType(fn.__code__, spaces)


def ways(x, w):
    for i in range(1, 5):
        if w[i] > 0:
            x = x + i
    return x


def halved(x, w):
    while np.abs(x).max() > 0.1:
        x = x * 0.5
    return ways(x, w)


def exchanged(x, w):
    y, e = w, np.abs(x).max() + 1
    while e > 0.1:
        x, y = y, x * 0.5 + y
        e = e * 0.5
    return ways(x, w), y


def counted(x, w):
    return ways(np.fori_loop(0, 12, lambda i, x: x * 0.5 + i, x), w)


def followed(fn, calls, size=lambda k: 5, state=lambda k: real.errstate(), then=lambda f, k: None):
    """Calls a function jitted, with loops generated from the first call on, and with NumPy; gives the jitted one."""
    f, g = np.jit(fn), plain(fn)
    f._roll(None)
    with unchecked(True):
        for k in range(calls):
            rng = real.random.default_rng(k)
            given = rng.normal(size=size(k)) * 1e3, rng.normal(size=size(k))
            with state(k):
                expected, found = g(*given), f(*map(np.array, given))
            assert difference(expected, found) is None, k
            then(f, k)
    assert all(one.refusal is None for one in f._compiled) and f.cache_info()["python"] is None, f.explain()
    return f


@VALUE_ENDED
@pytest.mark.parametrize("fn", [halved, exchanged], ids=lambda fn: fn.__name__)
def test_ways_join_under_error_states_that_are_made_anew(fn):
    f = followed(fn, 40, state=lambda k: np.errstate(over="ignore"))
    assert f.cache_info()["paths"] > 8 and "= loop_until" in f.source


@VALUE_ENDED
def test_a_loop_that_is_generated_in_each_call_is_not_given_up():
    f = followed(exchanged, 40)
    assert f.cache_info()["paths"] > 8 and "= loop_until" in f.source and not f._not_rolled


@VALUE_ENDED
def test_what_was_compiled_before_a_loop_was_given_up_is_traced_again():
    def then(f, k):
        if k == 8:
            loop, = {r.fn.rolled.loop for branch in f._compiled[0].tree.lines() for r in branch.records
                     if hasattr(r.fn, "rolled")}
            f._not_rolled[loop] = jit.MOST_FAILED
    f = followed(halved, 60, then=then)
    assert f.cache_info()["paths"] > 4 and "= loop_until" not in f.source


def test_what_was_compiled_before_loops_were_traced_in_full_is_traced_again():
    def then(f, k):
        if k == 20:
            assert f._again_in_full(f._compiled[0])
    f = followed(counted, 60, size=lambda k: 5 + k % 2, then=then)
    assert len(f._compiled) == 2 and "= loop_of" not in f.source


def test_one_program_serves_sizes_and_numbers_of_turns_under_error_states_that_are_made_anew():
    def sizes(x):
        return np.sin(x) * 2 + x

    def turns(x, n):
        return np.fori_loop(0, n, lambda i, x: np.sin(x) * i + x, x)

    for fn, args in ((sizes, lambda k: (real.ones(3 + k),)), (turns, lambda k: (real.ones(3), 30 + k))):
        f = np.jit(fn)
        with unchecked(True):
            for k in range(8):
                given = args(k)
                with np.errstate(over="ignore"):
                    found = f(np.array(given[0]), *given[1:])
                assert difference(plain(fn)(*given), found) is None
        assert f.cache_info()["compiled"] == 1


def test_error_states_that_differ_are_two_programs():
    f = np.jit(lambda x: 1 / x)
    for k in range(6):
        with np.errstate(divide=("warn", "ignore")[k % 2]):
            f(np.ones(3))
    assert f.cache_info()["compiled"] == 2
