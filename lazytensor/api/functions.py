"""NumPy's functions that are lazy: each hands Tensors to the method of the same meaning, everything else to NumPy.

`LAZY` maps NumPy's names to them. `array_function` is `__array_function__`: the same for NumPy's own functions.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..hot import native
from ..ir.dtypes import NUMERIC, int_bounds
from ..ir.errstate import silently
from ..ir.layout import elementwise as layout_of
from ..ir.node import Node
from ..ir.operation import register
from . import matrix, methods, puts
from .build import NUMBERS, NotArray, grows_infinite, handle, operand, record, shape_of
from .fallback import AT_ONCE, fallback
from .handle import Tensor
from .joining import JOIN, joining, pad
from .rolling import roll
from .scalar import Scalar
from .several import SEVERAL

_getframe = sys._getframe


def check_arguments(real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises NumPy's own TypeError if the arguments do not fit the parameters of its function."""
    try:
        inspect.signature(real).bind(*args, **kwargs)
    except TypeError:
        try:
            real(*args, **kwargs)
        except TypeError as error:
            raise error from None


_TAKE_NONE_OVER = frozenset((Tensor, np.ndarray, int, float, complex, bool, str, type(None), tuple, list, type,
                             np.dtype, type(np._NoValue)))
"""Types of arguments that are no class of others, the common ones."""
_NOT_ASKED = frozenset(("axis", "dtype", "keepdims", "ddof", "order", "decimals", "copy"))
"""Names of arguments whose class NumPy does not ask; none of the first two arguments' is but the first's."""


