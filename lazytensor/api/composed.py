"""Functions that NumPy composes of few operations on arrays, written as these: `diff`, `ptp`, `outer`, vector norms.

As one pending call of NumPy's, each would be computed apart from what is before and after it. As the operations that
NumPy's function makes they are parts of kernels. Arguments for which NumPy does something else are left to the call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from ..compile import ALONE
from ..ir.dtypes import NUMERIC
from ..run.floating import in_force, unchanged
from ..run.watching import active
from .build import is_pending, users_frame
from .fallback import AT_ONCE, fallback, unseen
from .handle import Tensor, root_of
from .ufuncs import call, ufunc

_ndarray = np.ndarray
_subtract, _multiply, _sqrt, _absolute = (ufunc(real) for real in (np.subtract, np.multiply, np.sqrt, np.absolute))
_NO = np._NoValue
_FEW = 8
"""Differences of a higher order are left to NumPy."""
LEAST = 1 << 17
"""Bytes from which on arrays are worth it where an operation is one of lazy scalars, or of views of views;
up to `compile.ALONE` one call of NumPy's can be had at once (`hot/direct.c`), where there is nothing to fuse with."""


def _is_plain(a: Any) -> bool:
    """Whether it is a Tensor of numbers, of any but bool, that is not empty."""
    return type(a) is Tensor and a._value.dtype.char in NUMERIC and a._value.dtype.char != "?" and 0 not in (
        a._value.shape)


def _apply(function: Any, *args: Any) -> Any:
    """A ufunc's result, as of the user's line. Where it may run at once, so that NumPy warns now, the frame is given;
    else it is quicker to say so afterwards."""
    frame = users_frame()
    if frame is None or not unchanged(in_force()) or not all(
            type(x) is Tensor and root_of(x)._state is None for x in args):
        return call(function._real, args, {}, frame)
    result = function(*args)
    node: Any = result._value
    if node.buffer is None:
        node.code, node.lasti = frame.f_code, frame.f_lasti
    return result


def _place(axis: Any, ndim: int) -> int | None:
    """An axis counted from the front; None if it is none."""
    return axis % ndim if type(axis) is int and -ndim <= axis < ndim else None


def _diff(a: Any, n: Any = 1, axis: Any = -1) -> Any:
    if type(n) is int and n == 0 and type(a) is Tensor:
        return a  # the very array
    at = _place(axis, a.ndim) if _is_plain(a) else None
    if at is None or type(n) is not int or not 0 < n <= min(_FEW, a.shape[at] - 1):
        return None
    before = (slice(None),) * at
    for _ in range(n):
        a = _apply(_subtract, a[(*before, slice(1, None))], a[(*before, slice(None, -1))])
    return a


def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NO) -> Any:
    if not _is_plain(a) or not a.ndim or out is not None or not (axis is None or _place(axis, a.ndim) is not None):
        return None
    if keepdims is not _NO and type(keepdims) is not bool:
        return None
    if axis is None and a.nbytes < (LEAST if active or is_pending(a) else ALONE):
        return None
    options = {"axis": axis, "keepdims": keepdims is True}
    return _apply(_subtract, a.max(**options), a.min(**options))


def _outer(a: Any, b: Any, out: Any = None) -> Any:
    if out is not None or not all(_is_plain(x) or type(x) is _ndarray for x in (a, b)) or (
            a.size * b.nbytes < LEAST):
        return None
    return _apply(_multiply, a.ravel()[:, None], b.ravel()[None, :])


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """Of vectors along one axis, or the square root of a sum of squares over two; in a traced call that of one vector,
    too, which loops that are generated can have so."""
    if not _is_plain(x) or type(keepdims) is not bool or x.dtype.char not in "fd":
        return None
    if axis is None and x.ndim == 1 and active and ord is None and not keepdims and x.flags.c_contiguous:
        return _apply(_sqrt, x.dot(x))
    if type(axis) is tuple and len(axis) == 2:
        places = {_place(i, x.ndim) for i in axis}
        ok = ord in (None, "fro", "f") and None not in places and len(places) == 2 and not keepdims
        return _apply(_sqrt, _apply(_multiply, x, x).sum(axis=axis)) if ok else None
    if _place(axis, x.ndim) is None or not (ord is None or type(ord) in (int, float)):
        return None
    if ord is None or ord == 2:
        return _apply(_sqrt, _apply(_multiply, x, x).sum(axis=axis, keepdims=keepdims))
    if ord == 1:
        return _apply(_absolute, x).sum(axis=axis, keepdims=keepdims)
    if ord in (inf, -inf):
        return getattr(_apply(_absolute, x), "max" if ord > 0 else "min")(axis=axis, keepdims=keepdims)
    return None


def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    if not _is_plain(x) or keepdims is not False or not x.ndim:
        return None
    if axis is None:
        return _norm(x.ravel(), ord, 0) if x.nbytes >= LEAST else None
    return _norm(x, ord, axis) if type(axis) is int else None


def _composed(real: Any, name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is `own` where that gives a result, and one call of NumPy's else."""
    otherwise = fallback(real, name)

    @functools.wraps(otherwise)
    @unseen
    def function(*args: Any, **kwargs: Any) -> Any:
        if args and any(type(x) is Tensor for x in args[:2]):
            try:
                found = own(*args, **kwargs)
            except TypeError:  # NumPy says it itself
                found = None
            if found is not None:
                return found
        return otherwise(*args, **kwargs)
    return function


COMPOSED: dict[Any, Callable[..., Any]] = {real: _composed(real, name, own) for real, name, own in (
    (np.diff, "diff", _diff), (np.ptp, "ptp", _ptp), (np.outer, "outer", _outer),
    (np.linalg.norm, "linalg.norm", _norm), (np.linalg.vector_norm, "linalg.vector_norm", _vector_norm))}
"""By NumPy's function. (NumPy's ``linalg.outer`` is another: it takes vectors alone.)"""
AT_ONCE.update((own, {"small": True, "realized": True, "steady": True}) for own in COMPOSED.values())
