"""Whether a function's code uses nothing of NumPy's by which sizes may decide unseen what a trace has.

Lengths that Python reads are noted (`Trace.measured`). What NumPy's functions here decide by lengths themselves is not:
`array_equal` compares no elements of arrays of different shapes, `outer` takes another way for large arrays. So only
functions and attributes are safe whose records are the same for all sizes but for what `resizing` derives.
"""

from __future__ import annotations

import dis
import functools
import types
from typing import Any

import numpy as np

from ..api.handle import Tensor

_OF_ARRAYS = frozenset((*dir(np), *dir(np.ndarray), *dir(np.linalg)))
_UFUNCS = frozenset(name for name in dir(np) if isinstance(getattr(np, name), np.ufunc))
_OPERATORS = frozenset(f"__{way}{name}__" for way in ("", "r", "i") for name in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and", "or", "xor"))
_SAFE = _OPERATORS | frozenset((
    "T", "__getitem__", "__iter__", "__len__", "__setitem__", "abs", "absolute", "all", "amax", "amin", "any", "argmax",
    "argmin", "array", "asarray", "astype", "bool", "bool_", "clip", "complex128", "complex64", "conj", "copy",
    "cumprod", "cumsum", "dot", "dtype", "e", "errstate", "expand_dims", "flags", "flatten", "float16", "float32",
    "float64", "full", "imag", "inf", "int16", "int32", "int64", "int8", "intp", "itemsize", "mT", "matmul",
    "matrix_transpose", "max", "mean", "min", "moveaxis", "nan", "nbytes", "ndim", "newaxis", "ones", "permute_dims",
    "pi", "prod", "random", "ravel", "real", "reshape", "round", "shape", "size", "squeeze", "std", "strides", "sum",
    "swapaxes", "transpose", "uint8", "var", "where", "zeros"))
_ROOMS = ("numpy", "lazytensor")


def is_safe(scope: Any) -> bool:
    """Whether all names in the code that a call has run, or could run, are, and all functions that it can reach."""
    return (scope.names & _OF_ARRAYS) - _UFUNCS <= _SAFE and scope.names.isdisjoint(_COMPUTED) and not any(
        map(_unsafe, scope.objects.values())) and not any(map(catches, scope.codes))


_COMPUTED = frozenset(("getattr", "__dict__", "vars", "attrgetter", "methodcaller", "globals", "locals", "eval",
                       "exec"))
"""By which names are reached that no code mentions."""


_HANDLER, _OF_WITH = dis.opmap["PUSH_EXC_INFO"], dis.opmap["WITH_EXCEPT_START"]


@functools.lru_cache(1024)
def catches(code: types.CodeType) -> bool:
    """Whether a code object may go on after an exception: an index or a shape that is not for all sizes raises, and a
    trace does not show it. What `with` does at its end is no handler, but `__exit__` and `suppress` can be one."""
    if code.co_name == "__exit__" or "suppress" in code.co_names:
        return True
    steps = code.co_code[::2]
    return bool(code.co_exceptiontable) and any(
        step == _HANDLER and after != _OF_WITH for step, after in zip(steps, steps[1:], strict=False))


_KNOWN = (np.ufunc, type, np.random.Generator, np.random.RandomState)


def _unsafe(value: Any) -> bool:
    """Whether a value is a function of NumPy's that is not safe."""
    kind = type(value)
    if kind is Tensor or issubclass(kind, _KNOWN) or not callable(value):
        return False
    room = str(getattr(value, "__module__", None) or kind.__module__).partition(".")[0]
    return room in _ROOMS and not hasattr(kind, "__jitted__") and str(getattr(value, "__name__", "")) not in _SAFE
