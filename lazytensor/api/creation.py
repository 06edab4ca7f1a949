"""Arrays of what is given: `array`, `asarray` and their kin.

Asked for an array that a Tensor is already, they give that very Tensor; a copy of a pending Tensor is pending; a real
array that NumPy would pass on is shared.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.layout import canonical
from ..ir.node import leaf
from ..run import pool
from ..run.watching import PASS, active, eager, mine
from . import lazy
from .build import NOT_AN_ARRAY, NUMBERS, at_line, count_as_run, is_pending, made_real, record
from .fallback import AT_ONCE, Loans, fallback
from .handle import Tensor, apply_steps, export, geometry, no_dtype, peek, tensor, wrap
from .methods import COPY
from .puts import WRITES
from .relative import relative_view
from .scalar import Scalar, seen

_real_array = np.array
_getframe = sys._getframe
_ORDERS = {None: "K", "K": "K", "A": "A", "C": "C", "F": "F"}


def _array_of(t: Any, dtype: Any, order: Any, copy: Any, ndmin: int, fn: Any = np.array) -> Any:
    """A Tensor as `numpy.array` would give it: itself, a view of it with more axes, or a copy."""
    v = t._value
    plain = order in _ORDERS and (copy is None or type(copy) is bool) and not v.dtype.hasobject
    if not plain or (dtype is not None and _refuses(dtype)):
        return _eagerly(t, dtype, order, copy, ndmin)
    same = dtype is None or np.dtype(dtype) == v.dtype
    if order == "A" and not same:  # NumPy's order then is not that of `astype`
        return _eagerly(t, dtype, order, copy, ndmin)
    if copy is not True and same and _fits(t, order):
        result = t if dtype is None or np.dtype(dtype) is v.dtype else t.view(np.dtype(dtype))
    elif copy is False:
        return fn(geometry(t), dtype, order=order, copy=False)  # NumPy's error
    elif same:
        result = t.copy(_ORDERS[order])
    else:
        result = t.astype(dtype, order=_ORDERS[order])
    return result if len(v.shape) >= ndmin else _with_axes(result, ndmin, order)


def _refuses(dtype: Any) -> bool:
    """Whether a dtype's meaning depends on the values: text of any length, dates of any unit, abstract types."""
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        return True
    return wanted.hasobject or wanted.kind in "SUVMmT"


def _fits(t: Any, order: Any) -> bool:
    """Whether a Tensor's layout is of that order."""
    if order != "C" and order != "F":
        return True
    flags = geometry(t).flags
    return bool(flags.c_contiguous if order == "C" else flags.f_contiguous)


def _with_axes(t: Any, ndmin: int, order: Any) -> Any:
    """The view with axes of length 1 put before the others, as many as are missing."""
    seen = _real_array(geometry(t), ndmin=ndmin, copy=None, order=order)
    step = relative_view, (0, seen.shape, seen.strides, seen.dtype)
    return apply_steps(t, (step,), seen)


def _eagerly(t: Any, dtype: Any, order: Any, copy: Any, ndmin: int) -> Any:
    """NumPy's own call on the Tensor's value."""
    loans = Loans(export if copy is not True or t._value.dtype.hasobject else peek)
    options = {"dtype": dtype, "order": order, "copy": copy, "ndmin": ndmin}
    return loans.returned(at_line(_real_array, (loans.lend(t),), options))


def _on_real(fn: Callable[..., Any], given: Any, dtype: Any, *order: Any, like: Any = None, **options: Any) -> Any:
    """NumPy's function on anything but a Tensor; Tensors and lazy scalars in a list are made real."""
    if active and like is None and (found := eager(fn, (given, dtype, *order), options)) is not PASS:
        return found
    loans = Loans(peek)
    lent = loans.lend(given)
    if type(like) is Tensor:
        options["like"] = loans.lend(like)
    elif like is not None:  # its class sees what was given
        options = {k: x for k, x in options.items() if x is not _DEFAULTS.get(k)}
        places = (lent, dtype, *order) if dtype is not None or any(x is not None for x in order) else (lent,)
        return loans.returned(at_line(fn, places, {**options, "like": like}))
    try:
        # No name refers to the array, so it is the Tensor's alone. Only a cast to a given dtype may warn.
        results = [fn(lent, None, *order, **options) if dtype is None else at_line(fn, (lent, dtype, *order), options)]
        if lent is not given and loans.lent and results[0].dtype.kind == "O":
            return wrap(_of_objects(fn, given, results[0], order, options))
        return loans.returned(results.pop())
    except ValueError as error:
        if str(error) != NOT_AN_ARRAY:
            raise
    made = _made(given, options)
    if made is None:
        made = made_real(given)
    return loans.returned(fn(loans.lend(made), dtype, *order, **options))


_DEFAULTS: dict[str, Any] = {"copy": True, "order": "K", "subok": False, "ndmin": 0}
"""Of `array`."""


