"""Division of vectors by a number that is the same for many of them, with the bits of a division.

A quotient takes as long as ten products. Let y = 1/b rounded. Of a quotient q within one unit in the last place the
remainder a - b*q is exact in a fused multiply-add, and q + y times the remainder, rounded once, is a/b rounded
(P. Markstein, Computation of elementary functions on the IBM RISC System/6000 processor, 1990, theorem 2). Such a q is
a*y + a*z, where z is what y is less than 1/b: little more than half a unit off. Without z, a*y is off by less than two
units, and one correction more makes it one.

That holds as long as nothing on the way overflows or is denormal, so operands must have magnitudes from 2**-36 up to
2**28 (float32), from 2**-256 up to 2**256 (float64). No quotient, no remainder, which is a multiple of both last
places, and no a*z leaves the normal numbers then (z is 0 or at least y * 2**-47, 2**-105: what b*y is less than 1 is a
multiple of both last places), and no flag but 'inexact' is raised. A vector with another element, a zero too, whose
sign would be lost, is divided. The number of exponents in range is a power of two: what an operand's bits are more
than the least's has no bits set then but low ones and the sign's, which is one test.
"""

from __future__ import annotations

from typing import NamedTuple

from .inline import Code, constant, element, splat, vector

_SHAPE = {"f": (32, 23, 127, -36, 6), "d": (64, 52, 1023, -256, 9)}
"""Bits, those of the significand, the bias, and of an operand the least exponent and, as a power of two, how many there
are, by dtype character."""


class Bounds(NamedTuple):
    """Vectors of the bits of the least operand in range, and of those that are 0 in what another's are more than that.
    In registers before a loop: constants would be loaded each time."""

    low: str
    others: str


class Divisor(NamedTuple):
    """A number to divide by, or one for each lane, as vectors: itself, its negative, its reciprocal (1 where it is out
    of range) and what that is less than 1/b, or ""; and the bounds of what is divided, out of reach where the number is
    out of range."""

    value: str
    minus: str
    reciprocal: str
    rest: str
    bounds: Bounds


def bounds(code: Code, char: str, lanes: int) -> Bounds:
    """The bounds of an operand. They are made to be known in registers, not as constants."""
    kind = vector(f"i{_SHAPE[char][0]}", lanes)
    low, others = (constant(f"i{_SHAPE[char][0]}", str(number), lanes) for number in _limits(char))
    place = code.alloca(kind)
    code.add(f"store {kind} {low}, ptr {place}")
    return Bounds(code.let(f"load {kind}, ptr {place}"), others)


def _limits(char: str) -> tuple[int, int]:
    """What `Bounds` has."""
    bits, significand, bias, least, count = _SHAPE[char]
    return bias + least << significand, (1 << bits - 1) - (1 << significand + count)


def _nan(char: str) -> int:
    """The bits of a quiet NaN, whose quotients are NaN in any way, and which raises nothing."""
    bits, significand, _, _, _ = _SHAPE[char]
    return (1 << bits - 1) - (1 << significand - 2) - 1


def divisor(code: Code, char: str, lanes: int, value: str) -> Divisor:
    """What is computed of a number before the loop."""
    kind, whole = element(char), f"i{_SHAPE[char][0]}"
    good, safe, inverse = _inverted(code, char, 1, value)
    within = [code.let(f"select i1 {good}, {whole} {a}, {whole} {b}") for a, b in _bounds_of(char)]
    code.part()
    by, less, y = (splat(code, x, kind, lanes) for x in (value, safe, inverse))
    return _corrected(code, char, lanes, by, less, y, Bounds(*[splat(code, x, whole, lanes) for x in within]))


def divisors(code: Code, char: str, lanes: int, values: str) -> Divisor:
    """The same of a vector of numbers, by each of which the same lane of many vectors is divided."""
    kind, truth = f"i{_SHAPE[char][0]}", vector("i1", lanes)
    good, safe, inverse = _inverted(code, char, lanes, values)
    within = []
    for a, b in _bounds_of(char):
        this, that = (f"{vector(kind, lanes)} {constant(kind, str(x), lanes)}" for x in (a, b))
        within.append(code.let(f"select {truth} {good}, {this}, {that}"))
    return _corrected(code, char, lanes, values, safe, inverse, Bounds(*within))


def _inverted(code: Code, char: str, lanes: int, values: str) -> tuple[str, str, str]:
    """Which divisors are in range, what stands for the others there too, and the reciprocals of that."""
    v, one = vector(element(char), lanes), constant(element(char), "1.0", lanes)
    low, others = (constant(f"i{_SHAPE[char][0]}", str(x), lanes) for x in _limits(char))
    good = _in_range(code, char, lanes, values, Bounds(low, others))
    safe = code.let(f"select {vector('i1', lanes)} {good}, {v} {values}, {v} {one}")
    return good, safe, code.let(f"fdiv {v} {one}, {safe}")


