"""Products of matrices of floats, and of a row and a matrix of float32, by loops of lazytensor's own.

`hot/gemm.c` and `hot/gemv.c` add up in the order that one BLAS has on CPUs with AVX-512. They are quicker where the
right matrix lies in the L2 cache: they read it where it is, and of a transposed one they copy a few columns at a time.
Whether NumPy's BLAS is that one is not looked up but found out: at the first use of a geometry the two are compared on
values of all kinds, bits and flags, and NumPy's loop stays where they differ anywhere.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ..hot import native as hot
from .draws import Draws
from .loops import Loop, strided_loop

_Array = np.ndarray[Any, Any]
_FLOAT = np.dtype(np.float32)
LINE = 64
"""Bytes of a cache line, at which the matrix begins that a row is multiplied with, and so all its rows, unless it is a
small one."""
ANYWHERE = 1 << 14
"""As `hot/gemv.c` has it: elements of a matrix that may begin elsewhere."""
MOST, LONGEST = 1 << 20, 1 << 9
"""Bytes of the right matrix at most, and elements of its rows, where the left one is a row: larger ones wait for memory
however they are read."""
MOST_OF_MANY, MOST_TRANSPOSED = 1 << 21, 1 << 22
"""Bytes of it where the left one has more rows, and where it is transposed, too: what is copied of it is in a cache."""
LEAST, MOST_WORK = 1_000_000, 1 << 24
"""Multiplications of matrices up to which OpenBLAS makes no copies either, and up to which loops are compared."""
LEAST_TRANSPOSED = 1 << 15
"""Those up to which a product with a transposed right matrix takes as long in OpenBLAS, which makes copies for most."""
SMALL = 1 << 18
"""Multiplications up to which OpenBLAS has one thread."""
ROWS, FEWEST, PARTS = 128, 8, 4
"""Rows of a result that are computed together; those, at least, and parts that threads share."""
KEPT = 256
"""Geometries that are remembered."""


class ProductLoop(ctypes.Structure):
    """As `hot/product_loop.h` has it."""

    _fields_ = [("loop", ctypes.c_void_p), ("context", ctypes.c_void_p), ("auxdata", ctypes.c_void_p),
                ("threads", ctypes.c_void_p), ("compared", ctypes.c_int64), ("sizes", ctypes.c_ssize_t * 4),
                ("strides", ctypes.c_ssize_t * 9), ("parallel", ctypes.c_void_p), ("block", ctypes.c_int64),
                ("round", ctypes.c_int64), ("begins", ctypes.c_int64), ("together", ctypes.c_int64)]


class Order(NamedTuple):
    """In which order the products of an element of the result are added up.

    Attributes
    ----------
    block : int
        How many are added up at once; of twice as many or fewer that are left half.
    round : int
        What halves are rounded up to a multiple of.
    begins : bool
        Whether the first sum is added to 0, too.
    """

    block: int
    round: int
    begins: bool

    def blocks(self, depth: int) -> list[int]:
        """How many are added up at once, each time."""
        found = []
        while depth:
            here = self.block if depth >= 2 * self.block else depth if depth <= self.block else (
                -(-((depth + 1) // 2) // self.round) * self.round)
            found.append(here)
            depth -= here
        return found


_BLOCKS = {"f": (448, 320, 384, 640, 512, 768, 1 << 40), "d": (384, 192, 256, 448, 512, 1 << 40)}
_ROUND = 16, 1, 4, 8
"""What OpenBLAS may have for its GEMM_Q and GEMM_UNROLL_M; with several threads it rounds nothing."""

_found: dict[Any, Loop | None] = {}
_lock = threading.RLock()


def loop_of(loop: Loop, dtype: np.dtype[Any], sizes: tuple[int, int, int], strides: tuple[int, ...],
            parallel: int = 0) -> Loop:
    """What to run in the place of NumPy's loop of `matmul`: a twin for these sizes and strides, or that loop itself.

    Parameters
    ----------
    sizes, strides
        As the loop gets them: rows, what is summed over, columns; bytes between the rows and columns of the three.
    parallel
        The address of what shares work among threads (`run/workers.py`); 0 if none does. Then NumPy's loop stays where
        BLAS has several threads for the product.
    """
    if hot is None or not dtype.isnative or loop.needs_gil or not may_be(dtype, sizes, strides):
        return loop
    threads = _threads()
    if threads is None:
        return loop
    count = threads()
    if sizes[0] == 1 or count == 1 or math.prod(sizes) <= SMALL:
        parallel = 0
    elif not parallel:
        return loop
    key = dtype.char, sizes, strides, count, parallel
    with _lock:
        if key not in _found:
            while len(_found) >= KEPT:
                _found.pop(next(iter(_found)))
            _found[key] = _compared(loop, dtype, sizes, strides, threads, parallel)
        return _found[key] or loop


def often(char: str, sizes: tuple[int, int, int], strides: tuple[int, ...]) -> tuple[int, int, int, Loop] | None:
    """The loop for a geometry that the lazy engine has met often: its address, context, auxdata, and what keeps these.
    None if it is NumPy's own. Threads share no product there: other operations may want threads of BLAS at any time."""
    dtype = np.dtype(char)
    loop = strided_loop(np.matmul, (dtype,) * 3)
    found = loop if loop is None else loop_of(loop, dtype, sizes, strides)
    return None if found is None or found is loop else (found.loop, found.context, found.auxdata, found)


