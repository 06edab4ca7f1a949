"""What tapes call for a number or a short row: NumPy's inner loop of a ufunc, or the C library's power.

A ufunc of numbers is NumPy's loop over one element, with no strides for what it reads. Operators between NumPy's
scalars are no ufuncs (``s ** 2`` is the C library's `pow`, where ``np.power(s, 2)`` is a product). For those that
IEEE 754 does not fix, a step is believed where it has proved to give the same bits and flags as the operator.
"""

from __future__ import annotations

import functools
import itertools
import operator
from typing import Any

import numpy as np

from ..ir.errstate import capsule_of, silently, under
from ..lower import loops
from . import tapes

OPERATORS: dict[Any, Any] = {operator.mod: np.remainder, operator.floordiv: np.floor_divide}
"""Operators between scalars, and the ufuncs whose loops may do them."""
_NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 0.5, -0.5, 1.5, -2.5, 1e-3, 7.25, -31.0, 1e30, 3e-30, float("inf"),
            float("-inf"), float("nan"))
_RANDOM = 400


@functools.cache
def loop_of(fn: Any, char: str) -> Any:
    """NumPy's loop for numbers of a type, with one result of that type; None if it is not one of one or two inputs, may
    raise, or is not known to give the same wherever its operands lie."""
    from ..lower import fidelity  # not before a tape asks: it takes long to import

    ufunc = OPERATORS.get(fn, fn)
    if not isinstance(ufunc, np.ufunc) or ufunc.nout != 1 or ufunc.nin > 2 or ufunc.signature is not None:
        return None
    types = (np.dtype(char),) * ufunc.nargs
    if not fidelity.certified(ufunc, types, in_place=False):
        return None
    found = loops.strided_loop(ufunc, types)
    if found is None or fn in OPERATORS and not _agrees(fn, char, (tapes.CALL, 0), [(ufunc, char)]):
        return None
    return found


@functools.cache
def power(char: str) -> bool:
    """Whether the C library's power is the one of NumPy's scalars."""
    return _agrees(operator.pow, char, (tapes.SCALAR, tapes.POWER), [])


def _agrees(fn: Any, char: str, step: tuple[int, int], called: list[Any]) -> bool:
    """Whether a step of two numbers has the bits and the flags of the operator between NumPy's scalars, as far as some
    thousand pairs tell: of special numbers each with each, and random ones."""
    size, kind = tapes.SIZES[char], np.dtype(char).type
    words = [*step, size, 0, 1, 2, 0]
    bits, flags = [tapes.of_words(words, [], np.zeros(3), [(0, size), (1, size)], [(2, size)], mask, called)
                   for mask in (0, 31)]
    info = np.finfo(char)
    special = [*_NUMBERS, float(info.max), float(info.tiny), float(info.smallest_subnormal)]
    draw = np.random.default_rng(0)
    pairs = [*itertools.product(special, special), *zip(*(draw.normal(size=(2, _RANDOM)) * 8), strict=True)]
    pairs += [(x, y) for x, y in zip(draw.random(_RANDOM) * 100, itertools.cycle((2.0, 3.0, 0.5, 1.5, -1.0)))]
    for pair in pairs:
        a, b = map(kind, pair)
        if bits(a, b)[0].tobytes() != silently(fn, a, b).tobytes():
            return False
        try:
            under(_RAISED, fn, a, b)
            raises = False
        except FloatingPointError:
            raises = True
        if raises != (flags(a, b) is None):
            return False
    return True


@functools.cache
def of_math(fn: Any, kind: int) -> bool:
    """Whether a function of Python's floats is the C library's that a tape calls, as far as some hundred numbers
    tell."""
    if tapes.tape is None:
        return False
    words = [tapes.MATH, kind, 8, 0, 1, 2, 0]
    end = tapes.ENDS[tapes.PYTHON]
    step = tapes.of_words(words, [], np.zeros(3), [(0, end), (1, end)], [(2, end)], 0)
    draw = np.random.default_rng(0)
    pairs = [*itertools.product(_NUMBERS, _NUMBERS), *zip(
        [float(x) for x in draw.normal(size=_RANDOM) * 8], itertools.cycle((2.0, 3.0, 0.5, 1.5, -1.0)))]
    for a, b in pairs:
        found = step(a, b)
        if found is None:
            continue
        try:
            own = fn(a, b) if kind == tapes.POW else fn(a)
        except (ValueError, OverflowError, ZeroDivisionError):
            return False
        if type(own) is not float or own.hex() != found[0].hex():
            return False
    return True


_RAISED = capsule_of(all="raise")
