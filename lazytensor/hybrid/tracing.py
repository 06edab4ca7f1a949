"""The trace of one call: which operations the function's Python asked for, on what, and what it saw of their values.

The call itself runs as any lazy program does; a `Trace` watches it (`run.watching`) and writes down a list of records:

* an **operation** for each node that was needed: its operands are names of earlier records, of leaves (arguments and
  captured arrays) and of constants (arrays that the function made out of no array),
* a **call** for each function that NumPy runs at once on values (``linalg.inv``, ``x[mask]``, random draws),
* an **answer** for each value that the program saw (``bool(t)``, ``float(s)``): what follows holds for it alone,
* a **print** for each ``lt.debug.print``.

What cannot be written down so that it can be done again makes the trace refuse, with the reason: the function then
runs its Python at every call, which is always right.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from _thread import get_ident
from collections import Counter
from collections.abc import Iterable, Iterator
from inspect import CO_OPTIMIZED
from operator import attrgetter, getitem
from typing import Any, NamedTuple

import numpy as np

from ..api.build import at_line, users_frame
from ..api.handle import Tensor, export, lock_of, read, seen, steps_of, tensor, writing_of
from ..api.indexing import ELEMENT
from ..api.scalar import Scalar, scalar
from ..api.scalar import seen as seen_scalar
from ..compile import realize
from ..ir.dtypes import NUMERIC
from ..ir.layout import canonical
from ..ir.node import AT_ONCE, Node, leaf, new, settle, tick
from ..ir.operation import Operation
from ..run import floating, masking
from ..run.watching import LAYOUT, PASS, Opaque, Watcher, active
from .advice import advice_at
from .closeness import ALIKE
from .collecting import is_collected
from .fast import native
from .forloops import PEEKING
from .guards import ATOMS, same
from .lending import readable
from .repeating import LEAST, Book
from .scope import is_users
from .streams import mark_of, same_state

_VIEW, _LEAF = Operation.VIEW, Operation.LEAF
_ndarray, _generic = np.ndarray, np.generic
_program_order = attrgetter("seq")
_GENERATORS = (np.random.Generator, np.random.RandomState)
MOST_WAITING, LARGEST_WAITING, MOST_PINNED = 512, 1 << 20, 1 << 24
"""Chains of nodes that wait for the end of a call; the bytes of a node that does; and of arrays that the call makes."""
MOST_FRAMES = 8
"""Functions within each other whose variables are looked at."""
MOST_DECISIONS = 1 << 13
"""Answers of one call: more take seconds to compile, and some 10 KB each."""
MOST_LOOKS = 1024
"""Looks at lengths that are kept in order."""
MOST_BYTES = 256
"""What the program may see of values at once and still be compiled for them."""


BESIDE = "_beside"
"""What names of Python's numbers end with that are operands beside arrays (`numbers`)."""


class Operand(NamedTuple):
    """What a record reads: the value called `name`, through a view if there are steps (`laid` has the view's shape,
    dtype and strides); or the number `value`."""

    name: str | None
    steps: Any = None
    value: Any = None
    laid: Any = None


class Record:
    """One line of a trace.

    Attributes
    ----------
    kind : 'operation', 'call', 'draw', 'answer' or 'print'
    name : what later records call the result
    operands : tuple of Operand
        Of an operation and an answer. What a call takes has them among its arguments.
    op, attrs, shape, dtype, strides, errstate : as in `Node`, of an operation
    fn, args, kwargs : of a call; if it computes with Python's numbers, `attrs` is the type of these if that is known
    results : of a call, what it gave: a name for each array or scalar
    outcome : of an answer, what the program saw; `how` says in which form ('bool', 'bytes', 'value' or 'shape')
    code, lasti : the place in the user's program
    """

    __slots__ = ("kind", "name", "operands", "op", "attrs", "shape", "dtype", "strides", "errstate", "fn", "args",
                 "kwargs", "results", "outcome", "how", "code", "lasti")
    op: Any
    attrs: Any
    shape: Any
    dtype: Any
    strides: Any
    errstate: Any
    fn: Any
    args: Any
    kwargs: Any
    results: Any
    outcome: Any
    how: Any
    code: Any
    lasti: int

    def __init__(self, kind: str, name: str, operands: tuple[Operand, ...] = (), **more: Any) -> None:
        self.kind, self.name, self.operands = kind, name, operands
        self.op = self.attrs = self.shape = self.dtype = self.strides = self.errstate = self.fn = None
        self.args = self.kwargs = self.results = self.outcome = self.how = self.code = None
        self.lasti = -1
        for key, value in more.items():
            setattr(self, key, value)

    def like(self, other: Record) -> bool:
        """Whether another trace has the same in this place, whatever the answers."""
        return (self.kind == other.kind and self.name == other.name and self.operands == other.operands
                and self.op is other.op and self.shape == other.shape and self.dtype == other.dtype
                and _is_one(self.fn, other.fn) and self.how == other.how and _may_be_alike(self.args, other.args))

    def copy(self, name: str, operands: tuple[Operand, ...]) -> Record:
        """The same of other operands."""
        other = Record(self.kind, name, operands)
        for slot in Record.__slots__[3:]:
            setattr(other, slot, getattr(self, slot))
        return other

    @property
    def place(self) -> str:
        """The user's line."""
        return floating.place(self)


