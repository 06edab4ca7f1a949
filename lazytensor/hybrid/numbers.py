"""Python's numbers in attributes, entries and variables that vary: ``self.t += self.dt``, ``self.steps += 1``.

A number that a call binds anew, or that is another one at each call, is no constant of the program. While a call is
traced again a `Number` is in its place: it computes as Python's number does, and writes down what was computed, as
calls of Python's own operators. A comparison that decides something is an answer, as ``bool(t)`` of an array is; beside
an array the number is an operand of the dtype that NumPy gives it there. Whatever else would tell its value (an index,
a length, text, a function written in C) raises `Asked`: all is put back as it was before the call (`undoing`), and the
Python runs.

So only functions are traced so that reach nothing but the program's own objects (`contained`): nobody else can tell
that the call was begun twice.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from _thread import get_ident
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..api.handle import Tensor, tensor
from ..api.scalar import Scalar, scalar
from ..run.watching import Opaque
from .tracing import Operand

DOUBLE = np.dtype(np.float64)
KINDS = (int, float, np.float64)
"""The types of what is followed."""
def is_number(value: Any) -> bool:
    """Whether it is a number that may be followed."""
    return type(value) in KINDS


class Number(Opaque):
    """A number while a call is traced: `_now` is its value in this call, `_operand` what records call it, and `_of` the
    places that it was computed from."""

    __slots__ = ("_home", "_operand", "_now", "_of")
    _home: Any
    _operand: Operand
    _now: Any
    _of: frozenset[Any]

    def __init__(self, home: Any, operand: Operand, now: Any, of: frozenset[Any]) -> None:
        self._home, self._operand, self._now, self._of = home, operand, now, of

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._now)

    def used(self) -> Any:
        """The number as an operand beside arrays."""
        return self._home.used(self) if _is_followed(self) else self._now

    def stored(self, t: Any) -> Any:
        if not _is_followed(self):
            return self._now
        dtype = t._value.dtype
        if dtype.kind not in "fc" or not dtype.isnative:
            return told(self, "in an array of another kind")
        return tensor(self._home.element(self, np.dtype(dtype.type(0).real.dtype.type)))

    def scalar(self) -> Any:
        return scalar(self._home.scalar(self)) if _is_followed(self) else None

    def __bool__(self) -> bool:
        return bool(self._home.decided(self)) if _is_followed(self) else bool(self._now)

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self._now, name):
            raise AttributeError(f"{type(self._now).__name__!r} object has no attribute {name!r}")
        return getattr(told(self, name), name)

    __array_ufunc__ = None


def _is_followed(x: Number) -> bool:
    """Whether what is done with it is still written down."""
    home = x._home
    return not home.closed and home.trace.ident == get_ident()


def told(x: Any, why: str) -> Any:
    """A value that is given to the program, which ends the tracing."""
    if type(x) is not Number:
        return x
    if _is_followed(x) and not x._home.trace.quiet:
        x._home.ask(f"its Python asks for the value of a number ({why})", x._of)
    return x._now


def known_as(value: Any) -> Any:
    """A Number's value; anything else as it is."""
    return value._now if type(value) is Number else value


def plain(value: Any) -> Any:
    """The same with values in the places of Numbers; lists, dicts and what holds none are the same ones."""
    kind = type(value)
    if kind is Number:
        return value._now
    if kind is list:
        value[:] = map(plain, value)
        return value
    if issubclass(kind, tuple):
        found = [plain(x) for x in value]
        if all(map(operator.is_, found, value)):
            return value
        return kind._make(found) if hasattr(kind, "_make") else tuple(found)
    if kind is dict:
        for key, x in value.items():
            value[key] = plain(x)
        return value
    if hasattr(kind, "__dataclass_fields__") and not isinstance(value, type):
        for name in kind.__dataclass_fields__:
            x = getattr(value, name, None)
            if type(x) is Number or type(x) in (list, tuple, dict):
                object.__setattr__(value, name, plain(x))
    return value


def _told_method(name: str) -> Callable[..., Any]:
    def method(self: Number, *args: Any) -> Any:
        return getattr(told(self, name), name)(*args)
    method.__name__ = name
    return method


