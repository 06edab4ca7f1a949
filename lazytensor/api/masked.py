"""Reductions with `where=` of large arrays, which NumPy does with a call of its loop for each stretch of the mask.

Where the order of the elements does not matter, or each result takes them one after the other (along axes behind which
others are kept), those that are not chosen become what changes nothing: 0, -0.0, 1, or the initial value. So the mask
and the reduction are a part of kernels. Sums of floats along the innermost axes are of stretches, as NumPy makes them
(`hot/stretches.c`); the greatest and least are in whatever order unless they are zero, of which there are two.
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, prod
from typing import Any

import numpy as np

from ..hot import native
from ..ir import layout
from ..ir.node import Node
from ..ir.operation import Operation, register
from ..run import floating, pool
from ..run.floating import in_force, unchanged
from ..run.watching import active
from . import functions, reductions
from .build import operand, record, users_frame
from .composed import LEAST, _apply
from .forms import caller
from .handle import Tensor, read, tensor
from .scalar import scalar
from .ufuncs import ufunc

_add, _maximum, _minimum = ufunc(np.add), ufunc(np.maximum), ufunc(np.minimum)
_and, _or, _invert = ufunc(np.logical_and), ufunc(np.logical_or), ufunc(np.invert)
_BOOL = np.dtype(bool)
_NO = np._NoValue
_INTEGERS = "bhilqBHILQ"


def reduced(a: Any, name: str, given: dict[str, Any]) -> Any:
    """What a reduction's method gives for these arguments, pending; None if NumPy's own call is to do it."""
    mask, axis, keepdims = given.get("where", True), given.get("axis"), given.get("keepdims", False)
    if active or type(mask) is not Tensor or given.get("out") is not None or given.get("dtype") is not None or (
            given.get("mean", _NO) is not _NO) or type(keepdims) is not bool or not unchanged(in_force()):
        return None
    v, m = a._value, mask._value
    if not all(x.__class__ is Node and t._state is None and x.strides is None for x, t in ((v, a), (m, mask))):
        return None
    ndim = len(v.shape)
    if m.dtype is not _BOOL or m.shape != v.shape or not v.dtype.isnative or (
            prod(v.shape) * v.dtype.itemsize < LEAST):
        return None
    axes = axis if type(axis) is tuple else tuple(range(ndim)) if axis is None else (axis,)
    if not axes or not all(type(i) is int and -ndim <= i < ndim for i in axes):
        return None
    axes = tuple(sorted({i % ndim for i in axes}))
    if type(axis) is tuple and len(axes) != len(axis):
        return None
    initial = given.get("initial", _NO)
    if initial is not _NO and type(initial) not in (int, float) or initial != initial:
        return None
    if type(initial) is int and abs(initial) >= 1 << 64:  # no array has it, which NumPy says at once
        return None
    way = _WAYS.get(name)
    return way and way(a, mask, name, axes, keepdims, initial if initial is not _NO else None, given)


def _columns(a: Any, axes: tuple[int, ...]) -> bool:
    """Whether each result takes its elements one after the other: something behind the reduced axes is kept."""
    return any(n != 1 for n in a._value.shape[axes[-1] + 1:])


def _trailing(a: Any, axes: tuple[int, ...]) -> bool:
    """Whether the axes are the last ones, which lie in one run."""
    shape = a._value.shape
    kept = [i for i in range(len(shape)) if shape[i] != 1 and i not in axes]
    return all(i > kept[-1] for i in axes if shape[i] != 1) if kept else True


def _chosen(a: Any, mask: Any, otherwise: Any) -> Any:
    return functions.where(mask, a, otherwise)


def _any_or_all(a: Any, mask: Any, name: str, axes: Any, keepdims: bool, initial: Any, given: Any) -> Any:
    char = a._value.dtype.char
    if char != "?" and char not in _INTEGERS + "fd":
        return None
    options = {"axis": axes, "keepdims": keepdims}
    if char != "?":
        return getattr(_chosen(a, mask, int(name == "all")), name)(**options)
    if name == "any":
        return _apply(_and, a, mask).any(**options)
    return _apply(_or, a, _apply(_invert, mask)).all(**options)


def _sum(a: Any, mask: Any, name: str, axes: Any, keepdims: bool, initial: Any, given: Any) -> Any:
    dtype = a._value.dtype
    if dtype.char in _INTEGERS:
        return _chosen(a, mask, 0).sum(axis=axes, keepdims=keepdims) if initial is None else None
    if dtype.char not in "fd":
        return None
    if _columns(a, axes):
        zero = initial is None or initial == 0 and copysign(1, initial) > 0
        return _apply(_add, _chosen(a, mask, -0.0).sum(axis=axes, keepdims=keepdims), 0.0) if zero else None
    if initial and not _goes_into(initial, dtype):
        return None
    return _of_stretches(_SUM, a, mask, axes, keepdims, (("initial", initial),) if initial is not None else ())


def _prod(a: Any, mask: Any, name: str, axes: Any, keepdims: bool, initial: Any, given: Any) -> Any:
    ok = a._value.dtype.char in _INTEGERS + "fd" and initial in (None, 1)
    return _chosen(a, mask, 1).prod(axis=axes, keepdims=keepdims) if ok else None


def _extreme(a: Any, mask: Any, name: str, axes: Any, keepdims: bool, initial: Any, given: Any) -> Any:
    dtype = a._value.dtype
    if initial is None or dtype.char not in _INTEGERS + "fd" or not _goes_into(initial, dtype):
        return None
    found = getattr(_chosen(a, mask, initial), name)(axis=axes, keepdims=keepdims)
    if dtype.char in _INTEGERS:
        return _apply(_maximum if name == "max" else _minimum, found, initial)
    attrs = ("axis", axes), ("initial", initial), ("keepdims", keepdims)
    return _recorded(_EXTREMES[name], (found, a, mask), attrs, found)


def _goes_into(initial: Any, dtype: Any) -> bool:
    """Whether an initial value is one of a dtype, and neither zero of floats."""
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        return type(initial) is int and bool(limits.min <= initial <= limits.max)
    of = np.finfo(dtype)
    return bool(abs(initial) == float("inf") or float(of.tiny) <= abs(initial) <= float(of.max))


def _mean(a: Any, mask: Any, name: str, axes: Any, keepdims: bool, initial: Any, given: Any) -> Any:
    if a._value.dtype.char not in "fd":
        return None
    if not _columns(a, axes):
        return _of_stretches(_MEAN, a, mask, axes, keepdims)
    total = _sum(a, mask, "sum", axes, keepdims, None, given)
    count = mask.sum(axis=axes, dtype=np.intp, keepdims=keepdims)
    return _recorded(_END_OF_MEAN, (total, count), (), total)


def _deviation(a: Any, mask: Any, name: str, axes: Any, keepdims: bool, initial: Any, given: Any) -> Any:
    ddof = given.get("ddof", 0)
    if a._value.dtype.char not in "fd" or type(ddof) is not int or _columns(a, axes):
        return None
    return _of_stretches(_DEVIATIONS[name], a, mask, axes, keepdims, (("ddof", ddof),))


def _of_stretches(op: Operation, a: Any, mask: Any, axes: Any, keepdims: bool, more: Any = ()) -> Any:
    """A call that adds up stretches, pending; None if NumPy's iterator takes the axes apart."""
    if native is None or not _trailing(a, axes):
        return None
    v = a._value
    shape, strides = layout.reduction(v.shape, None, v.dtype.itemsize, v.dtype.itemsize, axes, keepdims)
    attrs = tuple(sorted((("axis", axes), ("keepdims", keepdims), *more)))
    node = record(op, (read(a), read(mask)), attrs, shape, v.dtype, strides, users_frame())
    return tensor(node) if shape else scalar(node)


