"""Functions that write to an array and cannot fail once their arguments have been checked: `copyto`, `put`, `putmask`,
`place`, `put_along_axis`, `fill_diagonal`, `ufunc.at`. Each is NumPy's own call on the array's next value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.dtypes import NUMERIC, RAISE_ON_VALUES, only_objects, record_of
from ..ir.errstate import capsule_of, under
from ..ir.node import Node, leaf, make
from ..ir.operation import Operation, register
from ..run import floating
from .build import NUMBERS, NotArray, concern, operand, users_frame
from .fallback import AT_ONCE, fallback
from .handle import Tensor, is_writeable
from .histograms import HISTOGRAMS
from .inplace import change, depth_of, looked_at, may_wait, swap
from .rows import chosen_shape, within


def _copyto(view: Any, source: Any, *rest: Any) -> None:
    np.copyto(view, source, rest[-1], **({"where": rest[0]} if len(rest) > 1 else {}))


_COPYTO = Operation("copyto", "mutate", _copyto, label="cast")
_PUT = Operation("put", "mutate", lambda view, indices, values, mode: np.put(view, indices, values, mode), label="cast")
_PUTMASK = Operation("putmask", "mutate", np.putmask, label="cast")
_PLACE = Operation("place", "mutate", np.place, label="cast")
_ALONG = Operation("put_along_axis", "mutate", np.put_along_axis, label="cast")
_NAN_TO_NUM = Operation("nan_to_num_in_place", "mutate", np.nan_to_num, label=None, called="nan_to_num")
_WHERE = register("where", "call", np.where, step="where")
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


def _refusing(fn: Callable[..., Any], *args: Any) -> Any:
    """What a function gives where a cast of which NumPy warns is an error: NumPy is to do it then, and to warn at the
    user's line."""
    return under(capsule_of(over="raise", invalid="raise"), fn, *args)


def _of_dtype(value: Any, dtype: np.dtype[Any]) -> Any:
    """An operand that NumPy makes an array of a dtype itself: numbers and lists go into the dtype, arrays keep theirs.
    """
    kind = type(value)
    if kind in NUMBERS or (kind is list or kind is tuple) and not concern(value):
        return leaf(_refusing(np.asarray, value, dtype), None)
    found = operand(value)
    return found if type(found) is Node else leaf(np.asarray(found), None)


def _chooses(target: Any, mask: Any, values: Any, frame: Any) -> bool:
    """Writes an array of the target's own shape and dtype where a mask of that shape is true, as `numpy.where`, which
    kernels inline and which has no branch for each element. False if the arrays are not so."""
    old = target._value
    nodes = (old, mask, values)
    if any(x.__class__ is not Node or x.shape != old.shape or x.strides is not None for x in nodes) or not old.shape:
        return False
    if mask.dtype.kind != "b" or values.dtype is not old.dtype or not old.dtype.isnative:
        return False
    capsule = floating.in_force()
    if not may_wait(target, (mask, values), capsule):
        return False

    def chosen(now: Node) -> Node:
        inputs = (mask, values, now)
        return make(_WHERE, inputs, None, now.shape, now.dtype, None, capsule, depth_of(inputs), frame)
    return swap(target, chosen)


def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> bool:
    """`numpy.copyto`, if it may wait."""
    source = operand(src)
    mask = () if where is True else (operand(where),)
    _numbers(dst, source)
    _fits(dst, source, *mask)
    if mask and (type(mask[0]) is not Node or mask[0].dtype.kind != "b"):
        return False
    _refusing(np.copyto, np.empty(1, dst._value.dtype), _element(source), casting)
    if mask and _chooses(dst, mask[0], source, users_frame()):
        return True
    return change(_COPYTO, dst, (source, *mask), (casting,), users_frame())


def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> bool:
    """`numpy.put`, if it may wait; the indices are looked at now."""
    size = int(np.prod(a._value.shape))
    if mode not in ("raise", "wrap", "clip") or size == 0 or not within(ind, size if mode == "raise" else 1 << 62):
        return False
    indices, values = operand(ind), operand(v)
    _numbers(a, values)
    if type(v) in NUMBERS:
        _refusing(np.put, np.empty(1, a._value.dtype), 0, v)
    return change(_PUT, a, (indices, values), (mode,), users_frame())


def putmask(a: Any, /, mask: Any, values: Any) -> bool:
    """`numpy.putmask`, if it may wait."""
    chosen, given = operand(mask), _of_dtype(values, a._value.dtype)
    _numbers(a, given)
    if _shape(chosen) != a._value.shape or not a._value.shape:
        return False
    np.putmask(np.empty(1, a._value.dtype), np.ones(1, bool), _element(given))
    return _chooses(a, chosen, given, users_frame()) or change(_PUTMASK, a, (chosen, given), (), users_frame())


