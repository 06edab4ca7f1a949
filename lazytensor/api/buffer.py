"""The buffer protocol: ``memoryview(t)``, ``bytes(t)``, ``file.write(t)`` and whatever else takes bytes.

A class written in Python can offer it from Python 3.12 on (`__buffer__`). Before, the type's C slot is filled with a
function of ours; if that cannot be done, ``memoryview(t.numpy())`` is the way.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from .handle import Tensor, export, swallowed
from .scalar import Scalar
from .scalar import value_of as scalar_value

EXACT = frozenset("?bhilqBHILQefdgFDG")
"""The dtype characters that come through the protocol unchanged. NumPy asks for a buffer first when it takes an array
in, and for `__array__` if there is none: all other dtypes refuse."""


def _memory(t: Any) -> Any:
    lazy_scalar = issubclass(type(t), Scalar)
    dtype = t._node.dtype if lazy_scalar else t._value.dtype
    if dtype.char not in EXACT:
        raise TypeError(f"memoryview: a Tensor of dtype {dtype} has no buffer; use memoryview(t.numpy())")
    if lazy_scalar:  # in a copy: NumPy, which makes a new array of a scalar, would have it read-only
        return np.array(scalar_value(t))
    return export(t)


def _python_buffer(self: Any, flags: int, /) -> memoryview:
    """`__buffer__` of Python 3.12 and newer."""
    try:
        return memoryview(_memory(self))
    except KeyboardInterrupt as error:
        swallowed.interrupt = error
        raise


_AS_BUFFER = 160
"""The offset of `tp_as_buffer` in `PyTypeObject`, the same in all CPython 3 with a GIL on 64-bit machines."""

_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]


@ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_int)
def _slot(self: Any, view: Any, flags: int) -> int:
    try:
        _get_buffer(_memory(self), view, flags)
    except BaseException as error:  # noqa: BLE001  nothing can be raised through C from here
        if isinstance(error, KeyboardInterrupt):
            swallowed.interrupt = error
        return -1
    return 0


def _fill_slot() -> None:
    """Puts `_slot` where the type keeps its buffer functions, after a look that they are where we think."""
    def functions(kind: type) -> Any:
        return ctypes.c_void_p.from_address(id(kind) + _AS_BUFFER).value

    known = functions(bytearray)
    if ctypes.sizeof(ctypes.c_void_p) != 8 or known is None or functions(int) is not None or not functions(Tensor):
        return
    for table in map(functions, (Tensor, Scalar)):
        ctypes.c_void_p.from_address(table).value = ctypes.cast(_slot, ctypes.c_void_p).value


if sys.version_info >= (3, 12):
    Tensor.__buffer__ = Scalar.__buffer__ = _python_buffer  # type: ignore[attr-defined]
elif sys.implementation.name == "cpython":
    _fill_slot()
