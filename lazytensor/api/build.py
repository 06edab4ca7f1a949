"""How an operation becomes a node: dtype, shape and layout as NumPy would give them, and whether it may wait.

The hot paths of `operators` write the common case out; everything else comes through `record` and `elementwise`.
"""

from __future__ import annotations

import sys
from math import prod
from operator import is_
from types import FunctionType
from typing import Any

import numpy as np

from ..compile import realize
from ..config import current
from ..hot import learn, native
from ..ir.dtypes import UfuncRecord, int_bounds, record_of
from ..ir.layout import broadcast
from ..ir.layout import elementwise as layout_of
from ..ir.node import AT_ONCE, Node, leaf, make
from ..ir.operation import Operation, register
from ..run import pins
from ..run.floating import foreign_may_wait, in_force, noted, unchanged, warns_itself, watch
from ..run.watching import Opaque, active, mine
from .handle import Tensor, View, export, read, tensor
from .scalar import Scalar, scalar, value_of

_generic = np.generic
_ndarray = np.ndarray
_LARGE, _SMALL = pins.LARGE, pins.SMALL
NUMBERS = frozenset((bool, int, float, complex))
_OURS = ("lazytensor.api", "lazytensor")
SNAPSHOT = 4096
"""A real array of at most this many bytes is copied when it becomes an operand; a larger one makes the call run."""


_LONG, _VAST, _INFINITE = 1 << 63, 1 << 1000, float("inf")


def _cast(array: Any, out: Any) -> Any:
    """The elements of `array` in `out`, whose dtype they take.

    Where NumPy itself is to warn (`warns_itself`), this function is not the place that it points to.
    """
    run = noted.run
    if run is None or run.capsule is watch.capsule or not warns_itself(run.capsule):
        np.copyto(out, array, casting="unsafe")
    else:
        at_line(np.copyto, (out, array), {"casting": "unsafe"})
    return out


CAST = register("astype", "elementwise", _cast, label="cast", step="cast")
COPY = register("copy", "elementwise", _cast, step="cast")
learn(copy_operation=COPY)


class NotArray(Exception):
    """An operand that only NumPy itself can deal with: the operation is NumPy's, on real arrays."""


def users_frame() -> Any:
    """The innermost frame outside this package: the user's line."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("lazytensor."):
        frame = frame.f_back  # type: ignore[assignment]
    return frame


def count_as_run() -> None:
    """Counts for the user's line that a call of a function of NumPy's has run when it was written."""
    if native is not None and (frame := users_frame()) is not None:
        native.ran_when_written(frame.f_code, frame.f_lasti)


NOT_AN_ARRAY = "object __array__ method not producing an array"
"""NumPy's error for an object whose `__array__` gives a Tensor, which such a class in a user's program does."""


def made_real(value: Any) -> Any:
    """An operand of another class as the real array that its `__array__` stands for, if that gives a Tensor."""
    kind = type(value)
    if kind is list or kind is tuple:
        return kind([made_real(x) for x in value])
    if kind in NUMBERS or kind is Tensor or issubclass(kind, (_ndarray, _generic, Scalar)) or isinstance(value, type):
        return value
    make = getattr(kind, "__array__", None)
    array = value if make is None else make(value)
    return export(array) if type(array) is Tensor else value


_CALL = (lambda fn, args, kwargs: fn(*args, **kwargs)).__code__
_calls: dict[tuple[str, int], Any] = {}


def at_line(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """``fn(*args, **kwargs)`` from a frame that says it is the user's line, for NumPy's warnings to point there."""
    frame = users_frame()
    if frame is None:
        return fn(*args, **(kwargs or {}))
    try:
        return _call_at(frame, fn, args, kwargs)
    except ValueError as error:
        if str(error) != NOT_AN_ARRAY:
            raise
    return _call_at(frame, fn, tuple([made_real(x) for x in args]), kwargs)


def _call_at(frame: Any, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    key = frame.f_code.co_filename, frame.f_lineno
    code = _calls.get(key)
    if code is None:
        if len(_calls) > 4096:
            _calls.clear()
        code = _calls[key] = _CALL.replace(co_filename=key[0], co_firstlineno=key[1], co_name=frame.f_code.co_name)
    return FunctionType(code, frame.f_globals)(fn, args, kwargs or {})


def is_at_line(frame: Any) -> Any:
    """The code that has called `at_line`, of a frame that says it is the user's line; None for any other frame."""
    back = frame.f_back
    return back.f_back.f_back.f_code if back is not None and back.f_code is _call_at.__code__ else None