def _may_be_taken_over(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an argument is of another class that has `__array_function__`: NumPy knows which arguments it asks."""
    if (len(args) < 3 or _TAKE_NONE_OVER.issuperset(map(type, args))) and _NOT_ASKED.issuperset(kwargs):
        return False
    return any([hasattr(type(x), "__array_function__") for x in (*args, *kwargs.values())
                if type(x) not in _TAKE_NONE_OVER])


def _by_method(name: str, method: str | None = None, rename: dict[str, str] | None = None) -> Callable[..., Any]:
    """A function of NumPy's as the Tensor method that does the same with the same arguments after the first."""
    real = getattr(np, name)
    otherwise = fallback(real, name)
    own = getattr(Tensor, method or name)
    renamed = rename or {}

    @functools.wraps(real)
    def function(*args: Any, **kwargs: Any) -> Any:
        if args and type(args[0]) is Tensor and not _may_be_taken_over(args, kwargs):
            options = {renamed.get(k, k): v for k, v in kwargs.items() if v is not np._NoValue} if kwargs else kwargs
            try:
                return own(*args, **options)
            except TypeError:
                check_arguments(real, args, kwargs)
                raise
        return otherwise(*args, **kwargs)
    return function


def _transpose(a: Any, axes: Any = None) -> Any:
    return a.transpose() if axes is None else a.transpose(tuple(axes) if isinstance(axes, list) else axes)


def _reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    return a.reshape(shape, order=order) if copy is None else a.reshape(shape, order=order, copy=copy)


def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return methods.copy(a, order)


def _sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    if axis is None:
        result, axis = a.flatten(), -1
    else:
        result = a.copy(order="K")
    result.sort(axis=axis, kind=kind, order=order, stable=stable)
    return result


def _clip(a: Any, a_min: Any = np._NoValue, a_max: Any = np._NoValue, out: Any = None, *, min: Any = np._NoValue,
          max: Any = np._NoValue, **kwargs: Any) -> Any:
    one = a_min is np._NoValue, a_max is np._NoValue
    if one[0] is not one[1] or not one[0] and (min is not np._NoValue or max is not np._NoValue):
        return np.clip(np.empty(0), a_min, a_max, min=min, max=max)
    low = min if a_min is np._NoValue else a_min
    high = max if a_max is np._NoValue else a_max
    return methods.clip(a, None if low is np._NoValue else low, None if high is np._NoValue else high, out, **kwargs)


def _statistic(name: str) -> Callable[..., Any]:
    def function(a: Any, *args: Any, correction: Any = np._NoValue, **kwargs: Any) -> Any:
        if correction is not np._NoValue:
            if kwargs.get("ddof", 0) != 0 or len(args) > 3:
                raise ValueError("ddof and correction can't be provided simultaneously.")
            kwargs["ddof"] = correction
        return getattr(a, name)(*args, **kwargs)
    return function


def _any_or_all(name: str) -> Callable[..., Any]:
    method = getattr(Tensor, name)

    def function(a: Any, axis: Any = None, out: Any = None, keepdims: Any = np._NoValue, *,
                 where: Any = np._NoValue) -> Any:
        options = {"axis": axis, "out": out, "keepdims": keepdims, "where": where}
        absent = {"axis": None, "out": None, "keepdims": np._NoValue, "where": np._NoValue}
        return method(a, **{k: x for k, x in options.items() if x is not absent[k]})
    return function


def _on_tensors(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy's that is `own` where the first argument is a Tensor."""
    real = getattr(np, name)
    otherwise = fallback(real, name)

    @functools.wraps(real)
    def function(*args: Any, **kwargs: Any) -> Any:
        if args and type(args[0]) is Tensor and not _may_be_taken_over(args, kwargs):
            try:
                return own(*args, **kwargs)
            except TypeError:
                check_arguments(real, args, kwargs)
                raise
        return otherwise(*args, **kwargs)
    return function


_clip_of_arrays = _on_tensors("clip", _clip)


@functools.wraps(np.clip)
def _clip_or_number(*args: Any, **kwargs: Any) -> Any:
    """See `numpy.clip`."""
    if len(args) == 3 and not kwargs and issubclass(type(args[0]), Scalar):
        try:
            return methods.clip_number(*args, _getframe(1))
        except NotArray:
            pass
    return _clip_of_arrays(*args, **kwargs)


_WHERE = register("where", "call", np.where, step="where")
_where_on_real = fallback(np.where, "where")


@functools.wraps(np.where)
def where(*args: Any) -> Any:
    """See `numpy.where`."""
    if len(args) == 3 and any(type(x) is Tensor for x in args):
        try:
            inputs = tuple([operand(x) for x in args])
            condition, x, y = inputs
            if type(condition) is Node and _numbers(condition) and (_numbers(x) and _numbers(y)):
                return _pending_where(inputs)
        except NotArray:
            pass
    return _where_on_real(*args)


def _numbers(x: Any) -> bool:
    return type(x) in NUMBERS or x.dtype.char in NUMERIC


def _pending_where(inputs: tuple[Any, ...]) -> Any:
    key = tuple([(x.dtype, x.dtype.num, x.shape, x.strides) if type(x) is Node else
                 (type(x), x if type(x) is int or not abs(x) < _ANY_FLOAT else None) for x in inputs])
    found = _where_results.get(key)
    if found is None:
        if len(_where_results) > 4096:
            _where_results.clear()
        found = _where_results[key] = _where_result(inputs)
    shape, dtype, strides = found
    return handle(record(_WHERE, inputs, None, shape, dtype, strides, _getframe(2)))


_ANY_FLOAT = 65504.0
"""Smaller magnitudes are numbers in every floating dtype."""
_where_results: dict[Any, Any] = {}
"""Shape, dtype and strides of results, by what the operands are."""


def _where_result(inputs: tuple[Any, ...]) -> Any:
    samples = [np.zeros((), x.dtype) if type(x) is Node else x for x in inputs[1:]]
    dtype = silently(np.where, np.zeros(1, bool), *samples).dtype
    for x in inputs[1:]:
        if type(x) is int and not (-128 <= x <= 127 or dtype.kind not in "iu" and abs(x) < 1 << 24 or (
                dtype.kind in "iu" and int_bounds(dtype)[0] <= x <= int_bounds(dtype)[1])):
            raise NotArray
        if type(x) in NUMBERS and grows_infinite(x, dtype):
            raise NotArray
    shape = shape_of(inputs)
    if not shape or any(n == 0 for n in shape):
        raise NotArray
    operands = tuple([(x.shape, x.strides, x.dtype.itemsize) if type(x) is Node else ((), None, 8) for x in inputs])
    return shape, dtype, layout_of(shape, dtype.itemsize, operands, trivial=False)


_diag_of_real = fallback(np.diag, "diag")


@functools.wraps(np.diag)
def _diag(v: Any, k: Any = 0) -> Any:
    """See `numpy.diag`: the diagonal of a matrix is a view."""
    if type(v) is Tensor and len(v._value.shape) == 2:
        return methods.diagonal(v, k)
    return _diag_of_real(v, k)


LAZY: dict[str, Callable[..., Any]] = {
    **{name: _by_method(name) for name in (
        "sum", "prod", "max", "min", "mean", "argmax", "argmin", "cumsum", "cumprod", "ravel",
        "swapaxes", "squeeze", "round")},
    "amax": _by_method("amax", "max"), "amin": _by_method("amin", "min"), "around": _by_method("around", "round"),
    "reshape": _on_tensors("reshape", _reshape), "transpose": _on_tensors("transpose", _transpose),
    "copy": _on_tensors("copy", _copy),
    "sort": _on_tensors("sort", _sort), "clip": _clip_or_number,
    "any": _on_tensors("any", _any_or_all("any")), "all": _on_tensors("all", _any_or_all("all")),
    "var": _on_tensors("var", _statistic("var")), "std": _on_tensors("std", _statistic("std")),
    "real": _on_tensors("real", lambda val: val.real), "imag": _on_tensors("imag", lambda val: val.imag),
    "diagonal": _by_method("diagonal"), "shape": _on_tensors("shape", lambda a: a.shape),
    "ndim": _on_tensors("ndim", lambda a: a.ndim),
    "dot": functools.wraps(np.dot)(matrix.dot), "where": where, "diag": _diag, **puts.WRITES, **SEVERAL,
    **{name: joining(name) for name in JOIN}, "pad": pad, "roll": roll,
}

AT_ONCE.update((LAZY[name], {"small": True}) for name in ("dot", "pad", "roll", "sort", *JOIN))
AT_ONCE.update((LAZY[name], {"small": True, "realized": True, "steady": True}) for name in (
    "sum", "prod", "max", "min", "mean", "argmax", "argmin", "cumsum", "cumprod", "round", "amax", "amin", "around",
    "clip", "any", "all", "var", "std", "where", "ravel"))
AT_ONCE.update((LAZY[name], {"views": True}) for name in ("squeeze", "diagonal"))
if native is not None:
    AT_ONCE[where]["quick"] = native.Chooser(_WHERE, _where_results, where)
    AT_ONCE[LAZY["clip"]]["quick"] = methods.clipper(LAZY["clip"])


def array_function(self: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """`__array_function__`: a function of NumPy's given a Tensor does what lazytensor's does."""
    own = HANDLED.get(func)
    return (own if own is not None else fallback(func, getattr(func, "__name__", "function")))(*args, **kwargs)


HANDLED: dict[Any, Callable[..., Any]] = {}
"""NumPy's functions and what stands for them; `namespace` fills it."""

Tensor.__array_function__ = array_function  # type: ignore[attr-defined]
