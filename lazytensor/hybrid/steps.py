"""What a turn of a loop did, as steps: a *shape*, which is the same in all turns, and *numbers*, which may move.

A number is a hole in a shape where it is a whole number that indexes an array, or that stands beside one; everything
else belongs to the shape, and so does the place of each value: the record that made it, the state, or what was there.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..api.indexing import ELEMENT
from .closeness import operations
from .following import dtype_beside
from .tracing import Operand, Record
from .turns import Turn

_getitem = operator.getitem
_DOUBLE = np.dtype(np.float64)
HOLE = "#"
"""The place of a number in a shape."""


class Step(NamedTuple):
    """A record of a turn, or something else that was noted: what it does, and its numbers; of all turns, pairs of what
    each is in the first one and what it grows by."""

    shape: Any
    numbers: tuple[Any, ...]


class Irregular(Exception):
    """A record that cannot be a step."""


_POWERS = (np.power, np.float_power, operator.pow)


def steps_of(turn: Turn) -> list[Step]:
    """The records of a turn, in order, and what was noted, as steps."""
    maker = _Maker(turn)
    dtypes = maker.dtypes
    found: list[Step] = []
    for record in turn.book.records:
        more = operations(record, dtypes, lambda name, value=None: Operand(name, None, value)) if record.kind == (
            "operation") and record.op.name == "isclose" else None
        found += map(maker.step, more or [record])
        if record.kind == "operation":
            dtypes[record.name] = record.dtype
    used = [note[1] for note in turn.notes if note[0] == "number"]
    if any(used.count(x) > maker.plain_numbers.count(x) for x in set(used)) or (
            maker.floats != set(turn.floats) or turn.how != "raises" and (
                maker.doubles != set(turn.doubles))):  # else what is not computed any more may not be there
        raise Irregular  # a number was used otherwise than as it is
    for kind, *rest in turn.notes:
        if kind == "access":
            found += _accesses(*rest)
        elif kind == "turns":
            found.append(Step(("turns",), (rest[0],)))
        elif kind == "divided":
            numbers: list[int] = []
            shape = "divided", split_tree(rest[0], numbers)
            found.append(Step(shape, tuple(numbers)))
    return found


class _Maker:
    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.plain_numbers: list[int] = []
        self.floats: set[int] = set()
        self.doubles: set[int] = set()
        inputs = turn.inputs
        self.dtypes = {**turn.dtypes, **{name: node.dtype for name, node in inputs.values.values()},
                       **{name: array.dtype for name, array in inputs.constants.values()}}

    def step(self, r: Record) -> Step:
        numbers: list[int] = []
        if r.kind == "loop":
            body = r.attrs
            shape = ("loop", r.name, body, r.operands)
            return Step(shape, r.args)
        if r.kind == "choice" and not r.operands:
            symbol, *sides = r.attrs
            return Step(("if", ("test", symbol, *[split_tree(x, numbers) for x in sides])), tuple(numbers))
        if r.kind in ("while", "choice"):
            kind = "if" if r.kind == "choice" else "while" if r.outcome else "until"
            return Step((kind, self._operand(r.operands[0], r, 0, numbers)), tuple(numbers))
        if r.kind != "operation" or r.dtype.hasobject or r.errstate is not self.turn.capsule:
            raise Irregular
        op = r.op
        attrs = self._attributes(r, numbers)
        operands = tuple([self._operand(x, r, k, numbers) for k, x in enumerate(r.operands)])
        size = tuple([_hole(n, numbers) for n in r.shape])
        return Step((op, r.name, operands, attrs, size, r.dtype, r.strides), tuple(numbers))

    def _attributes(self, r: Record, numbers: list[int]) -> Any:
        kind, op = r.op.kind, r.op
        if op is ELEMENT:
            return split_index(r.attrs[0][1], numbers)
        if kind == "mutate":
            steps, extra = r.attrs
            if op.step == "store":
                return _split_steps(steps, numbers), split_index(extra[0], numbers)
            return _split_steps(steps, numbers), _literal(extra)
        if kind not in ("elementwise", "scalar", "call"):
            raise Irregular
        options = dict(r.attrs) if r.attrs else {}
        if "together" in options or "out" in options:
            raise Irregular
        return _literal(r.attrs)

    def _operand(self, x: Operand, r: Record, position: int, numbers: list[int]) -> Any:
        if x.name is not None:
            if x.name[0] == "c" and r.op is not None and r.op.step == "store" and position == 1 and not x.steps and (
                    number := self._whole(x.name)) is not None:
                self.plain_numbers.append(number)
                return "number", _hole(number, numbers)
            return "value", x.name, None if x.steps is None else _split_steps(x.steps, numbers)
        value = x.value
        if id(value) in self.turn.floats:
            self.floats.add(id(value))
            return "float", split_tree(self.turn.floats[id(value)][1], numbers)
        if id(value) in self.turn.doubles:
            if dtype_beside(r, position, self.dtypes, False) != _DOUBLE:
                raise Irregular
            self.doubles.add(id(value))
            return "value", self.turn.doubles[id(value)][1], None
        if type(value) is int and r.op.kind in ("elementwise", "scalar") and r.op.fn not in _POWERS:
            self.plain_numbers.append(value)
            return "number", _hole(value, numbers)
        return "constant", _literal(value)

    def _whole(self, name: str) -> int | None:
        """A constant without axes as a whole number that is stored as its bits."""
        array = next(a for n, a in self.turn.inputs.constants.values() if n == name)
        if array.shape or array.dtype.char not in "bBhHiIlLqQdf" or not array.dtype.isnative:
            return None
        value = array[()]
        whole = int(value) if array.dtype.kind != "f" or np.isfinite(value) and abs(value) < 1 << 24 else None
        return whole if whole is not None and array.dtype.type(whole).tobytes() == array.tobytes() else None


def _hole(value: int, numbers: list[int]) -> str:
    numbers.append(value)
    return HOLE


def split_index(index: Any, numbers: list[int]) -> Any:
    """An index with holes for its whole numbers."""
    kind = type(index)
    if kind is int:
        return _hole(index, numbers)
    if kind is slice:
        return "slice", *[None if x is None else _bound(x, numbers) for x in (index.start, index.stop, index.step)]
    if kind is tuple:
        return "tuple", *[split_index(x, numbers) for x in index]
    if index is None or index is Ellipsis:
        return "=", index
    raise Irregular


def index_of(index: Any, given: Iterator[int]) -> Any:
    """The index with numbers in its holes."""
    if index == HOLE:
        return next(given)
    kind, *parts = index
    if kind == "slice":
        return slice(*[None if x is None else next(given) for x in parts])
    return tuple([index_of(x, given) for x in parts]) if kind == "tuple" else parts[0]


def holes(index: Any) -> int:
    """How many numbers an index has."""
    return int(index == HOLE) if type(index) is not tuple else sum(map(holes, index))


def _bound(x: Any, numbers: list[int]) -> str:
    if type(x) is not int:
        raise Irregular
    return _hole(x, numbers)


def _split_steps(steps: Any, numbers: list[int]) -> Any:
    return tuple([(fn, split_index(args[0], numbers) if fn is _getitem else _literal(args)) for fn, args in steps])


def split_tree(tree: Any, numbers: list[int]) -> Any:
    """A float's way of computing, with holes for whole numbers that may move."""
    if type(tree) is int:
        return _hole(tree, numbers)
    if tree[0] == "=":
        return "=", _literal(tree[1])
    return tree[0], split_tree(tree[1], numbers), split_tree(tree[2], numbers)