for _name in ("index", "int", "float", "complex", "hash", "str", "repr", "format",
              "reduce", "reduce_ex", "sizeof", "dir", "getnewargs", "getformat"):
    setattr(Number, f"__{_name}__", _told_method(f"__{_name}__"))


def _array(self: Number, *args: Any, **kwargs: Any) -> Any:
    return np.asarray(told(self, "as an array"), *args, **kwargs)


setattr(Number, "__array__", _array)  # noqa: B010


def computed(fn: Any, *given: Any) -> Any:
    """What an operator gives of Numbers and other numbers, in order."""
    own = next(x for x in given if type(x) is Number)
    values = [x._now if type(x) is Number else x for x in given]
    if not _is_followed(own):
        return fn(*values)
    home = own._home
    for x in given:
        kind = type(x)
        if kind is Tensor or issubclass(kind, Scalar):
            if fn in _BINARY:  # then it is its operator that runs, on the line that has called this one
                return NotImplemented
            return fn(*[home.used(x) if type(x) is Number else x for x in given])
        if kind not in _SIMPLE:
            if issubclass(kind, (np.generic, complex, Opaque)):
                home.ask(f"a number is used beside a {kind.__name__}", own._of)
            return NotImplemented if fn in _BINARY else fn(*values)
    return home.computed(fn, given, values)


_BINARY: set[Any] = set()
_SIMPLE = frozenset((Number, int, float, bool, np.float64))
_COMPARISONS = {operator.lt: "lt", operator.le: "le", operator.gt: "gt", operator.ge: "ge", operator.eq: "eq",
                operator.ne: "ne"}


def _operators(name: str, fn: Any, reflected: bool) -> None:
    def method(self: Number, other: Any) -> Any:
        return computed(fn, self, other)

    def mirrored(self: Number, other: Any) -> Any:
        return computed(fn, other, self)
    setattr(Number, f"__{name}__", method)
    if reflected:
        setattr(Number, f"__r{name}__", mirrored)


for _name, _fn in {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
                   "floordiv": operator.floordiv, "mod": operator.mod, "pow": operator.pow, "divmod": divmod,
                   "lshift": operator.lshift, "rshift": operator.rshift, "and": operator.and_, "or": operator.or_,
                   "xor": operator.xor}.items():
    _BINARY.add(_fn)
    _operators(_name, _fn, True)
for _fn, _name in _COMPARISONS.items():
    _BINARY.add(_fn)
    _operators(_name, _fn, False)


def _unary(name: str, fn: Any) -> None:
    setattr(Number, f"__{name}__", lambda self: computed(fn, self))


for _name in ("neg", "pos", "abs", "invert"):
    _unary(_name, getattr(operator, _name))


setattr(Number, "__round__", lambda self, *digits: computed(round, self, *digits))  # noqa: B010
for _name in ("trunc", "floor", "ceil"):
    _unary(_name, getattr(math, _name))


_OF_MATH = {name: getattr(math, name) for name in (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "copysign", "cos", "cosh", "degrees", "erf",
    "erfc", "exp", "expm1", "fabs", "floor", "fmod", "gamma", "gcd", "hypot", "isfinite", "isinf", "isnan", "lgamma",
    "log", "log10", "log1p", "log2", "pow", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc")}


def _of_math(fn: Any) -> Callable[..., Any]:
    @functools.wraps(fn)
    def function(*args: Any) -> Any:
        return computed(fn, *args) if any(type(x) is Number for x in args) else fn(*args)
    return function


_FOLLOWING = {name: _of_math(fn) for name, fn in _OF_MATH.items()}


@contextlib.contextmanager
def followed_by_math() -> Iterator[None]:
    """`math` takes Numbers meanwhile. There are no other threads."""
    own = vars(math)
    changed = {name: fn for name, fn in _OF_MATH.items() if own.get(name) is fn}
    own.update({name: _FOLLOWING[name] for name in changed})
    try:
        yield
    finally:
        own.update({name: fn for name, fn in changed.items() if own.get(name) is _FOLLOWING[name]})
