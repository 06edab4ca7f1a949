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

import builtins
import contextlib
import functools
import math
import operator
import types
from _thread import get_ident
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..api.handle import Tensor, tensor
from ..api.scalar import Scalar, scalar
from ..ir.node import leaf
from ..run.watching import Opaque, active
from .opaque import Asked
from .running import Abandon
from .scope import Item, Scope, _globals_of, is_users
from .settings import HOW, place_of
from .tracing import BESIDE, Operand, Record, Result, Trace

KINDS = (int, float)
"""The types of what is followed."""
LARGEST = 1 << 53
"""Integers up to which a float is as good."""
MOST_RECORDS = 1 << 13
"""Records of a trace in which numbers are followed: its loops are written out."""


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
        return tensor(self._home.leaf(self, np.dtype(dtype.type(0).real.dtype.type), True))

    def scalar(self) -> Any:
        return scalar(self._home.leaf(self, _DOUBLE)) if _is_followed(self) else None

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
            if type(getattr(value, name, None)) is Number:
                object.__setattr__(value, name, getattr(value, name)._now)
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


def _computed(fn: Any, *given: Any) -> Any:
    """What an operator gives of Numbers and other numbers, in order."""
    own = next(x for x in given if type(x) is Number)
    values = [x._now if type(x) is Number else x for x in given]
    if not _is_followed(own):
        return fn(*values)
    home = own._home
    for x in given:
        kind = type(x)
        if kind is Tensor or issubclass(kind, Scalar):
            return fn(*[home.used(x) if type(x) is Number else x for x in given])
        if kind not in _SIMPLE:
            if issubclass(kind, (np.generic, complex, Opaque)):
                home.ask(f"a number is used beside a {kind.__name__}", own._of)
            return NotImplemented if fn in _BINARY else fn(*values)
    return home.computed(fn, given, values)


_BINARY: set[Any] = set()
_SIMPLE = frozenset((Number, int, float, bool))
_COMPARISONS = {operator.lt: "lt", operator.le: "le", operator.gt: "gt", operator.ge: "ge", operator.eq: "eq",
                operator.ne: "ne"}


def _operators(name: str, fn: Any, reflected: bool) -> None:
    def method(self: Number, other: Any) -> Any:
        return _computed(fn, self, other)

    def mirrored(self: Number, other: Any) -> Any:
        return _computed(fn, other, self)
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
    _operators(_name, _fn, False)


def _unary(name: str, fn: Any) -> None:
    setattr(Number, f"__{name}__", lambda self: _computed(fn, self))


for _name in ("neg", "pos", "abs", "invert"):
    _unary(_name, getattr(operator, _name))


setattr(Number, "__round__", lambda self, *digits: _computed(round, self, *digits))  # noqa: B010
for _name in ("trunc", "floor", "ceil"):
    _unary(_name, getattr(math, _name))