class Literal:
    """A plain value, compared to the bit."""

    __slots__ = ("value", "_key")

    def __init__(self, value: Any) -> None:
        self.value, self._key = value, _key_of(value)

    def __eq__(self, other: object) -> bool:
        return type(other) is Literal and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _literal(value: Any) -> Literal:
    return Literal(value)


def _key_of(value: Any) -> Any:
    kind = type(value)
    if kind is tuple:
        return kind, tuple(map(_key_of, value))
    if kind is slice:
        return kind, _key_of((value.start, value.stop, value.step))
    if kind is float or kind is complex:
        return kind, repr(value)
    if issubclass(kind, np.generic) and not value.dtype.hasobject:
        return kind, value.dtype, value.tobytes()
    if value is None or value is Ellipsis or kind in (int, bool, str, type, type(np._NoValue)) or isinstance(
            value, np.dtype):
        return kind, value
    if isinstance(value, type) and issubclass(value, np.generic):
        return type, value
    if kind is bytes:
        return kind, value
    raise Irregular


def _accesses(shape: tuple[int, ...], index: Any) -> list[Step]:
    """What has to be shown of an index: for whole numbers and slices, that they do not come to a border."""
    parts = list(index) if type(index) is tuple else [index]
    if any(type(x) is not int and type(x) is not slice and x is not None and x is not Ellipsis for x in parts):
        return []  # with an index array: these are the same in all turns, or no steps
    taken = sum(x is not None and x is not Ellipsis for x in parts)
    axis, found = 0, []
    for x in parts:
        if x is Ellipsis:
            axis += len(shape) - taken
        elif x is not None:
            n = shape[axis]
            axis += 1
            if type(x) is int:
                found.append(Step(("int",), (x, n)))
            else:
                bounds = [x.start, x.stop, x.step]
                found.append(Step(("slice", *[b is not None for b in bounds]),
                                  tuple([b for b in bounds if b is not None] + [n])))
    return found