def _is_one(a: Any, b: Any) -> bool:
    """Whether two functions are one; generated loops (`rolled`) are made anew by each trace."""
    if a is b or not hasattr(a, "rolled"):
        return a is b
    return hasattr(b, "rolled") and type(a.rolled) is type(b.rolled) and bool(a.rolled.is_as(b.rolled))


def _may_be_alike(a: Any, b: Any) -> bool:
    """Whether arguments of a call may be the same: what masks pick is not written down in the same order each time."""
    kind = type(a)
    if a is b or kind is not type(b):
        return a is b
    if kind is Operand:
        return bool(a == b)
    if kind is tuple or kind is list:
        return len(a) == len(b) and all(map(_may_be_alike, a, b))
    return kind not in ATOMS or same(a, b)


if native is not None:
    native.setup_records(Record, Operand, _VIEW, ELEMENT)


class Result(NamedTuple):
    """An array or scalar that a call gave: its name, dtype and shape (None for a scalar)."""

    name: str
    dtype: Any
    shape: Any


class Read(NamedTuple):
    """A look at lengths: of the value called `name` (None if that is not written down), through a view if there are
    steps; along an axis, or all; and what they were (with the strides, if these were looked at)."""

    name: str | None
    steps: Any
    axis: int | None
    shape: Any


class Pick(NamedTuple):
    """What a mask picked: weakly the node, the nodes of the array and of the mask, and the record of that call, which
    is written down when it is needed; None if it is a constant."""

    node: Any
    array: Node
    mask: Node
    record: Record | None


class Refusal(NamedTuple):
    """Why a function runs its Python at every call, and where; with `advice`, it is worth a warning; if it is `final`,
    another trace would only take as long."""

    why: str
    place: str
    advice: str = ""
    final: bool = False

    def __str__(self) -> str:
        return f"{self.why} ({self.place})" if self.place else self.why


class Irrevocable(BaseException):
    """What is about to be done to memory could not be undone."""


