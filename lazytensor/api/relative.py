"""Views of any geometry over a real array's memory, for results of NumPy's that share memory with what it was given."""

from __future__ import annotations

from typing import Any

import numpy as np

_ndarray = np.ndarray


class _Memory:
    """A place in an array's memory, for `numpy.asarray`; keeps the array alive."""

    __slots__ = ("__array_interface__", "base")

    def __init__(self, array: Any, offset: int, shape: Any, strides: Any, dtype: Any) -> None:
        interface = array.__array_interface__
        address, read_only = interface["data"]
        self.base = array
        # Memory of objects has one dtype only, the array's own.
        kind = interface if dtype.hasobject else {"version": 3, "typestr": f"|V{dtype.itemsize}"}
        self.__array_interface__ = {**kind, "shape": shape, "strides": strides, "data": (address + offset, read_only)}


def relative_view(array: Any, offset: int, shape: Any, strides: Any, dtype: Any) -> Any:
    """A view of any geometry, whose first element lies `offset` bytes from that of `array`. A step of a view.

    >>> relative_view(np.arange(6.0), 8, (2, 2), (16, 8), np.dtype(float))
    array([[1., 2.],
           [3., 4.]])
    """
    if array.flags.c_contiguous and array.size and dtype.itemsize and not dtype.hasobject:
        try:
            return _ndarray(shape, dtype, array.reshape(-1).view(np.uint8), offset, strides)
        except (TypeError, ValueError):
            pass  # beyond the array, as `as_strided` allows
    view = np.asarray(_Memory(array, offset, shape, strides, dtype))
    return view if dtype.hasobject else view.view(dtype)
