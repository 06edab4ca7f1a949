"""Numbers that are arguments of a jitted function and vary are numbers of its program: a rate, a time, a step."""

import math

import numpy as real
import pytest

import lazytensor as np
from lazytensor.hybrid import stretches

from .helpers import difference

X = real.linspace(-1, 2, 50)


def time_and_step(np, y, t, dt):
    k1 = t - y
    k2 = (t + dt) - (y + dt * k1)
    return y + dt * (k1 + k2) / 2, t + dt


def rate(np, w, lr, _):
    return w - lr * (w * w).sum() * w


def branch(np, x, a, _):
    if a > 0.5:
        return x * a
    return x - a


def in_place(np, x, a, b):
    x *= a
    x[1:] += a * b
    return x.sum() + a


def in_a_loop(np, x, dt, _):
    for _ in range(50):
        x = x + dt * (1 - x)
    return x


def one_after_another(np, x, a, b):
    for c in (a, b, a, b, b, a, a, b, a, a):
        x = x + c * np.sin(x)
    return x


def given_back(np, x, a, b):
    return [a, {"b": b, "sum": a + b}, x * a], a * 2


FOLLOWED = [time_and_step, rate, branch, in_place, in_a_loop, one_after_another, given_back]
PAIRS = [(0.1 * k, 0.01 + k / 97) for k in range(6)] + [(0.5, 0.5), (0.5, 0.7), (-0.0, 0.0), (1e300, 1e-300),
                                                        (float("inf"), float("nan")), (0.3, -2.5)]


def check(f, pairs, keywords=False):
    g = np.jit(lambda x, a, b: f(np, x, a, b))
    with real.errstate(all="ignore"):
        for call, (a, b) in enumerate(pairs):
            given, own = X.copy(), np.array(X)
            expected = f(real, given, a, b)
            found = g(x=own, a=a, b=b) if keywords else g(own, a, b)
            assert difference(expected, found) is None, f"call {call + 1}"
            assert difference(given, own) is None, f"argument of call {call + 1}"
    return g


@pytest.mark.parametrize("keywords", [False, True])
@pytest.mark.parametrize("f", FOLLOWED, ids=lambda f: f.__name__)
def test_they_have_one_program(f, keywords):
    g = check(f, PAIRS, keywords)
    assert len(g._compiled) <= 4
    assert any("numbers of the program from now on" in why for why in g._why)


@pytest.mark.parametrize("f", FOLLOWED, ids=lambda f: f.__name__)
def test_equal_numbers_while_traced_are_two(f):
    check(f, [(0.1, 0.2), (0.2, 0.3), (0.5, 0.5), (0.5, 0.5), (0.7, 0.1), (0.1, 0.9), (0.4, 0.4), (0.3, 0.8)])


def powers(np, x, a, _):
    return x ** a


def an_index(np, x, a, _):
    return x[a] * a


def text(np, x, a, _):
    return f"{a:.2f}", x


def converted(np, x, a, _):
    return x * float(a) + int(a * 10)


@pytest.mark.parametrize("f", [powers, an_index, text, converted], ids=lambda f: f.__name__)
def test_others_are_taken_by_value(f):
    check(f, [(k % 9, 0) for k in range(12)])


def test_types_are_apart():
    g = np.jit(lambda x, a: x * a + a)
    x = np.ones(3, "f4")
    for a in (1.5, 2.5, 3.5, 4.5, 3, True, real.float64(2.5), real.float32(2.5), 7, 8.5):
        found, expected = g(x, a), real.ones(3, "f4") * a + a
        assert difference(expected, found) is None, a


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8"])
def test_integers_that_no_float_is(dtype, unchecked):
    """NumPy rounds them once in some functions, and twice in others."""
    def f(np, x, a):
        y = np.where(x > 1, a, x)
        x[1:] = a
        return y, x + a, a - x, x > a

    g = np.jit(lambda x, a: f(np, x, a))
    with real.errstate(all="ignore"):
        for a in (3, 5, 7, 2**24 + 1, 2**53 + 1, 2**60 + 2**36 + 1, 2**63 + 2**39 + 1, 9, 2**70, -2**60 - 2**36 - 1):
            x = X.astype(dtype)
            try:
                expected = f(real, x.copy(), a)
            except OverflowError:
                with pytest.raises(OverflowError):
                    g(np.array(x), a)
            else:
                assert difference(expected, g(np.array(x), a)) is None, a
    assert any("numbers of the program" in why for why in g._why)


def test_integers_that_are_objects_to_numpy(unchecked):
    g = np.jit(lambda x, a: x * np.sqrt(a))
    for a in (3, 5, 7, 2**64 - 1, 2**64, 9):
        if a == 2**64:
            with pytest.raises(TypeError, match="sqrt"):
                g(np.array(X), a)
        else:
            assert difference(X * real.sqrt(a), g(np.array(X), a)) is None, a
    assert len(g._compiled) == 3


def test_static_ones_stay():
    g = np.jit(lambda x, a: x * a, static_argnames=("a",))
    for k in range(5):
        assert difference(X * k, g(np.array(X), k)) is None
    assert not any("numbers of the program" in why for why in g._why)


# ---- on a tape -------------------------------------------------------------------------------------------------------


def runge_kutta(np, y, t, dt):
    def f(t, y):
        return np.array([y[1], 1.5 * (1 - y[0] ** 2) * y[1] - y[0] + math.cos(t)])
    a = f(t, y)
    b = f(t + dt / 2, y + dt / 2 * a)
    c = f(t + dt / 2, y + dt / 2 * b)
    return y + dt / 6 * (a + 2 * b + 2 * c + f(t + dt, y + dt * c)), t + dt


def controller(np, y, target, dt):
    e = target - y[0]
    i, d = y[1] + e * dt, (e - y[1]) / dt
    u = 2.0 * e + 0.5 * i + 0.1 * d
    return np.array([y[0] + dt * (u - 0.5 * y[0]), i]), -target / dt, dt ** 2 + math.exp(target)


@pytest.mark.skipif(stretches.tape is None, reason="the extension is not built")
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("f", [runge_kutta, controller], ids=lambda f: f.__name__)
def test_numbers_are_inputs_of_tapes(f, dtype):
    g = np.jit(lambda y, a, b: f(np, y, a, b))
    pairs = [(0.1 * k, 0.01 + k / 97) for k in range(8)]
    late = [(1.5, 0.0), (-0.0, 1e-320), (1e308, 0.5), (float("inf"), 0.1), (float("nan"), 0.1), (2, 0.5), (0.5, 1),
            (real.float64(0.5), 0.25), (800.0, 0.5), (1e39, 0.5), (0.5, 1e-40), (True, 0.5)]
    with real.errstate(all="ignore"):
        for call, (a, b) in enumerate(pairs + late):
            given = real.array([0.5, -1.25], dtype)
            expected, found = outcome(f, real, given, a, b), outcome(g, np.array(given), a, b)
            assert difference(expected, found) is None, f"call {call + 1}"
            if call == 7:
                assert any("tape" in line and "e0a, e1a" in line for line in g.source.splitlines()), g.source
                assert "_0 = " not in g.source, g.source


def outcome(f, *args):
    """What a call gives, or the name of the exception that it raises."""
    try:
        return f(*args)
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__, str(error)