def operand(value: Any) -> Any:
    """What a node holds for an operand: a Node, a Python number or a NumPy scalar.

    Raises
    ------
    NotArray
        For what is none of: Tensor, lazy or NumPy scalar, Python number, plain ndarray, list, tuple.
    """
    kind = type(value)
    if kind is Tensor:
        return read(value)
    if kind in NUMBERS:
        return value
    if issubclass(kind, Scalar):
        return value._node
    if issubclass(kind, _generic):
        if value.dtype.hasobject or value.dtype.kind in "SUV":
            raise NotArray
        return value
    if kind is _ndarray:
        return taken_in(value)
    if kind is list or kind is tuple:
        return read(GATHERERS[0](value)) if concern(value) else leaf(np.asarray(value), None)
    if issubclass(kind, Opaque):
        return value.used()
    raise NotArray


GATHERERS: list[Any] = []
"""What makes a pending array of a sequence with Tensors in it: `lazy.gathered`, which stands above this file."""


_LONG_LIST, _DEEPEST = 16, 64


def are_small(values: Any, most: int, depth: int = 2) -> bool:
    """Whether all arrays among values, in lists and tuples too, have at most so many bytes, and are there or one
    operation from it: what NumPy does with them is sooner done than written down."""
    for x in values:
        kind = type(x)
        if kind is Tensor:
            v = x._value
            if not _is_small(v if v.__class__ is Node else v.root._value, most, 1):
                return False
        elif kind is _ndarray:
            if x.nbytes > most:
                return False
        elif kind is list or kind is tuple:
            if not depth or len(x) > _LONG_LIST or not are_small(x, most, depth - 1):
                return False
        elif issubclass(kind, Scalar) and not _is_small(x._node, most, 1):
            return False
    return True


def _is_small(node: Any, most: int, pending: int) -> bool:
    """Whether a node's array and those that it is computed from, at most so many operations away, are that small."""
    if prod(node.shape) * node.dtype.itemsize > most or node.dtype.hasobject:
        return False
    return node.buffer is not None or pending > 0 and all([
        x.__class__ is not Node or _is_small(x, most, pending - 1) for x in node.inputs])


def concern(values: Any, depth: int = _DEEPEST) -> bool:
    """Whether a Tensor or lazy scalar is among values, in lists and tuples too; a list may hold itself."""
    if len(values) > _LONG_LIST and set(map(type, values)) <= NUMBERS:
        return False
    for x in values:
        kind = type(x)
        if kind is Tensor or issubclass(kind, Scalar):
            return True
        if (kind is list or kind is tuple) and depth and concern(x, depth - 1):
            return True
    return False


def with_real_scalars(value: Any) -> Any:
    """A sequence with NumPy's scalars in place of lazy ones: of another object than its own NumPy takes the `float`,
    which a longdouble does not survive."""
    kind = type(value)
    if kind is list or kind is tuple:
        parts = [with_real_scalars(x) for x in value]
        return value if all(map(is_, parts, value)) else kind(parts)
    return value_of(value) if issubclass(kind, Scalar) else value


def taken_in(array: Any) -> Node:
    """A real array as an operand: its elements as they are now. A copy must have the array's own strides, which NumPy's
    loops look at."""
    if active and (watcher := mine()) is not None:
        watcher.foreign(None)
    if array.nbytes <= SNAPSHOT and not array.dtype.hasobject and array.flags.c_contiguous:
        array = array.copy()
        return leaf(array, _strides(array))
    return leaf(array, _strides(array), AT_ONCE)


def _strides(array: Any) -> Any:
    flags = array.flags
    return None if flags.c_contiguous and 1 not in array.shape and array.size else array.strides


def record(op: Operation, inputs: tuple[Any, ...], attrs: Any, shape: tuple[int, ...], dtype: np.dtype[Any],
           strides: Any, frame: Any, lazy: bool = True) -> Node:
    """Makes a node, and runs it at once if it may not wait: errors and warnings must come now, the operands are shared
    memory, the chain is too long, or too much memory is pinned."""
    capsule = in_force()
    while frame is not None and frame.f_globals.get("__package__") in _OURS:
        frame = frame.f_back
    depth = 0
    for x in inputs:
        if type(x) is Node and x.depth > depth:
            depth = x.depth
    depth += 1
    if not unchanged(capsule) or not lazy:
        depth = AT_ONCE
    node = make(op, inputs, attrs, shape, dtype, strides, capsule, depth, frame)
    bound(node)
    return node


