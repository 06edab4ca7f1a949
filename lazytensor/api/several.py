"""Functions that give views of each of several arguments, or several views of one: as NumPy composes them, of views."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .creation import asanyarray
from .fallback import AT_ONCE, fallback
from .handle import WARNS, Tensor, apply_steps, geometry, writing_of
from .relative import relative_view
from .scalar import Scalar

_broadcast_arrays = fallback(np.broadcast_arrays, "broadcast_arrays")
_meshgrid = fallback(np.meshgrid, "meshgrid")
_moveaxis = fallback(np.moveaxis, "moveaxis")
_unstack = fallback(np.unstack, "unstack") if hasattr(np, "unstack") else None


def _broadcast(t: Any, shape: tuple[int, ...]) -> Any:
    """The view of a Tensor that `numpy.broadcast_arrays` gives: to write to it warns once."""
    if t.shape == shape:
        return t
    seen = np.broadcast_to(geometry(t), shape)
    step = relative_view, (0, shape, seen.strides, seen.dtype)
    return apply_steps(t, (step,), seen, WARNS if writing_of(t) else False)


@functools.wraps(np.broadcast_arrays)
def broadcast_arrays(*args: Any, **kwargs: Any) -> Any:
    """See `numpy.broadcast_arrays`; nothing runs."""
    if any(type(x) is Tensor for x in args) and kwargs.keys() <= {"subok"}:
        own: list[Any] = [x if type(x) is Tensor else asanyarray(x) for x in args]
        try:
            shape: Any = np.broadcast_shapes(*[x.shape for x in own])
        except ValueError:
            shape = None  # NumPy's message names the arguments
        if shape is not None and all(type(x) is Tensor and not x._value.dtype.hasobject for x in own):
            return tuple([_broadcast(x, shape) for x in own])
    return _broadcast_arrays(*args, **kwargs)


@functools.wraps(np.meshgrid)
def meshgrid(*xi: Any, **kwargs: Any) -> Any:
    """See `numpy.meshgrid`; without `copy`, views of what is given."""
    copy, sparse, indexing = (kwargs.get(*one) for one in (("copy", True), ("sparse", False), ("indexing", "xy")))
    if copy or indexing not in ("xy", "ij") or not kwargs.keys() <= {"copy", "sparse", "indexing"} or any(
            type(x) is not Tensor or x._value.dtype.hasobject for x in xi):
        return _meshgrid(*xi, **kwargs)
    ones = (1,) * len(xi)
    output = [x.reshape(ones[:i] + (-1,) + ones[i + 1:]) for i, x in enumerate(xi)]
    if indexing == "xy" and len(xi) > 1:
        output[0] = output[0].reshape((1, -1) + ones[2:])
        output[1] = output[1].reshape((-1, 1) + ones[2:])
    return output if sparse else broadcast_arrays(*output)


def unstack(x: Any, /, *, axis: Any = 0) -> Any:
    """See `numpy.unstack`; parts with axes are views."""
    if type(x) is Tensor and len(x._value.shape) > 1:
        return tuple(_moveaxis(x, axis, 0))
    return _unstack(x, axis=axis)  # type: ignore[misc]


def _atleast(name: str, shapes: tuple[Any, ...]) -> Callable[..., Any]:
    """`atleast_1d` and its kin; `shapes` are the indices by which arrays of 0, 1, ... axes get those that are missing.
    """
    real = getattr(np, name)
    otherwise = fallback(real, name)

    @functools.wraps(real)
    def function(*arys: Any) -> Any:
        if not any(type(x) is Tensor or issubclass(type(x), Scalar) for x in arys):
            return otherwise(*arys)
        own = [asanyarray(x) for x in arys]
        if any(type(x) is not Tensor or x._value.dtype.hasobject for x in own):
            return otherwise(*arys)
        result = [x if x.ndim >= len(shapes) else x[shapes[x.ndim]] if x.ndim else x.reshape(shapes[0]) for x in own]
        return result[0] if len(result) == 1 else tuple(result)
    return function


_ALL = slice(None)
SEVERAL: dict[str, Callable[..., Any]] = {
    "broadcast_arrays": broadcast_arrays, "meshgrid": meshgrid, "atleast_1d": _atleast("atleast_1d", ((1,),)),
    "atleast_2d": _atleast("atleast_2d", ((1, 1), (None, _ALL))),
    "atleast_3d": _atleast("atleast_3d", ((1, 1, 1), (None, _ALL, None), (_ALL, _ALL, None))),
}
AT_ONCE[meshgrid] = {"small": True, "alone": True}
if _unstack is not None:
    SEVERAL["unstack"] = functools.wraps(np.unstack)(unstack)
"""What this file has in place of NumPy's functions, by name."""
