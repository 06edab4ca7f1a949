"""What a tape (`_tape.c`) is made of: the numbers of its operations, parts of arrays, and steps as words."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from ..ir.layout import c_strides
from ..lower import loops, products
from ..run import workers
from .nesting import Loop, Numbers, Step, parts

tape: Any = None
"""The extension; None where it was not built or ``LAZYTENSOR_HOT=0`` leaves it out: everything is written as calls."""
if os.environ.get("LAZYTENSOR_HOT") != "0":
    with suppress(ImportError):
        from . import _tape as tape  # type: ignore[attr-defined, no-redef]

(LOOP, END, LOAD, STORE, SCALAR, DOT, MAP, COPY, FILL, INDEX, MOVE, QUOTIENT, WEAK, MATH, CALL,
 CALLS) = range(16)
"""Operations, as in `_tape.c`,"""
ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, NEGATE, ABSOLUTE, SQUARE_ROOT = range(8)
"""and kinds of arithmetic."""
SIN, COS, TAN, EXP, LOG, SQRT, TANH, POW = range(8)
"""Functions of Python's floats."""
SIZES = {"d": 8, "f": 4}
"""Bytes of an element;"""
PYTHON = "p"
"""and the kind of a slot that holds a float of Python's,"""
ENDS = {**SIZES, PYTHON: 1}
"""which is how a tape is told of numbers that it takes and gives."""


class Unknown(Exception):
    """A record that is no step of a tape."""


class Place:
    """A part of an array: its number, the offset of the first element, shape, strides in bytes; of a whole array what
    generated code calls it."""

    __slots__ = ("array", "offset", "shape", "strides", "char", "text")

    def __init__(self, array: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], char: str,
                 text: str = "") -> None:
        self.array, self.offset, self.shape, self.strides, self.char = array, offset, shape, strides, char
        self.text = text

    def element(self, index: Any) -> int | None:
        """The offset of an element; None if the index is none of one."""
        offset, shape = self.offset, self.shape
        given = index if type(index) is tuple else (index,)
        if len(given) != len(shape):
            return None
        for x, n, step in zip(given, shape, self.strides, strict=True):
            if type(x) is not int:
                return None
            offset += (x + n if x < 0 else x) * step
        return offset

    def part(self, index: Any) -> Place:
        """What a basic index of whole numbers and slices leaves of it."""
        offset, shape, strides = self.offset, [], []
        given = index if type(index) is tuple else (index,)
        if len(given) > len(self.shape):
            raise Unknown
        for x, n, step in zip(given, self.shape, self.strides, strict=False):
            if type(x) is int:
                offset += (x + n if x < 0 else x) * step
            elif type(x) is slice:
                start, stop, by = x.indices(n)
                shape.append(len(range(start, stop, by)))
                strides.append(step * by)
                offset += start * step
            else:
                raise Unknown
        shape += self.shape[len(given):]
        strides += self.strides[len(given):]
        return Place(self.array, offset, tuple(shape), tuple(strides), self.char)

    @property
    def row(self) -> Numbers:
        """Offset, stride and length, if its elements in order lie evenly."""
        shape, strides = self.shape, self.strides
        if len(shape) == 1:
            return self.offset, strides[0], shape[0]
        if strides != c_strides(shape, SIZES[self.char]):
            raise Unknown
        return self.offset, SIZES[self.char], prod(shape)


def words(steps: list[Step], around: tuple[Numbers, ...] = (), at: int = 0) -> list[int]:
    """Steps as the words of a tape; `around` has, for each loop around them, what their numbers grow by."""
    found: list[int] = []
    position = depth = 0
    depth = len(around)
    for shape, numbers in steps:
        own = tuple([growth[position:position + len(numbers)] for growth in around])
        position += len(numbers)
        mixed = [x for k, value in enumerate(numbers) for x in (value, *[growth[k] for growth in own])]
        if type(shape) is not Loop:
            found += [*shape, depth, *mixed]
            continue
        head = 7 + 1 + depth
        begin = at + len(found) + head
        inner = words(parts(shape, numbers[1:]), (*[growth[1:] for growth in own], shape.growth), begin)
        end = begin + len(inner) + 7
        found += [LOOP, 0, 8, 0, 0, end, depth, *mixed[:1 + depth], *inner, END, 0, 8, 0, 0, begin, depth]
    return found


