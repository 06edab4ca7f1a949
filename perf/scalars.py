"""Programs of single numbers and arrays of two to four elements: NumPy, lazily, and compiled by `lt.jit`.

    python perf/scalars.py [--seconds 0.3] [PROGRAM ...]

Each program is a function ``f(np, turns, start)``, of which `start` is an array and an argument of the compiled one.
What it gives is compared first, bit for bit. Then the three take turns; a figure is the least that each took, in
microseconds a turn: a call is a few milliseconds, in which others' work is all or nothing.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy

PROGRAMS: dict[str, tuple[Callable[..., Any], int, list[float]]] = {}


def program(turns: int, *start: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enters a program; it is measured with so many turns at a time."""
    def enter(fn: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[fn.__name__] = fn, turns, [*start]
        return fn
    return enter


def runge_kutta(f: Any, y: Any, h: float, turns: int) -> Any:
    """Steps of the classical method of Runge and Kutta."""
    t = 0.0
    for _ in range(turns):
        a = f(t, y)
        b = f(t + h / 2, y + h / 2 * a)
        c = f(t + h / 2, y + h / 2 * b)
        d = f(t + h, y + h * c)
        y = y + h / 6 * (a + 2 * b + 2 * c + d)
        t += h
    return y


@program(200, 2.0, 0.0)
def van_der_pol(np: Any, turns: int, y: Any) -> Any:
    """An oscillator with a square of a number."""
    mu = 1.5

    def f(t: Any, y: Any) -> Any:
        return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])
    return runge_kutta(f, y, 0.01, turns)


@program(200, 1.0, 1.0, 1.0)
def lorenz(np: Any, turns: int, y: Any) -> Any:
    """Three numbers, unpacked."""
    def f(t: Any, v: Any) -> Any:
        x, y, z = v
        return np.array([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])
    return runge_kutta(f, y, 0.01, turns)


@program(100, 2.0, 1.0, 0.0, 0.0)
def pendulum(np: Any, turns: int, y: Any) -> Any:
    """The double pendulum: sines and cosines of numbers."""
    g, l1, l2, m1, m2 = 9.81, 1.0, 0.8, 1.0, 0.6

    def f(t: Any, y: Any) -> Any:
        p, q, v, w = y
        d = p - q
        s, c = np.sin(d), np.cos(d)
        below = 2 * m1 + m2 - m2 * np.cos(2 * p - 2 * q)
        dv = (-g * (2 * m1 + m2) * np.sin(p) - m2 * g * np.sin(p - 2 * q)
              - 2 * s * m2 * (w ** 2 * l2 + v ** 2 * l1 * c)) / (l1 * below)
        dw = (2 * s * (v ** 2 * l1 * (m1 + m2) + g * (m1 + m2) * np.cos(p) + w ** 2 * l2 * m2 * c)) / (l2 * below)
        return np.array([v, w, dv, dw])
    return runge_kutta(f, y, 0.01, turns)


@program(200, 10.0, 5.0)
def lotka_volterra(np: Any, turns: int, y: Any) -> Any:
    """Two species, by elements."""
    def f(t: Any, y: Any) -> Any:
        return np.array([1.1 * y[0] - 0.4 * y[0] * y[1], 0.1 * y[0] * y[1] - 0.4 * y[1]])
    return runge_kutta(f, y, 0.02, turns)


@program(200, 1.0, 0.0, 0.0, 0.9)
def kepler(np: Any, turns: int, y: Any) -> Any:
    """A planet: a power with a fraction."""
    def f(t: Any, y: Any) -> Any:
        r3 = (y[0] ** 2 + y[1] ** 2) ** 1.5
        return np.array([y[2], y[3], -y[0] / r3, -y[1] / r3])
    return runge_kutta(f, y, 0.01, turns)


@program(200, 0.99, 0.01, 0.0)
def sir(np: Any, turns: int, y: Any) -> Any:
    """An epidemic by Euler's method, and the greatest number of ill people."""
    most = y[1]
    for _ in range(turns):
        s, i, r = y
        new = 0.3 * s * i
        y = y + 0.1 * np.array([-new, new - 0.1 * i, 0.1 * i])
        most = max(most, y[1])
    return y, most


@program(200, 1.0, 0.0)
def driven(np: Any, turns: int, y: Any) -> Any:
    """A driven, damped oscillator, written into an array of its path."""
    path, h = np.zeros((turns, 2)), 0.02
    for k in range(turns):
        y = y + h * np.array([y[1], -0.2 * y[1] - np.sin(y[0]) + 0.5 * math.cos(0.7 * k * h)])
        path[k] = y
    return path


@program(300, 0.0, 1.0)
def kalman(np: Any, turns: int, y: Any) -> Any:
    """A filter of one number."""
    seen = np.sin(np.arange(turns) * 0.1)
    x, p, path = y[0], y[1], np.zeros(turns)
    for k in range(turns):
        p = p + 1e-3
        gain = p / (p + 1e-2)
        x = x + gain * (seen[k] - x)
        p = (1 - gain) * p
        path[k] = x
    return path, p


