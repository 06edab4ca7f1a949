"""The index of a loop whose turns are to be generated: a number that the body may use, whose value it does not see.

What is done with an `Index` is of four kinds. Sums, differences and multiples by whole numbers are Indices again. As
an index of an array, a bound of its slices, or an operand beside an array it is *used*, which is written down. What is
compared is *decided*, one way after the other (`ways`). Whatever else is done with it would tell the program its value,
and raises `Asked`: then the loop is traced turn by turn, with plain numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..api.handle import Tensor
from ..api.scalar import Scalar
from ..run.watching import Opaque
from .intervals import NEGATED

MOST_WAYS = 1000
"""Ways that are gone on the side for a loop and those in it, of all turns together."""


class Asked(BaseException):
    """Ends a turn in which an index's value was asked for; nobody but the loop catches it."""


class Session:
    """The loops, within each other, that are looked at together, as the stack of the turns that are being traced;
    `asked` is why they cannot be generated, or "", and `ends` is whether a way was left out that later turns would go,
    if there were more of them."""

    def __init__(self) -> None:
        self.ends = False
        self.asked = ""
        self.stack: list[Any] = []
        self.ran: set[Any] = set()
        self._ways = 0

    def ask(self, why: str) -> Any:
        """Ends the turn."""
        self.asked = self.asked or why
        raise Asked(why)


    def count_way(self) -> None:
        """Another way of a turn is to be gone: each is gone in each way of the turns around."""
        self._ways += 1
        if self._ways > MOST_WAYS:
            self.ask("there are too many ways through it")


class Index(Opaque):
    """A loop's index, or what is computed of it. `tree` says how, if it is a float: ``(symbol, left, right)``, where
    leaves are ints (of an Index) or ``("=", number)``. `slope` is how it grows from turn to turn of its loop; None if
    there is another loop's index in it. `key` says what it is, as far as two of a turn may be the same in all turns."""

    __slots__ = ("_home", "_value", "_tree", "_slope", "_key")
    _home: Any
    _value: Any
    _tree: Any
    _slope: int | None
    _key: Any

    def __init__(self, home: Any, value: Any, tree: Any = None, slope: int | None = 1, key: Any = None) -> None:
        self._home, self._value, self._tree, self._slope = home, value, tree, slope
        self._key = (id(home), value, slope) if tree is None and slope is not None else key

    def used(self) -> Any:
        """The number, noted by the turn that is being traced."""
        return opened(self).number_used(self._value, self._tree)

    def __getattr__(self, name: str) -> Any:
        return self._home.session.ask(f"attribute {name} of the index is asked for")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._home.session.ask("the type of the index is asked for")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self._home.session.ask("the index is made an array")

    __array_priority__ = 0.0

    def __copy__(self) -> Any:
        return self._home.session.ask("the index is copied")

    def __deepcopy__(self, _: Any) -> Any:
        return self._home.session.ask("the index is copied")


def _asks(name: str) -> Callable[..., Any]:
    def method(self: Index, *_: Any) -> Any:
        return self._home.session.ask(f"the value of the index is asked for ({name})")
    method.__name__ = name
    return method


class Derived(Index):
    """A number that is computed of an index in other ways (``i % 2``, ``i // k``): it may be compared, and no more."""

    __slots__ = ()

    def used(self) -> Any:
        """It is no number that moves evenly."""
        return self._home.session.ask(f"the value of the index is asked for ({self._tree[0]})")


for _name in ("index", "int", "float", "complex", "hash", "str", "repr", "format", "bytes", "round", "trunc",
              "floor", "ceil", "invert", "reduce", "reduce_ex", "sizeof", "dir", "len", "iter"):
    setattr(Index, f"__{_name}__", _asks(f"__{_name}__"))

_WHOLE = {operator.add: "+", operator.sub: "-", operator.mul: "*"}
_DERIVING = frozenset(("+", "-", "*", "/", "//", "%"))
_KINDS = (Index, Derived)


def _leaf(x: Any) -> Any:
    if type(x) not in _KINDS:
        return "=", x
    return x._value if x._tree is None else x._tree


def _key_of(x: Any) -> Any:
    """What tells an operand from others; None if that is not known."""
    return x._key if type(x) in _KINDS else (type(x), repr(x))


