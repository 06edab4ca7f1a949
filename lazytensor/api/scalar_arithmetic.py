"""Arithmetic between lazy and real scalars: NumPy's scalars have rules of their own, which are not those of arrays."""

from __future__ import annotations

import contextlib
import operator
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from ..hot import native
from ..ir.dtypes import NEGATIVE, NUMERIC, single
from ..ir.errstate import capsule_of, silently
from ..ir.node import Node
from ..ir.operation import register
from .build import NUMBERS, at_line, grows_infinite, kind_of, record, users_frame, watched
from .sampling import hushed
from .scalar import Scalar, scalar, value_of

_scalar_results: dict[Any, Any] = {}


def _scalar_result(fn: Callable[..., Any], kinds: tuple[Any, ...], counted: bool) -> Any:
    """The operation that is NumPy's scalar arithmetic and the dtype that it gives, or None if it must run now; an
    integer's power must, but where the exponent is `counted` (a Python int that is not negative)."""
    if complex in kinds and any(not isinstance(k, type) and k.char == "d" for k in kinds):
        return None  # Python's complex does arithmetic with a float64, which is a float, by itself
    key = (fn, kinds, tuple([k if isinstance(k, type) else k.num for k in kinds]), counted)
    if key not in _scalar_results:
        samples = [k(1) if isinstance(k, type) else k.type(1) for k in kinds]
        dtype = None
        if all(isinstance(k, type) or k.kind in "fciub" for k in kinds):
            dtype = getattr(silently(fn, *samples), "dtype", None)
            if fn is operator.pow and dtype is not None and dtype.kind in "iu" and not counted:
                dtype = None
        label = _label(fn, kinds) if dtype is not None else ""
        name = fn.__name__ if label.startswith("scalar") else f"{fn.__name__} as of arrays"
        _scalar_results[key] = dtype and (register(name, "scalar", fn, label=label), dtype)
    return _scalar_results[key]


def scalar_operation(fn: Callable[..., Any], *values: Any) -> Any:
    """NumPy's scalar arithmetic (it is not array arithmetic) on lazy and real scalars."""
    pending = [v for v in values if issubclass(type(v), Scalar) and (v._node.buffer is None or watched())]
    counted = fn is operator.pow and type(values[1]) is int and values[1] >= 0
    if not pending or not all(type(v) not in NUMBERS or _fits_all(v, values) for v in values):
        return at_line(fn, tuple([value_of(v) if issubclass(type(v), Scalar) else v for v in values]))
    inputs = tuple([v._node if issubclass(type(v), Scalar) else v for v in values])
    try:
        found = _scalar_result(fn, tuple([kind_of(x) for x in inputs]), counted)
    except (TypeError, OverflowError, ValueError):
        found = None
    if found is None:
        return at_line(fn, tuple([value_of(v) if issubclass(type(v), Scalar) else v for v in values]))
    op, dtype = found
    result = scalar(record(op, inputs, None, (), dtype, None, users_frame()))
    for swapped in (False, True) if native is not None else ():
        _learn_scalar(fast_scalars[fn, swapped], inputs[::-1] if swapped else inputs,
                      (op, single(dtype), type(result)))
    return result


fast_scalars: defaultdict[tuple[Any, bool], dict[Any, Any]] = defaultdict(dict)
"""For the extension, by operator and whether the scalar is on its right: by the scalar's ``dtype.num`` (and, for two
operands, by what stands for the other one, as in `UfuncRecord.fast`) operation, dtype and class of the result."""


def _learn_scalar(fast: dict[Any, Any], inputs: tuple[Any, ...], result: tuple[Any, ...]) -> None:
    own, *others = inputs
    if type(own) is not Node or not all(type(x) in NUMBERS or x.dtype.char in NUMERIC for x in inputs):
        return
    if not others:
        fast[own.dtype.num] = result
        return
    (other,) = others
    if type(other) is int and not 0 <= other <= 127:
        name: Any = NEGATIVE if -128 <= other < 0 and own.dtype.kind != "u" else None
    else:
        name = type(other) if type(other) in NUMBERS else other.dtype.num  # a lazy scalar's or one of NumPy's
    if name is not None:
        fast.setdefault(own.dtype.num, {})[name] = result


def _label(fn: Callable[..., Any], kinds: tuple[Any, ...]) -> str:
    """What NumPy's warnings call the operation: scalars of two types that neither holds the other are added as arrays
    are. It is asked with numbers that overflow or divide by zero, and with infinite ones."""
    most = [_EXTREMES.get(k) if isinstance(k, type) else k.type(_most(k)) for k in kinds]
    none = [k(0) if isinstance(k, type) else k.type(0) for k in kinds]
    endless = [_INFINITE.get(k, 1) if isinstance(k, type) else k.type(np.inf if k.kind in "fc" else 1) for k in kinds]
    given: list[Any] = []
    for trial in (most, [*most[:1], *none[1:]], none, endless, [*endless[:1], *none[1:]], [*none[:1], *endless[1:]]):
        with contextlib.suppress(TypeError, ValueError, ArithmeticError):
            given += hushed(capsule_of(all="warn"), fn, *trial)[1]
    plain = _SCALAR_LABEL.get(fn.__name__, fn.__name__)
    names = {str(x.message).partition(" encountered in ")[2] for x in given}
    return plain if plain in names and f"scalar {plain}" not in names else f"scalar {plain}"


def _most(dtype: np.dtype[Any]) -> Any:
    """The greatest number of a dtype."""
    if dtype.kind in "fc":
        return silently(np.finfo, dtype).max
    return np.iinfo(dtype).max if dtype.kind in "iu" else True


_INFINITE = {float: np.inf, complex: complex(np.inf)}
_EXTREMES = {float: 1.7e308, complex: 1.7e308 + 0j, int: 2, bool: True}


def _fits_all(number: Any, values: tuple[Any, ...]) -> bool:
    """Whether a Python number certainly fits the dtype of every other operand."""
    if type(number) is not int:
        return not any(grows_infinite(number, v.dtype) for v in values if type(v) not in NUMBERS)
    kinds = {v.dtype.kind for v in values if type(v) not in NUMBERS}
    return 0 <= number <= 127 or (-128 <= number < 0 and "u" not in kinds) or (
        kinds <= {"f", "c"} and -(1 << 15) < number < 1 << 15)


_SCALAR_LABEL = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
                 "mod": "remainder", "pow": "power", "neg": "negative", "abs": "absolute", "lshift": "left_shift"}


def turned_scalar_method(fn: Callable[..., Any]) -> Any:
    """What ``x <op> s`` does for a lazy scalar `s`: ``method(s, x)``."""
    def method(self: Any, other: Any) -> Any:
        return scalar_operation(fn, other, self)

    return as_scalar_method(method, fn, swapped=True)


def as_scalar_method(method: Callable[..., Any], fn: Callable[..., Any], swapped: bool = False) -> Any:
    """The method, done by the extension where that can."""
    return method if native is None else native.ScalarMethod(
        None, fast_scalars[fn, swapped], method, fn, swapped)
