"""One turn of a loop, traced so that other turns can be generated from it: what was asked for, as steps.

A `Turn` watches the body run on values that nobody knows, with an index that nobody sees (`opaque`). What it writes
down is then put as steps of a *shape*, which is the same in all turns, and *numbers*, which may move evenly from turn
to turn: positions in arrays, and whole numbers beside arrays. The body has decided nothing by its index or by values,
so three turns of one shape whose numbers move evenly say what all others are; where a number may be something else at a
border of an array is shown not to come up (`bounds`).
"""

from __future__ import annotations

import operator
from _thread import get_ident
from typing import Any, NamedTuple

import numpy as np

from ..api.handle import Tensor, seen
from ..api.indexing import ELEMENT
from ..api.scalar import Scalar
from ..ir.node import Node, make, tick
from ..ir.operation import Operation, register
from ..run import floating
from ..run.watching import PASS
from .opaque import Index, Session, plain
from .running import copied
from .tracing import Operand, Record, Trace

_VIEW, _LEAF = Operation.VIEW, Operation.LEAF
_getitem = operator.getitem
LARGEST = 4096
"""Bytes of an array that the body makes of no array and that is a constant of the program."""
UNKNOWN = register("state of a loop", "call", copied)
"""What stands for a value at the beginning of a turn. Whoever else asks for it gets that of the loop's beginning."""
SAMPLES = 3
"""Turns that show what the others are."""
HOLE = "#"
"""The place of a number in a shape."""


class Step(NamedTuple):
    """A record of a turn, or something else that was noted: what it does, and its numbers."""

    shape: Any
    numbers: tuple[int, ...]


