"""Products of matrices: `matmul`, `dot` and ``@``. Each is one call of NumPy's, on operands as NumPy would have had
them (the same memory passed twice takes another BLAS routine than two equal arrays)."""

from __future__ import annotations

import operator
import sys
from typing import Any

import numpy as np

from ..hot import native
from ..ir.dtypes import NUMERIC, record_of
from ..ir.node import Node
from ..ir.operation import register
from . import lazy
from .build import NotArray, handle, operand, record, stand_in
from .direct import direct
from .handle import Tensor, is_writeable, unwrapped
from .inplace import change, looked_at
from .on_real import called_on_real, in_place_on_real, on_real

_ndarray = np.ndarray
_MATMUL = register("matmul", "call", np.matmul, label="matmul")
_IMATMUL = register("imatmul", "mutate", operator.imatmul, label="matmul")
_DOT = register("dot", "call", np.dot, label="dot")


def _ready(a: Any, b: Any) -> bool:
    """Whether both are nodes of numbers whose product's layout is known: C order."""
    return (type(a) is Node and type(b) is Node and a.dtype.char in NUMERIC and b.dtype.char in NUMERIC
            and 1 <= len(a.shape) and 1 <= len(b.shape)
            and (len(a.shape) <= 2 and len(b.shape) <= 2 or a.strides is None is b.strides))


def matmul(left: Any, right: Any, frame: Any, fn: Any = operator.matmul) -> Any:
    """``left @ right``; `fn` is the ufunc if that was called."""
    if type(left) is _ndarray or type(right) is _ndarray:  # copies of one array would not be one array
        return on_real(fn, left, right)
    try:
        a, b = operand(left), operand(right)
    except NotArray:
        a = None
    if a is None:
        return on_real(fn, left, right)
    if not _ready(a, b):
        found = lazy.of_ufunc(np.matmul, "__call__").pending((left, right), {}, frame)
        return on_real(np.matmul, left, right) if found is lazy.NOW else found
    shape = _matmul_shape(a, b)
    dtype = record_of(np.matmul).resolve((a.dtype, b.dtype)).outputs[0]
    return handle(record(_MATMUL, (a, b), None, shape, dtype, None, frame))


def _matmul_shape(a: Node, b: Node) -> tuple[int, ...]:
    rows = a.shape[-2:-1]
    columns = b.shape[-1:] if len(b.shape) > 1 else ()
    if a.shape[-1] != (b.shape[-2] if len(b.shape) > 1 else b.shape[-1]):
        np.matmul(stand_in(a), stand_in(b))
    stack = a.shape[:-2], b.shape[:-2]
    if not any(stack):
        return rows + columns
    try:
        return np.broadcast_shapes(*stack) + rows + columns
    except ValueError:
        pass
    found: Any = np.matmul(stand_in(a), stand_in(b)).shape  # raises
    return found


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """`numpy.dot`."""
    frame = sys._getframe(1)
    try:
        if type(a) is _ndarray or type(b) is _ndarray:
            raise NotArray
        left, right = operand(a), operand(b)
    except NotArray:
        left = right = None
    if out is not None or not _ready(left, right) or len(left.shape) > 2 or len(right.shape) > 2:
        rule: Any = lazy.rule_of("dot")
        found = lazy.NOW if type(out) is tuple else rule.pending((a, b), {} if out is None else {"out": out}, frame)
        if found is not lazy.NOW:
            return found
        if out is not None:
            lent = unwrapped(out)
            result = np.dot(looked_at(a), looked_at(b), out=lent)
            return out if result is lent else result  # a number, where the result has no axes
        return called_on_real(np.dot, a, b)
    shape = left.shape[:-1] + (right.shape[-1:] if len(right.shape) > 1 else ())
    if left.shape[-1] != right.shape[max(0, len(right.shape) - 2)]:
        np.dot(stand_in(left), stand_in(right))
    dtype = np.result_type(left.dtype, right.dtype)
    return handle(record(_DOT, (left, right), None, shape, dtype, None, frame))


def _dot_method(self: Any, b: Any, out: Any = None) -> Any:
    """As `numpy.ndarray.dot`, which no other class takes over, as it may `numpy.dot`."""
    if out is None and type(b) is not Tensor and type(b) is not _ndarray and hasattr(type(b), "__array_function__"):
        return called_on_real(_ndarray.dot, self, b)
    return dot(self, b, out)


_dot_method.__name__ = _dot_method.__qualname__ = "dot"


def _matmul_method(self: Any, other: Any) -> Any:
    return matmul(self, other, sys._getframe(1))


def _rmatmul_method(self: Any, other: Any) -> Any:
    return matmul(other, self, sys._getframe(1))


def _imatmul_method(self: Any, other: Any) -> Any:
    shape, dtype = self._value.shape, self._value.dtype
    if type(other) is Tensor and len(shape) >= 2 and other._value.shape == shape[-1:] * 2 and is_writeable(self) and (
            {dtype.char, other._value.dtype.char} <= NUMERIC and dtype == np.result_type(dtype, other._value.dtype)):
        if change(_IMATMUL, self, (operand(other),), (), sys._getframe(1)):
            return self
    return in_place_on_real(operator.imatmul, self, other)


_METHODS: dict[str, Any] = {
    "__matmul__": direct(_matmul_method, _ndarray.__matmul__, small=True, taken_in=True, places=2,
                         quick=native and native.Multiplier(_MATMUL, {}, _matmul_method)),
    "__rmatmul__": _rmatmul_method, "__imatmul__": _imatmul_method,
    "dot": direct(_dot_method, _ndarray.dot, small=True, taken_in=True, places=2,
                  quick=native and native.Multiplier(_DOT, {}, _dot_method)),
}
for _name, _method in _METHODS.items():
    setattr(Tensor, _name, _method)
