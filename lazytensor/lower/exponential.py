"""float32 exponential and logarithm as vectors, with the bits of NumPy's own for CPUs with fused multiply-adds.

Both are quotients of two polynomials (minimax ones, numpy/_core/src/umath/loops_exponent_log.dispatch.c.src): the
exponential of what is left of x beside a multiple n of log(2), times 2**n; the logarithm of a significand m between
sqrt(1/2) and sqrt(2), plus n*log(2). Where x and the result are ordinary numbers, 2**n is taken out and put in by
integer arithmetic on the bits, without the tests for what is not ordinary and their choices: in half the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .draws import Draws
from .lanes import Lanes

MOST, _INFINITE = 0x42600000, 0xFF800000
"""The bits of 56 and of minus infinity: the exponentials of numbers from the one to the other are taken here."""

_LEAST_EXPONENT = 0xC2E60000
"""The bits of -115, the exponential of which is rounded to 0 as those of all lesser numbers. So is that of -104, but a
product which is that close to the denormal numbers takes a CPU a hundred times as long."""

_SIGNIFICAND, _LEAST, _INFINITY = 23, 0x00800000, 0x7F800000
_NAN = 0x7FC00000, 0xFFC00000
_WHOLE = "0x1.8p+23"
"""A float32 added to this is rounded to an integer, which the last bits of the sum are."""

_LOG2_E, _MINUS_LOG_2 = "0x1.715476p+0", ("-0x1.62e4p-1", "-0x1.7f7d1cp-20")
_EXP_ABOVE = ("0x1.0a7bbp-11", "0x1.bae2b2p-8", "0x1.a2fb18p-5", "0x1.fa98bp-3", "0x1.7397aap-1", "0x1p+0")
_EXP_BELOW = ("0x1.61d064p-6", "-0x1.18d0aep-2", "0x1p+0")

_ROOT_HALF, _LOG_2 = 0x3F3504F3, "0x1.62e43p-1"
_LOG_ABOVE = ("0x1.a8579ap-6", "0x1.860666p-2", "0x1.7ae152p+0", "0x1.0e6c38p+1", "0x1p+0", "0x0p+0")
_LOG_BELOW = ("0x1.8107bep-8", "0x1.3cb7e6p-3", "0x1.f915c8p-1", "0x1.39fc1ap+1", "0x1.4e6c38p+1", "0x1p+0")


def exp_outside(v: Lanes, x: str) -> str:
    """Where NumPy's loop is to be asked: large x and NaN."""
    bits = v.to_bits(x)
    large = v.code.let(f"icmp sge {v.bits} {bits}, {v.integer(MOST)}")
    return v.either(large, v.code.let(f"icmp ugt {v.bits} {bits}, {v.integer(_INFINITE)}"))


def exp(v: Lanes, x: str) -> str:
    """The exponential of x where it is not outside; raises no flag but inexact, and underflow where NumPy's does."""
    whole, bits = v.constant(_WHOLE), v.to_bits(x)
    x = v.to_float(v.least(bits, v.integer(_LEAST_EXPONENT)))
    turns = v.op("fadd", v.op("fmul", x, v.constant(_LOG2_E)), whole)
    n = v.op("fsub", turns, whole)
    for part in _MINUS_LOG_2:
        x = v.fma(n, v.constant(part), x)
    value = v.op("fdiv", v.polynomial(x, _EXP_ABOVE), v.polynomial(x, _EXP_BELOW))
    scale = v.op("shl", v.to_bits(turns), v.integer(_SIGNIFICAND))
    scale = v.op("add", scale, v.integer(44 << _SIGNIFICAND))  # so that it is normal before it is rounded
    value = v.to_float(v.op("add", v.to_bits(value), scale))
    some = v.code.let(f"icmp ne {v.bits} {bits}, {v.integer(_INFINITE)}")
    return v.op("fmul", value, v.pick(some, v.constant("0x1p-44"), v.constant(0.0)))


def log_outside(v: Lanes, x: str) -> str:
    """Where NumPy's loop is to be asked: what is not positive, not finite or not normal."""
    return v.not_(v.below(v.op("sub", v.to_bits(x), v.integer(_LEAST)), _INFINITY - _LEAST))


def log(v: Lanes, x: str) -> str:
    """The logarithm of x where it is not outside; raises no flag but inexact."""
    bits = v.to_bits(x)
    above = v.op("sub", bits, v.integer(_ROOT_HALF + 1))  # of sqrt(1/2) itself, m is sqrt(2)
    n = v.op("ashr", above, v.integer(_SIGNIFICAND))
    m = v.to_float(v.op("sub", bits, v.op("shl", n, v.integer(_SIGNIFICAND))))
    y = v.op("fsub", m, v.constant(1.0))
    value = v.op("fdiv", v.polynomial(y, _LOG_ABOVE), v.polynomial(y, _LOG_BELOW))
    return v.fma(v.code.let(f"sitofp {v.bits} {n} to {v.kind}"), v.constant(_LOG_2), value)


def exp_points(draws: Draws, count: int) -> Iterator[tuple[np.ndarray[Any, Any]]]:
    """Where exponentials are to be compared: each range, all exponents, any bits, and around where n changes."""
    for most in (1, 20, 90, 110):
        yield draws.uniform(-most, most, count).astype("f"),
    yield draws.sizes(-150, 8, count, "f"),
    yield draws.patterns("f", count),
    yield _around((np.arange(-300, 301) / 2 * np.log(2)).astype("f")),
    yield _among_others(np.array([MOST, _INFINITE, _LEAST_EXPONENT, _INFINITY, *_NAN], np.uint32).view("f")),


def log_points(draws: Draws, count: int) -> Iterator[tuple[np.ndarray[Any, Any]]]:
    """Where logarithms are to be compared: each range, all exponents, any bits, and around where n changes."""
    for low, high in ((0.5, 2), (0, 100), (-1, 1e6)):
        yield draws.uniform(low, high, count).astype("f"),
    yield np.abs(draws.sizes(-150, 128, count, "f")),
    yield draws.patterns("f", count),
    centres = np.concatenate([2.0 ** np.arange(-148, 128), 2.0 ** np.arange(-147.5, 128)])
    yield _around(np.concatenate([centres, -centres, [0.0, -0.0]]).astype("f")),
    yield _among_others(np.array([_INFINITY, _INFINITE, _LEAST, 0, *_NAN], np.uint32).view("f")),


def _around(centres: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Float32 numbers and those that are next to them."""
    return (centres.view(np.int32)[:, None] + np.arange(-2, 3, dtype=np.int32)).ravel().view("f")


def _among_others(special: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Numbers and those that are next to them, each in a vector of ordinary ones."""
    rows = np.ones((5 * len(special), 16), "f")
    rows[:, 5] = _around(special)
    return rows.ravel()