record_in_python = record
if native is not None:
    record = native.record


def bound(node: Node) -> None:
    """Runs a node that has just been made if the chain behind it is too long, or what pins too much memory."""
    if node.depth >= AT_ONCE:  # NumPy itself may warn
        at_line(realize, ([node],))
        return
    if node.depth > current.depth:
        if not (active and (watcher := mine()) is not None and watcher.postpones(node)):
            realize([node])
        return
    if active and (watcher := mine()) is not None and watcher.waits:
        return  # it holds what its nodes read
    pinned = 0
    for x in (node.a, node.b) if not node.rest else node.inputs:
        if type(x) is not Node:
            continue
        if x.depth:
            size = x.nbytes
            if size >= _SMALL and size > node.nbytes:
                pinned += size
            continue
        base = x.a if x.buffer is None else x
        buffer = None if base is None else base.buffer  # None if another thread has run the node by now
        if type(buffer) is _ndarray:
            size = buffer.nbytes
            if size >= _LARGE or size >= _SMALL and size > 4 * node.nbytes:
                pinned += size
    if pinned:
        many = pins.note(node, pinned)
        if many:
            realize(many)


learn(bound_check=bound)


def handle(node: Node) -> Any:
    """What the user gets for a node: a Tensor, or a lazy scalar if it has no axes."""
    return tensor(node) if node.shape else scalar(node)


def kind_of(x: Any) -> Any:
    """What dtype resolution knows an operand by: its dtype, or the type of a Python number."""
    kind = type(x)
    return kind if kind in NUMBERS else x.dtype


def resolved(record_: UfuncRecord, inputs: tuple[Any, ...], **options: Any) -> Any:
    """The output dtypes of a ufunc for these operands.

    Raises
    ------
    NotArray
        If there is no loop, or a Python number does not fit its dtype: NumPy itself knows what error or warning that
        is, if any.
    """
    kinds = tuple([kind_of(x) for x in inputs])
    alone = not any(isinstance(k, np.dtype) for k in kinds)
    if alone:  # NumPy makes arrays of numbers among themselves
        kinds = tuple([np.dtype(k) for k in kinds])
    try:
        found = record_.resolve(kinds, **options)
    except TypeError:
        raise NotArray from None
    if not found.lazy and any(d.hasobject or d.kind == "V" for d in (*found.loop, *map(kind_of, inputs))
                              if not isinstance(d, type)):
        raise NotArray
    if not found.lazy and any(isinstance(k, np.dtype) and k.kind == "c" != d.kind
                              for k, d in zip(kinds, found.loop, strict=False)):
        raise NotArray  # NumPy warns at the line that calls it
    for x, d in zip(inputs, found.loop, strict=False):
        if type(x) is int and not -_LONG <= x < _LONG and (alone or d.kind in "bmM" or not -_VAST < x < _VAST):
            raise NotArray  # too large for a C long, or for a float
        if type(x) is int and d.kind in "iu" and not -128 <= x <= 127 or type(x) is int and x < 0 and d.kind == "u":
            low, high = int_bounds(d)
            if not low <= x <= high:
                raise NotArray
        elif type(x) is int and d.kind == "O" or type(x) in NUMBERS and grows_infinite(x, d):
            raise NotArray
    return found


_BEYOND = {"e": 2.0 ** 16 - 2 ** 4, "f": 2.0 ** 128 - 2 ** 103, "F": 2.0 ** 128 - 2 ** 103}
"""The least number that a dtype rounds to an infinite one."""


def grows_infinite(x: Any, d: np.dtype[Any]) -> bool:
    """Whether NumPy warns of the cast of a Python number, and not in the operation.

    >>> grows_infinite(1e39, np.dtype("f4")), grows_infinite(1e38, np.dtype("f4"))
    (True, False)
    """
    if d.char not in _BEYOND:
        return False
    parts = (x.real, x.imag) if type(x) is complex else (x,)
    return any(_BEYOND[d.char] <= abs(part) < _INFINITE for part in parts)


