"""One turn of a loop, traced so that other turns can be generated from it: what was asked for, as steps.

A `Turn` watches the body run on values that nobody knows, with an index that nobody sees (`opaque`). The body decides
nothing by its index or by values then, so turns that are alike, but for numbers that move evenly, say what all others
are (`steps`); that a number is not something else at a border of an array is shown besides (`bounds`).
"""

from __future__ import annotations

import functools
import operator
from _thread import get_ident
from collections.abc import Callable
from typing import Any

import numpy as np

from ..api.build import users_frame
from ..api.handle import Tensor, seen
from ..api.scalar import Scalar
from ..ir.node import Node, make, tick
from ..ir.operation import Operation, register
from ..run import floating
from ..run.watching import PASS, mine
from .closeness import ALIKE, alike, close_numbers
from .intervals import NEGATED, Span, where
from .opaque import Index, Session, plain
from .running import copied
from .tracing import Record, Trace

_VIEW, _LEAF = Operation.VIEW, Operation.LEAF
_getitem = operator.getitem
LARGEST = 4096
"""Bytes of an array that the body makes of no array and that is a constant of the program."""
UNKNOWN = register("state of a loop", "call", copied)
"""What stands for a value at the beginning of a turn. Whoever else asks for it gets that of the loop's beginning."""
SAMPLES = 3
"""Turns that show what the others are."""
FAR = 1 << 62
"""A turn after all others."""
DEEPEST = 8
"""Decisions of one turn."""


@functools.lru_cache(64)
def noting(capsule: Any) -> Any:
    """An error state under which what NumPy would warn of (of constants: nothing else is computed) ends no turn, but is
    noted by it as if it had raised."""
    return floating.calling(capsule, _warns)


def _warns(kind: str, flag: int) -> None:
    watcher = mine()
    if type(watcher) is Turn:
        watcher.warns = True


class Left(BaseException):
    """Ends a way on which a loop's condition is false."""


