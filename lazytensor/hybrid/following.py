"""A call that is traced with `numbers` in their places: what it computes of them is written down, and what it uses
beside arrays becomes an operand of the dtype that NumPy gives a Python number there."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.node import leaf
from ..run import floating
from ..run.watching import active
from .numbers import DOUBLE, Number, computed
from .opaque import Asked
from .running import Abandon
from .scope import Item
from .settings import HOW, place_of
from .stretches import likely_number
from .tracing import BESIDE, Operand, Record, Result, Trace

LARGEST = 1 << 53
"""Integers up to which a float is as good."""
MOST_RECORDS = 1 << 13
"""Records of a trace in which numbers are followed: its loops are written out."""


_RESULTS = frozenset((int, float, bool, np.float64, np.bool_))


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
        self.capsule = floating.in_force()
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
            if any(type(x) is np.float64 for x in values):
                if floating.in_force() is not self.capsule:
                    self.ask("a number of NumPy's is used in another error state", of)
                with np.errstate(all="raise"):  # what would warn is the Python's
                    now = fn(*values)
            else:
                now = fn(*values)
        except Exception:
            self.asked, self.of = self.asked or "a number's operation raised an exception", of
            raise
        if self.trace.quiet:
            return now
        args = tuple([x._operand if type(x) is Number else x for x in given])
        if type(now) is tuple and fn is divmod:
            return computed(operator.floordiv, *given), computed(operator.mod, *given)
        if type(now) not in _RESULTS:
            self.ask(f"a number becomes a {type(now).__name__}", of)
        floats = type(now) is float and all([
            type(x) is float or type(value) is not Number and type(x) is int
            for x, value in zip(values, given, strict=True)])
        return Number(self, self._written(self._goes_on(own), fn, args, float if floats else None), now, of)

    def _written(self, trace: Any, fn: Any, args: tuple[Any, ...], kind: Any) -> Operand:
        """A call of a record; `kind` is `float` if it makes one of Python's floats."""
        name = f"r{len(trace.book)}"
        result = Result(f"{name}_0", None, None)
        trace.book.append(Record("call", name, fn=fn, args=args, kwargs={}, results=[result], attrs=kind))
        trace.dynamic.add(result.name)
        return Operand(result.name)

    def decided(self, x: Number) -> bool:
        """The program decides by a number."""
        if not self.trace.quiet:
            self._goes_on(x).answer(x._operand, "bool", bool(x._now))
        return bool(x._now)

    def _float(self, x: Number) -> float:
        if type(x._now) in (bool, np.bool_) or type(x._now) is int and not -LARGEST <= x._now <= LARGEST:
            self.ask("a number is used that no float is", x._of)
        return float(x._now)

    def scalar(self, x: Number) -> Any:
        """A node of the number as NumPy's functions of numbers take it."""
        return self._leaf(x, f"{x._operand.name}_alone", DOUBLE, _alone, False)

    def element(self, x: Number, dtype: Any) -> Any:
        """A node of an array without axes, which is the number as it is in an array of that dtype."""
        return self._leaf(x, f"{x._operand.name}_{dtype.char}", dtype, weak(dtype), True)

    def _leaf(self, x: Number, name: str, dtype: Any, fn: Callable[[Any], Any], array: bool) -> Any:
        trace = self._goes_on(x)
        try:
            value = fn(self._float(x))
        except Abandon:
            self.ask("a number is no element of an array", x._of)
        if name not in trace.dynamic:
            trace.book.append(_converted(name, x, dtype, len(trace.book), fn))
            trace.dynamic.add(name)
        node = leaf(np.asarray(value) if array else value, None)
        trace.slots[node.seq] = name
        return node

    def used(self, x: Number) -> Any:
        """A float of its own, so that it is known in the record; the record says whether that is as good."""
        self._goes_on(x)
        value = self._float(x)
        if type(x._now) is np.float64:
            own: Any = np.float64(value)
            self.uses[id(own)] = own, x._operand, x
            return own
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
                    kind = dtype_beside(record, i, dtypes, type(use[0]) is np.float64)
                    if kind is None:
                        return self._give_up(f"a number is an operand of {record.op.name}", use[2]._of)
                    found.add(id(x.value))
                    beside = record.op.kind == "elementwise" and record.shape
                    name = f"{use[1].name}_{kind.char}{BESIDE if beside else ''}"
                    if name not in made:
                        number = len(self.trace.book) + len(made)  # no other record's: names are read up to theirs
                        first.append(_converted(name, use[2], kind, number, weak(kind)))
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
                    whole += [*_in_two(first), *rest]
                    first, rest = [], []
        if len(found) != len(self.uses):
            of = frozenset[Any]().union(*[x._of for key, (_, _, x) in self.uses.items() if key not in found])
            return self._give_up("a number is used in a way that cannot be followed", of)
        return [*whole, *_in_two(first), *rest]

    def _holds_own(self, value: Any) -> bool:
        kind = type(value)
        if kind in (tuple, list):
            return any(map(self._holds_own, value))
        if kind is dict:
            return any(map(self._holds_own, value.values()))
        return kind in (float, np.float64) and id(value) in self.uses

    def _give_up(self, why: str, of: frozenset[Any] = frozenset()) -> Any:
        if not self.asked:
            self.asked, self.of = why, of


def _converted(name: str, x: Number, dtype: Any, number: int, fn: Callable[[Any], Any]) -> Record:
    """The record of a number as NumPy's."""
    return Record("call", f"r{number}", fn=fn, args=(x._operand,), kwargs={},
                  results=[Result(name, dtype, None)], how="number", attrs=type(x._now))


def _in_two(records: list[Record]) -> list[Record]:
    """Records that compute numbers with those first that only Python knows, as far as they need none of the others:
    what is left may be steps of one tape."""
    last: set[str] = set()
    apart: tuple[list[Record], list[Record]] = [], []
    for record in records:
        needs = {x.name for x in record.args if type(x) is Operand}
        is_last = likely_number(record) or not needs.isdisjoint(last)
        apart[is_last].append(record)
        if is_last:
            last |= {result.name for result in record.results}
    return [*apart[0], *apart[1]]


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


def dtype_beside(record: Record, i: int, dtypes: dict[str, Any], strong: bool) -> Any:
    """The dtype that NumPy gives a Python number (or one that is `strong`, as NumPy's are) as that operand;
    None if it is not known that there is nothing else to it than a value of that dtype."""
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
    if strong and record.op.kind == "mutate" and dtype != DOUBLE:
        return None
    return DOUBLE if strong else np.dtype(dtype.type(0).real.dtype.type)


@functools.cache
def weak(dtype: Any) -> Callable[[Any], Any]:
    """A Python number as NumPy takes it beside an array of a dtype; where it would warn, the call is the Python's, and
    where an integer is no float, which NumPy rounds once (`where`) or twice (arithmetic)."""
    kind, info = dtype.type, np.finfo(dtype)
    largest, smallest = float(min(info.max, np.finfo(float).max)), float(max(info.tiny, np.finfo(float).tiny))

    def weak(value: Any) -> Any:
        if value and not smallest <= abs(value) <= largest and value - value == 0:  # nan and inf stay what they are
            raise Abandon("cast")
        if type(value) is int and not -LARGEST <= value <= LARGEST:
            raise Abandon("cast")
        return kind(value)
    return kind if kind is np.float64 else weak


def _alone(value: Any) -> Any:
    """A Python number as NumPy's functions of numbers take it: of larger integers they make objects."""
    if type(value) is int and not -1 << 63 <= value < 1 << 64:
        raise Abandon("cast")
    return np.float64(value)