def shape_of(inputs: tuple[Any, ...]) -> tuple[int, ...]:
    """The broadcast shape of operands."""
    shape: Any = ()
    for x in inputs:
        if type(x) is Node:
            s = x.shape
            if s is not shape and s != shape:
                shape = s if not shape else shape if not s else broadcast(*[
                    y.shape if type(y) is Node else () for y in inputs])
    return shape


def strides_for(shape: tuple[int, ...], itemsize: int, inputs: tuple[Any, ...], loop: tuple[Any, ...]) -> Any:
    """The strides of a ufunc's new output; `loop` are the dtypes to which NumPy casts the operands."""
    for x in inputs:
        if type(x) is Node and (x.strides is not None or (x.shape != shape and x.shape)):
            whole = [(y, d) for y, d in zip(inputs, loop, strict=False) if type(y) is Node]
            return layout_of(shape, itemsize, tuple([(y.shape, y.strides, y.dtype.itemsize) for y, _ in whole]),
                             all(y.dtype == d or not y.shape for y, d in whole))
    return None


def elementwise(record_: UfuncRecord, inputs: tuple[Any, ...], frame: Any, attrs: Any = None,
                options: dict[str, Any] | None = None, like: Any = ..., lazy: bool = False) -> Node:
    """The node of an elementwise ufunc call without `out` and `where`.

    `like` gives the strides if they do not follow from the operands (an elided temporary's); `lazy` says that the
    operation may wait though its ufunc may fail for other values.
    """
    if record_.ufunc in _COMPARISONS and int in map(type, inputs):
        record_, inputs = _within_bounds(record_, inputs)
    found = resolved(record_, inputs, **options) if options else resolved(record_, inputs)
    shape = shape_of(inputs)
    dtype = found.outputs[0]
    if not shape and (not (found.lazy or lazy) or not (any(type(x) is Node and x.buffer is None and x.depth
                                                           for x in inputs) or watched())):
        raise NotArray  # nothing to wait for: NumPy's own scalar
    strides = strides_for(shape, dtype.itemsize, inputs, found.loop) if like is ... else like
    return record(record_.op, inputs, attrs, shape, dtype, strides, frame,
                  (found.lazy or lazy) and (not record_.foreign or foreign_may_wait()))


_COMPARISONS: dict[Any, Any] = {np.less: np.greater, np.less_equal: np.greater_equal, np.equal: np.equal,
                np.not_equal: np.not_equal, np.greater: np.less, np.greater_equal: np.less_equal}
"""Comparisons, and what they are with their operands exchanged."""


def _within_bounds(record_: UfuncRecord, inputs: tuple[Any, ...]) -> tuple[UfuncRecord, tuple[Any, ...]]:
    """A comparison of integers with a Python int that their dtype cannot hold, as one of the same answer (all true or
    all false) with an int that it can."""
    ufunc, (x, number) = record_.ufunc, inputs
    if type(x) is int:
        ufunc, x, number = _COMPARISONS[ufunc], number, x
    if type(x) is not Node or x.dtype.kind not in "iu":
        return record_, inputs
    low, high = int_bounds(x.dtype)
    if low <= number <= high:
        return record_, inputs
    if number > high:
        true = ufunc in (np.less, np.less_equal, np.not_equal)
        return record_of(np.less_equal if true else np.greater), (x, high)
    true = ufunc in (np.greater, np.greater_equal, np.not_equal)
    return record_of(np.greater_equal if true else np.less), (x, low)


def stand_in(x: Any) -> Any:
    """An array of an operand's shape and dtype over the memory of one element, for NumPy to find errors in shapes."""
    if type(x) is not Node:
        return x
    return np.lib.stride_tricks.as_strided(np.zeros(1, x.dtype), x.shape, (0,) * len(x.shape))


def is_scalar_like(value: Any) -> bool:
    """Whether NumPy would do scalar arithmetic with it: a lazy or NumPy scalar or a Python number."""
    kind = type(value)
    return kind in NUMBERS or issubclass(kind, (Scalar, _generic))


def is_pending(value: Any) -> bool:
    """Whether a Tensor or lazy scalar has not been computed."""
    kind = type(value)
    if kind is Tensor:
        v = value._value
        node = v.root._value if v.__class__ is View else v
        return node.buffer is None or watched()
    return issubclass(kind, Scalar) and (value._node.buffer is None or watched())


def watched() -> bool:
    """Whether this thread's arrays are watched: then what is computed counts as pending, for nobody is to see it."""
    return bool(active) and mine() is not None