class Sheet:
    """The records of a turn: a `Book` that looks for no loops."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def __len__(self) -> int:
        return len(self.records)

    def write(self, trace: Any, start: int, targets: list[Any], depth: int | None = None) -> None:
        """As `Trace.record`."""
        trace.write(self.records, targets, depth)

    def append(self, record: Record) -> None:
        """Any other record."""
        self.records.append(record)

    def name(self, seq: int) -> None:
        """The trace knows all names."""

    def changes(self, name: str) -> bool:
        """Whether a value is no constant."""
        return True


class Inputs:
    """What a loop reads besides its state, by name, the same in each of its turns: values from before (``w0``), and
    constants (``c0``)."""

    def __init__(self) -> None:
        self.values: dict[int, tuple[str, Node]] = {}
        self.constants: dict[Any, tuple[str, Any]] = {}

    def value(self, node: Node) -> str:
        """The name of a value from before the turn."""
        return self.values.setdefault(node.seq, (f"w{len(self.values)}", node))[0]

    def constant(self, array: Any) -> str:
        """The name of an array that the body has made."""
        key = array.dtype.str, array.dtype.char, array.shape, array.strides, array.tobytes()
        return self.constants.setdefault(key, (f"c{len(self.constants)}", array))[0]


class Turn(Trace):
    """The watcher of one turn."""

    hides = True

    def __init__(self, session: Session, inputs: Inputs, outer: Any) -> None:
        self.ident = get_ident()
        self.session, self.inputs, self.outer = session, inputs, outer
        self.start = tick()
        self.slots, self.plain, self.dynamic, self.real = {}, {}, set(), set()
        self.book: Any = Sheet()
        self.waits, self.quiet, self.refusal, self.errstate, self.lost = True, 0, None, None, False
        self.roots, self.names, self.constants, self.generators, self.left = {}, {}, {}, {}, {}
        self.capsule = floating.in_force()
        self.notes: list[Any] = []
        self.written: dict[int, tuple[Tensor, Node]] = {}
        self.floats: dict[int, tuple[Any, Any]] = {}
        self.ends: dict[int, Node] = {}
        self.measured_any = False
        self._index: tuple[Any, Any] = (None, None)

    def give_up(self, why: str) -> Any:
        """Ends the turn: the loop cannot be generated."""
        return self.session.ask(why)

    # ---- what the body may do ----

    def number_used(self, value: Any, tree: Any) -> Any:
        """A number that is an operand: one of its own, if it is a float, so that it is known in the record."""
        if tree is None:
            self.notes.append(("number", value))
            return value
        own = value + 0.0 if value else value * 1.0  # another object of the same bits
        self.floats[id(own)] = own, tree
        return own

    def indexed(self, t: Any, index: Any) -> Any:
        """An index of an array, in plain numbers."""
        if index is not self._index[0]:
            self._index = index, _plain_index(index)
        found = self._index[1]
        if found is not index or t._value.__class__ is not Node:
            self.notes.append(("access", t._value.shape, found))
        return found

    def measured(self, t: Any) -> None:
        """The program looks at an array's length."""
        self.measured_any = True

    def goes_on(self, condition: Any) -> None:
        """The loop ends before this turn unless that is true."""
        if not (issubclass(type(condition), Scalar) or type(condition) is Tensor and condition._value.shape == ()):
            self.give_up("its condition is no value")
        self.book.append(Record("while", f"r{len(self.book)}", (self.reference(condition),)))

    def writes(self, root: Any) -> None:
        """A root from before the turn gets another value."""
        if root._value.seq <= self.start:
            self.written.setdefault(id(root), (root, root._value))

    def postpones(self, node: Node) -> bool:
        """Nothing is computed."""
        return True

    def slot_of(self, node: Node) -> str:
        """The name of a node's value."""
        name = self.slots.get(node.seq)
        if name is None:
            if node.seq <= self.start:
                name = self.inputs.value(node)
            elif node.op is _LEAF and node.buffer is not None and type(node.buffer) is np.ndarray and (
                    node.buffer.nbytes <= LARGEST and not node.dtype.hasobject):
                name = self.inputs.constant(node.buffer)
            else:
                self.give_up("it reads something that is no value of the loop")
            self.slots[node.seq] = name = str(name)
        return name

    def _note_state(self, errstate: Any) -> None:
        self.errstate = errstate

    # ---- what it may not ----

    def realizing(self, targets: list[Node]) -> None:
        """Nothing has a value."""
        self.give_up("a value is computed")

    def _answered(self, t: Any, how: str) -> Any:
        node = t._value if type(t) is Tensor else t._node
        root = node if type(node) is Node else node.root._value
        if type(t) is Tensor and root.op is _LEAF and root.buffer is not None and root.seq > self.start:
            return seen(t)  # what the body has made of plain numbers
        return self.give_up("a value is looked at")

    def checked(self, t: Any) -> Any:
        """A value looked at by a check."""
        return self._answered(t, "bytes")

    def eager(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], take: Any) -> Any:
        """A call of NumPy's on values: of constants, it may be made."""
        for x in (*args, *kwargs.values()):
            if type(x) is Tensor:
                self._answered(x, "bytes")
            elif type(x) is Index or issubclass(type(x), (Scalar, np.random.Generator, np.random.RandomState)):
                self.give_up("NumPy runs on values")
        return self.give_up("random numbers are drawn") if isinstance(getattr(fn, "__self__", None), (
            np.random.Generator, np.random.RandomState)) else PASS

    def another_thread(self) -> None:
        """Somebody else computes with its values."""
        self.give_up("another thread computes with its arrays")

    def failed(self) -> None:
        """Nothing is computed, so nothing fails."""

    def gave(self, t: Any) -> None:
        """Memory is given out."""
        self.give_up("memory of an array is given out")

    def foreign(self) -> None:
        """Memory of somebody else's is read."""
        self.give_up("memory from outside is read")

    def print(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """`lt.debug.print`."""
        self.give_up("it prints")

    def refuse(self, why: str) -> None:
        """The trace would refuse."""
        self.give_up(why)


def unknown(node: Node) -> Node:
    """A node that stands for a value of the same geometry."""
    return make(UNKNOWN, (node,), None, node.shape, node.dtype, node.strides, floating.in_force(), 1)


def _plain_index(index: Any) -> Any:
    kind = type(index)
    if kind is Index:
        return plain(index)
    if kind is slice:
        parts = index.start, index.stop, index.step
        return slice(*map(plain, parts)) if any(type(x) is Index for x in parts) else index
    if kind is tuple:
        found = tuple(map(_plain_index, index))
        return index if all(map(operator.is_, found, index)) else found
    return index


# ---- steps -----------------------------------------------------------------------------------------------------------


class Irregular(Exception):
    """A record that cannot be a step."""


_POWERS = (np.power, np.float_power, operator.pow)


def steps_of(turn: Turn) -> list[Step]:
    """The records of a turn, in order, and what was noted, as steps."""
    maker = _Maker(turn)
    found = [maker.step(record) for record in turn.book.records]
    used = [note[1] for note in turn.notes if note[0] == "number"]
    if any(used.count(x) > maker.plain_numbers.count(x) for x in set(used)) or maker.floats != set(turn.floats):
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

    def step(self, r: Record) -> Step:
        numbers: list[int] = []
        if r.kind == "loop":
            body = r.attrs
            shape = ("loop", r.name, body, r.operands)
            return Step(shape, r.args)
        if r.kind == "while":
            return Step(("while", self._operand(r.operands[0], r, 0, numbers)), tuple(numbers))
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
        if "together" in options or "form" in options or "out" in options:
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
    if value is None or value is Ellipsis or kind in (int, bool, str, type) or isinstance(value, np.dtype):
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
