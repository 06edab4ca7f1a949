"""`fmod`, `remainder` and `floor_divide` of floats as vectors.

fmod is exact, so any way to it has the same bits. For a quotient of less than 2**50 (float64) or 2**20 (float32) one
division, cut to an integer q, gives it: a - q*b has no rounding, and where the division was rounded up to an integer it
is negative, and q is one less. From q and fmod follow NumPy's `remainder` and `floor_divide`, which round in one place:
where the signs of a and b differ the remainder is b less that of abs(a), with b's sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .draws import Draws
from .lanes import Lanes

_BITS = {"d": (52, 1023, 500, 50), "f": (23, 127, 60, 20)}
"""Of the mantissa, the exponent's bias; the largest exponent and, negative, the smallest; that of the quotient."""


def outside(v: Lanes, a: str, b: str) -> str:
    """Where NumPy's loop is to be asked: a divisor of 0, what is not finite, large quotients and sizes far from 1."""
    mantissa, bias, most, quotient = _BITS[v.char]
    least, room = bias - most << mantissa, 2 * most << mantissa
    above, below = v.size(a), v.size(b)
    inside = v.both(v.below(v.op("sub", below, v.integer(least)), room), v.below(above, bias + most << mantissa))
    lost = v.below(v.op("sub", above, v.integer(1)), least - 1)
    many = v.code.let(f"icmp sge {v.bits} {v.op('sub', above, below)}, {v.integer(quotient << mantissa)}")
    return v.either(v.not_(inside), v.either(lost, many))


def _parts(v: Lanes, a: str, b: str) -> tuple[str, str, str]:
    """Of sizes: the divisor, the quotient as an integer, and what is left."""
    above, below = v.to_float(v.size(a)), v.to_float(v.size(b))
    q = v.intrinsic("trunc", v.op("fdiv", above, below))
    left = v.fma(v.minus(q), below, above)
    high = v.compare("olt", left, v.zero)
    return (below, v.pick(high, v.op("fsub", q, v.constant(1.0)), q),
            v.pick(high, v.op("fadd", left, below), left))


def _opposed(v: Lanes, a: str, b: str, left: str) -> str:
    """Where the signs differ and something is left."""
    signs = v.op("xor", v.to_bits(a), v.to_bits(b))
    return v.both(v.code.let(f"icmp slt {v.bits} {signs}, {v.zero}"), v.compare("une", left, v.zero))


def fmod(v: Lanes, a: str, b: str) -> str:
    """What is left of abs(a), with a's sign."""
    return v.flip(_parts(v, a, b)[2], v.sign(a))


def remainder(v: Lanes, a: str, b: str) -> str:
    """With b's sign."""
    below, _, left = _parts(v, a, b)
    return v.flip(v.pick(_opposed(v, a, b, left), v.op("fsub", below, left), left), v.sign(b))


def floor_divide(v: Lanes, a: str, b: str) -> str:
    """The quotient, rounded down."""
    _, q, left = _parts(v, a, b)
    q = v.pick(_opposed(v, a, b, left), v.op("fadd", q, v.constant(1.0)), q)
    return v.flip(q, v.op("xor", v.sign(a), v.sign(b)))


def points(char: str, draws: Draws, count: int) -> Iterator[tuple[np.ndarray[Any, Any], ...]]:
    """Where they are to be compared: quotients of any size, near integers, and integers; and any exponents."""
    _, _, most, quotient = _BITS[char]
    few = count // 16  # the C library may take a microsecond for a large quotient
    yield draws.sizes(-8, 8, count, char), draws.sizes(-4, 4, count, char)
    yield draws.sizes(-most - 3, most + 3, few, char), draws.sizes(-most - 3, most + 3, few, char)
    divisors = draws.sizes(-20, 20, few, char)
    yield draws.sizes(-2, quotient + 3, few, char) * divisors, divisors
    near = np.trunc(draws.sizes(0, quotient, few, char)) * divisors
    yield np.nextafter(near, draws.signed(near)), divisors
    yield np.nextafter(near, 2 * near), divisors
    yield near, divisors
    yield draws.integers(-40, 40, few).astype(char), (draws.integers(-9, 9, few) / 4).astype(char)
    yield draws.patterns(char, few), draws.patterns(char, few)
