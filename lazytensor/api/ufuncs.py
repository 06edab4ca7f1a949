"""Ufuncs as `lazytensor` has them, and `__array_ufunc__`, by which NumPy's own do the same with Tensors."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..ir.dtypes import only_objects, record_of
from .build import NotArray, at_line, elementwise, handle, is_pending, is_scalar_like, operand
from .handle import Tensor, export, unwrapped, wrap_all
from .inplace import looked_at, write_ufunc
from .matrix import matmul
from .operators import SCALAR_OPERATORS, binary_method, scalar_operation, unary_method
from .reductions import reduce_ufunc
from .scalar import Scalar

_getframe = sys._getframe
_ndarray = np.ndarray
_LAZY_OPTIONS = {"dtype", "casting"}


def call(ufunc: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
    """``ufunc(*args, **kwargs)``, pending if it may be."""
    if not kwargs and len(args) == ufunc.nin:
        out, where, options = None, True, kwargs
    else:
        options = dict(kwargs)
        out, where = options.pop("out", None), options.pop("where", True)
        if len(args) > ufunc.nin:
            if out is not None or len(args) > ufunc.nin + ufunc.nout:
                return ufunc(*[looked_at(x) for x in args], **kwargs)
            args, out = args[:ufunc.nin], args[ufunc.nin:]
        if type(out) is tuple and ufunc.nout == 1:
            out = out[0] if len(out) == 1 else out
        options = {k: v for k, v in options.items() if v is not None and (k, v) != ("subok", True)}
    if ufunc.signature is not None:
        if ufunc is np.matmul and len(args) == 2 and out is None and not options:
            return matmul(*args, frame)
        return _on_real(ufunc, args, out, where, options)
    if len(args) != ufunc.nin or ufunc.nout != 1 or only_objects(ufunc) or not options.keys() <= _LAZY_OPTIONS:
        return _on_real(ufunc, args, out, where, options)
    try:
        if type(out) is Tensor:
            write_ufunc(record_of(ufunc), out, args, frame, where, **options)
            return out
        if out is not None or where is not True or not any(_is_ours(x) for x in args):
            return _on_real(ufunc, args, out, where, options)
        if all(is_scalar_like(x) for x in args) and not any(is_pending(x) for x in args):
            return _on_real(ufunc, args, out, where, options)
        attrs = tuple(sorted(options.items())) if options else None
        if attrs and "dtype" in options:
            attrs = tuple((k, np.dtype(v) if k == "dtype" else v) for k, v in attrs)
            options = dict(attrs)
        return handle(elementwise(record_of(ufunc), tuple([operand(x) for x in args]), frame, attrs, options))
    except NotArray:
        return _on_real(ufunc, args, out, where, options)


def _is_ours(value: Any) -> bool:
    return type(value) is Tensor or issubclass(type(value), (Scalar, list, tuple, _ndarray))


def _on_real(ufunc: Any, args: tuple[Any, ...], out: Any, where: Any, options: dict[str, Any]) -> Any:
    """NumPy's own call: real memory in, Tensors out; what is written to is given out."""
    keywords = dict(options)
    if where is not True:
        keywords["where"] = looked_at(where)
    if out is not None:
        keywords["out"] = tuple([unwrapped(o) for o in out]) if type(out) is tuple else unwrapped(out)
    result = at_line(ufunc, tuple([looked_at(x) for x in args]), keywords)
    if out is None:
        return wrap_all(result)
    given = out if type(out) is tuple else (out,)
    many = result if type(result) is tuple else (result,)
    answer = tuple([o if o is not None else wrap_all(r) for o, r in zip(given, many, strict=False)])
    return answer if type(result) is tuple else answer[0]


def outer(ufunc: Any, a: Any, b: Any, kwargs: dict[str, Any], frame: Any) -> Any:
    """``ufunc.outer(a, b)``: NumPy too appends axes to `a` and calls the ufunc."""
    if kwargs or ufunc.nin != 2 or not (type(a) is Tensor and type(b) is Tensor):
        return wrap_all(ufunc.outer(looked_at(a), looked_at(b), **{k: unwrapped(v) for k, v in kwargs.items()}))
    return call(ufunc, (a.reshape(a.shape + (1,) * b.ndim), b), {}, frame)  # type: ignore[attr-defined]


