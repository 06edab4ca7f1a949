"""Elements picked by a boolean mask, and values put where it is true: without a branch for each element.

NumPy asks of each element whether it is chosen, which a processor cannot foresee. Here every element is copied, and the
place moves on by what its byte of the mask says; eight elements of which none or all are chosen are passed over or
copied as one. None or False mean that NumPy is to do it: other layouts, few elements, Python objects.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np

from ..config import current
from . import pool, startup

LEAST = 1 << 11
"""For fewer elements NumPy is as quick."""
PICK_NS = 2.0
"""What NumPy takes for an element of a mask."""
_ndarray, _bool = np.ndarray, np.dtype(bool)


@cache
def _moving() -> Any:
    """What moves elements; None where no machine code can be made."""
    from . import moving

    return moving if moving.available() else None


_C_ORDER, _ALIGNED, _WRITEABLE = 1, 256, 1024
"""Bits of ``flags.num``."""


def _moving_for(array: Any, mask: Any) -> Any:
    """What does it (`run.moving`), or None if it cannot be done here; the mask says how many of the first axes it
    chooses from."""
    if type(array) is not _ndarray or type(mask) is not _ndarray or mask.dtype is not _bool or mask.size < LEAST:
        return None
    if mask.shape != array.shape[:mask.ndim] or current.engine != "llvm" or array.dtype.hasobject:
        return None
    if array.flags.num & (_C_ORDER | _ALIGNED) != _C_ORDER | _ALIGNED or not mask.flags.num & _C_ORDER:
        return None
    if not startup.pays():
        startup.worked(PICK_NS * mask.size)
        return None
    return _moving()


def picked(array: Any, mask: Any) -> Any:
    """``array[mask]``, or None."""
    moving = _moving_for(array, mask)
    if moving is None:
        return None
    rest = array.shape[mask.ndim:]
    size = prod(rest) * array.itemsize
    n = int(np.count_nonzero(mask))
    out = pool.empty((n, *rest), array.dtype)
    if n and size:
        moving.function("pick", size)(out, array, mask, mask.size, n, size, *moving.shares(mask.size, size))
    return out


def put(array: Any, mask: Any, values: Any) -> bool:
    """``array[mask] = values``, for an array of as many values as the mask chooses; False if NumPy is to do it."""
    moving = _moving_for(array, mask)
    if moving is None or type(values) is not _ndarray or values.dtype is not array.dtype or not (
            values.flags.num & (_C_ORDER | _ALIGNED) == _C_ORDER | _ALIGNED and array.flags.num & _WRITEABLE):
        return False
    rest = array.shape[mask.ndim:]
    size = prod(rest) * array.itemsize
    if values.shape != (int(np.count_nonzero(mask)), *rest) or np.may_share_memory(
            array, values) or np.may_share_memory(array, mask):
        return False
    if values.size:
        move = moving.function("put", size)
        move(array, values, mask, mask.size, len(values), size, *moving.shares(mask.size, size))
    return True
