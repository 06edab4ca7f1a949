"""``t[index]``, ``t[index] = value``, iteration: basic, advanced and boolean, as NumPy's."""

from __future__ import annotations

import contextlib
import itertools
import operator
import sys
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..config import current
from ..hot import learn, native
from ..ir.dtypes import NUMERIC
from ..ir.errstate import silently
from ..ir.layout import canonical, shadow
from ..ir.node import AT_ONCE, Node, leaf, make, tick
from ..ir.operation import register
from ..run import masking
from ..run.floating import in_force, unchanged
from ..run.watching import PASS, Opaque, active, eager, measured, mine
from .build import (
    NOT_AN_ARRAY,
    NUMBERS,
    NotArray,
    are_small,
    at_line,
    bound,
    is_pending,
    made_real,
    operand,
    record,
    stand_in,
)
from .choosing import picked_now, picked_watched, put_whole
from .handle import (
    WRITEABLE,
    Tensor,
    alone,
    apply_steps,
    export,
    geometry,
    is_shared,
    lock_of,
    own_memory,
    peek,
    read,
    root_of,
    run,
    seen,
    steps_of,
    tensor,
    unwrapped,
    view_tensor,
    wrap,
    writing_of,
    written_now,
)
from .inplace import change, looked_at, read_only
from .relative import relative_view
from .rows import chosen_shape, unwatched
from .scalar import Scalar, scalar, value_of

_getframe = sys._getframe
_getitem = operator.getitem
learn(getitem_function=_getitem)
_ndarray = np.ndarray
_generic = np.generic
_BOOL = np.dtype(bool)
_PLAIN = frozenset((bool, int, float))
_BASIC = frozenset((int, slice, type(None), type(Ellipsis)))
_SLICED = frozenset((slice, tuple))
_BOUNDS = frozenset((int, bool, type(None)))
_IMMUTABLE = (np.integer, Scalar)
"""Other classes of bounds whose objects stay what they are."""

_GATHER = register("getitem", "call", lambda array, *indices, template: array[_rebuilt(template, indices)],
                   label="getitem")
_GATHER_WHOLE = register("getitem whole", "call", lambda array, *indices, template: array[
    _rebuilt(template, indices)].base, label="getitem")
ELEMENT = register("element", "call", lambda array, index: array[index], label="getitem")
STORE = register("setitem", "mutate", lambda view, value, index: operator.setitem(view, index, value), label="cast",
                  step="store")
_SCATTER = register("setitem_at", "mutate", lambda view, value, *rest: _scattered(
    view, value, _rebuilt(rest[-1], rest[:-1])), label="cast")

_MASKED = register("setitem_where", "mutate", lambda array, value, mask, template: operator.setitem(
    array, mask, value), label="cast", step="masked")
learn(store_operation=STORE, element_operation=ELEMENT)


def _rebuilt(template: tuple[Any, ...], indices: Any) -> Any:
    """The index again: in the template `_HERE` stands for an index array, a tuple for a slice (which has no hash)."""
    given = iter(indices)
    return tuple([next(given) if part is _HERE else slice(*part) if type(part) is tuple else part
                  for part in template])


class _Here:
    """Marks the place of an index array in a template."""

    def __repr__(self) -> str:
        return "array"


_HERE = _Here()


def _is_fixed(part: Any) -> bool:
    """Whether a slice's bounds stay what they are. Arrays and objects with `__index__` may be other numbers later."""
    return _is_bound(part.start) and _is_bound(part.stop) and _is_bound(part.step)


def _is_bound(x: Any) -> bool:
    kind = type(x)
    return kind in _BOUNDS or issubclass(kind, _IMMUTABLE)


def _fixed(part: Any) -> Any:
    """A slice whose bounds are the ints that they are now; itself if they stay what they are."""
    if _is_fixed(part):
        return part
    step, start, stop = [operator.index(x) if not _is_bound(x) and hasattr(type(x), "__index__") else x
                         for x in (part.step, part.start, part.stop)]  # in the order in which Python asks them
    return slice(start, stop, step)