def _recorded(op: Operation, given: tuple[Any, ...], attrs: Any, like: Any) -> Any:
    """A pending call that gives an array or a number like another one."""
    node = like._value if type(like) is Tensor else like._node
    made = record(op, tuple(map(operand, given)), attrs, node.shape, node.dtype, node.strides, users_frame())
    return tensor(made) if made.shape else scalar(made)


# ---- what these calls do ---------------------------------------------------------------------------------------------

def _sums(array: Any, mask: Any, axis: Any, start: Any = 0) -> Any:
    """The sums over the last axes of what is chosen, and how many elements that is; None if NumPy is to do it."""
    flags = array.flags.c_contiguous and mask.flags.c_contiguous and array.flags.aligned
    if native is None or not flags or mask.shape != array.shape:
        return None
    shape = tuple([n for i, n in enumerate(array.shape) if i not in axis])
    sums, counts = np.full(shape, start, array.dtype), np.zeros(shape, np.intp)
    return (sums, counts) if native.add_stretches(array, mask, sums, counts) else None


def _numpys(method: Callable[..., Any], **options: Any) -> Any:
    """What NumPy's method gives, whose warnings name the line that wrote what is running."""
    running = floating.noted.run
    return caller(None if running is None else running.node)(method, (), options)


def _as_numpys(found: Any, array: Any, axis: Any, keepdims: bool) -> Any:
    """A result with the axes that were reduced, if they are kept; a scalar if it has none."""
    if keepdims:
        return found.reshape([1 if i in axis else n for i, n in enumerate(array.shape)])
    return found if found.shape else found[()]


