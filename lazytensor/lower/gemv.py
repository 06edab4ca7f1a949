"""Products of a row and a matrix of float32 (a layer of a network on one sample) by a loop of lazytensor's own.

`hot/gemv.c` adds up in the order that one BLAS has on CPUs with AVX-512, and is quicker where the matrix lies in the L2
cache. Whether NumPy's BLAS is that one is not looked up but found out: at the first use of a shape the two are
compared on values of all kinds, bits and flags, and NumPy's loop stays where they differ anywhere.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..hot import native as hot
from .draws import Draws
from .loops import Loop

_Array = np.ndarray[Any, Any]
_FLOAT = np.dtype(np.float32)
LINE = 64
"""Bytes of a cache line, at which a matrix begins, and so all its rows, unless it is a small one."""
ANYWHERE = 1 << 14
"""As `hot/gemv.c` has it: elements of a matrix that may begin elsewhere."""
MOST, LONGEST = 1 << 18, 1 << 9
"""Elements of a matrix, and of its rows, at most: larger ones wait for memory, however they are read."""
KEPT = 256
"""Shapes that are remembered."""


class _Gemv(ctypes.Structure):
    """As `hot/gemv.c` has it."""

    _fields_ = [("loop", ctypes.c_void_p), ("context", ctypes.c_void_p), ("auxdata", ctypes.c_void_p),
                ("threads", ctypes.c_void_p), ("compared", ctypes.c_int64), ("sizes", ctypes.c_ssize_t * 4),
                ("strides", ctypes.c_ssize_t * 9)]


_found: dict[tuple[int, int, int], Loop | None] = {}
_lock = threading.RLock()


def loop_of(loop: Loop, dtype: np.dtype[Any], sizes: tuple[int, int, int], strides: tuple[int, ...]) -> Loop:
    """What to run in the place of NumPy's loop of `matmul`: a twin for these sizes and strides, or that loop itself.

    Parameters
    ----------
    sizes, strides
        As the loop gets them: rows, what is summed over, columns; bytes between the rows and columns of the three.
    """
    m, inner, n = sizes
    if hot is None or m != 1 or n % 16 or n > LONGEST or inner * n > MOST or dtype != _FLOAT or not (
            dtype.isnative) or strides != (0, 4 if inner > 1 else 0, 4 * n if inner > 1 else 0, 4, 0, 4):
        return loop
    threads = _threads()
    if threads is None or loop.needs_gil:
        return loop
    key = inner, n, threads()
    with _lock:
        if key not in _found:
            while len(_found) >= KEPT:
                _found.pop(next(iter(_found)))
            _found[key] = _compared(loop, key, strides, threads)
        return _found[key] or loop


def _threads() -> Any:
    """The function of NumPy's BLAS that tells how many threads it uses; None if it is none that we know."""
    try:
        library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    except (KeyError, OSError, TypeError):
        return None
    for name in ("scipy_openblas_get_%s64_", "scipy_openblas_get_%s", "openblas_get_%s64_", "openblas_get_%s"):
        try:
            threads, parallel = library[name % "num_threads"], library[name % "parallel"]
        except AttributeError:
            continue
        return None if parallel() == 2 else threads  # OpenMP: how many there are depends on who calls
    return None


def _compared(loop: Loop, key: tuple[int, int, int], strides: tuple[int, ...], threads: Any) -> Loop | None:
    """The twin for a shape, if it has proved to be one."""
    address = hot.gemv()
    if not address:
        return None
    inner, n, count = key
    own = _Gemv(loop.loop, loop.context, loop.auxdata, ctypes.cast(threads, ctypes.c_void_p).value, count,
                (ctypes.c_ssize_t * 4)(1, 1, inner, n), (ctypes.c_ssize_t * 9)(0, 0, 0, *strides))
    twin = loop._replace(loop=address, context=ctypes.addressof(own), auxdata=0, capsule=(loop.capsule, own))
    return None if differences(loop, twin, inner, n, strides) else twin


# ---- the comparison


def differences(loop: Loop, twin: Loop, inner: int, n: int, strides: tuple[int, ...], seed: int = 0) -> list[str]:
    """What the twin does otherwise than NumPy's loop, in bits and flags."""
    from . import fidelity  # not before a shape asks: it takes long to import

    raised = fidelity.raised()
    found = []
    try:
        draws = Draws(seed)
        begins = (0, 5) if inner * n <= ANYWHERE else (0,)
        for what, x, matrix in itertools.chain(*(_operands(draws, inner, n, begin) for begin in begins)):
            results = []
            for each in (loop, twin):
                out = np.full(n, 7, _FLOAT)
                fidelity.clear()
                each.call([x.ctypes.data, matrix.ctypes.data, out.ctypes.data], [1, 1, inner, n], [0, 0, 0, *strides])
                results.append((out, fidelity.raised()))
            (wanted, flags), (out, left) = results
            if left != flags or fidelity.first_difference(out, wanted) is not None:
                found.append(what)
        return found
    finally:
        fidelity.clear()
        fidelity.raise_again(raised)


_SIGN_AND_FRACTION = 0x807FFFFF
_KINDS = {"plain": (_SIGN_AND_FRACTION, 126, 0), "wide": (_SIGN_AND_FRACTION, 111, 31),
          "small": (_SIGN_AND_FRACTION, 0, 127), "large": (_SIGN_AND_FRACTION, 127, 127), "zero": (1 << 31, 0, 0)}
"""Kinds of floats, of random bits: which of these stay, the least exponent, and the bits by which exponents differ."""
_SPECIAL = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-45, 3e38], _FLOAT)


def _operands(draws: Draws, inner: int, n: int, begin: int) -> Iterator[tuple[str, _Array, _Array]]:
    """Rows and matrices of all kinds, always in the same memory; "wide" ones also with elements that are special. A
    matrix begins so many elements beyond the beginning of a cache line."""
    sizes = inner, inner * n
    random = [draws.bits(-(-size // 2)).view(np.uint32)[:size] for size in sizes]
    x, matrix = _placed(inner, 3), _placed(inner * n, begin)
    for what, (kept, least, spread) in _KINDS.items():
        for bits, out in zip(random, (x, matrix), strict=True):
            exponents = (bits >> 9 & spread) + least << 23
            np.bitwise_or(bits & kept, exponents, out=out.view(np.uint32))
        yield what, x, matrix
        for out, count in ((matrix, 1), (matrix, max(1, len(matrix) // 50)), (x, 2)) if what == "wide" else ():
            out[draws.integers(0, len(out), count)] = _SPECIAL[draws.integers(0, len(_SPECIAL), count)]
            yield "special", x, matrix


def _placed(count: int, beyond: int) -> _Array:
    """Memory for that many floats, so many beyond the beginning of a cache line."""
    raw = np.empty(count + LINE // 2, _FLOAT)
    start = -raw.ctypes.data % LINE // 4 + beyond
    return raw[start:start + count]


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
