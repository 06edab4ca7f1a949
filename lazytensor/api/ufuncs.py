"""Ufuncs as `lazytensor` has them, and `__array_ufunc__`, by which NumPy's own do the same with Tensors."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from ..hot import native
from ..ir.dtypes import RAISE_ON_VALUES, only_objects, record_of
from ..run.watching import PASS, Opaque, active, eager
from . import lazy
from .build import NUMBERS, NotArray, at_line, elementwise, handle, is_pending, is_scalar_like, operand
from .direct import of_ufunc
from .handle import Tensor, no_dtype, root_of, signature_of, unwrapped, wrap_all, writing_of
from .inplace import looked_at, write_ufunc
from .matrix import matmul
from .operators import (
    SCALAR_OPERATORS,
    binary_method,
    is_count,
    scalar_on_the_left,
    unary_method,
)
from .puts import write_at
from .reductions import reduce_ufunc
from .scalar import Scalar
from .scalar_arithmetic import scalar_operation, turned_scalar_method

_getframe = sys._getframe
_ndarray = np.ndarray
_LAZY_OPTIONS = {"dtype", "casting"}
_DEPRECATED_OUTPUT = {np.maximum, np.minimum}
"""Ufuncs of which NumPy warns that a third argument is an output."""
_ORDERS = frozenset("CFAKcfak")
_DEFAULTS = {"dtype": None, "order": None, "subok": True}


_OF_FLOATS = frozenset((np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh,
                        np.arccosh, np.arctanh, np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sqrt,
                        np.cbrt, np.deg2rad, np.rad2deg, np.radians, np.degrees))
"""What is float64 of Python's floats and integers."""


