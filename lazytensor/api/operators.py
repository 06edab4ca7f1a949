"""The operators of Tensors and lazy scalars: ``x + y``, ``-x``, ``x += y``, ``x < y``.

A method is in two parts: the hot path for Tensors that own contiguous values of one shape, and `_general` for all else.
What neither can express (other libraries' arrays, objects, strings) is left to the same operator of real arrays.
"""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from sys import getrefcount
from typing import Any

import numpy as np

from ..config import current
from ..hot import native
from ..ir.dtypes import NEGATIVE, NUMERIC, UfuncRecord, int_bounds, record_of, single
from ..ir.layout import ELIDED_BYTES
from ..ir.node import AT_ONCE, Node, leaf, make, new, tick
from ..run import floating, pins
from ..run.floating import in_force, unchanged, watch
from ..run.watching import Opaque, active, mine
from . import lazy
from .build import (
    NUMBERS,
    NotArray,
    bound,
    elementwise,
    grows_infinite,
    handle,
    is_pending,
    is_scalar_like,
    kind_of,
    operand,
    resolved,
    users_frame,
)
from .handle import Tensor, lock_of, read, tensor
from .inplace import write_ufunc
from .on_real import in_place_on_real, on_real
from .scalar import Scalar
from .scalar_arithmetic import as_scalar_method, scalar_operation
from .unnamed import as_operand, as_overwritten, may_show, overwritten, references, turns_operands

_getframe = sys._getframe
_generic = np.generic
_ndarray = np.ndarray
_LARGE = pins.LARGE
_LIKE_ITSELF = ...
_warnings: Any = warnings

BINARY: dict[str, np.ufunc] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "lshift": np.left_shift, "rshift": np.right_shift, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor,
}
COMPARISONS: dict[str, np.ufunc] = {
    "lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal, "gt": np.greater, "ge": np.greater_equal,
}
UNARY: dict[str, np.ufunc] = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}
SCALAR_OPERATORS: dict[Any, Callable[..., Any]] = {
    **{ufunc: getattr(operator, f"{name}_" if name in ("and", "or") else name) for name, ufunc in BINARY.items()},
    **{ufunc: getattr(operator, name) for name, ufunc in COMPARISONS.items()}, np.power: operator.pow,
}
"""The operator by which NumPy's scalars do what the ufunc does with arrays."""


_IN_FLOATS = dict.fromkeys("fc", (-(1 << 15) + 1, (1 << 15) - 1))
"""Ints that every floating dtype holds, as an array of which they are taken."""


def _learn(record_: UfuncRecord, a: Any, b: Any, result: Any) -> None:
    """Remembers a result dtype for the hot path, if the operation may wait whatever the values."""
    table, own, other = (record_.fast, a, b) if type(a) is Node else (record_.reflected, b, a)
    if type(own) is not Node or record_.foreign or own.dtype.char not in NUMERIC:
        return
    if not record_.resolve((kind_of(a), kind_of(b))).lazy:
        return
    kind: Any
    if type(other) is int:
        least, most = int_bounds(own.dtype) if own.dtype.kind in "iu" else _IN_FLOATS.get(own.dtype.kind, (-128, 127))
        kind = None if not least <= other <= most else NEGATIVE if other < 0 else int
    elif type(other) in NUMBERS:
        kind = type(other)
    else:
        kind = other.dtype.num if other.dtype.char in NUMERIC else None
    if kind is not None and (type(other) in NUMBERS or not _are_twins(own.dtype, other.dtype)):
        result = single(result)
        table.setdefault(own.dtype.num, {})[kind] = result
        if type(a) is type(b) is Node and not a.shape:  # a lazy scalar on the left
            record_.reflected.setdefault(b.dtype.num, {})[a.dtype.num] = result


def _are_twins(one: Any, other: Any) -> bool:
    """Whether these are two C types of the same numbers, long and long long: which one a result has depends on more."""
    return one.num != other.num and one.kind == other.kind and one.itemsize == other.itemsize