def may_be(dtype: np.dtype[Any], sizes: tuple[int, int, int], strides: tuple[int, ...]) -> bool:
    """Whether there is a loop for that geometry."""
    m, inner, n = sizes
    size = dtype.itemsize
    if m == 1:
        return (dtype == _FLOAT and n % 16 == 0 and n <= LONGEST and inner * n * size <= MOST
                and strides == (0, 4 if inner > 1 else 0, 4 * n if inner > 1 else 0, 4, 0, 4))
    if dtype.char not in _BLOCKS or m == 1 or inner == 1 or n * size % LINE or m * inner * n > MOST_WORK:
        return False
    if strides[:2] not in ((inner * size, size), (size, m * size)) or strides[4:] != (n * size, size):
        return False
    if strides[2:4] == (size, inner * size):
        return m * inner * n > LEAST_TRANSPOSED and inner * n * size <= MOST_TRANSPOSED
    return m * inner * n > LEAST and inner * n * size <= MOST_OF_MANY and strides[2:4] == (n * size, size)


def is_transposed(strides: tuple[int, ...]) -> bool:
    """Whether the right matrix is the transpose of one in C order."""
    return strides[3] > strides[2]


def _threads() -> Any:
    """The function of NumPy's BLAS that tells how many threads it uses; None if it is none that we know."""
    parallel = _of_blas("parallel")
    if parallel is None or parallel() == 2:
        return None  # OpenMP: how many there are depends on who calls
    return _of_blas("num_threads")


def _of_blas(name: str, verb: str = "get") -> Any:
    """A function of NumPy's OpenBLAS; None if it has another BLAS."""
    try:
        library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    except (KeyError, OSError, TypeError):
        return None
    for form in ("scipy_openblas_%s_%s64_", "scipy_openblas_%s_%s", "openblas_%s_%s64_", "openblas_%s_%s"):
        with suppress(AttributeError):
            return library[form % (verb, name)]
    return None


def _compared(loop: Loop, dtype: np.dtype[Any], sizes: tuple[int, int, int], strides: tuple[int, ...], threads: Any,
              parallel: int) -> Loop | None:
    """The twin for a geometry, if it has proved to be one."""
    row = sizes[0] == 1
    address = hot.gemv() if row else hot.gemm()["fd".index(dtype.char)]
    if not address:
        return None
    met = []
    for order in [Order(1, 1, True)] if row else _orders(dtype, sizes):
        blocks = order.blocks(sizes[1]), order.begins
        if blocks in met:
            continue
        met.append(blocks)
        own = ProductLoop(loop.loop, loop.context, loop.auxdata, ctypes.cast(threads, ctypes.c_void_p).value, threads(),
                          (ctypes.c_ssize_t * 4)(1, *sizes), (ctypes.c_ssize_t * 9)(0, 0, 0, *strides), 0, *order,
                          _together(dtype, sizes, is_transposed(strides), bool(parallel)))
        twin = loop._replace(loop=address, context=ctypes.addressof(own), auxdata=0, capsule=(loop.capsule, own))
        if not differences(loop, twin, dtype, sizes, strides, first=True):
            if differences(loop, twin, dtype, sizes, strides):
                return None
            own.parallel = parallel  # not before: threads of BLAS, which wait, would be in the way of ours
            return twin
    return None


