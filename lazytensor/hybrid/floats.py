"""Python's floats that a loop carries from turn to turn, ``step *= 0.5`` or ``lam = lam * 10``.

In the turns that are looked at a `Float` stands for such a number: arithmetic with it is that of float64, whose bits
are those of Python's operators, and the program that is made of the loop leaves the call to the Python where the one
would warn or the other raise. What is compared decides, as values do; beside an array of float64 it is an operand as
any scalar. Whatever else would tell its value ends the turn: then the loop is traced turn by turn.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..api.handle import Tensor
from ..api.scalar import Scalar, scalar
from ..ir.node import leaf
from ..run.watching import Opaque, mine
from .carried import leaves, rebuilt

LARGEST = 1 << 53
"""Whole numbers up to which a float is as good."""
_DOUBLE = np.dtype(np.float64)


class Floats:
    """The floats in a tuple that a loop carries, those that are no part of other containers: at `places` of its
    leaves."""

    def __init__(self, value: tuple[Any, ...]) -> None:
        self.value = value
        whole = [part is x for part in value for x in leaves(part)]
        self.places = frozenset([k for k, x in enumerate(leaves(value)) if type(x) in (float, Float) and whole[k]])

    @property
    def given(self) -> Any:
        """The value with lazy scalars in their places."""
        return self._changed(self.value, _constant) if self.places else self.value

    def _changed(self, value: Any, fn: Callable[[Any], Any]) -> Any:
        return rebuilt(value, iter([fn(x) if k in self.places else x for k, x in enumerate(leaves(value))]))

    def around(self, body: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """The loop's body, of the value with scalars in their places."""
        if not self.places:
            return body

        def turn(index: Any, given: Any) -> Any:
            own: Any = mine()
            own.numbers_carried = True
            after = body(index, self._changed(given, lambda x: Float(own, x)))
            return self._changed(after, _scalar_of) if len(list(leaves(after))) > max(self.places) else after
        return turn


def _constant(x: Any) -> Any:
    return x.scalar() if type(x) is Float else scalar(leaf(np.float64(x), None))


def _scalar_of(x: Any) -> Any:
    """What goes over to the next turn in the place of a float."""
    if type(x) is Float:
        return x.scalar()
    return _constant(x) if type(x) is float else None  # of another type than before


class _Hidden(Opaque):
    """A number of which a scalar of the turn is known."""

    __slots__ = ("_home", "_scalar")
    _home: Any
    _scalar: Any

    def __init__(self, home: Any, own: Any) -> None:
        self._home, self._scalar = home, own

    def used(self) -> Any:
        return _asked(self, "it is used beside an array")

    def __getattr__(self, name: str) -> Any:
        return _asked(self, name)

    __array_ufunc__ = None


class Float(_Hidden):
    """A float that a loop carries, or what is computed of such."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return float

    def used(self) -> Any:
        """A float of its own, so that it is known in the record."""
        return _opened(self).float_used(self._scalar)

    def stored(self, t: Any) -> Any:
        return self._scalar if t._value.dtype == _DOUBLE else _asked(self, "it is put into an array of another dtype")

    def scalar(self) -> Any:
        return self._scalar


class Truth(_Hidden):
    """What a comparison of floats gives: it may decide, and no more."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return bool

    def __bool__(self) -> bool:
        return bool(_opened(self).truth(self._scalar))


def _opened(x: Any) -> Any:
    """The turn that is being traced, if that of the number still is."""
    home = x._home
    return home.session.stack[-1] if home in home.session.stack else _asked(x, "it is used after its turn")


def _asked(x: Any, why: str) -> Any:
    return x._home.session.ask(f"the value of a number that it carries is asked for ({why})")


def _asks(name: str) -> Callable[..., Any]:
    def method(self: Any, *_: Any, **__: Any) -> Any:
        return _asked(self, name)
    method.__name__ = name
    return method


for _name in ("index", "int", "float", "complex", "hash", "str", "repr", "format", "bytes", "round", "trunc", "floor",
              "ceil", "reduce", "reduce_ex", "sizeof", "dir", "array", "copy", "deepcopy", "len", "iter", "floordiv",
              "rfloordiv", "mod", "rmod", "divmod", "rdivmod", "rpow"):
    setattr(Float, f"__{_name}__", _asks(f"__{_name}__"))
    setattr(Truth, f"__{_name}__", _asks(f"__{_name}__"))
for _name in ("add", "sub", "mul", "truediv", "pow", "and", "or", "xor", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Truth, f"__{_name}__", _asks(f"__{_name}__"))
    setattr(Truth, f"__r{_name}__", _asks(f"__r{_name}__"))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Truth, f"__{_name}__", _asks(f"__{_name}__"))

_COMPARING = frozenset((operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne))


def _computed(fn: Any, left: Any, right: Any) -> Any:
    """What an operator makes of a Float and something else, in order."""
    own, other = (left, right) if type(left) is Float else (right, left)
    kind = type(other)
    if kind is Tensor or issubclass(kind, Scalar):
        return fn(*[x.used() if type(x) is Float else x for x in (left, right)])
    if kind is Float and other._home.session is not own._home.session or kind not in (Float, float, int, bool):
        return _asked(own, f"it is used beside a {kind.__name__}")
    _opened(own)
    if kind in (int, bool) and abs(other) > LARGEST:
        return _asked(own, "it is used beside a large number")
    a, b = [x._scalar if type(x) is Float else float(x) for x in (left, right)]
    if fn is operator.pow and (type(right) is Float or kind is float and not other.is_integer()):
        return _asked(own, "it is raised to a power")
    if fn is operator.truediv and (b == 0):
        raise ZeroDivisionError("float division by zero")
    found = fn(a, b)
    if fn is operator.pow and abs(found) == np.inf:  # if it was not before, Python's raises
        raise OverflowError("Numerical result out of range")
    return Truth(own._home, found) if fn in _COMPARING else Float(own._home, found)


def _operators(name: str, fn: Any, reflected: bool) -> None:
    def method(self: Any, other: Any) -> Any:
        return _computed(fn, self, other)

    def mirrored(self: Any, other: Any) -> Any:
        return _computed(fn, other, self)
    setattr(Float, f"__{name}__", method)
    if reflected:
        setattr(Float, f"__r{name}__", mirrored)


for _name, _fn in {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv}.items():
    _operators(_name, _fn, True)
for _fn in (*_COMPARING, operator.pow):
    _operators(_fn.__name__.strip("_"), _fn, False)
setattr(Float, "__neg__", lambda self: Float(self._home, -self._scalar))  # noqa: B010
setattr(Float, "__pos__", lambda self: self)  # noqa: B010
setattr(Float, "__abs__", lambda self: Float(self._home, abs(self._scalar)))  # noqa: B010
setattr(Float, "__bool__", lambda self: bool(_computed(operator.ne, self, 0.0)))  # noqa: B010