def _is_basic(index: Any) -> bool:
    if type(index) is tuple:
        for part in index:
            if type(part) not in _BASIC or type(part) is slice and not _is_fixed(part):
                return False
        return True
    return type(index) in _BASIC and (type(index) is not slice or _is_fixed(index))


def plain(index: Any) -> Any:
    """The index with lazy scalars and integer-like things as Python ints, Tensors left as they are; itself if there is
    nothing to change."""
    if type(index) is tuple:
        if _is_basic(index):
            return index
        parts = tuple([plain(part) for part in index])
        return index if all(map(operator.is_, parts, index)) else parts
    kind = type(index)
    if kind is slice:
        return _fixed(index)
    if kind in _BASIC or kind is Tensor or kind is _ndarray or kind is bool or kind is str:
        return index
    if issubclass(kind, Scalar):
        index = value_of(index)
    if isinstance(index, np.integer) and not isinstance(index, np.timedelta64):  # which is one by its class
        return int(index)
    if issubclass(kind, tuple):
        return plain(tuple(index))
    if hasattr(kind, "__index__") and not isinstance(index, (np.generic, _ndarray)):
        with contextlib.suppress(Exception):  # as NumPy does, which then makes an array of it
            return operator.index(index)
    return index


def getitem(self: Any, index: Any) -> Any:
    """``self[index]``: a view for basic indices, NumPy's scalar for integers alone, else an array of its own."""
    v = self._value
    kind = type(index)
    if active and (watcher := mine()) is not None:
        if watcher.hides:
            index = watcher.indexed(self, index)
            kind = type(index)
        if v.__class__ is Node and (
                kind in _SLICED and _is_basic(index) and gives_array(index, v.shape)):
            return view_tensor(self, ((_getitem, (index,)),), geometry(self)[index], writing_of(self))
        if kind is Tensor and index._value.dtype is _BOOL and not watcher.hides and (
                picked := picked_watched(watcher, self, index)) is not None:
            return picked
        return _watched_getitem(self, index)
    if v.__class__ is Node:
        buffer = v.buffer
        if buffer is not None:
            if kind is int or kind in _SLICED and _is_basic(index):
                found = buffer[index]
                if type(found) is _ndarray:
                    state = self._state
                    return view_tensor(self, ((_getitem, (index,)),), found, state is None or state.writeable)
                return found if type(found) is not np.void else export(self)[index]
        elif kind in _SLICED and _is_basic(index) and gives_array(index, v.shape):
            return view_tensor(self, ((_getitem, (index,)),), geometry(self)[index], writing_of(self))
        buffer = None  # else it would count as a holder of the memory
        if kind is Tensor and index._value.dtype is _BOOL and (picked := picked_now(self, index)) is not None:
            return picked
    return _general_getitem(self, index)


def _watched_getitem(self: Any, index: Any) -> Any:
    """The same under a watcher's eyes: an element stays pending, so that its value is not seen by the program."""
    v = self._value
    if not _is_element(index, v.shape) or v.dtype.char not in NUMERIC:
        index = plain(index)
        if not _is_basic(index) or gives_array(index, v.shape) or v.dtype.char not in NUMERIC or index == ():
            return _general_getitem(self, index)
        shadow(v.shape, v.strides, v.dtype)[(*(index if type(index) is tuple else (index,)), ...)]  # NumPy's error
    dtype = v.dtype if v.dtype.isnative else np.dtype(v.dtype.type)
    return scalar(record(ELEMENT, (operand(self),), (("index", index),), (), dtype, None, _getframe(2)))


def _is_element(index: Any, shape: tuple[int, ...]) -> bool:
    """Whether an index is Python's whole numbers, one for each axis and within it."""
    if type(index) is int:
        return len(shape) == 1 and -shape[0] <= index < shape[0]
    if type(index) is not tuple or len(index) != len(shape) or not index:
        return False
    for part, n in zip(index, shape, strict=True):
        if type(part) is not int or not -n <= part < n:
            return False
    return True


