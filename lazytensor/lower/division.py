"""Division of vectors by a number that is the same for many of them, with the bits of a division.

A quotient takes as long as ten products. With y = 1/b rounded, q = a*y is off by less than two units in the last place;
the remainder a - b*q, exact in a fused multiply-add, corrects it to within one unit, and the same once more gives the
quotient rounded (P. Markstein, Computation of elementary functions on the IBM RISC System/6000 processor, 1990,
theorem 2: y the rounded reciprocal, q within one unit, the remainder exact). That holds as long as nothing on the way
overflows or is denormal. So operands must have magnitudes between 2**-60 and 2**60 (float32), 2**-500 and 2**500
(float64): no quotient, and no remainder, which is a multiple of both last places, leaves the normal numbers then, and
no flag but 'inexact' is raised. A vector with another element, a zero too, whose sign would be lost, is divided.
"""

from __future__ import annotations

from typing import NamedTuple

from .inline import Code, element, splat, vector

_SHAPE = {"f": (32, 23, 127, 60), "d": (64, 52, 1023, 500)}
"""Bits, those of the significand, the bias, and the largest exponent of an operand, by dtype character."""


class Divisor(NamedTuple):
    """A number to divide by, as vectors: itself, its negative and its reciprocal (1 where it is out of range), and
    whether it is in range."""

    value: str
    minus: str
    reciprocal: str
    good: str


def divisor(code: Code, char: str, lanes: int, value: str) -> Divisor:
    """What is computed of a number before the loop."""
    kind = element(char)
    good = _in_range(code, char, 1, value)
    safe = code.let(f"select i1 {good}, {kind} {value}, {kind} 1.0")
    minus, reciprocal = code.let(f"fneg {kind} {value}"), code.let(f"fdiv {kind} 1.0, {safe}")
    return Divisor(splat(code, value, kind, lanes), splat(code, minus, kind, lanes),
                   splat(code, reciprocal, kind, lanes), good)


def quotient(code: Code, char: str, lanes: int, dividend: str, by: Divisor) -> str:
    """A vector divided by one number."""
    inside = _all(code, lanes, _in_range(code, char, lanes, dividend))
    return _either(code, char, lanes, code.let(f"and i1 {inside}, {by.good}"), dividend, by)


def reciprocals(code: Code, char: str, lanes: int, values: str) -> str:
    """Of a vector to divide others by; 0 where it is out of range."""
    v = vector(element(char), lanes)
    one, zero = (splat(code, x, element(char), lanes) for x in ("1.0", "0.0"))
    good = _in_range(code, char, lanes, values)
    truth = vector("i1", lanes)
    safe = code.let(f"select {truth} {good}, {v} {values}, {v} {one}")
    return code.let(f"select {truth} {good}, {v} {code.let(f'fdiv {v} {one}, {safe}')}, {v} {zero}")


def quotients(code: Code, char: str, lanes: int, dividend: str, divisors: str, known: str) -> str:
    """A vector divided by another, whose `reciprocals` are known."""
    v = vector(element(char), lanes)
    zero = splat(code, "0.0", element(char), lanes)
    good = code.let(f"fcmp une {v} {known}, {zero}")
    both = code.let(f"and {vector('i1', lanes)} {_in_range(code, char, lanes, dividend)}, {good}")
    by = Divisor(divisors, code.let(f"fneg {v} {divisors}"), known, "")
    return _either(code, char, lanes, _all(code, lanes, both), dividend, by)


def _all(code: Code, lanes: int, truths: str) -> str:
    return code.let(f"icmp eq i{lanes} {code.let(f'bitcast <{lanes} x i1> {truths} to i{lanes}')}, -1")


def _either(code: Code, char: str, lanes: int, quickly: str, a: str, by: Divisor) -> str:
    """The corrected product where it may be `quickly`, else the division."""
    v = vector(element(char), lanes)
    quick, slow, end = (code.fresh(x) for x in ("quick", "slow", "divided"))
    code.add(f"br i1 {quickly}, label %{quick}, label %{slow}")
    code.label(quick)
    q = code.let(f"fmul {v} {a}, {by.reciprocal}")
    for _ in range(2):
        q = _fma(code, char, lanes, _fma(code, char, lanes, by.minus, q, a), by.reciprocal, q)
    code.add(f"br label %{end}")
    code.label(slow)
    divided = code.let(f"fdiv {v} {a}, {by.value}")
    code.add(f"br label %{end}")
    code.label(end)
    return code.let(f"phi {v} [{q}, %{quick}], [{divided}, %{slow}]")


def _fma(code: Code, char: str, lanes: int, a: str, b: str, c: str) -> str:
    v = vector(element(char), lanes)
    name = f"{v} @llvm.fma.v{lanes}f{_SHAPE[char][0]}"
    code.declare(f"declare {name}({v}, {v}, {v})")
    return code.let(f"call {name}({v} {a}, {v} {b}, {v} {c})")


def _in_range(code: Code, char: str, lanes: int, x: str) -> str:
    """Whether magnitudes are in range; one comparison of their bits as numbers without sign."""
    bits, significand, bias, most = _SHAPE[char]
    kind = vector(f"i{bits}", lanes)

    def all_lanes(n: int) -> str:
        return str(n) if lanes == 1 else f"<{', '.join([f'i{bits} {n}'] * lanes)}>"
    low, high = (bias - most) << significand, (bias + most) << significand
    pattern = code.let(f"bitcast {vector(element(char), lanes)} {x} to {kind}")
    magnitude = code.let(f"and {kind} {pattern}, {all_lanes((1 << bits - 1) - 1)}")
    above = code.let(f"sub {kind} {magnitude}, {all_lanes(low)}")
    return code.let(f"icmp ult {kind} {above}, {all_lanes(high - low)}")
