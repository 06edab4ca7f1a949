"""Programs of small arrays: the time of one turn, NumPy beside.

    python perf/small.py [--check] [--seconds 0.4] [PROGRAM ...]

Each program is a function of a module that does a fixed number of turns and gives arrays. Both modules' results are
compared first, bit for bit. Then they take turns; a figure is the median of what each took, in microseconds a turn, and
the ratio is that of the medians. `--check` makes the exit status 1 if a program takes more than `TARGET` times NumPy's
time.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy

TARGET = 1.5
PROGRAMS: dict[str, tuple[Callable[[Any, int], Any], int]] = {}


def program(turns: int) -> Callable[[Callable[[Any, int], Any]], Callable[[Any, int], Any]]:
    """Enters a function ``f(module, turns)``; it is measured with so many turns at a time."""
    def enter(fn: Callable[[Any, int], Any]) -> Callable[[Any, int], Any]:
        PROGRAMS[fn.__name__] = fn, turns
        return fn
    return enter


def drawn(np: Any, seed: int, *shape: int) -> Any:
    """The same numbers for both modules."""
    return np.array(numpy.random.default_rng(seed).random(shape))


@program(200)
def lorenz(np: Any, turns: int) -> Any:
    """Runge and Kutta's steps of a system of three equations."""
    def slope(v: Any) -> Any:
        x, y, z = v
        return np.array([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])

    v, h = np.array([1.0, 1.0, 1.0]), 0.01
    for _ in range(turns):
        a = slope(v)
        b = slope(v + h / 2 * a)
        c = slope(v + h / 2 * b)
        d = slope(v + h * c)
        v = v + h / 6 * (a + 2 * b + 2 * c + d)
    return v


@program(100)
def bodies(np: Any, turns: int) -> Any:
    """Three bodies that attract each other, by leapfrog."""
    where, speed, mass, h = drawn(np, 1, 3, 2), drawn(np, 2, 3, 2) * 0.1, np.array([1.0, 0.5, 0.25]), 1e-3

    def pull() -> Any:
        between = where[None, :, :] - where[:, None, :]
        far = (between ** 2).sum(axis=2) + 0.01
        return (between * (mass / (far * np.sqrt(far)))[:, :, None]).sum(axis=1)

    force = pull()
    for _ in range(turns):
        speed += h / 2 * force
        where += h * speed
        force = pull()
        speed += h / 2 * force
    return where, speed