def gives_array(index: Any, shape: tuple[int, ...]) -> bool:
    """Whether a basic index leaves an axis (then the result is a view, else an element)."""
    if type(index) is tuple:
        ints = 0
        for part in index:
            if type(part) is int:
                ints += 1
            elif part is not None and type(part) is not slice:
                return True
        return ints < len(shape) or ints < len(index)
    return type(index) is not int or len(shape) > 1


def _general_getitem(self: Any, index: Any) -> Any:
    index = plain(index)
    v = self._value
    if _is_basic(index):
        if not gives_array(index, v.shape):
            if not v.shape and index == () and v.dtype.char in NUMERIC and v.dtype.isnative and is_pending(self):
                own = self if v.__class__ is Node else self.copy()
                return scalar(read(own))
            return wrap((export if v.dtype.names else peek)(self)[index])
        if index == ():
            return self[...] if v.shape else wrap(peek(self)[()])
        return apply_steps(self, ((_getitem, (index,)),), geometry(self)[index])
    if type(index) is str or (type(index) is list and index and type(index[0]) is str):
        return apply_steps(self, ((_getitem, (index,)),), geometry(self)[index])
    return _advanced(self, index)


def _advanced(self: Any, index: Any) -> Any:
    """Index arrays are looked at now, so that a bad index raises here; what they pick from may stay pending."""
    if active and (found := eager(_getitem, (self, index), {})) is not PASS:
        return found
    v = self._value
    if is_pending(self) and v.dtype.itemsize and not v.dtype.hasobject and _lies_in_order(v.strides):
        try:
            found = _gathered(self, index if type(index) is tuple else (index,))
        except NotArray:
            found = None
        if found is not None:
            return found
    try:
        array, real = peek(self), _real(index)
        chosen = masking.picked(array, real) if type(real) is _ndarray else None
        return _as_picked(array[real]) if chosen is None else wrap(chosen, 1)
    except ValueError as error:
        if str(error) != NOT_AN_ARRAY:
            raise
    return wrap(peek(self)[made_real(_real(index))])


def _as_picked(found: Any) -> Any:
    """What NumPy picked; where that is a new array with its axes in another order, a view of one, as `_gathered` has
    it."""
    whole = found.base if type(found) is _ndarray else None
    if type(whole) is not _ndarray or whole.base is not None or whole.dtype.hasobject or (
            whole.__array_interface__["data"] != found.__array_interface__["data"]):
        return wrap(found, 1)
    strides = canonical(found.strides, found.shape, found.dtype.itemsize)
    seen = shadow(found.shape, strides, found.dtype)
    del found
    return apply_steps(wrap(whole, 1), ((relative_view, (0, seen.shape, seen.strides, seen.dtype)),), seen)


def _picked(held: list[Any]) -> Any:
    """The same of an array that a list alone holds."""
    return _as_picked(held.pop())


learn(picked=_picked)


def _lies_in_order(strides: Any) -> bool:
    """Whether the first axis takes the largest steps, and so on: the layout of what is picked follows from the indices
    alone then."""
    return strides is None or all(abs(a) >= abs(b) for a, b in itertools.pairwise(strides)) and 0 not in strides


def _gathered(self: Any, parts: tuple[Any, ...]) -> Any:
    """What arrays of integers or booleans pick, pending; None if it is an element. NumPy makes some such results as
    the view of an array with its axes in another order."""
    v = self._value
    chosen = [operand(part) for part in parts if type(part) not in _BASIC]
    if not chosen or any(type(x) is not Node or x.dtype.kind not in "iub" or not x.shape for x in chosen):
        raise NotArray  # none: a slice whose bounds are no integers, which NumPy refuses
    real = _real(parts)
    if (shape := _plainly_picked(v.shape, real)) is not None:
        template: tuple[Any, ...] = (_HERE,) * len(parts)
        return tensor(record(_GATHER, (operand(self), *chosen), (("template", template),), shape, v.dtype, None,
                             _getframe(4)))
    seen = _over_little_memory(v.shape, any(part is None for part in parts))[real]
    whole = seen if seen.base is None else seen.base
    if not seen.shape or whole.__array_interface__["data"] != seen.__array_interface__["data"]:
        return None
    laid, strides = [canonical(tuple([n * v.dtype.itemsize for n in x.strides]), x.shape, v.dtype.itemsize)
                     for x in (whole, seen)]
    template = tuple([(part.start, part.stop, part.step) if type(part) is slice else
                      part if type(part) in _BASIC else _HERE for part in parts])
    op = _GATHER if whole is seen else _GATHER_WHOLE
    t = tensor(record(op, (operand(self), *chosen), (("template", template),), whole.shape, v.dtype, laid,
                      _getframe(4)))
    if whole is seen:
        return t
    seen = shadow(seen.shape, strides, v.dtype)
    return apply_steps(t, ((relative_view, (0, seen.shape, seen.strides, v.dtype)),), seen)


