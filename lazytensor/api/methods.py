"""Array methods that are not reductions: views, copies and casts, sorting, conversion to Python."""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from math import prod
from types import GenericAlias
from typing import Any

import numpy as np

from ..compile import realize
from ..config import current
from ..hot import native
from ..ir import layout
from ..ir.dtypes import NUMERIC, int_bounds, record_of
from ..ir.node import Node
from ..ir.operation import register
from ..run.watching import active, measured, mine
from . import lazy
from .build import CAST, COPY, NotArray, are_small, at_line, elementwise, handle, is_scalar_like, operand, record
from .direct import direct, viewer
from .handle import (
    Tensor,
    apply_steps,
    export,
    geometry,
    is_writeable,
    no_dtype,
    peek,
    read,
    swallowed,
    tensor,
    unwrapped,
    wrap,
    wrap_all,
    written_now,
)
from .inplace import change, looked_at
from .reductions import at_once
from .relative import relative_view
from .scalar import Scalar, value_of

_ndarray = np.ndarray
_getframe = sys._getframe


def _reshaped_copy(array: Any, shape: Any, order: str) -> Any:
    """A copy, made once: `reshape` makes one of what it cannot view."""
    return array.flatten(order) if len(shape) == 1 else array.reshape(shape, order=order).copy("K")


_RESHAPE = register("reshape", "call", _reshaped_copy)
_ROUND = register("round", "call", _ndarray.round, label="multiply")
_FLATTEN = lazy.Rule(_ndarray.flatten, "flatten", "a", "moves", names=("a", "order"))
_BYTESWAP = lazy.Rule(_ndarray.byteswap, "byteswap", "a", "moves", names=("a", "inplace"))
_PARTITION = register("partition in place", "mutate", lambda view, kth, axis, kind: view.partition(kth, axis, kind))
_SORT = register("sort", "mutate", lambda view, axis, kind: view.sort(axis=axis, kind=kind))


# ---- views -----------------------------------------------------------------------------------------------------------