def _bounds_of(char: str) -> tuple[tuple[int, int], ...]:
    """What bounds a dividend where its divisor is in range, and where not: only that NaN is within then."""
    return tuple(zip(_limits(char), (_nan(char), -1), strict=True))


def _corrected(code: Code, char: str, lanes: int, by: str, less: str, y: str, within: Bounds) -> Divisor:
    v = vector(element(char), lanes)
    minus = code.let(f"fneg {v} {less}")
    rest = code.let(f"fmul {v} {_fma(code, char, lanes, minus, y, constant(element(char), '1.0', lanes))}, {y}")
    return Divisor(by, minus, y, rest, within)


def quotient(code: Code, char: str, lanes: int, dividend: str, by: Divisor) -> str:
    """A vector divided by one number."""
    return _either(code, char, lanes, _all(code, lanes, _in_range(code, char, lanes, dividend, by.bounds)), dividend,
                   by)


def reciprocals(code: Code, char: str, lanes: int, values: str, within: Bounds) -> str:
    """Of a vector to divide others by; 0 where it is out of range."""
    v = vector(element(char), lanes)
    one, zero = (splat(code, x, element(char), lanes) for x in ("1.0", "0.0"))
    good = _in_range(code, char, lanes, values, within)
    truth = vector("i1", lanes)
    safe = code.let(f"select {truth} {good}, {v} {values}, {v} {one}")
    return code.let(f"select {truth} {good}, {v} {code.let(f'fdiv {v} {one}, {safe}')}, {v} {zero}")


def quotients(code: Code, char: str, lanes: int, dividend: str, divisors: str, known: str, within: Bounds) -> str:
    """A vector divided by another, whose `reciprocals` are known."""
    v = vector(element(char), lanes)
    zero = splat(code, "0.0", element(char), lanes)
    good = code.let(f"fcmp une {v} {known}, {zero}")
    both = code.let(f"and {vector('i1', lanes)} {_in_range(code, char, lanes, dividend, within)}, {good}")
    by = Divisor(divisors, code.let(f"fneg {v} {divisors}"), known, "", within)
    return _either(code, char, lanes, _all(code, lanes, both), dividend, by)


def _all(code: Code, lanes: int, truths: str) -> str:
    return code.let(f"icmp eq i{lanes} {code.let(f'bitcast <{lanes} x i1> {truths} to i{lanes}')}, -1")


def _either(code: Code, char: str, lanes: int, quickly: str, a: str, by: Divisor) -> str:
    """The corrected product where it may be `quickly`, else the division."""
    v = vector(element(char), lanes)
    quick, slow, end = (code.fresh(x) for x in ("quick", "slow", "divided"))
    code.add(f"br i1 {quickly}, label %{quick}, label %{slow}")
    code.label(quick)
    if by.rest:
        q = _fma(code, char, lanes, a, by.reciprocal, code.let(f"fmul {v} {a}, {by.rest}"))
    else:
        q = code.let(f"fmul {v} {a}, {by.reciprocal}")
    for _ in range(1 if by.rest else 2):
        q = _fma(code, char, lanes, _fma(code, char, lanes, by.minus, q, a), by.reciprocal, q)
    code.add(f"br label %{end}")
    code.label(slow)
    divided = code.let(f"fdiv {v} {a}, {by.value}")
    code.add(f"br label %{end}")
    code.label(end)
    return code.let(f"phi {v} [{q}, %{quick}], [{divided}, %{slow}]")


def _fma(code: Code, char: str, lanes: int, a: str, b: str, c: str) -> str:
    v = vector(element(char), lanes)
    name = f"{v} @llvm.fma.{'' if lanes == 1 else f'v{lanes}'}f{_SHAPE[char][0]}"
    code.declare(f"declare {name}({v}, {v}, {v})")
    return code.let(f"call {name}({v} {a}, {v} {b}, {v} {c})")


def _in_range(code: Code, char: str, lanes: int, x: str, within: Bounds) -> str:
    """Whether magnitudes are in range: one test of their bits, but for the sign."""
    bits = _SHAPE[char][0]
    kind = vector(f"i{bits}", lanes)
    more = code.let(f"sub {kind} {code.let(f'bitcast {vector(element(char), lanes)} {x} to {kind}')}, {within.low}")
    zero = "zeroinitializer" if lanes > 1 else "0"
    return code.let(f"icmp eq {kind} {code.let(f'and {kind} {more}, {within.others}')}, {zero}")