def _plainly_picked(shape: tuple[int, ...], parts: tuple[Any, ...]) -> tuple[int, ...] | None:
    """The shape of what index arrays pick, where they are integers of one shape in C order that lie within: so is the
    result then. None where NumPy has to say what that is, or what is wrong."""
    first = parts[0]
    if len(parts) > len(shape) or type(first) is not _ndarray:
        return None
    whole = first.shape + shape[len(parts):]
    if min(whole) < 2:
        return None
    for part, n in zip(parts, shape, strict=False):
        if type(part) is not _ndarray or part.dtype.kind not in "iu" or not part.dtype.isnative or (
                part.shape != first.shape or not part.flags.c_contiguous):
            return None
        as_unsigned = part.view(f"u{part.itemsize}")  # negative ones are the largest
        if (n >> 8 * part.itemsize == 0 or part.dtype.kind == "i") and as_unsigned.max() >= n and not (
                part.dtype.kind == "i" and part.min() >= -n and part.max() < n):
            return None
    return whole


def _over_little_memory(shape: tuple[int, ...], steps: bool) -> Any:
    """An array of this shape over one element; or, with `steps`, one whose axes overlap, the first with the largest
    steps: NumPy puts new axes, which have none, inside of those that have one."""
    strides = tuple(range(len(shape), 0, -1)) if steps else (0,) * len(shape)
    room = 1 + sum([(n - 1) * step for n, step in zip(shape, strides, strict=True)])
    return np.lib.stride_tricks.as_strided(np.zeros(max(room, 1), bool), shape, strides)


def _real(index: Any) -> Any:
    if type(index) is tuple:
        return tuple([looked_at(part) for part in index])
    if type(index) is list:
        return [looked_at(part) for part in index]
    return looked_at(index)


# ---- writing ---------------------------------------------------------------------------------------------------------

def setitem(self: Any, index: Any, value: Any) -> None:
    """``self[index] = value``."""
    if active and (watcher := mine()) is not None:
        if watcher.hides:
            index = watcher.indexed(self, index)
        if issubclass(type(value), Opaque):
            value = value.stored(self)
    v = self._value
    kind = type(value)
    if (v.__class__ is Node and (buffer := v.buffer) is not None and (self._state is None or not is_shared(self))
            and (kind in NUMBERS or issubclass(kind, _generic)) and _is_basic(index) and type(buffer) is _ndarray):
        with lock_of(self):
            v = buffer = None
            if self._state is None and _write_now(self, index, value):
                return
    elif v.__class__ is Node and self._state is None:
        v = buffer = None
        if type(index) is Tensor and index._value.dtype is _BOOL:
            if (put_whole(self, index, value) or _put_now(self, index, value)) if kind is Tensor else (
                    _fill_masked(self, index, value)):
                return
        elif kind is Tensor and _store_quickly(self, index, value):
            return
    v = buffer = None  # else they would count as holders of the memory
    _general_setitem(self, index, value)


def _scattered(view: Any, value: Any, index: tuple[Any, ...]) -> None:
    if len(index) != 1 or not masking.put(view, index[0], value):
        view[index] = value


