"""Control flow as functions, in jitted functions and outside: `while_loop`, `fori_loop`, `scan`, `map`, `range`."""

import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor import nn
from tests.helpers import difference


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