def method(ufunc: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
    """A ufunc method by name: reduce, accumulate, reduceat, outer, at."""
    if name in ("reduce", "accumulate"):
        return reduce_ufunc(ufunc, name, args, kwargs, frame)
    if name == "outer" and len(args) == 2:
        return outer(ufunc, *args, kwargs, frame)
    if name == "at":
        return ufunc.at(export(args[0]) if type(args[0]) is Tensor else args[0], *[_index(x) for x in args[1:]])
    out = kwargs.pop("out", None)
    given = out[0] if type(out) is tuple else out
    options = {k: unwrapped(v) for k, v in kwargs.items()}
    if given is not None:
        getattr(ufunc, name)(*[looked_at(x) for x in args], out=unwrapped(given), **options)
        return given
    return wrap_all(getattr(ufunc, name)(*[looked_at(x) for x in args], **options))


def _index(value: Any) -> Any:
    return tuple([looked_at(x) for x in value]) if type(value) is tuple else looked_at(value)


class _UfuncType(type):
    """`isinstance(f, lazytensor.ufunc)` holds for NumPy's own ufuncs too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return type(instance) in (cls, np.ufunc)


class ufunc(metaclass=_UfuncType):
    """A universal function: NumPy's, whose results are computed when they are needed.

    Everything that a `numpy.ufunc` has is there. Calls give Tensors (or lazy scalars); with `out` they write to it.

    Examples
    --------
    >>> import lazytensor as np
    >>> np.add.reduce(np.arange(4))
    np.int64(6)
    """

    def __init__(self, real: np.ufunc) -> None:
        self._real = real
        self._quick = _quick_of(real)
        self.__name__ = real.__name__
        self.__qualname__ = getattr(real, "__qualname__", real.__name__)
        self.__wrapped__ = real

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs and self._quick is not None and len(args) == self._real.nin and type(args[0]) is Tensor:
            return self._quick(*args, 2)
        return call(self._real, args, kwargs, _getframe(1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __repr__(self) -> str:
        return repr(self._real)

    def __reduce__(self) -> str:
        return self.__name__

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return self._real.__doc__ or ""

    def reduce(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.reduce`."""
        return method(self._real, "reduce", args, kwargs, _getframe(1))

    def accumulate(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.accumulate`."""
        return method(self._real, "accumulate", args, kwargs, _getframe(1))

    def reduceat(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.reduceat`; runs when written."""
        return method(self._real, "reduceat", args, kwargs, _getframe(1))

    def outer(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.outer`."""
        return method(self._real, "outer", args, kwargs, _getframe(1))

    def at(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.at`; runs when written."""
        return method(self._real, "at", args, kwargs, _getframe(1))


_quick: dict[Any, Any] = {}


def _quick_of(real: Any) -> Any:
    """The method, like an operator's, that does a ufunc's plain calls; None if there is none."""
    if real not in _quick:
        if only_objects(real):
            return None
        make: Any = {1: unary_method, 2: binary_method}.get(real.nin, _no_quick)
        _quick[real] = make(real.__name__, real, real) if real.nout == 1 and real.signature is None else None
    return _quick[real]


def _no_quick(name: str, ufunc: Any, fn: Any) -> None:
    """Ufuncs of three operands have no method like an operator's."""


def array_ufunc(self: Any, real: Any, name: str, *inputs: Any, **kwargs: Any) -> Any:
    """`__array_ufunc__`: NumPy's ufuncs given a Tensor or a lazy scalar."""
    if not kwargs and name == "__call__" and type(inputs[0]) is Tensor and len(inputs) == real.nin:
        quick = _quick_of(real)
        if quick is not None:
            return quick(*inputs, 2)
    if not kwargs and name == "__call__" and issubclass(type(self), Scalar) and real in SCALAR_OPERATORS and (
            any(type(x) is not Tensor and issubclass(type(x), np.generic) for x in inputs)) and all(
            is_scalar_like(x) for x in inputs):
        # A NumPy scalar's operator asks, which does scalar arithmetic (or, less likely, a call of NumPy's ufunc).
        return scalar_operation(SCALAR_OPERATORS[real], *inputs)
    out = kwargs.get("out", ())
    for value in (*inputs, *(out if type(out) is tuple else (out,))):
        kind = type(value)
        if not (kind is Tensor or issubclass(kind, (Scalar, _ndarray, np.generic))) and hasattr(
                kind, "__array_ufunc__"):
            return NotImplemented
        if issubclass(kind, _ndarray) and kind is not _ndarray:
            return getattr(real, name)(*[unwrapped(x) for x in inputs],
                                       **{k: _unwrapped_out(v) for k, v in kwargs.items()})
    if name == "__call__":
        return call(real, inputs, kwargs, _getframe(1))
    return method(real, name, inputs, kwargs, _getframe(1))


def _unwrapped_out(value: Any) -> Any:
    return tuple([unwrapped(v) for v in value]) if type(value) is tuple else unwrapped(value)


Tensor.__array_ufunc__ = array_ufunc  # type: ignore[attr-defined]
Scalar.__array_ufunc__ = array_ufunc  # type: ignore[attr-defined]