def place(arr: Any, mask: Any, vals: Any) -> bool:
    """`numpy.place`, if it may wait."""
    chosen, given = operand(mask), _of_dtype(vals, arr._value.dtype)
    _numbers(arr, given)
    if _shape(chosen) != arr._value.shape or 0 in given.shape:
        return False
    np.place(np.empty(1, arr._value.dtype), np.ones(1, bool), _element(given))
    return change(_PLACE, arr, (chosen, given), (), users_frame())


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
    return change(_ALONG, arr, (places, given), (axis,), users_frame())


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> bool:
    """`numpy.fill_diagonal`, if it may wait."""
    given = operand(val)
    _numbers(a, given)
    shape = a._value.shape
    if type(wrap) is not bool or len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1) or 0 in shape or (
            type(given) is Node and 0 in given.shape):
        return False
    np.fill_diagonal(np.empty((2, 2), a._value.dtype), _element(given))
    return change(_DIAGONAL, a, (given,), (wrap,), users_frame())


def nan_to_num(x: Any, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """`numpy.nan_to_num` of the array itself, if it may wait."""
    numbers = (float, int, type(None))
    dtype = x._value.dtype
    if not x._value.shape:  # NumPy gives a number
        return False
    if copy is False and dtype.kind in "iub":
        return True
    if copy is not False or dtype.kind not in "fc" or not {type(nan), type(posinf), type(neginf)} <= set(numbers):
        return False
    _numbers(x)
    np.nan_to_num(np.ones(1, dtype), False, nan, posinf, neginf)
    return change(_NAN_TO_NUM, x, (), (False, nan, posinf, neginf), users_frame())


def write_at(ufunc: Any, a: Any, indices: Any, *values: Any) -> bool:
    """``ufunc.at(a, indices, *values)``, if it may wait; the indices are looked at now."""
    if ufunc in RAISE_ON_VALUES or ufunc.nout != 1 or ufunc.signature is not None or only_objects(ufunc) or (
            len(values) != ufunc.nin - 1 or record_of(ufunc).foreign):
        return False
    parts = indices if type(indices) is tuple else (indices,)
    try:
        places = [operand(part) for part in parts if type(part) is not slice]
        given = [operand(x) for x in values]
        _numbers(a, *given)
        shape, dtype = a._value.shape, a._value.dtype
        if any(type(x) is not Node or x.dtype.kind not in "iu" for x in places):
            return False
        chosen = chosen_shape(shape, tuple([part if type(part) is slice else looked_at(part) for part in parts]))
        if any(np.broadcast_shapes(chosen, _shape(x)) != chosen for x in given):
            return False
        ufunc.at(np.ones(1, dtype), [0], *[_element(x) for x in given])
    except (NotArray, TypeError, ValueError, OverflowError, IndexError):
        return False
    op = _at.get(ufunc)
    if op is None:
        op = _at[ufunc] = Operation(f"{ufunc.__name__}_at", "mutate", functools.partial(_write_at, ufunc), label=None,
                                   called=f"{ufunc.__name__}.at")
    template = tuple([part if type(part) is slice else None for part in parts])
    return change(op, a, (*places, *given), (len(places), template), users_frame())


_at: dict[Any, Operation] = {}


def _write_at(ufunc: Any, view: Any, *values: Any) -> None:
    count, template = values[-2:]
    places = iter(values[:count])
    ufunc.at(view, tuple([next(places) if part is None else part for part in template]), *values[count:-2])


def _writing(own: Callable[..., bool], gives: bool = False) -> Callable[..., Any]:
    """NumPy's function as one that leaves its first argument pending where `own` can, and perhaps gives it."""
    real = getattr(np, own.__name__)
    otherwise = fallback(real, own.__name__)

    @functools.wraps(real)
    def function(*args: Any, **kwargs: Any) -> Any:
        if args and type(args[0]) is Tensor:
            try:
                if own(*args, **kwargs):
                    return args[0] if gives else None
            except (NotArray, TypeError, ValueError, ArithmeticError, IndexError, AttributeError):
                pass  # NumPy says it itself
        return otherwise(*args, **kwargs)
    if gives:  # the first argument, if it writes to that; a new array where there are no others
        AT_ONCE[function] = {"small": True, "alone": True, "places": 1}
    else:
        AT_ONCE[function] = {"writes": True, "steady": own in (copyto, putmask)}
    return function


WRITES: dict[str, Callable[..., Any]] = {
    **{f.__name__: _writing(f) for f in (copyto, put, putmask, place, put_along_axis, fill_diagonal)},
    "nan_to_num": _writing(nan_to_num, True), **HISTOGRAMS,
}
"""What this file has in place of NumPy's functions, by name."""


def _put_method(self: Any, /, indices: Any, values: Any, mode: Any = "raise") -> None:
    """As `numpy.ndarray.put`."""
    WRITES["put"](self, indices, values, mode)


_put_method.__name__ = _put_method.__qualname__ = "put"
Tensor.put = _put_method  # type: ignore[attr-defined]
