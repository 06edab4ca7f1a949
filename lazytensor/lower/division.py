"""Division of vectors by a number that is the same for many of them, with the bits of a division.

A quotient takes as long as ten products. Let y = 1/b rounded. Of a quotient q within one unit in the last place the
remainder a - b*q is exact in a fused multiply-add, and q + y times the remainder, rounded once, is a/b rounded
(P. Markstein, Computation of elementary functions on the IBM RISC System/6000 processor, 1990, theorem 2). Such a q is
a*y + a*z, where z is what y is less than 1/b: little more than half a unit off. Without z, a*y is off by less than two
units, and one correction more makes it one.

That holds as long as nothing on the way overflows or is denormal, so operands must have magnitudes between 2**-38 and
2**38 (float32), 2**-450 and 2**450 (float64). No quotient, no remainder, which is a multiple of both last places, and
no a*z leaves the normal numbers then (z is 0 or at least y * 2**-47, 2**-105: what b*y is less than 1 is a multiple of
both last places), and no flag but 'inexact' is raised. A vector with another element, a zero too, whose sign would be
lost, is divided.
"""

from __future__ import annotations

from typing import NamedTuple

from .inline import Code, constant, element, splat, vector

_SHAPE = {"f": (32, 23, 127, 38), "d": (64, 52, 1023, 450)}
"""Bits, those of the significand, the bias, and the largest exponent of an operand, by dtype character."""


class Bounds(NamedTuple):
    """Vectors of what twice the bits of an operand in range are at least, as numbers without sign, and how much more
    they may be. In registers before a loop: constants would be loaded each time."""

    low: str
    span: str


class Divisor(NamedTuple):
    """A number to divide by, as vectors: itself, its negative, its reciprocal (1 where it is out of range) and what
    that is less than 1/b, or ""; and the bounds of what is divided, out of reach where the number is out of range."""

    value: str
    minus: str
    reciprocal: str
    rest: str
    bounds: Bounds


def bounds(code: Code, char: str, lanes: int, good: str = "true") -> Bounds:
    """The bounds of an operand, if something else is `good`; else there are none in range. They are made to be known in
    registers, not as constants."""
    bits = _SHAPE[char][0]
    kind = vector(f"i{bits}", lanes)
    low, span = (constant(f"i{bits}", str(number), lanes) for number in _limits(char))
    place = code.alloca(kind)
    code.add(f"store {kind} {low}, ptr {place}")
    return Bounds(code.let(f"load {kind}, ptr {place}"),
                  code.let(f"select i1 {good}, {kind} {span}, {kind} {constant(f'i{bits}', '0', lanes)}"))


def _limits(char: str) -> tuple[int, int]:
    """Twice the bits of the least magnitude in range, and how much more the greatest is."""
    _, significand, bias, most = _SHAPE[char]
    return bias - most << significand + 1, 2 * most << significand + 1


def divisor(code: Code, char: str, lanes: int, value: str) -> Divisor:
    """What is computed of a number before the loop."""
    kind = element(char)
    good = _in_range(code, char, 1, value, Bounds(*map(str, _limits(char))))
    safe = code.let(f"select i1 {good}, {kind} {value}, {kind} 1.0")
    inverse = code.let(f"fdiv {kind} 1.0, {safe}")
    code.part()
    by, less, y = (splat(code, x, kind, lanes) for x in (value, safe, inverse))
    v = vector(kind, lanes)
    minus = code.let(f"fneg {v} {less}")
    rest = code.let(f"fmul {v} {_fma(code, char, lanes, minus, y, constant(kind, '1.0', lanes))}, {y}")
    return Divisor(by, minus, y, rest, bounds(code, char, lanes, good))


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
    """Whether magnitudes are in range; one comparison of their bits, the sign shifted out."""
    bits = _SHAPE[char][0]
    kind = vector(f"i{bits}", lanes)
    one = constant(f"i{bits}", "1", lanes)
    twice = code.let(f"shl {kind} {code.let(f'bitcast {vector(element(char), lanes)} {x} to {kind}')}, {one}")
    return code.let(f"icmp ult {kind} {code.let(f'sub {kind} {twice}, {within.low}')}, {within.span}")
