"""Operators applied to real arrays, where NumPy has to look: other libraries' arrays, objects, strings."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ..run.watching import PASS, active, eager
from .build import NUMBERS, at_line
from .handle import Tensor, export, unwrapped, wrap_all
from .inplace import looked_at
from .scalar import Scalar

_generic, _ndarray = np.generic, np.ndarray


def on_real(fn: Callable[..., Any], *operands: Any) -> Any:
    """The operator of real arrays: NumPy knows what to do, or whom to ask."""
    if type(fn) is not np.ufunc and any(_declines(x) for x in operands):
        return NotImplemented
    return called_on_real(fn, *operands)


def called_on_real(fn: Callable[..., Any], *operands: Any) -> Any:
    """The same of a function that no operand's class declines, as it may an operator."""
    if active and (found := eager(fn, operands, {})) is not PASS:
        return found
    lend = looked_at if all(_is_known(type(x)) for x in operands) else unwrapped
    return wrap_all(at_line(fn, tuple([lend(x) for x in operands])))


def in_place_on_real(fn: Callable[[Any, Any], Any], target: Tensor, other: Any) -> Any:
    """An in-place operator of real arrays; what it gives is what the program's name stands for from then on."""
    real = export(target)
    result = at_line(fn, (real, unwrapped(other)))
    return target if result is real else wrap_all(result)


def _is_known(kind: type) -> bool:
    """Whether values of this type cannot keep an array that an operator lends them."""
    return kind is Tensor or kind in NUMBERS or kind is _ndarray or issubclass(kind, (_generic, Scalar))


def _declines(value: Any) -> bool:
    """Whether a value has said that NumPy's operators must leave it alone, and its own take a Tensor as it is."""
    kind = type(value)
    if kind in NUMBERS or kind is Tensor or issubclass(kind, (_ndarray, _generic, Scalar, list, tuple, str)):
        return False
    if hasattr(kind, "__array_ufunc__"):
        return kind.__array_ufunc__ is None and not _is_compiled(kind)
    return (getattr(value, "__array_priority__", -1.0) > 0 and not hasattr(kind, "__array__")
            and not _is_compiled(kind))


def _is_compiled(kind: type) -> bool:
    """Whether a class's operators are not written in Python (pandas's Timestamp): they may look for NumPy's own type in
    C, so such a class is asked by NumPy, with a real array."""
    names = ("__add__", "__radd__", "__mul__", "__rmul__", "__lt__")
    found = [vars(base)[name] for base in kind.__mro__[:-1] for name in names if name in vars(base)]
    return bool(found) and type(found[0]) is not FunctionType