class Elsewhere(BaseException):
    """Ends a way that no turn goes with the present index; it is begun again with another one."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


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
    new_inner: Any = None

    def __init__(self, session: Session, inputs: Inputs, outer: Any, explores: Callable[[], bool] = bool,
                 script: tuple[bool, ...] = (), at: int = 0, span: Span | None = None, moves: bool = False) -> None:
        self.ident = get_ident()
        self.at, self.span, self.goes, self.moves = at, span, span, moves
        self.elsewhere: int | None = None
        self.by_value = False
        self.explores, self.script = explores, script
        self.decided: list[bool] = []
        self.truths: dict[Any, bool] = {}
        self.how, self.warns = "goes", False
        self.session, self.inputs, self.outer = session, inputs, outer
        self.start = tick()
        self.slots, self.plain, self.dynamic, self.real = {}, {}, set(), set()
        self.book: Any = Sheet()
        self.waits, self.quiet, self.refusal, self.errstate, self.lost = True, 0, None, None, False
        self.roots, self.names, self.constants, self.generators, self.left = {}, {}, {}, {}, {}
        self.picks = {}
        self.capsule = floating.in_force()
        self.notes: list[Any] = []
        self.written: dict[int, tuple[Tensor, Node]] = {}
        self.floats: dict[int, tuple[Any, Any]] = {}
        self.ends: dict[int, Node] = {}
        self.measured_any = False
        self._index: tuple[Any, Any] = (None, None)
        self.exit: Any = None
        self.codes: list[Any] = []
        self.inner: Any = None
        self.noted: Any = None
        self.numbers_carried = False
        self.dtypes: dict[str, Any] = {}
        self.doubles: dict[int, tuple[float, str | None]] = {}

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

    def float_used(self, own: Any) -> float:
        """A number that a loop carries (`floats`) as an operand, of which its scalar is known."""
        name = self.reference(own).name
        value = float(len(self.doubles)) + 0.5
        self.doubles[id(value)] = value, name
        return value

    def indexed(self, t: Any, index: Any) -> Any:
        """An index of an array, in plain numbers."""
        if index is not self._index[0]:
            self._index = index, _plain_index(index)
        found = self._index[1]
        if found is not index or t._value.__class__ is not Node:
            self.notes.append(("access", t._value.shape, found))
        return found

    def measured(self, t: Any, axis: int | None = None) -> None:
        """The program looks at an array's length."""
        self.measured_any |= axis is None or axis < len(t._value.shape)

    def truth(self, t: Any) -> bool:
        """``bool(t)``: as the way has it that is gone (`ways`); the turn's last question is its condition."""
        if self.exit is not None:
            frame = users_frame()
            if frame.f_lasti == self.exit.asks and frame.f_code in self.codes:
                self.noted = t
                return True
            if self.inner is None:
                self.inner = Turn.new_inner(self)
            if (ended := self.inner.ended(frame, t)) is not None:
                return bool(ended)
        return self.truth_of(t)

    def truth_of(self, t: Any) -> bool:
        """The same, of a value that is asked for here."""
        node = t._value if type(t) is Tensor else t._node
        if node.shape or node.dtype.hasobject or type(node) is Node and node.op is _LEAF and (
                node.seq > self.start) or not self.explores():
            return bool(self._answered(t, "bool"))
        operand = self.reference(t)
        known = self._known_truth(operand)
        if known is not None:
            return known
        answer, self.by_value = self._decides(), True
        if operand.name is not None and operand.steps is None:
            self.truths[operand.name] = answer
        self.book.append(Record("choice", f"r{len(self.book)}", (operand,), outcome=answer))
        return answer

    def _decides(self) -> bool:
        at = len(self.decided)
        if at == DEEPEST:
            self.give_up("it decides on values too often")
        self.decided.append(self.script[at] if at < len(self.script) else True)
        return self.decided[-1]

    def tested(self, test: Any, key: Any, moves: tuple[Any, int, int | None] | None) -> bool:
        """What a comparison of the index, or of what is computed of it, gives, as the way has it: `test` is
        ``(symbol, left, right)``, trees of an `Index`, and `moves` the loop in which their difference is so much in
        the present turn, and grows by so much."""
        if key in self.truths:
            return self.truths[key]
        known = None
        if moves is not None and moves[0] is self and self.goes is not None and moves[2] is not None:
            known = [where(self.goes, symbol, moves[1], moves[2], self.at) for symbol in (test[0], NEGATED[test[0]])]
            if not all(low < high for low, high in known):
                later = Span(self.goes.high, FAR)
                self.session.ends |= any(low < high for low, high in [
                    where(later, symbol, moves[1], moves[2], self.at)
                    for k, symbol in enumerate((test[0], NEGATED[test[0]])) if known[k].low >= known[k].high])
                return known[0].low < known[0].high
        if not self.explores():
            self.give_up(f"the value of the index is asked for ({test[0]})")
        answer = self._decides()
        if key is not None:
            self.truths[key] = answer
        self.book.append(Record("choice", f"r{len(self.book)}", (), attrs=test, outcome=answer))
        if known is not None:
            self.goes = known[not answer]
            self._goes_there()
        return answer

    def _goes_there(self) -> None:
        """Has the way gone by turns that may go it, from the first of them on."""
        span, goes = self.span, self.goes
        if self.moves and span is not None and goes is not None:
            first = max(span.low, min(goes.low, span.high - SAMPLES))
            if first > self.at:  # what is asked first narrows less
                self.elsewhere = first
                raise Elsewhere(first)

    def _known_truth(self, operand: Any) -> bool | None:
        return self.truths.get(operand.name) if operand.steps is None else None

    def goes_on(self, condition: Any, goes_on: bool = True) -> None:
        """The loop ends before this turn unless that is true (or, as said, false)."""
        if type(condition) in (bool, np.bool_) and self.decided:
            return None if condition == goes_on else self.leave()
        if not (issubclass(type(condition), Scalar) or type(condition) is Tensor and condition._value.shape == ()):
            self.give_up("its condition is no value")
        operand = self.reference(condition)
        known = self._known_truth(operand)
        if known is None:
            self.book.append(Record("while", f"r{len(self.book)}", (operand,), outcome=goes_on))
            return None
        return None if known is goes_on else self.leave()

    def leave(self) -> None:
        """The loop ends before this turn."""
        if self.written:
            self.give_up("a turn that ends it writes to arrays")
        raise Left

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
            elif node.op is _LEAF and isinstance(node.buffer, (np.float64, np.int64)) and self.numbers_carried:
                name = self.inputs.constant(np.asarray(node.buffer))
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
        """A call of NumPy's on values: of constants, it may be made; and what asks whether values are alike decides."""
        if fn in ALIKE and (found := alike(fn, *args, **kwargs)) is not None:
            return self.truth(found)
        if fn is np.isclose and (found := close_numbers(*args, **kwargs)) is not None:
            return found
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

    def foreign(self, root: Any) -> None:
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