def binary_method(name: str, ufunc: np.ufunc, fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The method for ``self <op> other``; `fn` is the operator itself."""
    record_ = record_of(ufunc)
    op = record_.op
    fast, turns = record_.fast, ufunc is np.multiply

    def method(self: Any, other: Any, up: int = 1) -> Any:
        a = self._value
        if a.__class__ is not Node or self._state is not None:
            a = read(self)
        shape = a.shape
        kind: Any = type(other)
        b = other
        strides = a.strides
        depth = a.depth
        large = not depth and ((a.a if a.buffer is None else a).buffer).nbytes >= _LARGE
        if kind is Tensor:
            b = other._value
            if b.__class__ is not Node or other._state is not None:
                b = read(other)
            kind = b.dtype.num
            if (shape is not b.shape and shape != b.shape) or not b.dtype.isnative:
                kind = None
            elif strides is not None or b.strides is not None:
                kind = None
            elif turns and b.dtype.kind == "c" and b.nbytes >= ELIDED_BYTES:
                kind = None
            if not b.depth:
                large = large or ((b.a if b.buffer is None else b).buffer).nbytes >= _LARGE
            elif b.depth > depth:
                depth = b.depth
        elif strides is not None:
            kind = None
        elif kind in NUMBERS and grows_infinite(other, a.dtype):
            kind = None
        elif kind is int and not 0 <= other <= 127:
            kind = NEGATIVE if -128 <= other < 0 else None
        row = fast.get(a.dtype.num)
        dtype = row.get(kind) if row is not None and shape and a.dtype.isnative else None
        if dtype is not None:
            capsule = in_force()
            if not (capsule is watch.capsule and _warnings.filters == watch.filters
                    and _warnings._showwarnmsg_impl is watch.show and _warnings.showwarning is watch.showwarning
                    ) and not floating.unchanged(capsule):
                depth = AT_ONCE
            frame = _getframe(up)
            n = new(Node)
            n.op = op
            n.a = a
            n.b = b
            n.rest = ()
            n.attrs = None
            n.shape = shape
            n.dtype = dtype
            n.strides = strides
            n.code = frame.f_code
            n.lasti = frame.f_lasti
            n.errstate = capsule
            n.depth = depth + 1
            n.seq = tick()
            n.buffer = None
            n.claim = None
            if large or depth >= current.depth:
                bound(n)
            t = new(Tensor)
            t._value = n
            t._state = None
            return t
        return _general(record_, fn, self, other, _getframe(up))

    method.__name__ = method.__qualname__ = f"__{name}__"
    return method if native is None else native.Binary(op, fast, method)


def unary_method(name: str, ufunc: np.ufunc, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The method for ``<op> self``; `fn` is the operator itself."""
    record_ = record_of(ufunc)
    op = record_.op
    fast = record_.fast

    def method(self: Any, up: int = 1) -> Any:
        a = self._value
        if a.__class__ is Node and self._state is None and a.strides is None and a.shape:
            dtype = fast.get(a.dtype.num) if a.dtype.isnative else None
            if dtype is not None:
                capsule = in_force()
                n = new(Node)
                depth = a.depth
                n.depth = depth + 1
                if not (capsule is watch.capsule and _warnings.filters == watch.filters
                        and _warnings._showwarnmsg_impl is watch.show and _warnings.showwarning is watch.showwarning
                        ) and not floating.unchanged(capsule):
                    n.depth = AT_ONCE
                frame = _getframe(up)
                n.op = op
                n.a = a
                n.b = None
                n.rest = ()
                n.attrs = None
                n.shape = a.shape
                n.dtype = dtype
                n.strides = None
                n.code = frame.f_code
                n.lasti = frame.f_lasti
                n.errstate = capsule
                n.seq = tick()
                n.buffer = None
                n.claim = None
                if n.depth > current.depth or not depth:
                    bound(n)
                t = new(Tensor)
                t._value = n
                t._state = None
                return t
        try:
            a = operand(self)
            into = None
            if may_show(a):
                into = overwritten(record_.ufunc, (getrefcount(self),), references.operand, (self, a))
            n = elementwise(record_, (a,), _getframe(up), like=_LIKE_ITSELF if into is None else into.strides)
        except NotArray:
            a = None
        if a is None:  # outside the handler: NumPy's errors have no context
            return on_real(fn, self)
        if type(a) is Node and not record_.foreign and a.dtype.char in NUMERIC and record_.resolve((a.dtype,)).lazy:
            fast[a.dtype.num] = single(n.dtype)
        return handle(as_overwritten(n, into, _getframe(up)))

    method.__name__ = method.__qualname__ = f"__{name}__"
    return method if native is None else native.Unary(op, fast, method)


def _general(record_: UfuncRecord, fn: Callable[[Any, Any], Any], left: Any, right: Any, frame: Any) -> Any:
    """Any operands; `fn` is the operator, applied to real ones where nothing else will do."""
    try:
        a, b = operand(left), operand(right)
        into = None
        turns = turns_operands(record_.ufunc, a, b)
        if type(fn) is not np.ufunc and (turns or may_show(a) or may_show(b)):
            counts = getrefcount(left), getrefcount(right)
            into = overwritten(record_.ufunc, counts, references.pair, (left, a), (right, b))
            if turns and into is not None and into != as_operand(left, a, counts[0] <= references.pair[0]):
                a, b = b, a
        node = elementwise(record_, (a, b), frame, like=_LIKE_ITSELF if into is None else into.strides,
                           lazy=record_.ufunc is np.power and is_count(a, b))
    except NotArray:
        node = None
    if node is None:
        return on_real(fn, left, right)
    _learn(record_, a, b, node.dtype)
    return handle(as_overwritten(node, into, frame))


def _scalar_binary(name: str, ufunc: np.ufunc, fn: Callable[[Any, Any], Any], swapped: bool) -> Any:
    record_ = record_of(ufunc)
    with_tensor = scalar_on_the_left(ufunc, fn)

    def method(self: Any, other: Any) -> Any:
        if type(other) is Tensor and not swapped:
            return with_tensor(other, self)
        if issubclass(type(other), Opaque):
            other = other.used()
        left, right = (other, self) if swapped else (self, other)
        if is_scalar_like(other):
            return scalar_operation(fn, left, right)
        if type(other) is not Tensor and type(other) is not _ndarray:
            return on_real(fn, left, right)
        return _general(record_, fn, left, right, _getframe(1))

    method.__name__ = method.__qualname__ = f"__{'r' if swapped else ''}{name}__"
    return as_scalar_method(method, fn, swapped)


# ---- power -----------------------------------------------------------------------------------------------------------

_SPECIAL_POWERS = {(int, 2): np.square, (int, -1): np.reciprocal, (float, 0.5): np.sqrt}
_KNOWN_POWERS = np.lib.NumpyVersion(np.__version__) >= "2.3.0"


def power(left: Any, right: Any) -> Any:
    """``left ** right``: NumPy's operator has rules of its own for exponents that are scalars."""
    if is_scalar_like(left) and is_scalar_like(right):
        return scalar_operation(operator.pow, left, right)
    try:
        a, b = operand(left), operand(right)
        if not _KNOWN_POWERS or not (resolved(record_of(np.power), (a, b)).lazy or is_count(a, b)):
            raise NotArray
        record_ = _fast_power(a, b) or record_of(np.power)
        inputs: tuple[Any, ...] = (a, b)
        into, frame = None, users_frame()
        if record_.ufunc is not np.power:
            inputs = (a,)
            if may_show(a):
                into = overwritten(record_.ufunc, (getrefcount(left),), references.base, (left, a))
        node = elementwise(record_, inputs, frame, like=_LIKE_ITSELF if into is None else into.strides,
                           lazy=is_count(a, b))
        if len(inputs) == 2:
            _learn(record_, a, b, node.dtype)
    except NotArray:
        node = None
    return on_real(operator.pow, left, right) if node is None else handle(as_overwritten(node, into, frame))


def is_count(a: Any, b: Any) -> bool:
    """Whether an integer is raised to a Python int that cannot make it fail."""
    return type(b) is int and b >= 0 and type(a) is Node and a.dtype.kind in "iu"


def power_in_place(self: Any, other: Any) -> Any:
    """``self **= other``."""
    try:
        a, b = operand(self), operand(other)
        special = _fast_power(a, b)
        if not _KNOWN_POWERS:
            raise NotArray
        write_ufunc(special or record_of(np.power), self, (self,) if special else (self, other), users_frame())
        return self
    except NotArray:
        pass
    return in_place_on_real(operator.ipow, self, other)


def _fast_power(a: Any, b: Any) -> UfuncRecord | None:
    """The ufunc by which NumPy (2.3 and newer) replaces a power with a special exponent: a Python int 2 or -1, or a
    Python float 0.5."""
    if type(a) is not Node or a.dtype.kind not in "fc" and not (a.dtype.kind in "iu" and type(b) is int and b == 2):
        return None
    special = _SPECIAL_POWERS.get((type(b), b)) if type(b) in (int, float) else None
    return None if special is None else record_of(special)


# ---- the methods -----------------------------------------------------------------------------------------------------

def _scalar_unary(name: str, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return scalar_operation(fn, self)

    method.__name__ = method.__qualname__ = f"__{name}__"
    return as_scalar_method(method, fn)


def scalar_on_the_left(ufunc: np.ufunc, fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``method(t, s)`` for ``s <op> t``, where `s` is a scalar of NumPy's or a lazy one, and `t` a Tensor."""
    return _reflected(record_of(ufunc), ufunc.__name__, fn)


def _reflected(record_: UfuncRecord, name: str, fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return _general(record_, fn, other, self, _getframe(1))

    method.__name__ = method.__qualname__ = f"__r{name}__"
    return method if native is None else native.Reflected(record_.op, record_.reflected, method)


def _give(root: Any, node: Node, depth: int, twice: bool) -> bool:
    """Makes `node`, computed from the root's present one, the root's next; False if its memory has been given out."""
    if active and (watcher := mine()) is not None:
        watcher.writes(root)
    with lock_of(root):
        if root._state is not None:
            return False
        old = node.a = root._value
        if twice:
            node.b = old
        node.seq = tick()
        node.depth = 1 + (old.depth if old.depth > depth else depth)
        root._value = node
        return True


def _is_unmet(other: Any, row: Any) -> bool:
    """Whether the second operand is of a kind that a row of `fast` does not know yet."""
    kind = type(other)
    if kind is Tensor:
        return other._value.dtype.num not in row
    if issubclass(kind, (_generic, Scalar)):
        return other.dtype.num not in row
    return kind in NUMBERS and kind not in row


def _in_place(name: str, ufunc: np.ufunc, fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The method for ``self <op>= other``: quickly if the whole of a root takes a value of its own dtype."""
    record_ = record_of(ufunc)
    op, fast = record_.op, record_.fast

    def method(self: Any, other: Any) -> Any:
        a = self._value
        if a.__class__ is Node and self._state is None and a.strides is None and a.shape and a.dtype.kind != "c":
            kind: Any = type(other)
            b = other
            depth = 0
            large = not a.depth and a.buffer.nbytes >= _LARGE
            if kind is Tensor:
                b = other._value
                kind = b.dtype.num if (b.__class__ is Node and other._state is None and b.strides is None
                                   and b.shape == a.shape) else None
                depth = b.depth if kind is not None else 0
                large = large or kind is not None and not depth and b.buffer.nbytes >= _LARGE
            elif kind in NUMBERS and grows_infinite(other, a.dtype):
                kind = None
            elif kind is int and not 0 <= other <= 127:
                kind = NEGATIVE if -128 <= other < 0 else None
            row = fast.get(a.dtype.num)
            if row is not None and kind is not None and row.get(kind) is a.dtype and unchanged(capsule := in_force()):
                frame = _getframe(1)
                node = make(op, (a, b), None, a.shape, a.dtype, None, capsule, 0, frame)
                if _give(self, node, depth, b is a):
                    if node.depth > current.depth or large:
                        bound(node)
                    return self
            if _is_unmet(other, row or ()) or type(other) is int and kind is not None and kind not in (row or ()):
                with suppress(NotArray):  # the dtype that the operator gives without `=`
                    b = operand(other)
                    _learn(record_, a, b, resolved(record_, (a, b)).outputs[0])
        elif _is_unmet(other, fast.get(a.dtype.num, ())):
            with suppress(NotArray):
                part, value = read(self), operand(other)
                _learn(record_, part, value, resolved(record_, (part, value)).outputs[0])
        try:
            write_ufunc(record_, self, (self, other), _getframe(1))
            return self
        except NotArray:
            pass
        return in_place_on_real(fn, self, other)

    method.__name__ = method.__qualname__ = f"__i{name}__"
    return method if native is None else native.InPlace(op, fast, method)


def _power_method(swapped: bool) -> Callable[..., Any]:
    def method(self: Any, other: Any, modulus: Any = None) -> Any:
        if modulus is not None:
            return NotImplemented
        kind = type(other)
        if not swapped and (kind is int or kind is float) and (quick := _QUICK_POWERS.get((kind, other))) is not None:
            v = self._value if type(self) is Tensor else None
            if v.__class__ is Node and v.shape and v.dtype.kind in "fc" and not may_show(v):
                return quick(self, 2)
        return power(other, self) if swapped else power(self, other)

    method.__name__ = method.__qualname__ = "__rpow__" if swapped else "__pow__"
    if native is None or not _KNOWN_POWERS:
        return method
    record_ = record_of(np.power)
    if swapped:
        return native.Reflected(record_.op, record_.reflected, method)
    return native.Power(record_.op, record_.fast, method, tuple([_QUICK_POWERS[e] for e in _SPECIAL_POWERS]))


_QUICK_POWERS: dict[Any, Callable[..., Any]] = {
    exponent: unary_method(f.__name__, f, f) for exponent, f in _SPECIAL_POWERS.items() if _KNOWN_POWERS}
"""The methods that do what a power with a special exponent does, by the exponent and its type."""

_DIVMOD = lazy.Rule(divmod, "scalar divmod", "x1 x2", names=("x1", "x2"))


def _divmod_method(swapped: bool) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        pair = (other, self) if swapped else (self, other)
        if self.shape or type(other) is Tensor:
            found = lazy.of_ufunc(np.divmod, "__call__").pending(pair, {}, _getframe(1))
            if found is not lazy.NOW:
                return found
        elif is_scalar_like(other):
            found = _DIVMOD.pending(pair, {}, _getframe(1)) if any(map(is_pending, pair)) else lazy.NOW
            if found is not lazy.NOW:
                return found
        return on_real(divmod, *pair)

    method.__name__ = method.__qualname__ = "__rdivmod__" if swapped else "__divmod__"
    return method


def _attach() -> None:
    for kind in (Tensor, Scalar):
        for swapped, letter in ((False, ""), (True, "r")):
            setattr(kind, f"__{letter}pow__", _power_method(swapped))
            setattr(kind, f"__{letter}divmod__", _divmod_method(swapped))
    Tensor.__ipow__ = power_in_place  # type: ignore[attr-defined]
    for name, ufunc in BINARY.items():
        fn = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        setattr(Tensor, f"__{name}__", binary_method(name, ufunc, fn))
        setattr(Tensor, f"__r{name}__", _reflected(record_of(ufunc), name, fn))
        setattr(Tensor, f"__i{name}__", _in_place(name, ufunc, getattr(operator, f"i{name}")))
        setattr(Scalar, f"__{name}__", _scalar_binary(name, ufunc, fn, swapped=False))
        setattr(Scalar, f"__r{name}__", _scalar_binary(name, ufunc, fn, swapped=True))
    for name, ufunc in COMPARISONS.items():
        fn = getattr(operator, name)
        setattr(Tensor, f"__{name}__", binary_method(name, ufunc, fn))
        setattr(Scalar, f"__{name}__", _scalar_binary(name, ufunc, fn, swapped=False))
    for name, ufunc in UNARY.items():
        fn = getattr(operator, name)
        setattr(Tensor, f"__{name}__", unary_method(name, ufunc, fn))
        setattr(Scalar, f"__{name}__", _scalar_unary(name, fn))


def _measure_unnamed() -> None:
    """Counts the references to unnamed operands, on pending arrays over no memory that are never run."""
    def pending(strides: Any) -> Any:
        shape, dtype = (2, 3), np.dtype(float)
        return tensor(make(record_of(np.negative).op, (leaf(np.zeros(shape), None),), None, shape, dtype, strides,
                           in_force(), 1))
    references.seen = []
    pending((8, 16)) + pending(None)
    -pending((8, 16))
    pending((8, 16)) ** 2
    references.pair, references.operand, references.base = references.seen
    references.seen = None


_attach()
if native is not None:
    native.fill_slots()
_measure_unnamed()