def _of_objects(fn: Callable[..., Any], given: Any, found: Any, order: Any, options: dict[str, Any]) -> Any:
    """An array of objects, which holds the very objects that it was given, Tensors too."""
    try:
        return fn(given, object, *order, **options)
    except (TypeError, ValueError):  # NumPy tells arrays from other objects that can be made arrays
        return found


def _pending(given: Any, dtype: Any, order: Any = None, copy: Any = None, ndmin: int = 0, **others: Any) -> Any:
    """The pending array of a sequence with pending parts, or of a pending lazy scalar; NOW if it is none."""
    kind = type(given)
    if any(x is not None for x in others.values()) or copy is False:
        return lazy.NOW
    if kind is list or kind is tuple:
        options = {"order": order or "K", "ndmin": ndmin}
        return lazy.rule_of("array").pending((given, dtype), options, _getframe(2))  # type: ignore[union-attr]
    if not issubclass(kind, Scalar) or not (order is None or type(order) is str and order in _ORDERS):
        return lazy.NOW
    if not is_pending(given) or dtype is not None and np.dtype(dtype) != given.dtype:
        return lazy.NOW
    whole = tensor(record(COPY, (given._node,), (), (), given.dtype, None, _getframe(2)))
    return whole.reshape((1,) * ndmin) if ndmin else whole  # type: ignore[attr-defined]


def _made(given: Any, options: dict[str, Any]) -> Any:
    """The Tensor that an object's `__array__` gives, or None. One that was asked for a copy has made it, as NumPy has
    it: it is not copied again."""
    make = getattr(type(given), "__array__", None)
    if make is None or isinstance(given, type):
        return None
    copy = getattr(options.get("copy"), "value", options.get("copy"))  # NumPy has an enumeration of the same
    if copy not in (True, False):
        made = make(given)
    else:
        try:
            made = make(given, copy=copy)
        except TypeError:
            made = make(given)
        else:
            options["copy"] = None if copy else False
    return made if type(made) is Tensor else None


def _numbers(given: list[Any]) -> Any:
    """A list of Python's numbers, or of lists of such, as it is, and one of numbers of which some are NumPy's or lazy,
    most of these there by now, with NumPy's in the place of the lazy ones. None for any other."""
    kinds = set(map(type, given))
    if kinds <= NUMBERS:
        return given
    if kinds == _LISTS:
        return given if all([set(map(type, row)) <= NUMBERS for row in given]) else None
    lazy_ones = frozenset([kind for kind in kinds if issubclass(kind, Scalar)])
    if not all([issubclass(kind, (np.number, np.bool)) for kind in kinds - lazy_ones - NUMBERS]):
        return None
    values = [x._node.buffer if type(x) in lazy_ones else x for x in given]
    waiting = [i for i, value in enumerate(values) if value is None]
    if 2 * len(waiting) > len(values):
        return None
    for i in waiting:
        values[i] = seen(given[i])
    return None if any([type(value) is np.ndarray for value in values]) else values


_LISTS = {list}


@functools.wraps(np.array)
def array(object: Any, dtype: Any = None, *, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0,
          ndmax: Any = None, like: Any = None) -> Any:
    """See `numpy.array`."""
    if dtype is not None:
        dtype = no_dtype(dtype)
    if like is None and ndmax is None:
        if type(object) is Tensor:
            return _array_of(object, dtype, order, copy, ndmin)
        if dtype is None and type(object) is np.ndarray and copy is True and order == "K" and not active and (
                pool.LINED <= object.nbytes and object.dtype.kind in "biufc" and object.flags.c_contiguous
                and ndmin <= object.ndim):
            return _lined_copy(object)
        if dtype is None and not active and type(object) is list:
            numbers = _numbers(object)
            if numbers is not None:
                return wrap(np.array(numbers, None, copy=copy, order=order, subok=subok, ndmin=ndmin))
        if active and type(object) is list and (watcher := mine()) is not None:
            object = watcher.uncollected(object)
        found = _pending(object, dtype, copy=copy, order=order, ndmin=ndmin)
        if found is not lazy.NOW:
            return found
        if type(object) in (list, tuple) and any(type(x) is Tensor for x in object[:1]):
            count_as_run()
    more = {} if ndmax is None else {"ndmax": ndmax}
    return _on_real(np.array, object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin, like=like, **more)


def _lined_copy(array: Any) -> Any:
    """A copy that begins at a cache line, where vectors do not lie across two, or at a large page."""
    copy = pool.empty(array.shape, array.dtype)
    np.copyto(copy, array)
    strides = canonical(copy.strides, copy.shape, copy.itemsize)
    return tensor(leaf(copy, strides))  # nobody else has it, though its memory is a block of the pool