def _together(dtype: np.dtype[Any], sizes: tuple[int, int, int], transposed: bool, shared: bool) -> int:
    """How many rows of a product are a part of it, or columns if the right matrix is transposed: each copied once."""
    if transposed:
        at_once = 2 * LINE // dtype.itemsize
        parts = min(PARTS, -(-sizes[2] // at_once)) if shared else 1
        return -(-sizes[2] // (parts * at_once)) * at_once
    parts = max(-(-sizes[0] // ROWS), min(PARTS, sizes[0] // FEWEST) if shared else 1)
    return -(-sizes[0] // (parts * FEWEST)) * FEWEST


def _orders(dtype: np.dtype[Any], sizes: tuple[int, int, int]) -> Iterator[Order]:
    for begins, block, rounded in itertools.product((True, False), _BLOCKS[dtype.char], _ROUND):
        yield Order(block, rounded, begins)


# ---- the comparison


def differences(loop: Loop, twin: Loop, dtype: np.dtype[Any], sizes: tuple[int, int, int], strides: tuple[int, ...],
                seed: int = 0, first: bool = False) -> list[str]:
    """What the twin does otherwise than NumPy's loop, in bits and flags; of values of the `first` kind alone, if so.

    Flags that other threads of BLAS have raised are lost in NumPy: then the twin may raise more.
    """
    from . import fidelity  # not before a shape asks: it takes long to import

    m, inner, n = sizes
    several = twin is not loop and twin.capsule[1].compared > 1 and math.prod(sizes) > SMALL
    raised = fidelity.raised()
    found = []
    try:
        draws = Draws(seed)
        begins = (5,) if m > 1 else (0, 5) if inner * n <= ANYWHERE else (0,)
        for what, a, b in itertools.chain(*(_operands(draws, dtype, m * inner, inner * n, begin) for begin in begins)):
            results = []
            for each in (loop, twin):
                out = np.full(m * n, 7, dtype)
                fidelity.clear()
                each.call([a.ctypes.data, b.ctypes.data, out.ctypes.data], [1, *sizes], [0, 0, 0, *strides])
                results.append((out, fidelity.raised()))
            (wanted, flags), (out, left) = results
            if (flags & ~left if several else left != flags) or fidelity.first_difference(out, wanted) is not None:
                found.append(what)
            if first:
                break
        return found
    finally:
        fidelity.clear()
        fidelity.raise_again(raised)


_WORDS: dict[str, Any] = {"f": np.dtype(np.uint32), "d": np.dtype(np.uint64)}
_FRACTION = {"f": 23, "d": 52}
_ANY = -1
_KINDS = {"plain": (0, 0), "wide": (-15, 31), "small": (-2000, _ANY), "large": (0, _ANY), "tiny": (-2000, 0),
          "zero": (-2000, 0)}
"""Kinds of floats, of random bits: the least exponent, and the bits by which exponents differ (_ANY: all but one). The
products of "tiny" ones are zeros of either sign."""
_SPECIAL = (np.inf, -np.inf, np.nan, 0.0, -0.0)


def _operands(draws: Draws, dtype: np.dtype[Any], *sizes_and_begin: int) -> Iterator[tuple[str, _Array, _Array]]:
    """Pairs of matrices of all kinds, always in the same memory; "wide" ones also with elements that are special. The
    second one begins so many elements beyond the beginning of a cache line."""
    *sizes, begin = sizes_and_begin
    word, fraction = _WORDS[dtype.char], _FRACTION[dtype.char]
    one = int(np.ones(1, dtype).view(word)[0])
    kept = np.array(1 << 8 * dtype.itemsize - 1 | (1 << fraction) - 1, word)
    random = [draws.bits(-(-size * dtype.itemsize // 8)).view(word)[:size] for size in sizes]
    a, b = _placed(sizes[0], 3, dtype), _placed(sizes[1], begin, dtype)
    info: Any = np.finfo(dtype)
    special = np.array([*_SPECIAL, info.smallest_subnormal, info.max], dtype)
    for what, (least, spread) in _KINDS.items():
        lowest, spread = max(0, (one >> fraction) + least), one >> fraction if spread == _ANY else spread
        for bits, out in zip(random, (a, b), strict=True):
            exponents = (bits >> np.array(9, word) & np.array(spread, word)) + np.array(lowest, word)
            np.bitwise_or(bits & kept, exponents << np.array(fraction, word), out=out.view(word))
        if what == "zero":
            a[...], b[...] = np.copysign(0, a), np.copysign(0, b)
        yield what, a, b
        for out, count in ((b, 1), (b, max(1, len(b) // 50)), (a, 2)) if what == "wide" else ():
            out[draws.integers(0, len(out), count)] = special[draws.integers(0, len(special), count)]
            yield "special", a, b


def _placed(count: int, beyond: int, dtype: np.dtype[Any]) -> _Array:
    """Memory for that many floats, so many beyond the beginning of a cache line."""
    raw = np.empty(count + 2 * LINE // dtype.itemsize, dtype)
    start = -raw.ctypes.data % LINE // dtype.itemsize + beyond
    return raw[start:start + count]


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