def made(steps: list[Step], arrays: list[tuple[Any, ...]], start: Any, inputs: list[tuple[int, int]],
         outputs: list[tuple[int, int]], mask: int, called: Iterable[tuple[Any, str]] = ()) -> Any:
    """A tape.

    Parameters
    ----------
    arrays
        For each the first byte and the one after the last, counted from its first element, its size in bytes, and
        whether it is written.
    start
        What the slots hold at the beginning, 8 bytes each.
    inputs, outputs
        Slots and kinds (`ENDS`) of the numbers that it takes and gives.
    mask
        The floating-point flags with which it gives None.
    called
        The ufuncs whose loops it calls, and the type of their elements; steps have their numbers.

    Raises
    ------
    ValueError
        If it leaves an array, or reads what it writes in another order.
    """
    return of_words(words(steps), arrays, start, inputs, outputs, mask, called)


def of_words(code: list[int], arrays: list[tuple[Any, ...]], start: Any, inputs: list[tuple[int, int]],
             outputs: list[tuple[int, int]], mask: int, called: Iterable[tuple[Any, str]] = ()) -> Any:
    """The same of words."""
    loops_, keep = _products()
    found = []
    for fn, char in called:
        loop = loops.strided_loop(fn, (np.dtype(char),) * fn.nargs)
        assert loop is not None
        found.append((loop.loop, loop.context, loop.auxdata, fn.nin, SIZES[char]))
    columns = list(zip(*arrays, strict=True)) or [()] * 4
    packed = [np.array(x, np.int64).tobytes() for x in (code, columns, inputs, outputs)]
    return tape.Tape(packed[0], packed[1], start.tobytes(), packed[2], packed[3], mask, loops_, tuple(found), keep)


def _products() -> tuple[tuple[int, ...], Any]:
    """NumPy's loops for products of float32 and float64 vectors: their addresses, and what keeps them."""
    found = [loops.strided_loop(np.matmul, (np.dtype(char),) * 3) for char in "fd"]
    flat = [(0, 0, 0) if x is None or x.needs_gil else (x.loop, x.context, x.auxdata) for x in found]
    return (*flat[0], *flat[1]), found


def product(a: Any, b: Any, out: Any, mask: int, often: bool, shares: bool = False) -> Any:
    """NumPy's loop for ``a @ b``, bound to the geometry (shape, dtype, strides) of these and of the result, without the
    way to it; None if it is not for that. Called with the arrays, it gives True if it raised a flag of the mask.

    The strides are those that NumPy's matmul gives its loop: 0 along an axis of length 1 or one that is not there. What
    is called `often` may have another loop in its place, of the same bits and flags (`lower/products.py`), whose work
    lazytensor's threads have if the program `shares` it.
    """
    known = _sizes_and_strides(a, b, out)
    if tape is None or known is None:
        return None
    dtype, (m, inner, n), strides = known
    loop = loops.strided_loop(np.matmul, (dtype,) * 3)
    if loop is None or loop.needs_gil:
        return None
    if often:
        threads = workers.count() if shares else 1
        loop = products.loop_of(loop, dtype, (m, inner, n), strides, workers.entry(threads) if threads > 1 else 0)
    sizes = [prod(x[0]) * dtype.itemsize for x in (a, b, out)]
    return tape.Product((loop.loop, loop.context, loop.auxdata), (m, inner, n), strides, tuple(sizes),
                        0 if loop.no_float_errors else mask, loop)


def _sizes_and_strides(a: Any, b: Any, out: Any) -> tuple[Any, tuple[int, int, int], tuple[int, ...]] | None:
    """The dtype of a product, and the sizes and strides that NumPy's loop is called with; None if it is not for it."""
    if None in (a, b, out):
        return None
    dtype = out[1]
    if dtype.char not in SIZES or not dtype.isnative or out[2] is not None:
        return None
    if any(x[1] != dtype or not 1 <= len(x[0]) <= 2 or 0 in x[0] for x in (a, b)):
        return None
    m, inner, n = a[0][0] if len(a[0]) == 2 else 1, a[0][-1], b[0][1] if len(b[0]) == 2 else 1
    om, op = (n * dtype.itemsize if m > 1 else 0), (dtype.itemsize if n > 1 else 0)
    return dtype, (m, inner, n), (*_matrix(a, True), *_matrix(b, False), om, op)


def wants_threads_of_blas(a: Any, b: Any, out: Any) -> bool:
    """Whether a product, of these geometries, may be one that BLAS has several threads for: after it they wait for the
    next one, spinning, on the cores of lazytensor's workers."""
    known = _sizes_and_strides(a, b, out)
    return known is None or prod(known[1]) > products.SMALL and not products.may_be(*known)


def _matrix(geometry: Any, left: bool) -> tuple[int, int]:
    """The strides of a matrix, or of a vector as a row (on the left) or a column."""
    shape, dtype, strides = geometry
    strides = c_strides(shape, dtype.itemsize) if strides is None else strides
    found = [0 if n == 1 else s for n, s in zip(shape, strides, strict=True)]
    return (found[0], found[1]) if len(found) == 2 else (0, found[0]) if left else (found[0], 0)
