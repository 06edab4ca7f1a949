"""NumPy's own inner loops: for any ufunc and operand dtypes, the address of the machine code that NumPy itself runs.

The door is ``ufunc._resolve_dtypes_and_context`` and ``ufunc._get_strided_loop``, made for JIT compilers, documented in
their docstrings and tied to the capsule's name. A loop is called as

    int loop(context, char **data, const intptr_t *dimensions, const intptr_t *strides, auxdata)

and returns 0, or -1 with an exception set. NumPy's ufuncs, SciPy's and gufuncs are all the same here.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

_CAPSULE = b"numpy_1.24_ufunc_call_info"


class Loop(NamedTuple):
    """An inner loop of NumPy's for operands of exactly these dtypes.

    `symbol` names it in LLVM text: different for different loops of a process, the same in every process that meets
    them in the same order. `loop`, `context` and `auxdata` (which may be 0) are addresses, good while `capsule` lives.
    A loop with `no_float_errors` leaves no floating-point flags worth reading.
    """

    symbol: str
    loop: int
    context: int
    auxdata: int
    needs_gil: bool
    no_float_errors: bool
    capsule: Any

    def call(self, data: Sequence[int], dimensions: Sequence[int], strides: Sequence[int]) -> int:
        """Runs it through ctypes, with the GIL: for tests, checks and what is not worth compiling."""
        return int(_caller(self.loop)(self.context, (ctypes.c_void_p * len(data))(*data),
                                      (ctypes.c_ssize_t * len(dimensions))(*dimensions),
                                      (ctypes.c_ssize_t * len(strides))(*strides), self.auxdata))


class _CallInfo(ctypes.Structure):
    """What the capsule points at, as the docstring of ``ufunc._get_strided_loop`` has it."""

    _fields_ = [("loop", ctypes.c_void_p), ("context", ctypes.c_void_p), ("auxdata", ctypes.c_void_p),
                ("needs_gil", ctypes.c_byte), ("no_float_errors", ctypes.c_byte)]


_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi))
_caller = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
                            ctypes.c_void_p)

_cache: dict[tuple[Any, tuple[Any, ...]], Loop | None] = {}
_symbols: dict[str, tuple[Any, tuple[Any, ...]]] = {}
_lock = threading.RLock()
_works: bool | None = None


def available() -> bool:
    """Whether NumPy has the door and it works as documented: found out at first use, by running two loops."""
    global _works
    if _works is None:
        try:
            _works = _check()
        except Exception:  # whatever a NumPy that we do not know may raise
            _works = False
    return _works


def _check() -> bool:
    """exp and add over a few numbers, against NumPy's answer."""
    x = np.linspace(-3, 3, 21)
    for ufunc, operands in ((np.exp, (x,)), (np.add, (x, x[::-1].copy()))):
        dtypes = (np.dtype(float),) * (len(operands) + 1)
        loop = _open(ufunc, dtypes)
        out = np.zeros_like(x)
        if loop is None or loop.needs_gil or not loop.loop or not loop.context:
            return False
        arrays = (*operands, out)
        if loop.call([a.ctypes.data for a in arrays], [len(x)], [8] * len(arrays)) or (out != ufunc(*operands)).any():
            return False
    return True


def strided_loop(ufunc: Any, dtypes: Sequence[Any]) -> Loop | None:
    """NumPy's loop of a ufunc or gufunc for these dtypes of inputs and outputs, with no cast on the way.

    Returns
    -------
    Loop or None
        None if NumPy has no such door, no loop for exactly these dtypes, or refuses. It stays alive for ever, except
        for loops over Python objects, which are not remembered.
    """
    key = (ufunc, tuple(map(np.dtype, dtypes)))
    try:
        return _cache[key]
    except KeyError:
        pass
    if not available():
        return None
    loop = _open(*key)
    if any(dtype.hasobject for dtype in key[1]):
        return loop
    with _lock:
        return _cache.setdefault(key, loop)


def _open(ufunc: Any, dtypes: tuple[np.dtype[Any], ...]) -> Loop | None:
    if len(dtypes) != getattr(ufunc, "nargs", None) or not all(dtype.isnative for dtype in dtypes):
        return None
    try:
        resolved, capsule = ufunc._resolve_dtypes_and_context(dtypes, casting="no")
        if tuple(resolved) != dtypes:
            return None
        ufunc._get_strided_loop(capsule)
        info = _CallInfo.from_address(_pointer(capsule, _CAPSULE))
    except (AttributeError, TypeError, ValueError, NotImplementedError, SystemError):
        return None
    return Loop(_symbol(ufunc, dtypes), info.loop or 0, info.context or 0, info.auxdata or 0, bool(info.needs_gil),
                bool(info.no_float_errors), capsule)


def _letters(dtype: np.dtype[Any]) -> str:
    """A dtype in a symbol: its character, the same one for int64 by either name; `M8_ns` for datetime64[ns]."""
    if dtype.kind in "biufc":
        return "bool" if dtype.char == "?" else np.dtype(dtype.str).char
    return re.sub(r"\W+", "_", dtype.str).strip("_")


def _symbol(ufunc: Any, dtypes: tuple[np.dtype[Any], ...]) -> str:
    """The ufunc's name and the dtypes, numbered if another ufunc bears the same name."""
    plain = "_".join([re.sub(r"\W", "_", ufunc.__name__), *map(_letters, dtypes)])
    if any(dtype.hasobject for dtype in dtypes):
        return plain
    with _lock:
        symbol, number = plain, 1
        while _symbols.setdefault(symbol, (ufunc, dtypes)) != (ufunc, dtypes):
            number += 1
            symbol = f"{plain}_{number}"
        return symbol


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
