"""`nansum`, `nanmean`, `nanvar`, `nanstd` of large arrays, and `count_nonzero`: as the operations that NumPy makes.

NumPy copies the array, makes a mask, puts zeros where it is true and reduces both. Written as these operations they are
one kernel, which makes none of the arrays. What divides by the counts and warns of slices without numbers is a call
at the end, on what is left.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..run.watching import active
from . import functions, lazy
from .build import is_pending, users_frame
from .composed import COMPOSED, LEAST, _apply, _composed
from .fallback import AT_ONCE
from .handle import Tensor
from .ufuncs import ufunc

try:
    from numpy.lib import _nanfunctions_impl as _numpys
except ImportError:
    _numpys = None  # type: ignore[assignment]
_divide_by_count: Any = getattr(_numpys, "_divide_by_count", None)
_NO = np._NoValue
_isnan, _invert, _subtract, _multiply, _divide = (
    ufunc(real) for real in (np.isnan, np.invert, np.subtract, np.multiply, np.divide))


def _is_large(a: Any, chars: str = "fd") -> bool:
    """Whether it is a large Tensor of floats, or of these dtypes, in C order and in the machine's byte order.

    NumPy's copy of a swapped array is swapped too: it is summed a buffer at a time."""
    if type(a) is not Tensor:
        return False
    v: Any = a._value
    return bool(v.dtype.char in chars and v.dtype.isnative and v.strides is None and v.shape
                and prod(v.shape) * v.dtype.itemsize >= LEAST)


def _options(a: Any, axis: Any, keepdims: Any) -> dict[str, Any] | None:
    """The arguments of the reductions; None if NumPy is to judge them."""
    axes = axis if type(axis) is tuple else () if axis is None else (axis,)
    if type(axis) is tuple and not axis or keepdims is not _NO and type(keepdims) is not bool or not all(
            type(i) is int and -a.ndim <= i < a.ndim for i in axes):
        return None
    distinct = len({i % a.ndim for i in axes}) == len(axes)
    return {"axis": axis, "keepdims": keepdims is True} if distinct else None


def _parts(a: Any) -> tuple[Any, Any]:
    """The array with zeros for NaNs, and where these were."""
    mask = _apply(_isnan, a)
    return functions.where(mask, 0.0, a), mask


def _counted(mask: Any, options: dict[str, Any]) -> Any:
    return _apply(_invert, mask).sum(dtype=np.intp, **options)


def _nansum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NO, initial: Any = _NO,
            where: Any = _NO) -> Any:
    if not _is_large(a) or dtype is not None or out is not None or initial is not _NO or where is not _NO:
        return None
    options = _options(a, axis, keepdims)
    return None if options is None else _parts(a)[0].sum(**options)


def _nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NO, *,
             where: Any = _NO) -> Any:
    if not _is_large(a) or dtype is not None or out is not None or where is not _NO:
        return None
    options = _options(a, axis, keepdims)
    if options is None:
        return None
    filled, mask = _parts(a)
    return _ended(_end_of_mean, "nanmean", filled.sum(**options), _counted(mask, options))


def _deviation(name: str) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = _NO, *,
                 where: Any = _NO, mean: Any = _NO, correction: Any = _NO) -> Any:
        if active or not _is_large(a) or dtype is not None or out is not None or type(ddof) is not int or any(
                x is not _NO for x in (where, mean, correction)):  # an error state is no part of what is traced
            return None
        options = _options(a, axis, keepdims)
        if options is None:
            return None
        filled, mask = _parts(a)
        kept = {"axis": axis, "keepdims": True}
        total, count = filled.sum(**kept), _counted(mask, kept)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = _apply(_divide, total, count).astype(a.dtype)
        centred = functions.where(mask, 0.0, _apply(_subtract, filled, mean))
        squares = _apply(_multiply, centred, centred).sum(**options)
        return _ended(_ENDS[name], name, squares, _counted(mask, options), ddof)
    return function


def _end_of_mean(total: Any, count: Any) -> Any:
    if not np.all(count):
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=2)
    return _quotient(total, count)


def _end_of_deviation(real: Any, total: Any, count: Any, ddof: Any) -> Any:
    degrees = count - ddof
    bad = degrees <= 0
    found = _quotient(total, degrees)
    if np.any(bad):
        if real is np.nanvar:
            warnings.warn("Degrees of freedom <= 0 for slice.", RuntimeWarning, stacklevel=2)
        else:
            real(np.full(1, np.nan))  # so that it is NumPy's line that warns: `nanvar` warns its caller
        if isinstance(found, np.ndarray):
            np.copyto(found, np.nan, where=bad, casting="unsafe")
        else:
            found = found.dtype.type(np.nan)
    if real is np.nanvar:
        return found
    return np.sqrt(found, out=found) if isinstance(found, np.ndarray) else found.dtype.type(np.sqrt(found))


def _quotient(total: Any, count: Any) -> Any:
    own = np.empty_like(total) if isinstance(total, np.ndarray) else None
    return _divide_by_count(total, count, out=own)


_ENDS = {"nanvar": functools.partial(_end_of_deviation, np.nanvar),
         "nanstd": functools.partial(_end_of_deviation, np.nanstd)}
_rules: dict[str, lazy.Rule] = {}


def _ended(fn: Any, name: str, *args: Any) -> Any:
    """The pending end of a function."""
    rule = _rules.get(name)
    if rule is None:
        rule = _rules[name] = lazy.Rule(fn, name, "total count", names=("total", "count", "ddof"))
    found = rule.waiting(args, {}, users_frame())
    return None if found is lazy.NOW else found


def _count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Of a mask that is pending; NumPy counts one that is there at memory's speed."""
    if not _is_large(a, "?") or not is_pending(a) or type(keepdims) is not bool:
        return None
    options = _options(a, axis, keepdims)
    return None if options is None else a.sum(dtype=np.intp, **options)


if _divide_by_count is not None:
    COMPOSED.update({real: _composed(real, real.__name__, own) for real, own in (
        (np.nansum, _nansum), (np.nanmean, _nanmean), (np.nanvar, _deviation("nanvar")),
        (np.nanstd, _deviation("nanstd")))})
COMPOSED[np.count_nonzero] = _composed(np.count_nonzero, "count_nonzero", _count_nonzero)
AT_ONCE.update((COMPOSED[real], {"small": True}) for real in (
    np.nansum, np.nanmean, np.nanvar, np.nanstd, np.count_nonzero) if real in COMPOSED)