def _joined_key(symbol: str, left: Any, right: Any) -> Any:
    keys = _key_of(left), _key_of(right)
    return None if None in keys else (symbol, *keys)


def _computed(fn: Any, symbol: str, left: Any, right: Any) -> Any:
    """What an operator makes of an Index and something else, in order."""
    own, other = (left, right) if type(left) in _KINDS else (right, left)
    kind = type(other)
    if kind is Tensor or issubclass(kind, Scalar):
        return fn(*[x.used() if type(x) in _KINDS else x for x in (left, right)])
    whole = type(own) is Index and own._tree is None and (kind is int or kind is Index and other._tree is None)
    if kind in _KINDS and other._home.session is not own._home.session or kind not in (int, float, *_KINDS):
        return own._home.session.ask(f"the index is used beside a {kind.__name__}")
    values = [x._value if type(x) in _KINDS else x for x in (left, right)]
    if symbol in NEGATED:
        moves = (own._home, values[0] - values[1], _slope(operator.sub, left, right)) if whole else None
        return opened(own).tested((symbol, _leaf(left), _leaf(right)), _joined_key(symbol, left, right), moves)
    if whole and fn in _WHOLE and not (fn is operator.mul and kind is Index):
        return Index(own._home, fn(*values), None, _slope(fn, left, right))
    derives = Derived in (type(own), kind) or symbol in ("//", "%")
    if symbol not in _DERIVING or whole and not derives and fn is not operator.truediv:
        return own._home.session.ask(f"the value of the index is asked for ({symbol})")
    tree, key = (symbol, _leaf(left), _leaf(right)), _joined_key(symbol, left, right)
    result = fn(*values)
    if symbol in ("/", "//", "%") and (type(right) in _KINDS or not right):
        opened(own).notes.append(("divided", tree))
    return (Derived if derives else Index)(own._home, result, tree, None, key)


def _slope(fn: Any, left: Any, right: Any) -> int | None:
    """How a sum, difference or multiple grows from turn to turn."""
    if type(left) is Index is type(right) and left._home is not right._home:
        return None
    slopes = [x._slope if type(x) is Index else 0 for x in (left, right)]
    if None in slopes:
        return None
    if fn is operator.mul:
        return int(left._slope * right if type(left) is Index else left * right._slope)
    return int(fn(*slopes))


def _operators(name: str, fn: Any, symbol: str, reflected: bool) -> None:
    def method(self: Index, other: Any) -> Any:
        return _computed(fn, symbol, self, other)

    def mirrored(self: Index, other: Any) -> Any:
        return _computed(fn, symbol, other, self)
    setattr(Index, f"__{name}__", method)
    if reflected:
        setattr(Index, f"__r{name}__", mirrored)


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
                       "lshift": "<<", "rshift": ">>", "and": "&", "or": "|", "xor": "^", "matmul": "@",
                       "divmod": "divmod"}.items():
    _operators(_name, getattr(operator, _name + "_" * (_name in ("and", "or")), divmod), _symbol, True)
for _name, _symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    _operators(_name, getattr(operator, _name), _symbol, False)


def _negated(self: Index) -> Any:
    whole = type(self) is Derived or self._tree is None
    return _computed(operator.sub, "-", 0, self) if whole else self._home.session.ask("- of a number")


def _absolute(self: Index) -> Any:
    if type(self) is not Index or self._tree is not None:
        return self._home.session.ask("the size of a number is asked for")
    return self if self >= 0 else -self  # type: ignore[operator]


setattr(Index, "__neg__", _negated)  # noqa: B010
setattr(Index, "__pos__", lambda self: self)  # noqa: B010
setattr(Index, "__abs__", _absolute)  # noqa: B010
setattr(Index, "__bool__", lambda self: self != 0)  # noqa: B010


def opened(index: Index) -> Any:
    """The turn that is being traced, if that of the index still is."""
    home = index._home
    if home not in home.session.stack:
        home.session.ask("an index is used after its loop's turn")
    return home.session.stack[-1]


def plain(x: Any) -> Any:
    """An Index's value; anything else as it is."""
    if type(x) is not Index:
        return x
    opened(x)
    return x._home.session.ask("a float is an index") if x._tree is not None else x._value
