"""Functions that write to an array and cannot fail once their arguments have been checked: `copyto`, `put`, `putmask`,
`place`, `put_along_axis`, `fill_diagonal`. Each is NumPy's own call on the array's next value; and `histogram`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.dtypes import NUMERIC
from ..ir.node import Node
from ..ir.operation import Operation
from . import lazy
from .build import NUMBERS, NotArray, operand
from .fallback import fallback
from .handle import Tensor, is_writeable, wrap
from .inplace import change, looked_at
from .rows import within

_getframe = sys._getframe


def _copyto(view: Any, source: Any, *rest: Any) -> None:
    np.copyto(view, source, rest[-1], **({"where": rest[0]} if len(rest) > 1 else {}))


_COPYTO = Operation("copyto", "mutate", _copyto, label="cast")
_PUT = Operation("put", "mutate", lambda view, indices, values, mode: np.put(view, indices, values, mode), label="cast")
_PUTMASK = Operation("putmask", "mutate", np.putmask, label="cast")
_PLACE = Operation("place", "mutate", np.place, label="cast")
_ALONG = Operation("put_along_axis", "mutate", np.put_along_axis, label="cast")
_DIAGONAL = Operation("fill_diagonal", "mutate", np.fill_diagonal, label="cast")


def _numbers(target: Any, *values: Any) -> None:
    """Refuses what NumPy must look at itself: other than numbers, complex ones into a real array, read-only arrays."""
    dtype = target._value.dtype
    if dtype.char not in NUMERIC or not is_writeable(target):
        raise NotArray
    for x in values:
        kind = x.dtype.kind if type(x) is Node or isinstance(x, np.generic) else "c" if type(x) is complex else "b"
        if (kind == "c" and dtype.kind != "c") or (type(x) is Node and x.dtype.char not in NUMERIC):
            raise NotArray


def _shape(x: Any) -> tuple[int, ...]:
    return x.shape if type(x) is Node else ()


def _fits(target: Any, *values: Any) -> None:
    shape = target._value.shape
    if np.broadcast_shapes(shape, *[_shape(x) for x in values]) != shape:
        raise NotArray


def _element(x: Any) -> Any:
    """One element of an operand's dtype, or the number itself."""
    return np.ones((), x.dtype) if type(x) is Node else x


def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> bool:
    """`numpy.copyto`, if it may wait."""
    source = operand(src)
    mask = () if where is True else (operand(where),)
    _numbers(dst, source)
    _fits(dst, source, *mask)
    if mask and (type(mask[0]) is not Node or mask[0].dtype.kind != "b"):
        return False
    np.copyto(np.empty(1, dst._value.dtype), _element(source), casting)
    return change(_COPYTO, dst, (source, *mask), (casting,), _getframe(3))


def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> bool:
    """`numpy.put`, if it may wait; the indices are looked at now."""
    size = int(np.prod(a._value.shape))
    if mode not in ("raise", "wrap", "clip") or size == 0 or not within(ind, size if mode == "raise" else 1 << 62):
        return False
    indices, values = operand(ind), operand(v)
    _numbers(a, values)
    if type(v) in NUMBERS:
        np.put(np.empty(1, a._value.dtype), 0, v)
    return change(_PUT, a, (indices, values), (mode,), _getframe(3))


def putmask(a: Any, /, mask: Any, values: Any) -> bool:
    """`numpy.putmask`, if it may wait."""
    chosen, given = operand(mask), operand(values)
    _numbers(a, given)
    if _shape(chosen) != a._value.shape or not (type(given) is Node and given.dtype == a._value.dtype):
        return False
    return change(_PUTMASK, a, (chosen, given), (), _getframe(3))


def place(arr: Any, mask: Any, vals: Any) -> bool:
    """`numpy.place`, if it may wait."""
    chosen, given = operand(mask), operand(vals)
    _numbers(arr, given)
    if _shape(chosen) != arr._value.shape or not (type(given) is Node and given.dtype == arr._value.dtype) or (
            0 in given.shape):
        return False
    return change(_PLACE, arr, (chosen, given), (), _getframe(3))


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> bool:
    """`numpy.put_along_axis`, if it may wait; the indices are looked at now."""
    shape = arr._value.shape
    if type(axis) is not int or not within(indices, shape[axis]):
        return False
    places, given = operand(indices), operand(values)
    _numbers(arr, given)
    axis %= len(shape)
    if len(_shape(places)) != len(shape) or np.broadcast_shapes(_shape(places), _shape(given)) != _shape(places) or any(
            n not in (1, m) for i, (n, m) in enumerate(zip(places.shape, shape, strict=True)) if i != axis):
        return False
    np.empty(1, arr._value.dtype)[0] = _element(given)
    return change(_ALONG, arr, (places, given), (axis,), _getframe(3))


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> bool:
    """`numpy.fill_diagonal`, if it may wait."""
    given = operand(val)
    _numbers(a, given)
    shape = a._value.shape
    if type(wrap) is not bool or len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1) or 0 in shape or (
            type(given) is Node and 0 in given.shape):
        return False
    np.fill_diagonal(np.empty((2, 2), a._value.dtype), _element(given))
    return change(_DIAGONAL, a, (given,), (wrap,), _getframe(3))


def _writing(own: Callable[..., bool]) -> Callable[..., None]:
    """NumPy's function as one that leaves its first argument pending where `own` can."""
    real = getattr(np, own.__name__)
    otherwise = fallback(real, own.__name__)

    @functools.wraps(real)
    def function(*args: Any, **kwargs: Any) -> None:
        if args and type(args[0]) is Tensor:
            try:
                if own(*args, **kwargs):
                    return
            except (NotArray, TypeError, ValueError, OverflowError, IndexError, AttributeError):
                pass  # NumPy says it itself
        otherwise(*args, **kwargs)
    return function


# ---- histogram -------------------------------------------------------------------------------------------------------


def _counts(a: Any, bins: Any, range: Any, density: Any, weights: Any) -> Any:
    return np.histogram(a, bins, range, density, weights)[0]


_HISTOGRAM = lazy.Rule(_counts, "histogram", "a bins weights")
_histogram = fallback(np.histogram, "histogram")


@functools.wraps(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """See `numpy.histogram`; pending if the bins are given, or their number and range."""
    given = isinstance(bins, (list, tuple, np.ndarray, Tensor))
    if type(a) is Tensor and (given or type(bins) is int and range is not None) and type(weights) is not list:
        real = looked_at(bins)
        edges = np.histogram_bin_edges(np.ones(1, a._value.dtype), real, range)  # raises what NumPy raises
        if a._value.dtype.kind in "iuf" and edges.dtype.char in NUMERIC:
            found = _HISTOGRAM.pending((a, real, range, density, weights), {}, _getframe(1))
            if found is not lazy.NOW:
                return found, bins if type(bins) is Tensor else wrap(edges)
    return _histogram(a, bins, range, density, weights)


WRITES: dict[str, Callable[..., Any]] = {
    **{f.__name__: _writing(f) for f in (copyto, put, putmask, place, put_along_axis, fill_diagonal)},
    "histogram": histogram,
}
"""What this file has in place of NumPy's functions, by name."""


def _put_method(self: Any, /, indices: Any, values: Any, mode: Any = "raise") -> None:
    """As `numpy.ndarray.put`."""
    WRITES["put"](self, indices, values, mode)


Tensor.put = _put_method  # type: ignore[attr-defined]
