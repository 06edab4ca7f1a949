"""`hypot` as vectors, with the bits of the GNU C library's (2.35 and later, in its form without fused operations).

float32 is computed in float64. float64 is the square root of the sum of squares, corrected once: with x >= y the error
of h is (h*h - x*x - y*y) / (2*h), written in differences of h from y or x that have little rounding. Where y is below
2**-54 * x the result is x + y.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ir.errstate import silently
from .draws import Draws
from .lanes import Lanes

_LEAST, _MOST = (1023 - 400) << 52, (1023 + 511) << 52


def outside(v: Lanes, a: str, b: str) -> str:
    """Where NumPy's loop is to be asked: what is not finite, and sizes whose squares might not be."""
    sizes = [v.size(a), v.size(b)]
    if v.char == "f":
        return v.not_(v.both(*[v.below(x, 0x7F800000) for x in sizes]))
    large = [v.not_(v.below(x, _MOST)) for x in sizes]
    small = [v.below(v.op("sub", x, v.integer(1)), _LEAST - 1) for x in sizes]
    return v.either(v.either(*large), v.either(*small))


def hypot(v: Lanes, a: str, b: str) -> str:
    """The square root of a*a + b*b."""
    if v.char == "f":
        return _in_double(v, a, b)
    a, b = v.to_float(v.size(a)), v.to_float(v.size(b))
    above = v.compare("ogt", b, a)
    x, y = v.pick(above, b, a), v.pick(above, a, b)
    far = v.compare("ole", y, v.op("fmul", x, v.constant(2.0**-54)))
    plain = v.op("fadd", x, y)
    x, y = v.pick(far, v.constant(1.0), x), v.pick(far, v.constant(1.0), y)
    h = v.intrinsic("sqrt", v.op("fadd", v.op("fmul", x, x), v.op("fmul", y, y)))
    twice = v.op("fadd", y, y)
    near = v.compare("ole", h, twice)
    error = _error(v, x, y, twice, v.op("fsub", h, v.pick(near, y, x)), near)
    return v.pick(far, plain, v.op("fsub", h, v.op("fdiv", error, v.op("fadd", h, h))))


def _error(v: Lanes, x: str, y: str, twice: str, delta: str, near: str) -> str:
    """h*h - x*x - y*y, from delta: h - y if h <= 2*y (`near`), else h - x."""
    double = v.op("fadd", delta, delta)
    apart = v.op("fsub", x, y)
    first = v.op("fmul", x, v.op("fsub", double, x))
    second = v.op("fmul", v.op("fsub", delta, v.op("fadd", apart, apart)), delta)
    third = v.op("fmul", double, v.op("fsub", x, twice))
    fourth = v.op("fadd", v.op("fmul", v.op("fsub", v.op("fmul", delta, v.constant(4.0)), y), y),
                  v.op("fmul", delta, delta))
    return v.op("fadd", v.pick(near, first, third), v.pick(near, second, fourth))


def _in_double(v: Lanes, a: str, b: str) -> str:
    code, wide = v.code, f"<{v.lanes} x double>"
    squares = []
    for x in (a, b):
        x = code.let(f"fpext {v.kind} {x} to {wide}")
        squares.append(code.let(f"fmul {wide} {x}, {x}"))
    code.declare(f"declare {wide} @llvm.sqrt.v{v.lanes}f64({wide})")
    total = code.let(f"fadd {wide} {squares[0]}, {squares[1]}")
    root = code.let(f"call {wide} @llvm.sqrt.v{v.lanes}f64({wide} {total})")
    return code.let(f"fptrunc {wide} {root} to {v.kind}")


def points(char: str, draws: Draws, count: int) -> Iterator[tuple[np.ndarray[Any, Any], ...]]:
    """Where it is to be compared: sides of about one size, of all sizes, with 0 among them, and any bits."""
    info = np.finfo(char)
    yield draws.sizes(-1, 1, count, char), draws.sizes(-1, 1, count, char)
    yield draws.uniform(-3, 3, count).astype(char), draws.uniform(-3, 3, count).astype(char)
    yield draws.integers(-9, 9, count).astype(char), draws.integers(-9, 9, count).astype(char)
    for reach in (4, 60):
        scale = draws.sizes(info.minexp, info.maxexp, count, char)
        yield scale, silently(np.multiply, scale, draws.sizes(-reach, reach, count, char))
    yield draws.patterns(char, count), draws.patterns(char, count)