def _view_method(name: str) -> Callable[..., Any]:
    """A method that only gives a view: NumPy is asked on an array of the same geometry."""
    fn = getattr(_ndarray, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            return wrap(fn(export(self), *args, **kwargs))
        args = tuple([looked_at(a) for a in args])
        return _seen_by(self, fn, args)

    method.__name__, method.__qualname__, method.__doc__ = name, f"ndarray.{name}", fn.__doc__
    return viewer(method, fn, fn)


def _seen_by(self: Any, fn: Callable[..., Any], args: tuple[Any, ...], writeable: bool | None = None) -> Any:
    """The view that a method gives. Arguments that may be other numbers when it is asked for again are asked once."""
    base = geometry(self)
    seen = fn(base, *args)
    step = (fn, args) if all(map(_stays, args)) else (
        relative_view, (layout.offset_of(seen) - layout.offset_of(base), seen.shape, seen.strides, seen.dtype))
    return apply_steps(self, (step,), seen, writeable)


def _stays(x: Any) -> bool:
    return type(x) in _STAYING or isinstance(x, np.generic | np.dtype) or type(x) is tuple and all(map(_stays, x))


_STAYING = frozenset((int, bool, str, type(None)))


def diagonal(self: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """As `numpy.ndarray.diagonal`: a read-only view."""
    args = (offset, axis1, axis2)
    return _seen_by(self, _ndarray.diagonal, args, writeable=False)


def squeeze(self: Any, axis: Any = None) -> Any:
    """As `numpy.ndarray.squeeze`."""
    squeezed = _seen_by(self, _ndarray.squeeze, (axis,))
    return self if len(squeezed._value.shape) == len(self._value.shape) else squeezed


def reshape(self: Any, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
    """As `numpy.ndarray.reshape`: a view if the layout allows it, else a (pending) copy."""
    frame = _getframe(1)
    v = self._value
    for n in shape:
        if type(n) is not int:
            shape = _lengths(shape, v.shape)
            break
    else:
        if not shape:
            geometry(self).reshape()  # raises
    if v.dtype.hasobject or not _is_one_of(order, ("C", "F", "A")):
        return wrap_all(export(self).reshape(shape, order=order))
    view = None if copy else layout.view_or_copy(v.shape, v.strides, v.dtype, shape, order)
    if view is not None:
        if view.shape == v.shape and order == "C":
            if view.strides == geometry(self).strides:
                return self[...]
            # along axes of length 1 a length that is left open (-1) makes others
            return apply_steps(self, ((relative_view, (0, view.shape, view.strides, v.dtype)),), view)
        found = apply_steps(self, ((_reshaped, (view.shape, order)),), view)
        if active:
            measured(found, len(view.shape))  # it may not be one for other lengths, though nobody uses it
        return found
    if copy is False:
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    return reshape(copied(self, order, frame), shape, order=order)


def _is_one_of(order: Any, known: tuple[str, ...]) -> bool:
    """Whether an order is one of these; an array is none, and has no truth."""
    return type(order) is str and order in known


def _lengths(given: tuple[Any, ...], old: tuple[int, ...]) -> tuple[int, ...]:
    """The lengths that `reshape` is given otherwise than as Python ints; NumPy's error if they are none."""
    shape = given[0] if len(given) == 1 else given
    if type(shape) in (tuple, list):
        if set(map(type, shape)) <= {int}:
            return tuple(shape)
        shape = tuple([looked_at(n) for n in shape])
    return layout.shadow(old, None, np.dtype(bool)).reshape(looked_at(shape)).shape  # C order: never a copy


def _reshaped(array: Any, shape: Any, order: str) -> Any:
    return array.reshape(shape, order=order)


def ravel(self: Any, order: str = "C") -> Any:
    """As `numpy.ndarray.ravel`: a view of what is contiguous, else a copy."""
    flags = geometry(self).flags
    if order in ("C", "A", "K") and flags.c_contiguous or order == "A" and not flags.f_contiguous:
        return reshape(self, -1) if flags.c_contiguous else flatten(self)
    if order in ("F", "A", "K") and flags.f_contiguous:
        return reshape(self, -1, order="F")
    v = self._value
    if order == "K" and not v.dtype.hasobject and v.strides is not None and all(
            n > 0 or size == 1 for n, size in zip(v.strides, v.shape, strict=True)) and (
            layout.dense(v.shape, v.strides, v.dtype.itemsize)):
        flat = layout.shadow((prod(v.shape),), None, v.dtype)
        return apply_steps(self, ((relative_view, (0, flat.shape, flat.strides, v.dtype)),), flat)
    return flatten(self, order)


def flatten(self: Any, order: str = "C") -> Any:
    """As `numpy.ndarray.flatten`: always a copy."""
    if order == "K" or self._value.dtype.hasobject:
        found = _FLATTEN.pending((self, order), {}, _getframe(1))
        return wrap(peek(self).flatten(order)) if found is lazy.NOW else found
    v = self._value
    size = layout.shadow(v.shape, None, v.dtype).size
    if not _is_one_of(order, ("C", "F", "A")):
        return wrap(peek(self).flatten(order))
    return tensor(record(_RESHAPE, (read(self),), (("order", order), ("shape", (size,))), (size,), v.dtype, None,
                         _getframe(1)))


def view(self: Any, *args: Any, **kwargs: Any) -> Any:
    """As `numpy.ndarray.view`; an ndarray subclass gives an eager array over the same memory."""
    given = {**dict(zip(("dtype", "type"), args, strict=False)), **kwargs}
    if len(args) > 2 or len(given) != len(args) + len(kwargs) or not given.keys() <= {"dtype", "type"}:
        return _ndarray.view(geometry(self), *args, **kwargs)  # NumPy's error
    kind = given.get("dtype")
    if kind is Tensor:
        given.pop("dtype")
        kind = None
    if isinstance(given.get("type"), type) and given["type"] is not Tensor or isinstance(kind, type) and issubclass(
            kind, _ndarray):
        return export(self).view(*args, **kwargs)
    if kind is None:
        return self[...]
    dtype = np.dtype(no_dtype(kind))
    if dtype.hasobject or self._value.dtype.hasobject:
        return wrap(export(self).view(dtype))
    return apply_steps(self, ((_ndarray.view, (dtype,)),), geometry(self).view(dtype))


def getfield(self: Any, dtype: Any, offset: int = 0) -> Any:
    """As `numpy.ndarray.getfield`."""
    args = (np.dtype(no_dtype(dtype)), offset)
    return _seen_by(self, _ndarray.getfield, args)


# ---- copies and casts ------------------------------------------------------------------------------------------------

def copy(self: Any, order: str = "C") -> Any:
    """As `numpy.ndarray.copy`; pending."""
    return copied(self, order, _getframe(1))


def copied(self: Any, order: str, frame: Any) -> Any:
    """A pending copy in that order of axes."""
    v = self._value
    if v.dtype.hasobject or not _is_one_of(order, ("C", "F", "A", "K")):
        return wrap(peek(self).copy(order))
    size = v.dtype.itemsize
    return tensor(record(COPY, (read(self),), (), v.shape, v.dtype, layout.like(
        v.shape, v.strides, size, size, order), frame))


def astype(self: Any, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True,
           copy: bool = True) -> Any:
    """As `numpy.ndarray.astype`; pending between numbers."""
    v = self._value
    wanted = np.dtype(no_dtype(dtype))
    if not copy and wanted == v.dtype:
        flags = geometry(self).flags
        if order == "K" or order == "A" or (order == "C" and flags.c_contiguous) or (
                order == "F" and flags.f_contiguous):
            return self
    numbers = v.dtype.char in NUMERIC and wanted.char in NUMERIC
    if not numbers or (v.dtype.kind == "c" and wanted.kind not in "cb") or casting not in _CASTINGS or (
            not _is_one_of(order, ("C", "F", "A", "K"))):
        if active and v.dtype.kind == "c" and (watcher := mine()) is not None:
            watcher.refuse("NumPy warns of a cast of complex numbers")
        return wrap(at_line(peek(self).astype, (dtype, order, casting, subok)))
    if casting != "unsafe" and not np.can_cast(v.dtype, wanted, casting):
        np.empty(0, v.dtype).astype(wanted, casting=casting)
    strides = layout.like(v.shape, v.strides, v.dtype.itemsize, wanted.itemsize, order)
    if v.strides is strides is None and order == "K" and casting == "unsafe" and type(dtype) in (type, str):
        if len(_casts) >= _MOST_CASTS:
            _casts.clear()
        _casts[v.dtype, v.dtype.num, dtype] = wanted
    return tensor(record(CAST, (read(self),), (), v.shape, wanted, strides, _getframe(1)))


_casts: dict[Any, np.dtype[Any]] = {}
"""For the extension: the dtype that is meant, by that of an array in C order and what `astype` is given."""
_MOST_CASTS = 4096
_CASTINGS = ("no", "equiv", "safe", "same_kind", "unsafe")


def byteswap(self: Any, inplace: bool = False) -> Any:
    """As `numpy.ndarray.byteswap`."""
    if inplace:
        export(self).byteswap(True)
        return self
    found = _BYTESWAP.pending((self,), {}, _getframe(1))
    return wrap(peek(self).byteswap()) if found is lazy.NOW else found


def conjugate(self: Any, *args: Any, **kwargs: Any) -> Any:
    """As `numpy.ndarray.conjugate`: a real array gives itself."""
    if args or kwargs or self._value.dtype.kind not in "biufc":
        return at_once(_ndarray.conjugate, self, args, kwargs)
    if self._value.dtype.kind != "c":
        return self
    with suppress(NotArray):
        return handle(elementwise(record_of(np.conjugate), (operand(self),), _getframe(1)))
    return at_once(_ndarray.conjugate, self, (), {})


def clip(self: Any, min: Any = None, max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """As `numpy.ndarray.clip`; pending for bounds that need no check."""
    frame = _getframe(1)
    low, high = _narrowed(self._value.dtype, min, max)
    if out is None and not kwargs and self._value.dtype.kind in "fiu" and not (low is None and high is None):
        try:
            if low is not None and high is not None:
                v = self._value
                key = v.dtype.num, type(low), type(high)
                if key in _clips and v.__class__ is Node and self._state is None and v.strides is None and v.shape and (
                        v.dtype.isnative and -_SMALL < low < _SMALL and -_SMALL < high < _SMALL):
                    return tensor(record(record_of(_CLIP).op, (v, low, high), None, v.shape, v.dtype, None, frame))
                node = elementwise(record_of(_CLIP), (operand(self), operand(low), operand(high)), frame)
                if node.dtype is v.dtype and key[1] in _BOUNDS and key[2] in _BOUNDS:
                    _clips[key] = True
                return handle(node)
            if low is not None:
                return handle(elementwise(record_of(np.maximum), (operand(self), operand(low)), frame))
            if max is not None:
                return handle(elementwise(record_of(np.minimum), (operand(self), operand(high)), frame))
        except NotArray:
            pass
    options = {**({"out": out} if out is not None else {}), **kwargs}
    found = lazy.rule_of("clip").pending((self, min, max), options, frame)  # type: ignore[union-attr]
    return at_once(_ndarray.clip, self, (looked_at(min), looked_at(max)), options) if found is lazy.NOW else found


def clip_number(a: Any, low: Any, high: Any, frame: Any) -> Any:
    """``np.clip(a, low, high)`` of a pending number between small numbers: the ufunc that NumPy calls for it at last.

    Raises
    ------
    NotArray
        If there is nothing to wait for, or a bound is something else.
    """
    if a.dtype.kind != "f" or not all([type(x) in _BOUNDS and -_SMALL < x < _SMALL for x in (low, high)]):
        raise NotArray
    return handle(elementwise(record_of(_CLIP), (operand(a), low, high), frame))


def clipper(slow: Any) -> Any:
    """What stands for a function or method that clips in the extension."""
    return slow if native is None else native.Clipper(record_of(_CLIP).op, _clips, slow)


def _narrowed(dtype: np.dtype[Any], low: Any, high: Any) -> tuple[Any, Any]:
    """Bounds without Python ints that bound nothing, as NumPy drops them; no bounds where one is not of the dtype."""
    if dtype.kind not in "iu" or not (type(low) is int or type(high) is int):
        return low, high
    least, most = int_bounds(dtype)
    low = None if type(low) is int and low <= least else low
    high = None if type(high) is int and high >= most else high
    if (type(low) is int and low > most) or (type(high) is int and high < least):
        return None, None
    return low, high


_CLIP = np._core.umath.clip  # type: ignore[attr-defined]
_BOUNDS, _SMALL = frozenset((int, float)), 1 << 15
_clips: dict[tuple[int, type, type], bool] = {}
"""The dtypes, and types of bounds, for which clipping is known to give the same dtype: smaller numbers fit any float,
and what does not fit an integer has been dropped (`_narrowed`)."""


def round_(self: Any, decimals: int = 0, out: Any = None) -> Any:
    """As `numpy.ndarray.round`."""
    v = self._value
    plain = v.strides is None and v.dtype.char in "fd" and v.dtype.isnative
    if out is None and plain and type(decimals) is int and v.shape:
        return tensor(record(_ROUND, (read(self),), (("decimals", decimals),), v.shape, v.dtype, None, _getframe(1)))
    return at_once(_ndarray.round, self, (decimals,), {} if out is None else {"out": out})


# ---- in place --------------------------------------------------------------------------------------------------------

def fill(self: Any, value: Any) -> None:
    """As `numpy.ndarray.fill`."""
    kind = type(value)
    if self._value.dtype.kind == "O":
        export(self).fill(value)
    elif not is_scalar_like(value) and (kind is not Tensor or value._value.shape):
        export(self).fill(looked_at(value) if kind is Tensor else value)
    else:
        self[...] = value


def sort(self: Any, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
    """As `numpy.ndarray.sort`; pending."""
    v = self._value
    plain = order is None and stable in (None, True, False) and (kind is None or stable is None)
    if plain and v.dtype.char in NUMERIC and type(axis) is int and (
            is_writeable(self) and -len(v.shape) <= axis < len(v.shape)
            and kind in (None, "quicksort", "mergesort", "heapsort", "stable")):
        if v.__class__ is Node and not active and are_small((self,), current.small):
            del v  # it would count as a reader
            if written_now(self, lambda memory: memory.sort(axis=axis, kind="stable" if stable else kind)):
                return
        if change(_SORT, self, (), (axis, "stable" if stable else kind), _getframe(1)):
            return
    options = {"kind": kind, "order": order, "stable": stable}
    export(self).sort(axis, **{k: x for k, x in options.items() if x is not None})


def partition(self: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
    """As `numpy.ndarray.partition`; pending."""
    v = self._value
    if order is None and v.dtype.char in NUMERIC and type(axis) is int and -len(v.shape) <= axis < len(v.shape) and (
            is_writeable(self) and kind == "introselect" and type(kth) is int
            and -v.shape[axis] <= kth < v.shape[axis]):
        if change(_PARTITION, self, (), (kth, axis, kind), _getframe(1)):
            return
    export(self).partition(looked_at(kth), axis, kind, order)


def choose(self: Any, *choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """As `numpy.ndarray.choose`: the choices one by one, or in a sequence."""
    if not choices:
        raise TypeError("choose() takes exactly 1 argument (0 given)")
    given = choices[0] if len(choices) == 1 else choices
    return at_once(_ndarray.choose, self, (given,), {"out": out, "mode": mode})


def _writing_method(name: str) -> Callable[..., Any]:
    """A method that changes the array; NumPy does it on the Tensor's real memory."""
    fn = getattr(_ndarray, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return fn(export(self), *[looked_at(a) for a in args], **{k: looked_at(x) for k, x in kwargs.items()})

    method.__name__, method.__qualname__, method.__doc__ = name, f"ndarray.{name}", fn.__doc__
    return method


def _reading_method(name: str) -> Callable[..., Any]:
    """A method that NumPy runs on the Tensor's value."""
    fn = getattr(_ndarray, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return at_once(fn, self, args, kwargs)

    method.__name__, method.__qualname__, method.__doc__ = name, f"ndarray.{name}", fn.__doc__
    return direct(method, fn, small=lazy.rule_of(name) is not None, places=_PLACES.get(name, 8))


_PLACES = {"compress": 3, "take": 3, "trace": 5}
"""Up to which place the arguments, the array the first, are none to be written to."""


def _objects_method(name: str) -> Callable[..., Any]:
    """A method that gives elements as Python's objects: those of structured ones may be views of the memory."""
    fn = getattr(_ndarray, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._value.dtype.names is not None and _has_subarrays(self._value.dtype):
            return fn(export(self), *map(looked_at, args), **kwargs)
        return at_once(fn, self, args, kwargs)

    method.__name__, method.__qualname__, method.__doc__ = name, f"ndarray.{name}", fn.__doc__
    return direct(method, fn, as_they_are=True, places=8)


def _has_subarrays(dtype: Any) -> bool:
    """Whether a field of a structured dtype is an array, or structured and has such."""
    return any(field.subdtype is not None or (field.names is not None and _has_subarrays(field))
               for field, *_ in dtype.fields.values())


def resize(self: Any, *new_shape: Any, refcheck: bool = True) -> None:
    """As `numpy.ndarray.resize`; whether others refer to the array is not checked."""
    new_shape = tuple([looked_at(n) for n in new_shape])
    probe = np.empty(0, "V0")
    probe.resize(*new_shape, refcheck=refcheck)  # NumPy's errors for what is no shape
    if not new_shape or new_shape == (None,):
        return
    flags = self.flags
    if not (flags.c_contiguous or flags.f_contiguous):
        raise ValueError("resize only works on single-segment arrays")
    if probe.size == self.size and flags.c_contiguous:
        self.shape = probe.shape
        return
    if probe.size != self.size and not flags.owndata:
        raise ValueError("cannot resize this array: it does not own its data")
    real = export(self) if probe.size == self.size else peek(self).copy(order="K")
    real.resize(*new_shape, refcheck=False)  # in Fortran order it stays so
    wrapped = wrap(real, 1)
    self._value, self._state = wrapped._value, wrapped._state


# ---- to Python -------------------------------------------------------------------------------------------------------

def realize_method(self: Any) -> Any:
    """Computes the array now; gives the array itself.

    Examples
    --------
    >>> import lazytensor as np
    >>> (np.arange(3) + 1).realize()
    array([1, 2, 3])
    """
    v = self._value
    realize([v if v.__class__ is Node else v.root._value])
    return self


def numpy_method(self: Any) -> Any:
    """The array as a real `numpy.ndarray` over the same memory: what is written to one is seen by the other."""
    return export(self)


def array_method(self: Any, dtype: Any = None, copy: bool | None = None) -> Any:
    """`__array__`: the same memory as a real array, or a copy if `dtype` or `copy` asks for one."""
    if swallowed.interrupt is not None:
        interrupt, swallowed.interrupt = swallowed.interrupt, None
        raise interrupt
    if copy or (dtype is not None and np.dtype(dtype) != self._value.dtype):
        return np.array(peek(self), dtype=dtype, copy=True if copy is None else copy)
    return export(self)


def array_wrap(self: Any, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    """As `numpy.ndarray.__array_wrap__`."""
    if type(array) is not Tensor and type(array) is not _ndarray:
        return np.empty(0).__array_wrap__(array)
    result = wrap(array)
    return result[()] if return_scalar and not result.shape else result


def _from_value(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        return fn(peek(self), *args)

    method.__name__ = method.__qualname__ = name
    return method


def _bool(self: Any) -> bool:
    if active and (watcher := mine()) is not None:
        return bool(watcher.truth(self))
    return bool(peek(self))


def _int(self: Any) -> int:
    """``int(t)``. An array with axes is no number: the error is another where a real array's element was to be set.
    NumPy words that one itself of what has `__float__`, but of integers only for arrays that it knows."""
    try:
        return _NUMBER["__int__"](self)
    except TypeError as refused:
        caller = sys._getframe(1)
        if not self._value.shape or caller.f_code.co_code[caller.f_lasti] != _STORE_SUBSCR:
            raise
        reason = refused
    raise ValueError("setting an array element with a sequence.") from reason


_STORE_SUBSCR = opcode.opmap["STORE_SUBSCR"]
_NUMBER = {name: _from_value(getattr(_ndarray, name), name) for name in ("__int__", "__float__", "__complex__")}


def rebuilt(array: Any) -> Any:
    """What unpickling calls: a Tensor over the array."""
    return wrap(array)


def reduce_(self: Any, protocol: Any = 2) -> Any:
    """Pickles the value; another process needs lazytensor to read it."""
    return rebuilt, (export(self) if protocol >= 5 else peek(self),)


def deepcopy_(self: Any, memo: Any) -> Any:
    """As NumPy's: objects inside are copied too."""
    if self._value.dtype.hasobject:
        return wrap(peek(self).__deepcopy__(memo))
    return copy(self, "K")


def _scalar_method(name: str) -> Callable[..., Any]:
    """A method of lazy scalars that takes arrays, as those to write to: NumPy's own on real ones."""

    @wraps(getattr(np.generic, name))
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        lent = [unwrapped(x) for x in given]
        result = at_line(getattr(value_of(self), name), tuple(lent[:len(args)]),
                         dict(zip(kwargs, lent[len(args):], strict=True)))
        return next((own for own, real in zip(given, lent, strict=True) if real is result), wrap_all(result))
    return method


_AT_ONCE = frozenset(("copy", "astype", "flatten"))
"""Methods that give a new array; of small ones that are there at once."""


_ELEMENTWISE = {"conj": 1, "conjugate": 1, "clip": 3, "round": 2}
"""Methods that may be a part of kernels, and how many arguments, the array the first, are none to be written to."""


def _attach() -> None:
    for name in ("all", "any", "argmax", "argmin", "choose", "clip", "compress", "conj", "conjugate", "cumprod",
                 "cumsum", "max", "mean", "min", "prod", "round", "std", "sum", "take", "trace", "var"):
        setattr(Scalar, name, _scalar_method(name))
    for name in ("transpose", "swapaxes"):
        setattr(Tensor, name, _view_method(name))
    for name in ("itemset", "setfield"):
        if hasattr(_ndarray, name):
            setattr(Tensor, name, _writing_method(name))
    for name in ("argpartition", "argsort", "compress", "nonzero", "repeat", "searchsorted", "take", "trace",
                 "tobytes", "tofile", "dump", "dumps"):
        setattr(Tensor, name, _reading_method(name))
    for name in ("item", "tolist"):
        setattr(Tensor, name, _objects_method(name))
    own: dict[str, Any] = {
        "diagonal": diagonal, "squeeze": squeeze, "reshape": reshape, "ravel": ravel, "flatten": flatten,
        "view": view, "getfield": getfield, "copy": copy, "astype": astype, "byteswap": byteswap,
        "conj": conjugate, "conjugate": conjugate, "clip": clip, "round": round_, "fill": fill, "sort": sort,
        "partition": partition, "choose": choose, "resize": resize, "realize": realize_method, "numpy": numpy_method,
        "__array__": array_method, "__array_wrap__": array_wrap,
        "__reduce_ex__": reduce_, "__reduce__": reduce_, "__deepcopy__": deepcopy_,
        "__copy__": lambda self: copy(self, "K")}
    own.update({name: direct(own[name], getattr(_ndarray, name), small=True, realized=True, places=8)
                for name in _AT_ONCE - {"astype", "copy"}})
    own["astype"] = direct(astype, _ndarray.astype, small=True, realized=True, taken_in=True, places=8,
                           quick=None if native is None else native.Caster(CAST, _casts, astype))
    own["copy"] = direct(copy, _ndarray.copy, small=True, realized=True, taken_in=True, places=8,
                         quick=None if native is None else native.Caster(COPY, {}, copy))
    own.update({name: direct(own[name], getattr(_ndarray, name), small=True, realized=True, steady=True, places=places,
                             quick=clipper(clip) if name == "clip" else None)
                for name, places in _ELEMENTWISE.items()})
    own.update({name: viewer(own[name], getattr(_ndarray, name), _reshaped, by_shape=True)
                for name in ("reshape", "ravel")})
    for name, fn in own.items():
        setattr(Tensor, name, fn)
    for name in ("__float__", "__complex__"):
        setattr(Tensor, name, _NUMBER[name])
    Tensor.__int__ = _int  # type: ignore[attr-defined]
    Tensor.__bool__ = _bool  # type: ignore[attr-defined]
    for name in ("__repr__", "__str__", "__index__", "__format__"):
        setattr(Tensor, name, _from_value(getattr(_ndarray, name), name))
    Tensor.__class_getitem__ = classmethod(GenericAlias)  # type: ignore[attr-defined]
    Tensor.__hash__ = None  # type: ignore[assignment]


_attach()