def _put_now(root: Any, mask: Any, value: Any) -> bool:
    """Writes values to where a mask is true, in the memory of a root whose present value no pending work reads."""
    if active and mine() is not None:
        return False
    places, values = seen(mask), seen(value)
    run(root)
    with lock_of(root):
        buffer = own_memory(root)
        if buffer is None:
            return False
        if masking.put(buffer, places, values):
            return True
        if values.dtype is not buffer.dtype or buffer.dtype.hasobject or not buffer.flags.num & WRITEABLE:
            return False
        buffer[places] = values
        return True


def _fill_masked(self: Any, mask: Any, value: Any) -> bool:
    """Writes one number to where a mask of the root's own shape is true, pending. False if something is unusual."""
    v, w = self._value, mask._value
    if (type(value) not in NUMBERS or w.__class__ is not Node or mask._state is not None or w.shape != v.shape
            or v.dtype.hasobject or w.depth >= AT_ONCE or not _goes_in_silently(value, v.dtype)):
        return False
    return _pending_store(self, _MASKED, (_element_value(value, v.dtype), w), ((), ((_HERE,),)), w.depth, _getframe(2))


def _store_quickly(self: Any, index: Any, value: Any) -> bool:
    """The common write: a pending value of the right shape and dtype into a slice of a root. False if it is another."""
    v, w = self._value, value._value
    kind = type(index)
    if (w.__class__ is not Node or value._state is not None or w.dtype is not v.dtype or v.dtype.hasobject
            or not (kind in _SLICED and _is_basic(index) and gives_array(index, v.shape))):
        return False
    buffer = v.buffer
    target = (shadow(v.shape, v.strides, v.dtype) if buffer is None else buffer)[index]
    if target.shape != w.shape or w.depth >= AT_ONCE:
        return False
    target = buffer = v = None
    return _pending_store(self, STORE, (w,), ((), (index,)), w.depth, _getframe(2))


def _pending_store(root: Any, op: Any, operands: tuple[Any, ...], attrs: Any, deepest: int, frame: Any) -> bool:
    """Gives a root the pending value that the operation makes of its present one and of operands, the deepest of which
    is that deep. False if it may not wait."""
    capsule = in_force()
    if not unchanged(capsule):
        return False
    if active and (watcher := mine()) is not None:
        watcher.writes(root)
    node = make(op, (None, *operands), attrs, (), root._value.dtype, None, capsule, 0, frame)
    with lock_of(root):
        if root._state is not None:
            return False
        old = node.a = root._value
        node.seq = tick()
        node.shape, node.strides = old.shape, old.strides
        depth = node.depth = 1 + (old.depth if old.depth > deepest else deepest)
        root._value = node
    if depth > current.depth or not deepest:
        bound(node)
    return True


def _write_now(root: Any, index: Any, value: Any) -> bool:
    """Writes to the memory of a realized root, if no pending work reads its present value. Under its lock."""
    node = root._value
    buffer = node.buffer
    if buffer is None or not alone(node, buffer) or (active and mine() is not None):
        return False
    if _goes_in_silently(value, node.dtype):
        buffer[index] = value
    else:
        at_line(operator.setitem, (buffer, index, value))
    return True


def _general_setitem(self: Any, index: Any, value: Any) -> None:
    read_only(self, "assignment destination is read-only")
    index = plain(index)
    if type(value) is Tensor and value._value.__class__ is not Node and _is_itself(self, index, value):
        return
    if type(index) is str and index in (self._value.dtype.names or ()) and self._value.dtype[index].char in NUMERIC:
        self, index = self[index], ...
    try:
        done = self._value.dtype.hasobject is False and not is_shared(root_of(self)) and (
            _store(self, index, value) if _is_basic(index) else
            _scatter_now(self, index, value) or _scatter(self, index, value))
    except NotArray:
        done = False
    if not done:
        real = export(self)
        kept = type(value) in (list, tuple) or (type(value) is Tensor and self._value.dtype.kind == "O")
        stored = value if self._value.dtype.hasobject and kept else (
            real if value is self else looked_at(value))  # NumPy asks whether it is the very array
        where = _real(index)
        if type(where) is not _ndarray or not masking.put(real, where, stored):
            at_line(operator.setitem, (real, where, stored))