@program(200)
def kalman(np: Any, turns: int) -> Any:
    """A filter of a state of four numbers, of which two are seen."""
    step = np.array([[1, 0, 0.1, 0], [0, 1, 0, 0.1], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    seen, noise, error = np.eye(2, 4), np.eye(4) * 1e-3, np.eye(2) * 1e-2
    state, spread, given = np.zeros(4), np.eye(4), drawn(np, 3, turns, 2)
    for k in range(turns):
        state = step @ state
        spread = step @ spread @ step.T + noise
        gain = spread @ seen.T @ np.linalg.inv(seen @ spread @ seen.T + error)
        state = state + gain @ (given[k] - seen @ state)
        spread = (np.eye(4) - gain @ seen) @ spread
    return state, spread


@program(5)
def elimination(np: Any, turns: int) -> Any:
    """A factorisation with pivots of a 20 x 20 matrix."""
    for turn in range(turns):
        a = drawn(np, 4 + turn, 20, 20)
        order = np.arange(20)
        for k in range(19):
            p = k + int(np.argmax(np.abs(a[k:, k])))
            if p != k:
                a[[k, p]] = a[[p, k]]
                order[[k, p]] = order[[p, k]]
            a[k + 1:, k] /= a[k, k]
            a[k + 1:, k + 1:] -= np.outer(a[k + 1:, k], a[k, k + 1:])
    return a, order


@program(50)
def network(np: Any, turns: int) -> Any:
    """Training steps of a network of two layers on 64 rows of 10 numbers."""
    x, y = drawn(np, 5, 64, 10), drawn(np, 6, 64, 1)
    w, b, v, c = drawn(np, 7, 10, 16) - 0.5, np.zeros(16), drawn(np, 8, 16, 1) - 0.5, np.zeros(1)
    for _ in range(turns):
        h = np.tanh(x @ w + b)
        error = h @ v + c - y
        loss = (error ** 2).mean()
        dy = 2 * error / len(x)
        dh = (dy @ v.T) * (1 - h ** 2)
        v -= 0.1 * (h.T @ dy)
        c -= 0.1 * dy.sum(axis=0)
        w -= 0.1 * (x.T @ dh)
        b -= 0.1 * dh.sum(axis=0)
    return w, b, v, c, loss


@program(200)
def newton(np: Any, turns: int) -> Any:
    """Newton's method for two equations."""
    for turn in range(turns):
        v = np.array([1.0 + turn * 0.001, 2.0])
        for _ in range(4):
            f = np.array([v[0] ** 2 + v[1] ** 2 - 4, v[0] * v[1] - 1])
            slope = np.array([[2 * v[0], 2 * v[1]], [v[1], v[0]]])
            v = v - np.linalg.solve(slope, f)
    return v


@program(50)
def life(np: Any, turns: int) -> Any:
    """Conway's game on a 16 x 16 torus."""
    cells = (drawn(np, 9, 16, 16) < 0.3).astype(int)
    for _ in range(turns):
        near = sum(np.roll(np.roll(cells, i, 0), j, 1) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))
        cells = ((near == 3) | ((cells == 1) & (near == 2))).astype(int)
    return cells


@program(1000)
def walk(np: Any, turns: int) -> Any:
    """A walk of one number, written down."""
    steps, path, x = drawn(np, 10, turns) - 0.5, np.zeros(turns), 0.0
    for k in range(turns):
        x = x * 0.99 + steps[k]
        if x > 1.0:
            x = x - 0.5
        path[k] = x
    return path, path.mean()


@program(50)
def clusters(np: Any, turns: int) -> Any:
    """Lloyd's steps on 50 points and 3 centres."""
    points = drawn(np, 11, 50, 2)
    centres = points[:3].copy()
    for _ in range(turns):
        far = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        nearest = far.argmin(axis=1)
        centres = np.array([points[nearest == k].mean(axis=0) for k in range(3)])
    return centres, nearest


@program(100)
def signals(np: Any, turns: int) -> Any:
    """Sums as one goes and transforms of 32 numbers."""
    x = drawn(np, 12, 32)
    for _ in range(turns):
        total = np.cumsum(x)
        seen = np.abs(np.fft.rfft(total - total.mean()))
        x = np.clip(x * 0.9 + seen[:1] * 0.001, 0.0, 1.0)
        y = np.convolve(x, np.ones(3) / 3, "same")
    return x, y, seen


@program(200)
def gradient(np: Any, turns: int) -> Any:
    """Steps of steepest descent, with a norm that ends them."""
    a, b, x = drawn(np, 13, 4, 4) + 4 * np.eye(4), drawn(np, 14, 4), np.zeros(4)
    for _ in range(turns):
        r = b - a @ x
        if np.sqrt((r * r).sum()) < 1e-300:
            break
        x += 0.1 * r
    return x


@program(50)
def shapes(np: Any, turns: int) -> Any:
    """Functions that give views, and methods of ufuncs."""
    x, y = drawn(np, 15, 6), drawn(np, 16, 6)
    for _ in range(turns):
        table = np.add.outer(x, np.flip(y))
        row = np.expand_dims(x, 0).squeeze()
        best = np.maximum.accumulate(table, axis=0)
        least = np.minimum.reduce(best, axis=1)
        where = np.nonzero(least > 0.5)[0]
        x = np.swapaxes(table, 0, 1)[0] * 0.25 + row * 0.5
    return x, best, where


def same(a: Any, b: Any) -> bool:
    """Whether two results have the same bits."""
    if isinstance(a, tuple):
        return all(map(same, a, b))
    one, other = numpy.asarray(a), numpy.asarray(b)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def settled(module: Any, result: Any) -> None:
    """Waits for what is pending."""
    if hasattr(module, "realize"):
        module.realize(*(result if isinstance(result, tuple) else (result,)))


def seconds_of(module: Any, fn: Callable[[Any, int], Any], turns: int) -> float:
    """What a number of turns takes."""
    start = time.perf_counter()
    settled(module, fn(module, turns))
    return time.perf_counter() - start


def measured(module: Any, name: str, budget: float) -> tuple[float, float]:
    """Microseconds a turn, of NumPy and of the module."""
    fn, turns = PROGRAMS[name]
    if not same(fn(numpy, turns), fn(module, turns)):
        raise SystemExit(f"{name}: the results differ")
    warm = time.perf_counter() + budget
    while time.perf_counter() < warm:
        seconds_of(module, fn, turns)
    pairs = []
    end = time.perf_counter() + 2 * budget
    while len(pairs) < 5 or time.perf_counter() < end:
        pairs.append((seconds_of(numpy, fn, turns), seconds_of(module, fn, turns)))
    theirs, ours = (statistics.median(times) / turns * 1e6 for times in zip(*pairs, strict=True))
    return theirs, ours


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", choices=[[], *PROGRAMS], default=[])
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    module = importlib.import_module("lazytensor")
    short = False
    print(f"{'us a turn':14}{'NumPy':>10}{'lazytensor':>12}{'ratio':>8}")
    for name in options.programs or PROGRAMS:
        theirs, ours = measured(module, name, options.seconds)
        short |= ours > TARGET * theirs
        print(f"{name:14}{theirs:10.1f}{ours:12.1f}{ours / theirs:8.2f}", flush=True)
    return int(short and options.check)


if __name__ == "__main__":
    sys.exit(main())