@functools.wraps(np.asarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, **kwargs: Any) -> Any:
    """See `numpy.asarray`."""
    if dtype is not None:
        dtype = no_dtype(dtype)
    if type(a) is Tensor and kwargs.keys() <= {"copy"}:
        if dtype is None and order is None and not kwargs:
            return a
        return _array_of(a, dtype, order, kwargs.get("copy"), 0, np.asarray)
    if dtype is None and not kwargs and not active and type(a) is list:
        numbers = _numbers(a)
        if numbers is not None:
            return wrap(np.asarray(numbers, None, order))
    if active and type(a) is list and (watcher := mine()) is not None:
        a = watcher.uncollected(a)
    found = _pending(a, dtype, order=order, **kwargs)
    return _on_real(np.asarray, a, dtype, order, **kwargs) if found is lazy.NOW else found


@functools.wraps(np.asanyarray)
def asanyarray(a: Any, dtype: Any = None, order: Any = None, **kwargs: Any) -> Any:
    """See `numpy.asanyarray`."""
    if dtype is not None:
        dtype = no_dtype(dtype)
    if type(a) is Tensor and kwargs.keys() <= {"copy"}:
        return _array_of(a, dtype, order, kwargs.get("copy"), 0, np.asanyarray)
    found = _pending(a, dtype, order=order, **kwargs)
    return _on_real(np.asanyarray, a, dtype, order, **kwargs) if found is lazy.NOW else found


@functools.wraps(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """See `numpy.ascontiguousarray`."""
    if dtype is not None:
        dtype = no_dtype(dtype)
    if type(a) is Tensor and like is None:
        return _array_of(a, dtype, "C", None, 1)
    found = _pending(a, dtype, order="C", ndmin=1, like=like)
    return _on_real(np.ascontiguousarray, a, dtype, like=like) if found is lazy.NOW else found


@functools.wraps(np.asfortranarray)
def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """See `numpy.asfortranarray`."""
    if dtype is not None:
        dtype = no_dtype(dtype)
    if type(a) is Tensor and like is None:
        return _array_of(a, dtype, "F", None, 1)
    found = _pending(a, dtype, order="F", ndmin=1, like=like)
    return _on_real(np.asfortranarray, a, dtype, like=like) if found is lazy.NOW else found


_REQUIRED = {"C": "C", "C_CONTIGUOUS": "C", "CONTIGUOUS": "C", "F": "F", "F_CONTIGUOUS": "F", "FORTRAN": "F",
             "A": "A", "ALIGNED": "A", "W": "W", "WRITEABLE": "W", "O": "O", "OWNDATA": "O", "E": "E",
             "ENSUREARRAY": "E"}


@functools.wraps(np.require)
def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """See `numpy.require`."""
    dtype = no_dtype(dtype)
    if type(a) is not Tensor or like is not None:
        return _on_real(np.require, a, dtype, requirements, like=like)
    if not requirements:
        return asanyarray(a, dtype)
    wanted = {_REQUIRED[x.upper()] for x in requirements} - {"E"}
    if {"C", "F"} <= wanted:
        raise ValueError("Cannot specify both \"C\" and \"F\" order")
    order = "F" if "F" in wanted else "C" if "C" in wanted else "A"
    result = _array_of(a, dtype, order, None, 0)
    missing = any(not result.flags[flag] for flag in wanted - {"C", "F"})
    return result.copy(order) if missing else result


_full = fallback(np.full, "full")
_full_like = fallback(np.full_like, "full_like")


@functools.wraps(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None,
         like: Any = None) -> Any:
    """See `numpy.full`; a pending value stays pending."""
    dtype = no_dtype(dtype)
    if like is None and is_pending(fill_value):
        result = wrap(np.empty(shape, fill_value.dtype if dtype is None else dtype, order, device=device))
        WRITES["copyto"](result, fill_value, casting="unsafe")
        return result
    return _full(shape, fill_value, dtype, order, device=device, like=like)


@functools.wraps(np.full_like)
def full_like(a: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    """See `numpy.full_like`; nothing runs."""
    of = geometry(a) if type(a) is Tensor else a
    if is_pending(fill_value):
        result = wrap(np.empty_like(of, *args, **kwargs))
        WRITES["copyto"](result, fill_value, casting="unsafe")
        return result
    return _full_like(of, fill_value, *args, **kwargs)


@functools.wraps(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    """See `numpy.result_type`; nothing runs."""
    return np.result_type(*[x.dtype if type(x) is Tensor or issubclass(type(x), Scalar) else x
                            for x in arrays_and_dtypes])


CREATION: dict[str, Callable[..., Any]] = {f.__name__: f for f in (
    array, asarray, asanyarray, ascontiguousarray, asfortranarray, require, full, full_like, result_type)}
"""What this file has in place of NumPy's functions, by name."""
AT_ONCE.update((CREATION[name], {"small": True, "realized": True, "numbers": True}) for name in ("array", "full"))