class Trace(Watcher):
    """A watcher of one call in one thread. `roots` are the arrays whose values are leaves, by name; records that repeat
    are a loop from `least` turns on. Where one is `undoable`, as its arrays are to get back the values they had, no
    memory is given out: that raises `Irrevocable`."""

    new_loops: Any = None
    """What looks at a trace's loops that values end, once `convergence` has been imported."""

    def __init__(self, roots: dict[str, Any], scalars: dict[str, Any], generators: Any = (),
                 least: int = LEAST) -> None:
        self.loops: Any = None
        self.ident = get_ident()
        self.roots = roots
        self.names = {id(root): name for name, root in roots.items()}
        self.entry = {name: root._value for name, root in roots.items()}
        self.states = {name: (root._state, writing_of(root)) for name, root in roots.items()}
        self.slots: dict[int, str] = {node.seq: name for name, node in self.entry.items()}
        self.slots |= {s._node.seq: name for name, s in scalars.items()}
        self.dynamic = set(self.slots.values())
        self.generators = {id(g): g for g in generators}
        self.after = {key: mark_of(g) for key, g in self.generators.items()}
        self.constants: dict[str, Node] = {}
        self._same_numbers: dict[Any, str] = {}
        self.plain: dict[str, Operand] = {}
        self.real: set[str] = set()
        self.book: Any = (Book if native is None else native.Book)(self.slots, self.real, self.dynamic, same, least)
        self.left: dict[str, Node] = {}
        self.lift: Any = None
        self.numbers: Any = None
        self.undoable = False
        self._finished: Any = None
        self._measured: dict[Any, Any] = {}
        self._looks: list[Any] = []
        self.nodes = 0
        self.waits = True
        self._chains: list[Node] = []
        self._written: dict[int, Any] = {}
        self.code: Any = None
        self.caller: Any = None
        self.answers = 0
        self.collected: dict[int, tuple[float, str, Any]] = {}
        self.picks: dict[int, Pick] = {}
        self.put_back: set[int] = set()
        self.counts = False
        self.endless: Record | None = None
        self.refusal: Refusal | None = None
        self.quiet = 0
        self.may_skip, self.lost, self.unrolled = True, False, ""
        self.ran: set[Any] = set()
        self.tried: Counter[Any] = Counter()
        self.made: Counter[Any] = Counter()
        self.in_full: set[Any] = set()
        self.stepped: set[int] = set()
        self.entered: Any = None
        self.errstate: Any = None
        self.start = tick()
        if len(self.slots) < len(roots) + len(scalars):
            self.refuse("two of its arrays have one value between them")

    def refuse(self, why: str) -> None:
        """Gives up: the function is not compiled."""
        if self.refusal is None:
            frame = users_frame()
            self.waits = False
            place = "" if frame is None else f"{frame.f_code.co_filename}, line {frame.f_lineno}"
            self.refusal = Refusal(why, place)

    # ---- operations --------------------------------------------------------------------------------------------------

    def realizing(self, targets: list[Node]) -> None:
        """These are about to be computed: they forget their operands then."""
        self.waits = False
        self.catch_up()
        if self.refusal is None:
            self.record(targets)

    def postpones(self, node: Node) -> bool:
        """Whether a node with a long chain behind it may go on waiting: for the program that is made of the trace."""
        if not self.waits or len(self._chains) >= MOST_WAITING or (
                node.nbytes > LARGEST_WAITING):
            return False
        targets = [node, *self._waiting()]  # in program order, so that turns of a loop are alike
        self._write_picks_of(targets)
        self.book.write(self, self.start, targets, 1)  # what reads any of them is not deep
        if sum(x.buffer.nbytes for x in self.constants.values() if x.buffer is not None) > MOST_PINNED:
            return False
        self._chains.append(node)  # held: else a plan might leave its value out
        return self.refusal is None

    def _waiting(self) -> list[Node]:
        """What else the program has made by now, in arrays that it has written to, variables and lists of these."""
        roots = [ref() for ref in self._written.values()]
        found: list[Any] = [root._value for root in roots if root is not None]
        self._written.clear()
        frame = users_frame()
        for _ in range(MOST_FRAMES):
            if frame is None or not is_users(frame.f_globals.get("__name__")):
                break
            for value in variables_of(frame):
                if type(value) is list:
                    for x in reversed(value):
                        node = _node_of(x)
                        if node is None or self.book.name(node.seq) or node.seq in self.slots:
                            break
                        found.append(node)
                else:
                    found.append(_node_of(value))
            frame = frame.f_back
        return [node for node in found if type(node) is Node and node.buffer is None and node.seq > self.start]

    def catch_up(self) -> None:
        """Runs what has waited, bit by bit as any lazy program does."""
        chains, self._chains = self._chains[::-1], []
        while chains:
            node = chains.pop()
            if node.buffer is None:
                realize([node])
            del node

    def forget_chains(self) -> None:
        """What has waited has its values, or is to wait until it is asked for."""
        self._chains = []

    def another_thread(self) -> None:
        """A node that is to be written down is being computed: its operands may be gone at any time."""
        self.refuse("another thread computes with its arrays")

    def failed(self) -> None:
        """An operation raised an exception because of its values. If the function goes on, that was a branch."""
        self.refuse("an operation raised an exception that it caught")

    def record(self, targets: list[Any]) -> None:
        """Writes down the pending nodes of this trace that the targets need and that are not written down yet."""
        self._write_picks_of(targets)
        self.book.write(self, self.start, targets)

    def write(self, records: list[Record], targets: list[Any], depth: int | None) -> int:
        """The same, into a list; gives how many. (`Book.write` in `_records.c` is its twin.)"""
        found: list[Node] = []
        slots, start = self.slots, self.start
        stack = list(targets)
        met = set()
        while stack:
            node = stack.pop()
            while type(node) is Node:
                if node.op is _VIEW and node.buffer is None:
                    node = node.a
                    continue
                seq = node.seq
                if node.buffer is not None or seq in slots or seq <= start or seq in met:
                    break
                if node.claim is not None:
                    self.another_thread()
                    return 0
                met.add(seq)
                found.append(node)
                if type(node.b) is Node:
                    stack.append(node.b)
                if node.rest:
                    stack += node.rest
                node = node.a
        found.sort(key=_program_order)
        for node in found:
            self._operation(node, records)
            if depth is not None:
                node.depth = depth
        return len(found)

    def _operation(self, node: Node, records: list[Record]) -> None:
        """Writes down an operation. (`write_one` in `_records.c` is its twin.)"""
        inputs, attrs, errstate = node.inputs, node.attrs, node.errstate
        if node.buffer is not None or node.claim is not None:
            return self.another_thread()
        operands = tuple([self.operand(x) for x in inputs])
        if errstate is not self.errstate:
            self._note_state(errstate)
        r = new(Record)
        r.kind = "operation"
        name = r.name = f"r{len(records)}"
        r.operands = operands
        r.op = op = node.op
        r.attrs, r.shape, r.dtype, r.strides = attrs, node.shape, node.dtype, node.strides
        r.errstate, r.code, r.lasti = errstate, node.code, node.lasti
        r.fn = r.args = r.kwargs = r.results = r.outcome = r.how = None
        self.slots[node.seq] = name
        records.append(r)
        if op is ELEMENT:
            self.real.add(name)
        dynamic = self.dynamic
        for x in operands:
            if x[0] in dynamic:
                dynamic.add(name)
                break

    def _note_state(self, errstate: Any) -> None:
        """Error states that print, log or call are only for the program's own line."""
        if errstate is not None:
            self.errstate = errstate
            if not floating.silent(errstate):
                self.refuse("its error state (np.errstate) prints, logs or calls a function")

    def is_element(self, node: Node) -> bool:
        """Whether a value is an element of an array, which is NumPy's own scalar outside of a traced call."""
        return (self.slots.get(node.seq) or self.book.name(node.seq)) in self.real

    def is_new(self, handle: Any) -> bool:
        """Whether an array was made by the call itself: one that was there before cannot have another value by now, for
        then the trace has refused it."""
        v = handle._value
        return bool((v if type(v) is Node else v.root._value).seq > self.start)

    def add_root(self, name: str, root: Any) -> None:
        """Another array that was there before, found while the call goes on."""
        node = root._value
        if node.seq > self.start or node.buffer is None or node.seq in self.slots:
            return self.refuse("it changed an array before it could be followed")
        self.roots[name], self.names[id(root)], self.entry[name] = root, name, node
        self.states[name] = root._state, writing_of(root)
        self.slots[node.seq] = name
        self.dynamic.add(name)

    def operand(self, x: Any) -> Operand:
        """What a record says of an operand."""
        if type(x) is not Node:
            return Operand(None, None, x)
        if x.op is _VIEW and x.buffer is None:
            return Operand(self.slot_of(x.a), x.attrs, None, (x.shape, x.dtype, x.strides))
        name = self.slot_of(x)
        known = self.plain.get(name)
        if known is None:
            known = self.plain[name] = Operand(name)
        return known

    def slot_of(self, node: Node) -> str:
        """The name of a node's value."""
        name = self.slots.get(node.seq) or self.book.name(node.seq)
        if name is None:
            if node.seq in self.picks:
                self.refuse("it uses what a mask picked in a way that cannot be followed")
            name = f"c{len(self.constants)}"
            if node.buffer is None or node.seq <= self.start or node.op is not _LEAF:
                self.refuse("it uses an array that it reaches in a way that cannot be followed")
            elif node.dtype.hasobject:
                self.refuse("it uses an array of objects")
            elif not node.shape:  # equal numbers are one: so turns of a loop that writes `x[i:j] = 0` are the same
                key = type(node.buffer), node.dtype.str, node.dtype.char, node.buffer.tobytes()
                name = self._same_numbers.setdefault(key, name)
            self.constants.setdefault(name, node)
            self.slots[node.seq] = name
        return name

    def _is_dynamic(self, name: str | None) -> bool:
        """Whether a value depends on what is not constant."""
        return name in self.dynamic or name is not None and bool(self.book.changes(name))

    def reference(self, t: Any) -> Operand:
        """The operand that a Tensor or lazy scalar is, its operations written down."""
        node = read(t) if type(t) is Tensor else t._node
        self.record([node])
        return self.operand(node)

    # ---- lengths ----

    def measured(self, t: Any, axis: int | None = None) -> None:
        """The program looks at lengths."""
        if not self.quiet:
            v = t._value
            if self.picks:
                self._write_picks_of([v if v.__class__ is Node else v.root._value])
            node, steps = (v, None) if v.__class__ is Node else (v.root._value, steps_of(t))
            shape = (v.shape, v.strides) if axis == LAYOUT else v.shape
            look = node.seq, steps, axis, shape
            self._measured.setdefault((node.seq, id(steps), axis), look)
            if len(self._looks) < MOST_LOOKS:
                self._looks.append(look)

    def count_nodes(self) -> None:
        """Notes how many nodes there were made, now that the Python has ended."""
        self._forget_picks(True)
        self.nodes += tick() - self.start - 1

    def all_written(self, records: Iterable[Record]) -> bool:
        """Whether every node that was made is among the records: what the Python asked for and did not use might raise
        for arrays of other sizes."""
        own = sum(len(r.results) if r.kind == "draw" else r.kind == "operation" for r in records)
        return self.nodes <= own + sum(node.seq > self.start for node in self.constants.values())

    def lengths(self) -> list[Read]:
        """The lengths that it has looked at."""
        return self._read(self._measured.values())

    def looks(self) -> list[Read] | None:
        """All looks at lengths, in order; None if there were too many."""
        return self._read(self._looks) if len(self._looks) < MOST_LOOKS else None

    def _read(self, looks: Iterable[Any]) -> list[Read]:
        found = [Read(self.slots.get(seq) or self.book.name(seq), *rest) for seq, *rest in looks]
        return found if self.lift is None else list(map(self.lift.read, found))

    # ---- what is compiled ----

    def replace(self, records: list[Record]) -> None:
        """Has these records, in which there are no loops, in the place of its own."""
        self._finished = records, []

    def finish(self) -> tuple[list[Any], list[Any]]:
        """The records, with loops as `repeating.compacted` has them, and where these are."""
        if self._finished is None:
            self._finished = self.book.finish()
        found: tuple[list[Any], list[Any]] = self._finished
        return found

    def lift_to(self, lift: Any, compact: list[Any]) -> None:
        """Has views for leaves (`lifting`): these are the records then."""
        self.lift, self._finished = lift, (compact, self.finish()[1])

    # ---- what the program sees ---------------------------------------------------------------------------------------

    def _value(self, t: Any) -> Any:
        return seen(t) if type(t) is Tensor else seen_scalar(t)

    def checked(self, t: Any) -> Any:
        """A value looked at for a check that decides nothing but whether NumPy raises: it raises again by itself."""
        if self.refusal is None:
            self.reference(t)
        return self._value(t)

    def truth(self, t: Any) -> bool:
        """``bool(t)``: a branch of the program, or the end of a loop whose turns are generated."""
        if self.loops is not None and self.refusal is None and not self.quiet:
            frame = users_frame()
            ended = self.loops.ended(frame, t)
            if ended is None:
                ended = self.truth_of(t)
                self.loops.went(frame, ended)
            return bool(ended)
        return self.truth_of(t)

    def truth_of(self, t: Any) -> bool:
        """The same, of a value that is asked for here."""
        return bool(self._answered(t, "bool"))

    def looked(self, t: Any) -> Any:
        """A Tensor's values, as a real array."""
        return self._answered(t, "bytes")

    def scalar(self, s: Any) -> Any:
        """A lazy scalar's value."""
        return self._answered(s, "bytes")

    def floated(self, s: Any) -> float:
        """``float(s)``: a number of the program if the function collects it in a list, else a value for Python."""
        found = self._collected(s, "float")
        return float(self.scalar(s)) if found is None else found

    def item_of(self, s: Any) -> Any:
        """``s.item``: so is what it gives of a float."""
        dtype = s._node.dtype
        found = self._collected(s, "item") if dtype.kind == "f" and dtype.itemsize <= 8 else None
        return self.scalar(s).item if found is None else lambda: found

    def _collected(self, s: Any, how: str) -> float | None:
        """A lazy scalar's value as a number of the program, if it is that."""
        frame = users_frame()
        if (self.refusal is not None or self.quiet or self.numbers is not None or frame is None or frame.f_code is not (
                self.code) or frame.f_back is not self.caller or not is_collected(frame, s._node.dtype, how)):
            return None
        operand = self.reference(s)
        before = tick()
        value = float(self._value(s))
        self.nodes -= tick() - before + 1
        if self.refusal is None and self._is_dynamic(operand.name):
            record = Record("call", f"r{len(self.book)}", fn=float, args=(operand,), kwargs={}, code=frame.f_code,
                            lasti=frame.f_lasti)
            record.results = [Result(f"{record.name}_0", None, None)]
            self.book.append(record)
            self.dynamic.add(record.results[0].name)
            self.collected[id(value)] = value, record.results[0].name, s
        return value

    def uncollected(self, given: Any) -> Any:
        """A list, and tuples in it, with the lazy scalars of which its numbers were made."""
        collected = self.collected
        if not collected:
            return given
        return type(given)([self.uncollected(x) if type(x) is tuple else
                            collected[id(x)][2] if id(x) in collected else x for x in given])

    def counted(self, count: Any) -> int:
        """How many turns a loop had, of a lazy scalar: as many ways as there are decisions may come of it."""
        operand = self.reference(count)
        value = self._value(count)
        if self.refusal is None and self._is_dynamic(operand.name):
            self.answer(operand, "bytes", value.tobytes(), True)
        return int(value)

    def _answered(self, t: Any, how: str) -> Any:
        if self.refusal is not None or self.quiet:
            return self._value(t)
        operand = self.reference(t)
        before = tick()
        value = self._value(t)
        self.nodes -= tick() - before + 1  # a run makes nodes of its own
        if self._is_dynamic(operand.name) and self.refusal is None:
            if how == "bool":
                self.answer(operand, how, bool(value))
            elif value.nbytes > MOST_BYTES or value.dtype.hasobject:
                self.refuse("its Python looks at the values of an array")
            else:
                self.answer(operand, how, value.tobytes())
        return value

    def answer(self, operand: Operand, how: str, outcome: Any, counts: bool = False) -> None:
        """What follows is for this answer alone; with `counts`, it is a number of turns."""
        frame = users_frame()
        record = Record("answer", f"r{len(self.book)}", (operand,), how=how, outcome=outcome, attrs=counts,
                        code=frame and frame.f_code, lasti=frame.f_lasti if frame else -1)
        self.answers += 1
        if self.answers > MOST_DECISIONS:
            place, self.endless = record.place, record
            self.refuse("")
            self.refusal = Refusal(f"its Python decides on values more than {MOST_DECISIONS} times in a call", place,
                                   advice_at(place, "It runs"), True)
        self.book.append(record)

    def gave(self, t: Any) -> None:
        """A Tensor's memory is given out: what becomes of it cannot be followed."""
        if not self.quiet:
            self.refuse("memory of an array is given out (as by .numpy(), out= or a function that writes)")
            if self.undoable:
                raise Irrevocable

    def foreign(self, root: Any) -> Node | None:
        """Memory of somebody else's is read: of a leaf, that may be. What reads it runs at once, as ever."""
        name = self.names.get(id(root))
        if name is None or root._value is not self.entry[name] or not readable(root):
            self.refuse("it uses memory that something outside holds too, such as a real NumPy array")
        if self.refusal is not None:
            return None
        own = self.entry[name]  # type: ignore[index]
        node = leaf(own.buffer, own.strides, AT_ONCE)
        self.slots[node.seq] = name  # type: ignore[assignment]
        self.nodes -= 1
        return node

    def writes(self, root: Any) -> None:
        """A root gets another value."""
        self._written[id(root)] = weakref.ref(root)
        if root._value.seq <= self.start and id(root) not in self.names:
            self.refuse("it writes to an array that it reaches in a way that cannot be followed")

    # ---- calls -------------------------------------------------------------------------------------------------------

    def eager(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], take: Any) -> Any:
        """NumPy's own call, on values, as a record; `PASS` if nothing in it is of this trace."""
        if self.refusal is not None or self.quiet or take is export:
            return PASS
        generator = _generator(fn, args)
        found: list[Operand] = []
        try:
            template = self._template(args, found), {k: self._template(v, found) for k, v in kwargs.items()}
        except _Unknown:
            return PASS  # what it looks at, it says itself
        if generator is None and not any(self._is_dynamic(x.name) for x in found):
            return PASS
        if generator is not None and id(generator) not in self.generators:
            self.refuse("it draws random numbers from a generator that it reaches in a way that cannot be followed")
            return PASS
        result = self._called(fn, args, kwargs, template, generator)
        if type(result) is bool and fn in ALIKE and self.loops is not None and self.refusal is None:
            frame = users_frame()
            ended = self.loops.ended(frame, scalar(leaf(np.bool_(result), None)))
            if ended is not None:
                return ended
            self.loops.went(frame, result)
        return result

    def _called(self, fn: Any, args: Any, kwargs: Any, template: Any, generator: Any) -> Any:
        if generator is not None and not self._follows(generator):
            self.refuse("random numbers were drawn or seeded in a way that cannot be followed")
            return PASS
        self.quiet += 1
        try:
            lent = _Lent()
            real = [lent.lend(x) for x in args]
            options = {k: lent.lend(v) for k, v in kwargs.items()}
            result = at_line(fn, tuple(real), options)
        except BaseException:
            self.failed()
            raise
        finally:
            self.quiet -= 1
        if generator is not None:
            self.after[id(generator)] = mark_of(generator)
        frame = users_frame()
        record = Record("call" if generator is None else "draw", f"r{len(self.book)}", fn=fn, args=template[0],
                        kwargs=template[1], results=[], code=frame and frame.f_code,
                        lasti=frame.f_lasti if frame else -1, errstate=floating.in_force())
        self.book.append(record)
        own = self._given(result, record, lent.arrays, "")
        if self.refusal is None:
            shapes = [(x.name, x.shape) for x in record.results if x.shape is not None]
            if shapes and generator is None:
                for name, shape in shapes:
                    self.answer(Operand(name), "shape", shape)
        elif generator is None:
            return PASS
        return own

    # ---- what masks pick ----

    def picked(self, t: Any, mask: Any) -> Any:
        """What a mask picks from an array: a call of NumPy's, which is written down where the elements are used for
        something else than to be put back (`put`), or when they are gone."""
        if self.refusal is not None or self.quiet:
            return None
        self._forget_picks(False)
        operands = self.reference(t), self.reference(mask)
        node, chosen = read(t), read(mask)
        array, places = seen(t), seen(mask)
        found = masking.picked(array, places)
        if found is None:
            found = array[places]
        frame = users_frame()
        record = Record("call", "", fn=getitem, args=operands, kwargs={}, code=frame and frame.f_code,
                        lasti=frame.f_lasti if frame else -1, errstate=floating.in_force(),
                        results=[Result("", found.dtype, found.shape)])
        picked = tensor(_leaf_of(found))
        changes = any(self._is_dynamic(x.name) for x in operands)
        self.picks[picked._value.seq] = Pick(weakref.ref(picked._value), node, chosen, record if changes else None)
        return picked

    def pick_of(self, node: Node) -> Pick | None:
        """What is known of what a mask picked."""
        return self.picks.get(node.seq)

    def put(self, root: Any, noticing: Any, written: Any, picks: Iterable[int]) -> bool:
        """Gives a root the value of a node that is `written` down, which is computed by one that notices flags. False,
        with nothing done, if there are some."""
        if self.refusal is not None or self.quiet:
            return False
        old = root._value
        self.record([old])
        before = tick()
        floating.noticed.raised = False
        with self.paused():
            realize([noticing])
        self.nodes -= tick() - before + 1
        if floating.noticed.raised:
            return False
        self.record([written])
        if self.refusal is not None:
            return False
        settle(written, noticing.buffer)
        self.writes(root)
        with lock_of(root):
            if root._state is not None or root._value is not old:
                return False
            root._value = written
        self.put_back.update(picks)
        return True

    def _write_picks_of(self, targets: Iterable[Any]) -> None:
        """Writes down what was picked and is needed for what is about to be."""
        if not self.picks:
            return
        stack, met = list(targets), set()
        while stack:
            node = stack.pop()
            if type(node) is not Node or node.seq <= self.start or node.seq in met:
                continue
            met.add(node.seq)
            if node.buffer is None:
                stack += node.inputs
            elif node.seq in self.picks:
                self._write_pick(node.seq)

    def _write_pick(self, seq: int) -> None:
        """The record of what a mask picked, and how many elements there were, which what follows depends on."""
        record = self.picks.pop(seq).record
        if record is None:
            return
        record.name = f"r{len(self.book)}"
        result = record.results[0]._replace(name=f"{record.name}_0")
        record.results[:] = [result]
        self.book.append(record)
        self.slots[seq] = result.name
        self.dynamic.add(result.name)
        self.book.append(Record("answer", f"r{len(self.book)}", (Operand(result.name),), how="shape",
                                outcome=result.shape, code=record.code, lasti=record.lasti))

    def _forget_picks(self, ended: bool) -> None:
        """What is gone was used otherwise, unless it was put back; all that is left when the Python has ended."""
        for seq, pick in list(self.picks.items()):
            gone = pick.node() is None
            if seq in self.put_back:
                if gone:
                    del self.picks[seq]
            elif gone or ended:
                self._write_pick(seq)

    def _follows(self, generator: Any) -> bool:
        """Whether a stream is where the last draw of the trace, or the call's beginning, left it."""
        return same_state(self.after[id(generator)], mark_of(generator))

    def accounted(self) -> bool:
        """Whether nothing was drawn but by the draws of the trace."""
        return all(map(self._follows, self.generators.values()))

    def know_constant(self, node: Node) -> None:
        """A value that cannot change: that of a lazy scalar which was there before."""
        name = f"c{len(self.constants)}"
        self.constants[name] = node
        self.slots[node.seq] = name

    def _given(self, value: Any, record: Record, lent: list[Any], path: str) -> Any:
        """What the program gets for a result of a call; `path` leads to it from the whole result."""
        kind = type(value)
        if kind is _ndarray:
            if value.dtype.hasobject or value.base is not None or any(np.may_share_memory(value, x) for x in lent):
                self.refuse(f"{getattr(record.fn, '__name__', 'a function')} gives an array over memory of another")
                return value
            name = f"{record.name}_{len(record.results)}"
            record.results.append(Result(name, value.dtype, value.shape))
            t = tensor(_leaf_of(value))
            self._know(t._value, name)
            return t
        if isinstance(value, _generic) and not value.dtype.hasobject and value.dtype.char in NUMERIC:
            name = f"{record.name}_{len(record.results)}"
            record.results.append(Result(name, value.dtype, None))
            s = scalar(leaf(value, None))
            self._know(s._node, name)
            self.real.add(name)
            return s
        if kind in (list, tuple) or kind.__base__ is tuple and hasattr(kind, "_make"):
            if all(isinstance(x, (_ndarray, _generic)) for x in value) and kind is not list and not path:
                record.how = "many"
                own = [self._given(x, record, lent, f"[{i}]") for i, x in enumerate(value)]
                return tuple(own) if kind is tuple else kind._make(own)
        if kind in (bool, int, float, str, type(None), complex, bytes) or kind is list and _plain(value):
            name = f"{record.name}_{len(record.results)}"
            record.results.append(Result(name, None, None))
            self.dynamic.add(name)
            self.answer(Operand(name), "value", (kind, repr(value)))
            return value
        self.refuse(f"{getattr(record.fn, '__name__', 'a function')} gives something that cannot be made again")
        return value

    def _know(self, node: Node, name: str) -> None:
        self.slots[node.seq] = name
        self.dynamic.add(name)

    def _template(self, value: Any, found: list[Operand]) -> Any:
        """An argument of a call with operands in the place of arrays."""
        kind = type(value)
        if kind is Tensor or issubclass(kind, Scalar):
            operand = self.reference(value)
            found.append(operand)
            return operand
        if kind is list or kind is tuple:
            return kind([self._template(x, found) for x in value])
        if kind is dict:
            return {k: self._template(v, found) for k, v in value.items()}
        if issubclass(kind, Opaque):
            value.used()
            return self.numbers.ask("a number is an argument of a function of NumPy's") if self.numbers else value
        if issubclass(kind, _ndarray) or callable(value) and not isinstance(value, type):
            raise _Unknown
        return value

    def print(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """`lt.debug.print`."""
        found: list[Operand] = []
        try:
            template = self._template(args, found)
        except _Unknown:
            return self.refuse("what it prints cannot be followed")
        self.book.append(Record("print", f"r{len(self.book)}", args=template, kwargs=kwargs))

    # ---- turns of loops that are not followed ----

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What happens meanwhile is not written down."""
        self.waits = False
        self.catch_up()
        active.remove(self)
        entered = self.entered
        try:
            if entered is not None:
                entered.__exit__()
            yield
        except BaseException:
            self.failed()
            raise
        finally:
            if entered is not None:
                entered.__enter__()
            active.append(self)

    def skip(self, count: int) -> None:
        """Leaves out as many records, which repeat the loop at the end of those that are there."""
        self.book.skip(count)

    def rename(self, node: Node, old: str, number: int | None) -> None:
        """A node's value is what the record of that number computes, which was left out (or, if None, still `old`);
        earlier in the loop, `old` did."""
        if number is None:
            self.slots[node.seq] = old
        else:
            self.book.rename(node.seq, number, self._is_dynamic(old))

    def lose(self) -> None:
        """What happened in a pause cannot be written down: nothing is compiled now, and no turns are skipped again."""
        self.lost = True
        self.refuse("turns of a loop that did the same as far as could be seen were not alike")

    def __enter__(self) -> Trace:
        active.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        active.remove(self)


def variables_of(frame: Any) -> list[Any]:
    """What a function's variables are now; none of a function that may look at the dictionary of them itself."""
    code = frame.f_code
    if not code.co_flags & CO_OPTIMIZED or not PEEKING.isdisjoint(code.co_names):
        return []
    found = frame.f_locals
    values = list(found.values())
    if type(found) is dict and sys.getrefcount(found) <= 3:  # the frame's, ours and the argument: nobody else has it
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            found.pop(name, None)  # the frame keeps it, and it would keep arrays
    return values


def _node_of(value: Any) -> Node | None:
    """The node of an array or lazy scalar, or of the array of which it is a view."""
    kind = type(value)
    if kind is Tensor:
        v = value._value
        return v if v.__class__ is Node else v.root._value
    return value._node if issubclass(kind, Scalar) else None


class _Unknown(Exception):
    """An argument that is neither an array nor plain."""


class _Lent:
    """Real arrays for one call."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []

    def lend(self, value: Any) -> Any:
        kind = type(value)
        if kind is Tensor:
            array = seen(value)
            self.arrays.append(array)
            return array
        if issubclass(kind, Scalar):
            return seen_scalar(value)
        if kind is list or kind is tuple:
            return kind([self.lend(x) for x in value])
        if kind is dict:
            return {k: self.lend(v) for k, v in value.items()}
        return value


def _generator(fn: Any, args: tuple[Any, ...]) -> Any:
    """The random generator that a call draws from, or None."""
    if args and isinstance(args[0], _GENERATORS):
        return args[0]
    own = getattr(fn, "__self__", None)
    return own if isinstance(own, _GENERATORS) else None


def _plain(value: Any) -> bool:
    return all(type(x) in (bool, int, float, str, complex) or type(x) is list and _plain(x) for x in value)


def _leaf_of(array: Any) -> Node:
    return leaf(array, canonical(array.strides, array.shape, array.itemsize))