@program(100, 0.0, 0.0)
def kalman_of_two(np: Any, turns: int, y: Any) -> Any:
    """A filter of place and speed, with products of small arrays."""
    seen = np.sin(np.arange(turns) * 0.1)
    step, noise, row = np.array([[1.0, 0.1], [0.0, 1.0]]), np.eye(2) * 1e-3, np.array([1.0, 0.0])
    x, p = y, np.eye(2)
    for k in range(turns):
        x = step @ x
        p = step @ p @ step.T + noise
        s = row @ p @ row + 1e-2
        gain = p @ row / s
        x = x + gain * (seen[k] - np.dot(row, x))
        p = p - np.outer(gain, row @ p)
    return x, p


@program(100, 1.0, -0.5, 0.25, -0.125, 0.0625)
def horner(np: Any, turns: int, y: Any) -> Any:
    """A polynomial of a number."""
    c = y
    total = 0.0
    for k in range(turns):
        x, value = 0.01 * k, 0.0
        for i in range(4, -1, -1):
            value = value * x + c[i]
        total = total + value
    return total


@program(300, 0.3, 0.4)
def logistic(np: Any, turns: int, y: Any) -> Any:
    """Iterates of a map, wrapped into an interval."""
    for _ in range(turns):
        a = 3.7 * y[0] * (1 - y[0])
        b = (y[1] + 0.61803 * a) % 1
        y = np.array([a, b])
    return y


@program(300, 18.0, 0.0)
def machine(np: Any, turns: int, y: Any) -> Any:
    """A thermostat: a state that values change."""
    y, on, switches = y.copy(), False, 0
    for _ in range(turns):
        if on and y[0] > 21.0:
            on, switches = False, switches + 1
        elif not on and y[0] < 19.0:
            on, switches = True, switches + 1
        y[0] = y[0] + 0.1 * ((30.0 if on else 10.0) - y[0])
        y[1] += abs(y[0] - 20.0)
    return y, switches


@program(300, 1.0, 2.0)
def newton(np: Any, turns: int, y: Any) -> Any:
    """Roots of a cubic equation, one after the other."""
    roots = np.zeros(turns)
    for k in range(turns):
        x = y[0] + 0.01 * k
        for _ in range(3):
            x = x - (x ** 3 - 2 * x - 5) / (3 * x ** 2 - 2)
        roots[k] = x
    return roots


@program(300, 0.0, 0.0)
def pid(np: Any, turns: int, y: Any) -> Any:
    """A controller with bounds."""
    y, total, last = y.copy(), 0.0, 0.0
    for _ in range(turns):
        e = 1.0 - y[0]
        total = min(max(total + 0.01 * e, -1.0), 1.0)
        u = np.clip(2.0 * e + 0.5 * total + 0.1 * (e - last), -5, 5)
        last = e
        y += 0.01 * np.array([y[1], u - 0.5 * y[1]])
    return y


def same(a: Any, b: Any) -> bool:
    """Whether two results have the same bits."""
    if isinstance(a, tuple):
        return all(map(same, a, b))
    one, other = numpy.asarray(a), numpy.asarray(b)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def settled(result: Any) -> Any:
    """Waits for what is pending."""
    module = importlib.import_module("lazytensor")
    module.realize(*[x for x in (result if isinstance(result, tuple) else (result,)) if hasattr(x, "dtype")])
    return result


def measured(name: str, budget: float) -> list[float]:
    """Microseconds a turn: NumPy, lazily, compiled."""
    module = importlib.import_module("lazytensor")
    fn, turns, start = PROGRAMS[name]
    compiled = module.jit(lambda y: fn(module, turns, y))
    plain, own = numpy.array(start), module.array(start)
    ways: list[Callable[[], Any]] = [lambda: fn(numpy, turns, plain), lambda: settled(fn(module, turns, own)),
                                     lambda: settled(compiled(own))]
    for way in ways[1:]:
        end, calls = time.perf_counter() + budget, 0
        while calls < 5 or time.perf_counter() < end:
            found, calls = way(), calls + 1
            if calls < 5 and not same(ways[0](), found):
                raise SystemExit(f"{name}: the results differ")
    if compiled.cache_info()["reasons"] or compiled.cache_info()["python"]:
        print(compiled.explain().splitlines()[:4])
    took: list[list[float]] = [[], [], []]
    end = time.perf_counter() + 2 * budget
    while len(took[0]) < 5 or time.perf_counter() < end:
        for way, times in zip(ways, took, strict=True):
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
    return [min(times) / turns * 1e6 for times in took]


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", choices=[[], *PROGRAMS], default=[])
    parser.add_argument("--seconds", type=float, default=0.3)
    options = parser.parse_args()
    print(f"{'us a turn':16}{'NumPy':>8}{'lazily':>8}{'jit':>8}{'lazily/NumPy':>14}{'jit/NumPy':>11}")
    for name in options.programs or PROGRAMS:
        plain, lazy, compiled = measured(name, options.seconds)
        ratios = f"{lazy / plain:14.2f}{compiled / plain:11.2f}"
        print(f"{name:16}{plain:8.2f}{lazy:8.2f}{compiled:8.2f}{ratios}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