_OF_MATH = {name: getattr(math, name) for name in (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "copysign", "cos", "cosh", "degrees", "erf",
    "erfc", "exp", "expm1", "fabs", "floor", "fmod", "gamma", "gcd", "hypot", "isfinite", "isinf", "isnan", "lgamma",
    "log", "log10", "log1p", "log2", "pow", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc")}


def _of_math(fn: Any) -> Callable[..., Any]:
    @functools.wraps(fn)
    def function(*args: Any) -> Any:
        return _computed(fn, *args) if any(type(x) is Number for x in args) else fn(*args)
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


class Numbers:
    """The Numbers of one traced call.

    Attributes
    ----------
    places : dict of tuple to (str, Item)
        By `Item.where`: the name of a place's number in the program, and the place.
    asked : str
        Why they cannot be followed, or "".
    of : the keys of the places whose value was asked for
    """

    def __init__(self, trace: Trace, places: dict[Any, tuple[str, Item]]) -> None:
        self.trace, self.places = trace, places
        self.asked, self.of = "", frozenset[Any]()
        self.closed = False
        self.uses: dict[int, tuple[Any, Operand, Number]] = {}
        trace.numbers = self
        trace.dynamic.update(name for name, _ in places.values())

    def install(self) -> None:
        """Puts them in their places."""
        for name, item in self.places.values():
            self._bind(item, Number(self, Operand(name), item.value, frozenset((item.key_of,))))

    def _bind(self, item: Item, value: Any) -> None:
        place = place_of(item)
        assert place is not None
        HOW[place[0]](item.holder, place[1], value)

    def ask(self, why: str, of: frozenset[Any] = frozenset()) -> Any:
        """Ends the call."""
        if not self.asked:
            self.asked, self.of = why, of
        raise Asked(why)

    def _goes_on(self, x: Number) -> Any:
        """The trace, if it is the one that is being made."""
        trace = self.trace
        if trace.refusal is not None or trace not in active:
            self.ask("a number is used where it cannot be followed", x._of)
        if len(trace.book) > MOST_RECORDS:
            self.ask("numbers are used in a call that is too long", x._of)
        return trace

    def computed(self, fn: Any, given: tuple[Any, ...], values: list[Any]) -> Any:
        """What Python computes, written down."""
        of: frozenset[Any] = frozenset().union(*[x._of for x in given if type(x) is Number])
        own = next(x for x in given if type(x) is Number)
        try:
            now = fn(*values)
        except Exception:
            self.asked, self.of = self.asked or "a number's operation raised an exception", of
            raise
        if self.trace.quiet:
            return now
        args = tuple([x._operand if type(x) is Number else x for x in given])
        if type(now) is tuple and fn is divmod:
            return _computed(operator.floordiv, *given), _computed(operator.mod, *given)
        if type(now) not in (int, float, bool):
            self.ask(f"a number becomes a {type(now).__name__}", of)
        return Number(self, self._written(self._goes_on(own), fn, args), now, of)

    def _written(self, trace: Any, fn: Any, args: tuple[Any, ...]) -> Operand:
        name = f"r{len(trace.book)}"
        result = Result(f"{name}_0", None, None)
        trace.book.append(Record("call", name, fn=fn, args=args, kwargs={}, results=[result]))
        trace.dynamic.add(result.name)
        return Operand(result.name)

    def decided(self, x: Number) -> bool:
        """The program decides by a number."""
        if not self.trace.quiet:
            self._goes_on(x).answer(x._operand, "bool", bool(x._now))
        return bool(x._now)

    def _float(self, x: Number) -> float:
        if type(x._now) is bool or type(x._now) is int and not -LARGEST <= x._now <= LARGEST:
            self.ask("a number is used that no float is", x._of)
        return float(x._now)

    def leaf(self, x: Number, dtype: Any, array: bool = False) -> Any:
        """A node of the number as it is in an array of that dtype."""
        trace, name = self._goes_on(x), f"{x._operand.name}_{dtype.char}"
        try:
            value = weak(dtype)(self._float(x))
        except Abandon:
            self.ask("a number is no element of an array", x._of)
        if name not in trace.dynamic:
            trace.book.append(_converted(name, x._operand, dtype, len(trace.book)))
            trace.dynamic.add(name)
        node = leaf(np.asarray(value) if array else value, None)
        trace.slots[node.seq] = name
        return node

    def used(self, x: Number) -> Any:
        """A float of its own, so that it is known in the record; the record says whether that is as good."""
        self._goes_on(x)
        value = self._float(x)
        own = value + 0.0 if value else value * 1.0  # another object of the same bits
        self.uses[id(own)] = own, x._operand, x
        return own

    # ---- afterwards ----

    def resolved(self, leaves: dict[str, Any]) -> list[Record] | None:
        """The trace's records with the numbers as operands, those that compute them before what they are used for, as
        far up as answers allow; None, with `asked`, if one is used otherwise. `leaves` has the dtypes of values."""
        records, loops = self.trace.finish()
        if loops:
            return self._give_up("a loop was generated")
        dtypes, found, made = dict(leaves), set(), set[str]()
        first: list[Record] = []
        rest: list[Record] = []
        whole: list[Record] = []
        for record in records:
            if record.kind == "operation":
                dtypes[record.name] = record.dtype
                operands = list(record.operands)
                for i, x in enumerate(operands):
                    use = self.uses.get(id(x.value)) if x.name is None else None
                    if use is None or use[0] is not x.value:
                        continue
                    kind = _dtype_beside(record, i, dtypes)
                    if kind is None:
                        return self._give_up(f"a number is an operand of {record.op.name}", use[2]._of)
                    found.add(id(x.value))
                    beside = record.op.kind == "elementwise" and record.shape
                    name = f"{use[1].name}_{kind.char}{BESIDE if beside else ''}"
                    if name not in made:
                        first.append(_converted(name, use[1], kind, 0))
                        made.add(name)
                        dtypes[name] = kind
                    operands[i] = Operand(name)
                if any(map(_holds_number, (record.attrs, operands))):
                    return self._give_up("a number is used in a way that cannot be followed")
                rest.append(record.copy(record.name, tuple(operands)))
            elif record.kind == "call" and (record.how == "number" or _is_computed(record)):
                for result in record.results:
                    if result.name in made:
                        break
                    made.add(result.name)
                    dtypes[result.name] = result.dtype
                else:
                    first.append(record)
            else:
                if _holds_number((record.args, record.kwargs)) or self._holds_own((record.args, record.kwargs)):
                    return self._give_up("a number is used in a way that cannot be followed")
                for result in record.results or ():
                    dtypes[result.name] = result.dtype
                rest.append(record)
                if record.kind == "answer":
                    whole += [*first, *rest]
                    first, rest = [], []
        if len(found) != len(self.uses):
            of = frozenset[Any]().union(*[x._of for key, (_, _, x) in self.uses.items() if key not in found])
            return self._give_up("a number is used in a way that cannot be followed", of)
        return [*whole, *first, *rest]

    def _holds_own(self, value: Any) -> bool:
        kind = type(value)
        if kind in (tuple, list):
            return any(map(self._holds_own, value))
        if kind is dict:
            return any(map(self._holds_own, value.values()))
        return kind is float and id(value) in self.uses

    def _give_up(self, why: str, of: frozenset[Any] = frozenset()) -> Any:
        if not self.asked:
            self.asked, self.of = why, of


_DOUBLE = np.dtype(np.float64)


def _converted(name: str, operand: Operand, dtype: Any, number: int) -> Record:
    """The record of a number as NumPy's."""
    return Record("call", f"r{number}", fn=weak(dtype), args=(operand,), kwargs={},
                  results=[Result(name, dtype, None)], how="number")


def _is_computed(record: Record) -> bool:
    return len(record.results) == 1 and record.results[0].dtype is None and record.errstate is None


def _holds_number(value: Any) -> bool:
    """Whether a Number is somewhere within a value of a record."""
    kind = type(value)
    if kind is Number:
        return True
    if kind is Operand:
        return _holds_number(value.value) or value.steps is not None and _holds_number(value.steps)
    if kind in (tuple, list):
        return any(map(_holds_number, value))
    if kind is slice:
        return any(map(_holds_number, (value.start, value.stop, value.step)))
    return kind is dict and any(map(_holds_number, value.values()))


# ---- beside arrays ---------------------------------------------------------------------------------------------------

_ARITHMETIC = frozenset((np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.fmax, np.fmin,
                         operator.add, operator.sub, operator.mul, operator.truediv, np.less, np.less_equal, np.greater,
                         np.greater_equal, np.equal, np.not_equal))


_NAMES = frozenset(getattr(fn, "__name__", "") for fn in _ARITHMETIC)


def _dtype_beside(record: Record, i: int, dtypes: dict[str, Any]) -> Any:
    """The dtype that NumPy gives a Python number as that operand; None if it is not known that there is nothing else to
    it than a value of that dtype."""
    others = [x for k, x in enumerate(record.operands) if k != i]
    if i and len(others) == 2 and (record.op.name == "where" or record.op.step == "part"):
        del others[0]  # the condition; the array of which a part is written
    if len(others) != 1 or others[0].name is None:
        return None
    dtype = others[0].laid[1] if others[0].laid is not None else dtypes.get(others[0].name)
    if dtype is None or dtype.kind not in "fc" or dtype.hasobject or not dtype.isnative:
        return None
    if record.op.kind == "mutate":
        if record.op.step != "part" or any(record.attrs[1]) or record.op.name.partition("_into")[0] not in _NAMES:
            return None
    elif record.op.name == "where":
        pass
    elif record.op.kind not in ("elementwise", "scalar") or record.op.fn not in _ARITHMETIC or record.attrs:
        return None
    return np.dtype(dtype.type(0).real.dtype.type)


@functools.cache
def weak(dtype: Any) -> Callable[[Any], Any]:
    """A Python number as NumPy takes it beside an array of a dtype; where it would warn, the call is the Python's."""
    kind, info = dtype.type, np.finfo(dtype)
    largest, smallest = float(min(info.max, np.finfo(float).max)), float(max(info.tiny, np.finfo(float).tiny))

    def weak(value: Any) -> Any:
        if value and not smallest <= abs(value) <= largest and value - value == 0:  # nan and inf stay what they are
            raise Abandon("cast")
        return kind(value)
    return kind if kind is np.float64 else weak


# ---- which functions -------------------------------------------------------------------------------------------------

_BUILTINS = frozenset((
    "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "filter", "float", "frozenset", "int", "isinstance",
    "issubclass", "len", "list", "map", "max", "min", "object", "pow", "print", "range", "repr", "reversed", "round",
    "set", "setattr", "getattr", "hasattr", "slice", "sorted", "str", "sum", "super", "tuple", "zip", "property",
    "staticmethod", "classmethod", "callable", "True", "False", "None", "NotImplemented", "__debug__"))
_ROOMS = frozenset(("math", "operator", "builtins", "numpy", "lazytensor", "collections", "dataclasses", "functools",
                    "types", "typing", "abc", "enum", "_operator", "_functools", "_collections", "array"))
_UNKNOWN = frozenset(("__dict__", "vars", "type", "id", "globals", "locals", "eval", "exec", "open", "__import__",
                      "__weakref__", "_getframe"))


def uncontained(scope: Scope) -> str:
    """What a function reaches that is not the program's own objects, arrays or numbers, in words: what it does there
    could not be put back. "" if there is nothing."""
    for name in scope.names & _UNKNOWN:
        return name
    for code in scope.codes:
        if code.co_flags & _GENERATOR or "IMPORT_NAME" in _opcodes(code):
            return f"what {code.co_qualname} imports or yields" if not code.co_name.startswith("<gen") else ""
        for name in _globals_of(code):
            if hasattr(builtins, name) and name not in _BUILTINS and not (
                    isinstance(getattr(builtins, name), type) and issubclass(getattr(builtins, name), BaseException)):
                if any(key == name for _, key in scope.missing):
                    return name
    for item in scope.items:
        if item.form == "H[K]" and not _is_own(item.value):
            return item.words
    return next((str(type(x)) for x in scope.objects.values() if not _is_own(x)), "")


_GENERATOR = 0x20 | 0x80 | 0x200


@functools.lru_cache(1024)
def _opcodes(code: types.CodeType) -> frozenset[str]:
    import dis
    return frozenset(dis.opname[op] for op in code.co_code[::2])


def _is_own(value: Any) -> bool:
    if isinstance(value, types.ModuleType):
        return is_users(value.__name__) or _room(value.__name__) in _ROOMS
    if isinstance(value, type) or callable(value) and hasattr(value, "__module__"):
        room = value.__module__
        if room is None:
            room = type(value).__module__
        return is_users(room) or _room(room) in _ROOMS
    kind = type(value)
    return is_users(kind.__module__) or _room(kind.__module__) in _ROOMS


def _room(name: Any) -> str:
    return str(name).partition(".")[0]


# ---- putting back ----------------------------------------------------------------------------------------------------


class Snapshot:
    """What the objects that a function reaches hold, to be put back."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Any]] = {}

    def take(self, objects: Iterator[Any] | list[Any]) -> None:
        """Notes what these hold now, if it is not noted yet."""
        for value in objects:
            if type(value) is Tensor or issubclass(type(value), Scalar):
                continue
            for holder in (value, None if isinstance(value, (type, types.ModuleType, types.FunctionType)) else
                           getattr(value, "__dict__", None)):
                if isinstance(holder, _CONTAINERS) and id(holder) not in self._kept:
                    self._kept[id(holder)] = holder, _elements(holder)

    def put_back(self) -> None:
        """Has them hold it again."""
        for holder, was in self._kept.values():
            now = _elements(holder)
            if len(now) == len(was) and all(map(operator.is_, _flat(now), _flat(was))):
                continue
            holder.clear()
            holder.update(was) if isinstance(holder, (dict, set)) else holder.extend(was)


def _elements(holder: Any) -> Any:
    return dict(holder) if isinstance(holder, dict) else list(holder)


def _flat(elements: Any) -> list[Any]:
    return [*elements, *elements.values()] if isinstance(elements, dict) else elements


import collections  # noqa: E402

_CONTAINERS = (list, dict, set, collections.deque, bytearray)