def call(ufunc: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
    """``ufunc(*args, **kwargs)``, pending if it may be."""
    if not kwargs and len(args) == ufunc.nin:
        out, where, options = None, True, kwargs
    else:
        options = dict(kwargs)
        out, where = options.pop("out", None), options.pop("where", True)
        if any(x is ... for x in (*args[ufunc.nin:], *(out if type(out) is tuple else (out,)))) or (
                ufunc.nout > 1 and "out" in kwargs and (type(out) is not tuple or len(out) != ufunc.nout)) or (
                "signature" in kwargs and "dtype" in kwargs):
            return wrap_all(at_line(ufunc, tuple([looked_at(x) for x in args]), {
                k: _unwrapped_out(v) for k, v in kwargs.items()}))
        if len(args) > ufunc.nin:
            if "out" in kwargs or len(args) > ufunc.nin + ufunc.nout or not all(map(_is_output, args[ufunc.nin:])):
                return ufunc(*[looked_at(x) for x in args],
                             **{k: _unwrapped_out(v) for k, v in kwargs.items()})  # NumPy's error
            if ufunc in _DEPRECATED_OUTPUT:
                at_line(ufunc, (np.empty(0),) * 3)  # NumPy's warning
            args, out = args[:ufunc.nin], args[ufunc.nin:] + (None,) * (ufunc.nin + ufunc.nout - len(args))
        if type(where) is list or type(where) is tuple:  # an array must be of booleans, a list need not
            where = wrap_all(np.array(looked_at(where), bool))
        if type(out) is tuple and ufunc.nout == 1:
            out = out[0] if len(out) == 1 else out
        options = {k: v for k, v in options.items() if _DEFAULTS.get(k, _getframe) is not v and (
            k != "order" or type(out) is not Tensor or type(v) is not str or v not in _ORDERS)}  # it has its own
        if where is not True and out is None and "out" in kwargs:
            options["out"] = None  # NumPy does not warn then
    if ufunc is np.matmul and len(args) == 2 and out is None and not options:
        return matmul(*args, frame, ufunc)
    narrows = "dtype" in options and _narrows(args, options["dtype"])
    if where is True and (ufunc.signature is not None or ufunc.nout != 1 or narrows
                          or "order" in options and out is None):
        found = _as_a_call(ufunc, args, out, options, frame)
        if found is not lazy.NOW:
            return found
    if ufunc.signature is not None or narrows:
        return _on_real(ufunc, args, out, where, options)
    if len(args) != ufunc.nin or ufunc.nout != 1 or only_objects(ufunc) or not options.keys() <= _LAZY_OPTIONS:
        return _on_real(ufunc, args, out, where, options)
    try:
        if type(out) is Tensor:
            write_ufunc(record_of(ufunc), out, args, frame, where, **options)
            return out
        if out is not None or where is not True or not any(_is_ours(x) for x in args):
            if active and not kwargs and ufunc in _OF_FLOATS and issubclass(type(args[0]), Opaque) and (
                    given := args[0].scalar()) is not None:
                return call(ufunc, (given,), kwargs, frame)
            raise NotArray
        if all(is_scalar_like(x) for x in args) and not any(is_pending(x) for x in args):
            raise NotArray
        attrs = tuple(sorted(options.items())) if options else None
        if attrs and "dtype" in options:
            attrs = tuple((k, np.dtype(no_dtype(v)) if k == "dtype" else v) for k, v in attrs)
            options = dict(attrs)
        inputs = tuple([operand(x) for x in args])
        return handle(elementwise(record_of(ufunc), inputs, frame, attrs, options,
                                  lazy=ufunc is np.power and is_count(*inputs)))
    except NotArray:
        pass  # outside the handler: NumPy's errors have no context
    return _on_real(ufunc, args, out, where, options)


def _narrows(args: tuple[Any, ...], dtype: Any) -> bool:
    """Whether operands may not fit a dtype that they are cast to: what that warns of, NumPy says itself."""
    if _is_ours(dtype):
        return False  # NumPy takes no array for one
    try:
        return not all(np.can_cast(x.dtype, dtype) for x in args if hasattr(x, "dtype"))
    except TypeError:
        return False


def _is_output(value: Any) -> bool:
    """Whether a ufunc takes this as an output that is no keyword's."""
    return value is None or issubclass(type(value), (Tensor, _ndarray))


def _as_a_call(ufunc: Any, args: tuple[Any, ...], out: Any, options: dict[str, Any], frame: Any) -> Any:
    """One of NumPy's ufuncs (of several outputs, with a signature or an order) as a pending call; NOW if it may not
    wait."""
    known: Any = getattr(np, ufunc.__name__, None)
    outs = out if type(out) is tuple else (out,)
    if known is not ufunc or ufunc in RAISE_ON_VALUES or len(args) != ufunc.nin or all(
            is_scalar_like(x) and not is_pending(x) for x in args):
        return lazy.NOW
    rule = lazy.of_ufunc(ufunc, "__call__")
    if all(o is None for o in outs):
        return rule.pending(args, options, frame)
    if ufunc.nout == 1:
        return rule.pending(args, {**options, "out": out}, frame)
    return _into_several(rule, args, outs, options, frame)


def _into_several(rule: lazy.Rule, args: tuple[Any, ...], outs: tuple[Any, ...], options: dict[str, Any],
                  frame: Any) -> Any:
    """A pending call whose results are then written to the Tensors among `outs`: loops of several outputs are exact,
    whatever the memory that they write to. NOW if it may not wait."""
    given = [o for o in outs if o is not None]
    if any(type(o) is not Tensor or writing_of(o) != 1 for o in given) or len({id(root_of(o)) for o in given}) < len(
            given):
        return lazy.NOW
    found = rule.expected(args, options)
    if found is None or any(o is not None and (o.dtype is not dtype or o.shape != shape)
                            for o, (shape, dtype, *_) in zip(outs, found[-1], strict=True)):
        return lazy.NOW
    results = rule.pending(args, options, frame)
    if results is lazy.NOW:
        return results
    for o, r in zip(outs, results, strict=True):
        if o is not None:
            o[...] = r
    return tuple([r if o is None else o for o, r in zip(outs, results, strict=True)])


def _is_ours(value: Any) -> bool:
    return type(value) is Tensor or issubclass(type(value), (Scalar, list, tuple, _ndarray))


def _on_real(ufunc: Any, args: tuple[Any, ...], out: Any, where: Any, options: dict[str, Any]) -> Any:
    """NumPy's own call: real memory in, Tensors out; what is written to is given out."""
    keywords = dict(options)
    if active and out is None and (found := eager(ufunc, args, {**keywords, **({} if where is True else {
            "where": where})})) is not PASS:
        return found
    if where is not True:
        keywords["where"] = looked_at(where)
    if out is not None:
        keywords["out"] = tuple([unwrapped(o) for o in out]) if type(out) is tuple else unwrapped(out)
    result = at_line(ufunc, tuple([looked_at(x) for x in args]), keywords)
    if out is None:
        return wrap_all(result)
    if type(result) is tuple:
        return tuple([_given_back(r, out, keywords["out"]) for r in result])
    return _given_back(result, out, keywords["out"])


def _given_back(result: Any, out: Any, lent: Any) -> Any:
    """The Tensor whose memory a result is; a result that is none of `lent`, another library's, as it is."""
    for own, real in zip(out, lent, strict=True) if type(out) is tuple else ((out, lent),):
        if result is real:
            return own
    return wrap_all(result)


def outer(ufunc: Any, a: Any, b: Any, kwargs: dict[str, Any], frame: Any) -> Any:
    """``ufunc.outer(a, b)``: NumPy too appends axes to `a` and calls the ufunc."""
    if kwargs or ufunc.nin != 2 or ufunc.signature is not None or not (type(a) is Tensor and type(b) is Tensor):
        return wrap_all(ufunc.outer(looked_at(a), looked_at(b), **{k: unwrapped(v) for k, v in kwargs.items()}))
    return call(ufunc, (a.reshape(a.shape + (1,) * b.ndim), b), {}, frame)  # type: ignore[attr-defined]


def method(ufunc: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Any) -> Any:
    """A ufunc method by name: reduce, accumulate, reduceat, outer, at."""
    if name in ("reduce", "accumulate"):
        return reduce_ufunc(ufunc, name, args, kwargs, frame)
    if name == "outer" and len(args) == 2:
        return outer(ufunc, *args, kwargs, frame)
    if name == "at":
        if type(args[0]) is Tensor and not kwargs and write_at(ufunc, *args):
            return None
        return at_line(ufunc.at, (unwrapped(args[0]), *[_index(x) for x in args[1:]]), kwargs)
    if name == "reduceat" and ufunc not in RAISE_ON_VALUES and getattr(np, ufunc.__name__, None) is ufunc:
        found = lazy.of_ufunc(ufunc, name).pending(args, kwargs, frame)
        if found is not lazy.NOW:
            return found
    out = kwargs.pop("out", None)
    given = out[0] if type(out) is tuple else out
    options = {k: unwrapped(v) for k, v in kwargs.items()}
    if given is not None:
        lent = unwrapped(given)
        result = at_line(getattr(ufunc, name), tuple([looked_at(x) for x in args]), {**options, "out": lent})
        return _given_back(result, given, lent)
    return wrap_all(at_line(getattr(ufunc, name), tuple([looked_at(x) for x in args]), options))


def _index(value: Any) -> Any:
    return tuple([looked_at(x) for x in value]) if type(value) is tuple else looked_at(value)


class _UfuncType(type):
    """`isinstance(f, lazytensor.ufunc)` holds for NumPy's own ufuncs too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return type(instance) in (cls, np.ufunc)

    def __getattr__(cls, name: str) -> Any:
        return getattr(np.ufunc, name)

    __signature__ = property(lambda cls: signature_of(np.ufunc), doc="What `inspect.signature` gives: NumPy's.")


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

    def __eq__(self, other: Any) -> bool:
        return self._real is (other._real if type(other) is ufunc else other)

    def __hash__(self) -> int:
        return hash(self._real)

    def __reduce__(self) -> str:
        return self.__name__

    def reduce(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.reduce`."""
        return method(self._real, "reduce", args, kwargs, _getframe(1))

    def accumulate(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.accumulate`."""
        return method(self._real, "accumulate", args, kwargs, _getframe(1))

    def reduceat(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.reduceat`."""
        return method(self._real, "reduceat", args, kwargs, _getframe(1))

    def outer(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.outer`."""
        return method(self._real, "outer", args, kwargs, _getframe(1))

    def at(self, *args: Any, **kwargs: Any) -> Any:
        """As `numpy.ufunc.at`; the indices are looked at when it is written."""
        return method(self._real, "at", args, kwargs, _getframe(1))


for _name, _places in {"reduce": 3, "accumulate": 3, "reduceat": 4, "outer": 2, "at": 3}.items():
    setattr(ufunc, _name, of_ufunc(_name, getattr(ufunc, _name), _places))  # the next place may be `out`
if native is not None:
    ufunc.__call__ = native.Caller(None, {}, ufunc.__call__)  # type: ignore[method-assign]
    native.fill_call(ufunc)
_quick: dict[Any, Any] = {}


def _quick_of(real: Any) -> Any:
    """The method, like an operator's, that does a ufunc's plain calls; None if there is none."""
    if real not in _quick:
        if only_objects(real):
            return None
        make: Any = {1: unary_method, 2: binary_method}.get(real.nin, _no_quick)
        _quick[real] = make(real.__name__, real, real) if real.nout == 1 and real.signature is None else None
    return _quick[real]


@functools.cache
def _turned_of(real: Any) -> Any:
    """The same for a scalar of NumPy's as the first operand: ``method(second, first)``."""
    return scalar_on_the_left(real, real)


def _no_quick(name: str, ufunc: Any, fn: Any) -> None:
    """Ufuncs of three operands have no method like an operator's."""


def array_ufunc(self: Any, real: Any, name: str, *inputs: Any, **kwargs: Any) -> Any:
    """`__array_ufunc__`: NumPy's ufuncs given a Tensor or a lazy scalar."""
    if not kwargs and name == "__call__" and type(inputs[0]) is Tensor and len(inputs) == real.nin and (
            type(inputs[-1]) is Tensor or type(inputs[-1]) in NUMBERS):
        quick = _quick_of(real)
        if quick is not None:
            return quick(*inputs, 2)
    if not kwargs and name == "__call__" and len(inputs) == 2 == real.nin and type(inputs[1]) is Tensor and issubclass(
            type(inputs[0]), np.generic) and _quick_of(real) is not None:
        return _turned_of(real)(inputs[1], inputs[0])
    if not kwargs and name == "__call__" and issubclass(type(self), Scalar) and real in SCALAR_OPERATORS and (
            any(type(x) is not Tensor and issubclass(type(x), np.generic) for x in inputs)) and all(
            is_scalar_like(x) for x in inputs):
        # A NumPy scalar's operator asks, which does scalar arithmetic (or, less likely, a call of NumPy's ufunc).
        return scalar_operation(SCALAR_OPERATORS[real], *inputs)
    if real is np.divmod and not kwargs and name == "__call__" and issubclass(type(inputs[0]), np.generic) and (
            issubclass(type(inputs[1]), Scalar)):
        return inputs[1].__rdivmod__(inputs[0])
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


def _override() -> Any:
    """The same; by the extension where a number of NumPy's is on the left, whose operators ask in this way."""
    if native is None:
        return array_ufunc
    ways = {real: (_turned_of(real), turned_scalar_method(fn)) for real, fn in SCALAR_OPERATORS.items()}
    return native.Overrider(None, ways, array_ufunc)


Tensor.__array_ufunc__ = Scalar.__array_ufunc__ = _override()  # type: ignore[attr-defined]
