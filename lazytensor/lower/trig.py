"""float64 sine and cosine as vectors, with the bits of the GNU C library's, which NumPy's loops call for each element.

The GNU C library (2.28 and later, x86-64 with FMA) takes one of these ways, by the size of x:

* below 2**-26 (sine) or 2**-27 (cosine) the result is x, or 1;
* up to 0.85546875 the function itself; up to 2.426 the other one of pi/2 - abs(x), with pi/2 as a sum of two doubles;
* up to 105414350 that of x less a multiple of pi/2, in four parts, with what is left as a sum of two doubles.

A function of a + da (abs(a) < 0.86) is a polynomial where a sine's a is below 0.126; else it comes from sine and cosine
of the nearest multiple of 1/128, from a table of sums of two doubles, and polynomials for what is left of a. Here every
lane takes all ways and picks its own. Operations are in that library's order, fused where its machine code has them
fused; whether this process' library is of that kind is found out before it is believed (`twins.py`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from .draws import Draws
from .inline import double
from .lanes import Lanes

LIMIT = 0x419921FB00000000
"""The bits of the first abs(x) that takes a longer reduction, which is left to NumPy's loop."""

LEAST = 0x2D30000000000000
"""The bits of 2**-300: what is smaller, but not 0, is left to it, too."""

_SMALL, _MIDDLE = 0x3FEB600000000000, 0x400368FD00000000
_TAYLOR = ("-0x1.addffc2fcdf59p-26", "0x1.71de27b9a7ed9p-19", "-0x1.a01a019db08b8p-13", "0x1.1111111110ecep-7",
           "-0x1.5555555555555p-3")
"""A sine below 0.126, over a**3, from the highest power of a**2 down."""

_ODD = ("0x1.11110e829872fp-7", "-0x1.5555555555515p-3")
_EVEN = ("0x1.6c16bedd9e239p-10", "-0x1.5555555555535p-5", "0x1p-1")
"""What is left of a sine over a**3, and of 1 - cosine over a**2, within 1/256."""

_HALF_PI = ("0x1.921fb54442d18p+0", "0x1.1a62633145c07p-54")
_PARTS = ("0x1.921fb58p+0", "-0x1.dde973cp-27", "-0x1.cb3b398p-55", "-0x1.d747f23e32ed7p-83")
"""pi/2 as a sum: of two doubles, and of four whose multiples are exact while there are bits."""

_ENTRIES = 110
_OFF = {(2, 1): 1, (10, 1): 1, (23, 1): 39, (26, 3): 1, (27, 1): 1, (33, 1): 1, (34, 1): 1, (36, 1): 1, (40, 1): -2,
        (44, 3): 1, (70, 3): 1, (75, 1): 1, (75, 3): -2, (79, 3): 1, (85, 1): 1, (90, 1): -2, (94, 1): 1, (107, 1): 1}
"""Where the library's table is not the nearest double: by how many of its last places the magnitude is larger."""


@cache
def table() -> tuple[tuple[float, ...], ...]:
    """Four columns: f and what it lacks, g and what it lacks; each for the sine of a + x and then for its cosine, with
    a = k/128: f(a + x) = f(a) + g(a)*sin(x) - f(a)*(1 - cos(x))."""
    sines, cosines, padding = [], [], [0.0] * (128 - _ENTRIES)
    for k in range(_ENTRIES):
        row = [part for x in _sine_and_cosine(k) for part in _sum_of_two(x)]
        for j in (1, 3):
            row[j] = _moved(row[j], _OFF.get((k, j), 0))
        sines.append(row)
        cosines.append([*row[2:], -row[0], -row[1]])
    return tuple(tuple([row[j] for row in sines] + padding + [row[j] for row in cosines] + padding) for j in range(4))


_PLACES = 180


def _sine_and_cosine(k: int) -> tuple[int, int]:
    """Of k/128, as multiples of 2**-180, by their series."""
    sums, term, n = [0, 0, 0, 0], 1 << _PLACES, 0
    while term:
        sums[n % 4] += term
        n += 1
        term = term * k // (128 * n)
    return sums[1] - sums[3], sums[0] - sums[2]


def _sum_of_two(x: int) -> tuple[float, float]:
    high = float(x)
    return math.ldexp(high, -_PLACES), math.ldexp(float(x - int(high)), -_PLACES)


def _moved(x: float, places: int) -> float:
    bits, = struct.unpack("<q", struct.pack("<d", x))
    moved: float = struct.unpack("<d", struct.pack("<q", bits + places))[0]
    return moved


def outside(v: Lanes, x: str) -> str:
    """Where NumPy's loop is to be asked: large x, NaN, and x of which a power might underflow."""
    size = v.size(x)
    large = v.code.let(f"icmp uge {v.bits} {size}, {v.integer(LIMIT)}")
    return v.either(large, v.below(v.op("sub", size, v.integer(1)), LEAST - 1))


def sine(v: Lanes, x: str) -> str:
    """The sine of x where it is not `outside`; raises no flag but inexact."""
    return _value(v, x, False)


def cosine(v: Lanes, x: str) -> str:
    """The cosine, likewise."""
    return _value(v, x, True)