def _scatter_now(self: Any, index: Any, value: Any) -> bool:
    """Writes to places that arrays give of a small root whose present value no pending work reads."""
    if active or self._value.__class__ is not Node or not are_small((self, index, value), current.small):
        return False
    places, values = _real(index), looked_at(value)
    return written_now(self, lambda memory: at_line(operator.setitem, (memory, places, values)))


def _is_itself(self: Any, index: Any, value: Any) -> bool:
    """Whether the value is the very view that is assigned to, as after ``a[index] += 1``."""
    v = value._value
    if v.root is not root_of(self):
        return False
    steps = steps_of(value)
    own = steps_of(self)
    return len(steps) == len(own) + 1 and all(x is y for x, y in zip(steps, own, strict=False)) and (
        steps[-1][0] is _getitem and _is_same_index(steps[-1][1][0], index))


def _is_same_index(one: Any, other: Any) -> bool:
    """Whether two indices are of the same part: a basic one that was not `plain` is made anew each time."""
    return one is other or _is_basic(one) and _is_basic(other) and bool(one == other)


def _element_value(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number as an array with the destination's dtype; NumPy's error if it does not go in."""
    cell = np.empty((), dtype)
    if _goes_in_silently(value, dtype):
        cell[()] = value
    else:
        at_line(operator.setitem, (cell, (), value))
    return leaf(cell, None)


def _goes_in_silently(value: Any, dtype: np.dtype[Any]) -> bool:
    """Whether it is certain that NumPy does not warn when it stores a number in an element of a dtype."""
    kind = type(value)
    if kind is dtype.type or (dtype.kind in "iub" and (kind is int or kind is bool)) or (
            kind is float and dtype.char == "d"):
        return True
    return kind in _PLAIN and dtype.char in "fdFD" and (value == 0 or 1e-30 < abs(value) < 1e30)


def _is_refused_whole(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether NumPy writes nothing at all of a sequence before it finds that it cannot be assigned."""
    size = prod(shape) * dtype.itemsize
    for byte in (0, 255) if size else ():
        memory = np.full(size, byte, np.uint8)
        with contextlib.suppress(Exception):
            silently(operator.setitem, memory.view(dtype).reshape(shape), ..., value)
        if (memory != byte).any():
            return False
    return True


def _value_operand(value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    kind = type(value)
    if kind in NUMBERS:
        return _element_value(value, dtype)
    if kind is list or kind is tuple:
        if dtype.names:
            raise NotArray
        array, value = np.empty(shape, dtype), looked_at(value)
        try:
            at_line(operator.setitem, (array, ..., value))
        except Exception:
            if _is_refused_whole(value, shape, dtype):
                raise
            raise NotArray from None  # in the memory that is assigned to, NumPy leaves what it wrote before the error
        return leaf(array, None)
    node = operand(value)
    if issubclass(kind, _generic) and node.dtype.char not in NUMERIC:
        raise NotArray
    if node.dtype != dtype and (node.dtype.kind in "SUVOMmc" or dtype.kind in "SUVOMm"):
        raise NotArray
    return node


def _store(self: Any, index: Any, value: Any) -> bool:
    """A basic index: the part written is known, the value is not needed."""
    target = geometry(self)[index if type(index) is tuple and index and index[-1] is Ellipsis else (
        (*index, Ellipsis) if type(index) is tuple and Ellipsis not in index else
        index if type(index) is tuple or index is Ellipsis else (index, Ellipsis))]
    shape = target.shape
    if not shape and (type(value) is not Tensor or value._value.shape) and type(value) not in NUMBERS and not (
            issubclass(type(value), Scalar) and value._node.dtype == self._value.dtype) and not (
            issubclass(type(value), np.number | np.bool_) and type(value) is self._value.dtype.type):
        return False
    if type(value) is not Tensor and not unchanged(in_force()):
        return False  # it may not wait: NumPy warns, once, as it writes
    if issubclass(type(value), Scalar) and value._node.dtype != self._value.dtype:
        value = value_of(value)
    if issubclass(type(value), _generic):
        node = _element_value(value, self._value.dtype)
    else:
        node = _value_operand(value, self._value.dtype, shape)
    if node.shape != shape and node.shape:
        _check_fits(node, shape)
    return change(STORE, self, (node,), (index,), _getframe(3))


def _check_fits(node: Any, shape: tuple[int, ...]) -> None:
    """NumPy's ValueError if a value cannot be broadcast to the part that is assigned to."""
    target = np.lib.stride_tricks.as_strided(np.zeros(1, node.dtype), shape, (0,) * len(shape))
    extra = len(node.shape) - len(shape)
    trimmed = node.shape[extra:] if extra > 0 and set(node.shape[:extra]) == {1} else node.shape
    if len(trimmed) > len(shape) or any(n not in (1, m) for n, m in zip(trimmed[::-1], shape[::-1], strict=False)):
        target[...] = stand_in(node)


def _scatter(self: Any, index: Any, value: Any) -> bool:
    """Index arrays: integers are looked at now; a pending mask stays pending if one value goes everywhere. Elements for
    those that a mask chooses are put at once (`_put_now`), except where a trace is to write that down."""
    v = self._value
    parts = index if type(index) is tuple else (index,)
    indices = [operand(part) for part in parts if type(part) not in _BASIC]
    if not indices or any(type(x) is not Node or x.dtype.kind not in "iub" for x in indices):
        raise NotArray
    if len(parts) == 1 and indices[0].dtype.kind == "b":
        if indices[0].shape == v.shape and type(value) in NUMBERS and _goes_in_silently(value, v.dtype):
            node = _element_value(value, v.dtype)
            op = _MASKED if v.__class__ is Node else _SCATTER
            return change(op, self, (node, *indices), ((_HERE,),), _getframe(3))
    real = tuple([unwatched(part) for part in parts])
    if any(getattr(part, "dtype", None) == _BOOL for part in real) and not (active and mine() is not None):
        return False
    if type(value) is not Tensor and not unchanged(in_force()):
        return False
    try:
        shape = chosen_shape(v.shape, real)
    except IndexError:
        return False
    try:
        node = _value_operand(value, v.dtype, shape)
    except ValueError:  # NumPy's own words for indices
        return False
    if node.shape != shape and (len(node.shape) > len(shape) or any(
            n not in (1, m) for n, m in zip(node.shape[::-1], shape[::-1], strict=False))):
        return False
    template = tuple([part if type(part) in _BASIC else _HERE for part in parts])
    return change(_SCATTER, self, (node, *indices), (template,), _getframe(3))


def delitem(self: Any, index: Any) -> None:
    """``del self[index]`` is an error, as in NumPy."""
    raise ValueError("cannot delete array elements")


def iterate(self: Any) -> Iterator[Any]:
    """Iterates over the first axis: views of rows, or NumPy's scalars."""
    if not self._value.shape:
        raise TypeError("iteration over a 0-d array")
    if active:
        measured(self, 0)
    return _rows(self)


def _rows(self: Any) -> Iterator[Any]:
    i = 0
    while i < self._value.shape[0]:
        yield self[i]
        i += 1


def contains(self: Any, value: Any) -> bool:
    """``value in self``."""
    return unwrapped(value) in peek(self)


def length(self: Any) -> int:
    """``len(self)``."""
    shape = self._value.shape
    if not shape:
        raise TypeError("len() of unsized object")
    if active:
        measured(self, 0)
    return int(shape[0])


_METHODS: dict[str, Any] = {
    "__getitem__": getitem if native is None else native.Getter(None, {}, getitem),
    "__setitem__": setitem if native is None else native.Setter(None, {}, setitem),
    "__delitem__": delitem, "__iter__": iterate, "__contains__": contains, "__len__": length,
}
for _name, _method in _METHODS.items():
    setattr(Tensor, _name, _method)