def _sum_where(array: Any, mask: Any, axis: Any, keepdims: bool, initial: Any = 0) -> Any:
    found = _sums(array, mask, axis, initial)
    if found is None:
        return _numpys(array.sum, axis=axis, keepdims=keepdims, where=mask, initial=initial)
    return _as_numpys(found[0], array, axis, keepdims)


def _mean_where(array: Any, mask: Any, axis: Any, keepdims: bool) -> Any:
    found = _sums(array, mask, axis)
    if found is not None and found[1].all():
        try:
            with np.errstate(all="raise"):
                mean = np.true_divide(found[0], found[1], out=found[0], casting="unsafe")
            return _as_numpys(mean, array, axis, keepdims)
        except FloatingPointError:
            pass
    return _numpys(array.mean, axis=axis, keepdims=keepdims, where=mask)


def _variance(array: Any, mask: Any, axis: Any, ddof: int) -> Any:
    """NumPy's steps; None where it warns."""
    found = _sums(array, mask, axis)
    if found is None or (found[1] <= max(ddof, 0)).any():
        return None
    sums, counts = found
    try:
        with np.errstate(all="raise"):
            mean = np.true_divide(sums, counts, out=sums, casting="unsafe")
            x = pool.empty(array.shape, array.dtype)
            np.subtract(array, _as_numpys(mean, array, axis, True), out=x)
            np.square(x, out=x)
            found = _sums(x, mask, axis)
            return found and np.true_divide(found[0], counts - ddof, out=found[0], casting="unsafe")
    except FloatingPointError:
        return None


def _var_where(array: Any, mask: Any, axis: Any, keepdims: bool, ddof: int) -> Any:
    found = _variance(array, mask, axis, ddof)
    if found is None:
        return _numpys(array.var, axis=axis, keepdims=keepdims, where=mask, ddof=ddof)
    return _as_numpys(found, array, axis, keepdims)


def _std_where(array: Any, mask: Any, axis: Any, keepdims: bool, ddof: int) -> Any:
    found = _variance(array, mask, axis, ddof)
    if found is None:
        return _numpys(array.std, axis=axis, keepdims=keepdims, where=mask, ddof=ddof)
    return _as_numpys(np.sqrt(found, out=found), array, axis, keepdims)


def _extreme_where(name: str) -> Callable[..., Any]:
    with_initial = getattr(np, name + "imum")

    def function(found: Any, array: Any, mask: Any, axis: Any, initial: Any, keepdims: bool) -> Any:
        if not np.all(found):  # which zero it is depends on the order
            return _numpys(getattr(array, name), axis=axis, keepdims=keepdims, where=mask, initial=initial)
        return with_initial(found, found.dtype.type(initial))
    return function


def _end_of_mean(total: Any, count: Any) -> Any:
    if not count.all():  # NumPy warns of slices of which nothing is chosen
        _numpys(np.zeros((1, *count.shape), total.dtype).mean, axis=0, where=(count != 0)[None])
    with np.errstate(invalid="ignore"):
        return np.true_divide(total, count, out=np.empty_like(total), casting="unsafe")


_SUM = register("sum_where", "call", _sum_where, label=None)
_MEAN = register("mean_where", "call", _mean_where, label=None)
_DEVIATIONS = {"var": register("var_where", "call", _var_where, label=None),
               "std": register("std_where", "call", _std_where, label=None)}
_EXTREMES = {name: register(f"{name}_where", "call", _extreme_where(name), label=None) for name in ("max", "min")}
_END_OF_MEAN = register("mean_where_end", "call", _end_of_mean, label=None)
_WAYS: dict[str, Callable[..., Any]] = {
    "sum": _sum, "prod": _prod, "max": _extreme, "min": _extreme, "any": _any_or_all, "all": _any_or_all,
    "mean": _mean, "var": _deviation, "std": _deviation}
reductions.with_mask.append(reduced)
