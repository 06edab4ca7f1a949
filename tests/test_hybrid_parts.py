"""Jitted functions with operators on parts of arrays: kernels that write into the very part that they read."""

import numpy as real
import pytest

import lazytensor as np
from lazytensor.lower import fused
from tests.helpers import difference
from tests.program_jit import unchecked

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


@pytest.fixture(autouse=True)
def compiled_alone():
    with unchecked(False), np.config(engine="llvm"):
        yield


def waves(a, b, steps):
    for _ in range(steps):
        a[1:] -= 0.5 * (b[1:] - b[:-1])
        b[:-1] += 0.5 * (a[1:] - a[:-1])
    return a


def heat(a, b, steps):
    """It reads other elements that it writes."""
    for _ in range(steps):
        a[1:-1] += 0.1 * (a[2:] + a[:-2] - 2 * a[1:-1])
    return a + b


def red_and_black(a, b, steps):
    for _ in range(steps):
        a[1:-1:2] = 0.5 * (a[:-2:2] + a[2::2])
        a[2:-1:2] = 0.5 * (a[1:-2:2] + a[3::2])
    return a


def stored(a, b, steps):
    for _ in range(steps):
        a[1:] = a[1:] * 0.9 + b[:-1]
        a[...] = a * 0.9 + b
    return a


def divided(a, b, steps):
    for _ in range(steps):
        a[1:][1:-1] /= b[2:-1] + 3
        b[::-1] -= a * 0.1 + 1
    return a


def kept(a, b, steps):
    seen = a
    for _ in range(steps):
        t = b[1:] * 0.5 + 1
        a = a * 1
        a[1:] += t
        b[1:] = t
        seen = a
    return seen, t


def chosen(a, b, steps):
    for _ in range(steps):
        a[1:] += np.where(b[1:] > 0.5, a[1:], b[:-1] * 2) if type(a) is np.ndarray else real.where(
            b[1:] > 0.5, a[1:], b[:-1] * 2)
        b[1:] *= np.exp(-a[1:] * a[1:]) if type(a) is np.ndarray else real.exp(-a[1:] * a[1:])
    return a


def of_integers(a, b, steps):
    n = (a * 100).astype(int)
    for _ in range(steps):
        n[1:] += 3 * n[:-1] // 2
        n[::2] -= n[::2] * 5
    return n


def elements(a, b, steps):
    for _ in range(steps):
        t = a * 2 + b
        a[0] = t[0]
        a[1:2] += t[3:4] * 2
    return a


def two_at_a_time(a, b, steps):
    for _ in range(steps):
        t = (a[1:] - b[1:]) * 0.3
        a[1:] -= t
        b[1:] += t
    return a


def smoothed(a, b, steps):
    """A turn reads other elements of the array than those that it writes them to."""
    a = a.copy()
    for _ in range(steps):
        a[1:-1] = 0.5 * (a[2:] + a[:-2]) + 0.1 * b[1:-1]
    return a


def with_borders(a, b, steps):
    """What is around the part changes from turn to turn."""
    a = a.copy()
    for _ in range(steps):
        a[1:-1] = 0.25 * (a[2:] + a[:-2]) + b[1:-1]
        a[0] = a[1]
        a[-1:] *= 0.5
    return a


def two_parts(a, b, steps):
    """Now one part of it, now another."""
    a = a.copy()
    for _ in range(steps):
        a[2:-1] = 0.5 * (a[3:] + a[1:-2])
        a[1:-2] = 0.5 * (a[2:-1] + a[:-3])
    return a, a[0] + b[0]


def one_after_another(a, b, steps):
    """Memory that one value leaves is another's."""
    a, c = a.copy(), None
    for _ in range(steps):
        a[1:-1] = 0.5 * (a[2:] + a[:-2])
        c = a * 2
        c[1:] = c[:-1] * 0.5 + b[1:]
        d = c + b
        a[1:-1] = 0.3 * (a[2:] + a[:-2]) + d[1:-1]
    return a, c


def remembered(a, b, steps):
    """Somebody holds the old value while the new one is made."""
    a, seen = a.copy(), None
    for _ in range(steps):
        seen = a.copy()
        a[1:-1] = 0.5 * (a[2:] + a[:-2])
        b[1:] = b[:-1] + abs(a[1:] - seen[1:])
    return a, seen


RENEWED = [smoothed, with_borders, two_parts, one_after_another, remembered]
PROGRAMS = [waves, heat, red_and_black, stored, divided, kept, chosen, of_integers, elements, two_at_a_time, *RENEWED]


def check(function, shape, steps, special=(), over="ignore"):
    f = np.jit(function)
    for call in range(7):
        data = real.random.default_rng(call)
        plain = [data.random(shape), data.random(shape)]
        if call > 4:
            for array in plain:
                array.flat[list(special)] = 1e308
        own = [np.array(x) for x in plain]
        with real.errstate(all="ignore"):
            expected = function(*plain, steps)
        with real.errstate(all="ignore", over=over):
            found = f(*own, steps)
        different = difference(expected, found) or difference(plain, own)
        assert not different, f"call {call + 1}: {different}"
        if call == 3:
            for one in f._compiled:
                one.quicken()
    return f


@pytest.mark.parametrize("shape", [(8,), (2000,), (40, 50), (7, 3, 300)], ids=str)
@pytest.mark.parametrize("steps", [1, 3, 40])
@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_parts(function, shape, steps):
    check(function, shape, steps)


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_flags(function):
    """What overflows leaves the call to Python, and nothing of it is seen."""
    check(function, (60, 70), 3, (0, 71, 4199), "warn")
    check(function, (60, 70), 40, (5,), "warn")


@pytest.mark.parametrize("steps", [2, 5, 13, 14, 15, 41, 101])
@pytest.mark.parametrize("function", RENEWED, ids=lambda f: f.__name__)
def test_to_and_fro(function, steps):
    """An even number of turns or an odd one, written out or as a loop."""
    check(function, (30, 40), steps)


@pytest.mark.parametrize("function", [waves, red_and_black, stored, divided, smoothed], ids=lambda f: f.__name__)
def test_a_line_is_one_kernel(function):
    """A turn is two calls of kernels, and nothing else."""
    lines = check(function, (60, 70), 40).source.splitlines()
    (start, *_) = [i for i, line in enumerate(lines) if "for _ in range(" in line]
    depth = len(lines[start]) - len(lines[start].lstrip())
    body = []
    for line in lines[start + 1:]:
        if len(line) - len(line.lstrip()) <= depth:
            break
        body.append(line.strip())
    assert len(body) == 2 and all(line.startswith("if launch") for line in body), body