def _value(v: Lanes, x: str, even: bool) -> str:
    a, da, n = _reduced(v, v.size(x), even)
    sign = v.sign(a)
    odd = v.code.let(f"icmp ne {v.bits} {v.op('and', n, v.integer(1))}, {v.zero}")
    r = _in_first_octant(v, v.to_float(v.op("xor", v.to_bits(a), sign)), v.flip(da, sign), odd)
    turned = v.op("xor", v.pick_bits(odd, v.zero, sign), v.op("shl", n, v.integer(62)))
    if not even:
        turned = v.op("xor", turned, v.to_bits(x))
    return v.flip(r, v.op("and", turned, v.integer(v.sign_bit)))


def _reduced(v: Lanes, size: str, even: bool) -> tuple[str, str, str]:
    """Of abs(x), given by its bits: a, da and n, such that the result is the sine (n even) or cosine (n odd) of a + da,
    negated if the bit for 2 is set in n."""
    whole, y = v.constant("0x1.8p+52"), v.to_float(size)
    small = v.below(size, _SMALL)
    turns = v.pick(small, whole, v.fma(y, v.constant("0x1.45f306dc9c883p-1"), whole))
    less = v.op("fsub", whole, turns)
    rest = v.fma(less, v.constant(_PARTS[1]), v.fma(less, v.constant(_PARTS[0]), y))
    third = v.fma(less, v.constant(_PARTS[2]), rest)
    lost = v.fma(less, v.constant(_PARTS[2]), v.op("fsub", rest, third))
    a = v.fma(less, v.constant(_PARTS[3]), third)
    da = v.op("fadd", lost, v.fma(less, v.constant(_PARTS[3]), v.op("fsub", third, a)))
    n = v.to_bits(turns)
    middle = v.below(v.op("sub", size, v.integer(_SMALL)), _MIDDLE - _SMALL)
    high, low = map(v.constant, _HALF_PI)
    near, short = v.op("fsub", high, y), low
    if even:
        difference = near
        near = v.op("fadd", difference, low)
        short = v.op("fadd", v.op("fsub", difference, near), low)
        n = v.op("add", n, v.integer(1))
    n = v.pick_bits(middle, v.zero if even else v.integer(1), n)
    return v.pick(middle, near, a), v.pick(middle, short, da), n


def _in_first_octant(v: Lanes, a: str, da: str, even: str) -> str:
    """The cosine where `even`, else the sine, of a + da, for a not negative."""
    big = v.constant("0x1.8p+45")
    shifted = v.op("fadd", a, big)
    k = v.op("and", v.to_bits(shifted), v.integer(127))
    k = v.pick_bits(even, v.op("or", k, v.integer(128)), k)
    f, f_lacks, g, g_lacks = (v.gather(f"@table{j}", k) for j in range(4))
    x = v.op("fsub", a, v.op("fsub", shifted, big))
    x = v.pick(even, v.op("fadd", x, da), x)
    square = v.op("fmul", x, x)
    s = v.fma(v.op("fmul", x, square), v.polynomial(square, _ODD), v.pick(even, x, da))
    s = v.pick(even, s, v.op("fadd", x, s))
    c = v.op("fmul", square, v.polynomial(square, _EVEN))
    c = v.pick(even, c, v.fma(x, da, c))
    more = v.fma(s, g, v.fma(v.minus(c), f, v.fma(s, g_lacks, f_lacks)))
    by_table = v.op("fadd", f, more)
    square = v.op("fmul", a, a)
    inner = v.fma(v.polynomial(square, _TAYLOR), a, v.minus(v.op("fmul", da, v.constant(0.5))))
    by_series = v.op("fadd", a, v.fma(inner, square, da))
    near = v.code.let(f"fcmp olt {v.kind} {a}, {v.constant(0.126)}")
    return v.pick(v.both(near, v.not_(even)), by_series, by_table)


def data() -> str:
    """The table's columns, as definitions."""
    return "".join(f"@table{j} = internal constant [{len(column)} x double] "
                   f"[{', '.join(f'double {double(x)}' for x in column)}], align 64\n"
                   for j, column in enumerate(table()))


_RANGES = ((2.0**-28, 0.126), (0.126, 0.8555), (0.85, 2.43), (2.42, 50.0), (50.0, 1e5), (1e5, 1.06e8))


def points(draws: Draws, count: int) -> Iterator[tuple[np.ndarray[Any, Any]]]:
    """Where sine and cosine are to be compared: each range; all exponents; and around every value at which something
    else is done, multiples of pi/4, and what lies between two entries of the table."""
    for low, high in _RANGES:
        yield draws.signed(draws.uniform(low, high, count)),
    yield draws.patterns("d", count),
    yield draws.sizes(-310, 27, count),
    turns = np.concatenate([np.arange(1, 20), draws.integers(1, 1 << 26, count // 50)]) * (np.pi / 4)
    ends = np.array([LIMIT, LEAST, _SMALL, _MIDDLE, 0x3E40000000000000, 0x3E50000000000000, 0x7FF0000000000000,
                     0x0010000000000000]).view(float)
    centres = np.concatenate([np.arange(220) / 256, turns, ends, [0.126, 0.0, *map(float.fromhex, _HALF_PI)]])
    near = (centres.view(np.int64)[:, None] + np.arange(-2, 3)).ravel().view(float)
    yield np.concatenate([near, -near]),
