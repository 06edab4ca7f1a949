"""Stretches of a trace that run as a tape (`_tape.c`): elements read and written, arithmetic between scalars, products
of vectors, operations on short rows, one after the other, often thousands of them from a loop over elements.

A `Stretch` turns records, in order, into the steps of a tape. Whatever it does not know raises `Unknown`: those records
are written as calls of NumPy's functions, as everything else is. A step computes what NumPy would: IEEE 754 fixes the
arithmetic, and a product of vectors is NumPy's own loop. Floating-point flags that somebody is to be warned of leave
the call to Python.
"""

from __future__ import annotations

import heapq
import math
import operator
from math import isfinite, prod
from typing import Any

import numpy as np

from ..api.indexing import ELEMENT
from ..api.inplace import part_operations
from ..ir.layout import c_strides
from ..run import floating
from . import called, tapes
from .nesting import Numbers, Step, nested
from .tapes import PYTHON, SIZES, Place, Unknown, tape
from .tracing import BESIDE, Operand, Record

LEAST = 12
"""Records for which a tape is worth while."""
SHORT = 1024
"""Elements of a row that is no more than a step; longer ones are better off as kernels."""
MOST_CALLED = 64
"""Elements of a row for which NumPy's loop of a ufunc is called; kernels compute some of them faster."""
_MAPS: dict[Any, int] = {
    np.add: tapes.ADD, np.subtract: tapes.SUBTRACT, np.multiply: tapes.MULTIPLY, np.divide: tapes.DIVIDE}
SCALARS: dict[Any, int] = {
    **_MAPS, operator.add: tapes.ADD, operator.sub: tapes.SUBTRACT, operator.mul: tapes.MULTIPLY,
    operator.truediv: tapes.DIVIDE, operator.neg: tapes.NEGATE, operator.abs: tapes.ABSOLUTE,
    np.negative: tapes.NEGATE, np.absolute: tapes.ABSOLUTE, np.fabs: tapes.ABSOLUTE, np.sqrt: tapes.SQUARE_ROOT,
    operator.pow: tapes.POWER}
NUMBERS: dict[Any, tuple[int, int]] = {
    operator.add: (tapes.SCALAR, tapes.ADD), operator.sub: (tapes.SCALAR, tapes.SUBTRACT),
    operator.mul: (tapes.SCALAR, tapes.MULTIPLY), operator.neg: (tapes.SCALAR, tapes.NEGATE),
    operator.abs: (tapes.SCALAR, tapes.ABSOLUTE), math.fabs: (tapes.SCALAR, tapes.ABSOLUTE),
    operator.pos: (tapes.MOVE, 0), operator.truediv: (tapes.QUOTIENT, 0), operator.pow: (tapes.MATH, tapes.POW),
    math.pow: (tapes.MATH, tapes.POW), math.sin: (tapes.MATH, tapes.SIN), math.cos: (tapes.MATH, tapes.COS),
    math.tan: (tapes.MATH, tapes.TAN), math.exp: (tapes.MATH, tapes.EXP), math.log: (tapes.MATH, tapes.LOG),
    math.sqrt: (tapes.MATH, tapes.SQRT), math.tanh: (tapes.MATH, tapes.TANH)}
"""What is known of Python's floats: operation and kind."""
_OF_TWO = {(tapes.SCALAR, tapes.ADD), (tapes.SCALAR, tapes.SUBTRACT), (tapes.SCALAR, tapes.MULTIPLY),
           (tapes.QUOTIENT, 0), (tapes.MATH, tapes.POW)}
MOST_LISTED = 64
"""Elements of an array that is written as a list of scalars."""
_OF_LISTS = frozenset(("array", "asarray"))
_DEFAULTS = frozenset((("order", "K"), ("order", None), ("ndmin", 0), ("copy", None), ("copy", True)))
_getitem = operator.getitem
_LOAD, _STORE, _DOT = 8, 9, 10
_CODES: dict[Any, int] = {}
"""Of operations that the extension knows, a kind of arithmetic or one of these (`_steps.c`)."""
_NOTHING: Numbers = (0, 0)


def likely(record: Record) -> bool:
    """Whether a record looks as if it could be a step."""
    if record.kind == "call":
        return likely_number(record)
    if record.kind != "operation" or record.dtype.char not in SIZES or not record.dtype.isnative:
        return False
    op = record.op
    kind = op.kind
    if kind == "scalar":
        return kind_of(op.fn, record.dtype.char) is not None or called.loop_of(op.fn, record.dtype.char) is not None
    if kind == "elementwise":
        size = prod(record.shape)
        if record.attrs is not None or size > SHORT:
            return False
        return op.fn in (_MAPS if record.shape else SCALARS) or (
            size <= MOST_CALLED and called.loop_of(op.fn, record.dtype.char) is not None)
    if kind == "call":
        return op is ELEMENT or not record.shape and op.fn in (np.matmul, np.dot) or listed(record) is not None
    return op.step == "store" or kind == "mutate" and op in part_kinds()


def likely_number(record: Record) -> bool:
    """The same of a record that computes with a float of Python's, or makes one of NumPy's of it (`following`)."""
    if record.how == "number":
        dtype = record.results[0].dtype
        return dtype.isnative and (dtype.char == "d" and record.attrs in (float, np.float64)
                                   or dtype.char == "f" and record.attrs is float)
    if record.attrs is not float or record.fn not in NUMBERS:
        return False
    op, kind = NUMBERS[record.fn]
    return len(record.args) == 1 + ((op, kind) in _OF_TWO) and (op != tapes.MATH or called.of_math(record.fn, kind))


def kind_of(fn: Any, char: str) -> int | None:
    """The kind of arithmetic that a function of numbers is; None if it is none, or a power that is not NumPy's here."""
    kind = SCALARS.get(fn)
    return None if kind == tapes.POWER and not called.power(char) else kind


def _learn(record: Record) -> None:
    """Notes an operation that the extension takes."""
    op = record.op
    if op is ELEMENT:
        _CODES[op] = _LOAD
    elif op.step == "store":
        _CODES[op] = _STORE
    elif op.kind == "call" and op.fn is np.matmul:
        _CODES[op] = _DOT
    elif op.kind in ("scalar", "elementwise") and SCALARS.get(op.fn, tapes.POWER) != tapes.POWER:
        _CODES[op] = SCALARS[op.fn]


def is_small(record: Record) -> bool:
    """Whether a record is about single elements."""
    return record.kind == "call" or not record.shape or listed(record) is not None or (
        record.op.step == "store" and not record.operands[1].steps and _is_element(record.attrs[1][0]))


def listed(record: Record) -> list[Operand] | None:
    """What `np.array` of scalars and numbers puts side by side; None if a record is something else."""
    if record.op.kind != "call" or record.op.name not in _OF_LISTS or not 0 < prod(record.shape) <= MOST_LISTED:
        return None
    (args, kwargs), = [form for key, form in record.attrs or () if key == "form"] or [((), ())]
    if not args or record.strides is not None or not _DEFAULTS.issuperset(kwargs) or len(args) > 2:
        return None
    found: list[Operand] = []
    return found if _add_listed(args[0], record, found) and len(found) == prod(record.shape) else None


def _add_listed(form: Any, record: Record, found: list[Operand]) -> bool:
    if type(form) is int:
        found.append(Operand(None, None, form))
        return True
    if type(form) is not tuple:
        return False
    if form[0] == "sequence":
        return all([_add_listed(x, record, found) for x in form[2]])
    if form[0] == "slot" and form[2]:
        found.append(record.operands[form[1]])
        return True
    if form[0] == "constant":
        found.append(Operand(None, None, form[2]))
        return True
    return False


def _is_element(index: Any) -> bool:
    return type(index) is int or type(index) is tuple and all([type(x) is int for x in index])


def part_kinds() -> dict[Any, int]:
    """The operations that write an arithmetic ufunc's result into a part of an array."""
    found = {}
    for ufunc, kind in _MAPS.items():
        op = part_operations.get(ufunc)
        if op is not None:
            found[op] = kind
    return found


def stretches(records: list[Record]) -> list[tuple[int, int]]:
    """Where stretches begin and end that may be tapes."""
    found: list[tuple[int, int]] = []
    if tape is None or len(records) < LEAST:
        return found
    start = small = 0
    state: Any = None
    known: dict[Any, bool] = {}
    for i, record in enumerate(records):
        key = record.op, record.dtype, record.shape, record.attrs is None
        good = known.get(key)
        if good is None or record.kind != "operation":
            good = known[key] = likely(record)
        if good and (state is None or record.errstate is state or record.kind == "call"):
            state = record.errstate if state is None else state
            small += not record.shape or is_small(record)
            continue
        if i - start >= LEAST and 2 * small >= i - start:
            found.append((start, i))
        start, small = (i, int(is_small(record))) if good else (i + 1, 0)
        state = record.errstate if good else None
    n = len(records)
    if n - start >= LEAST and 2 * small >= n - start:
        found.append((start, n))
    return found


class Stretch:
    """Records as the steps of a tape. `writer` gives arrays their memory, as for everything else that it writes.

    Attributes
    ----------
    arrays : list of str
        What generated code calls the arrays, in the tape's order.
    scalars : dict of str to (int, str)
        For each scalar that is still wanted, its slot and type.
    """

    def __init__(self, writer: Any, memory: Any, depth: int) -> None:
        self.writer, self.memory, self.depth = writer, memory, depth
        self.steps: list[Step] = []
        self.arrays: list[str] = []
        self.geometry: list[tuple[int, int, int]] = []
        self.written: set[int] = set()
        self.scalars: dict[str, tuple[int, str]] = {}
        self.given: dict[str, tuple[int, str]] = {}
        self._numbers: dict[str, int] = {}
        self._places: dict[str, Place] = {}
        self._constants: dict[tuple[str, str], int] = {}
        self._start: list[tuple[int, str, float]] = []
        self._called: dict[tuple[Any, str], int] = {}
        self._free: list[int] = []
        self._slots = self.done = 0

    def take_all(self, records: list[Record], after: list[set[str]]) -> None:
        """Adds the steps of records, `done` of them if one is not known; `after` are the names that nobody reads after
        each."""
        memory, writer = self.memory, self.writer
        books = (self.scalars, self._free, self._places, memory.text, memory.held, memory.fresh, writer.numbers,
                 writer._shapes, self.steps, self.written, writer._escaping, _CODES, _getitem)
        while self.done < len(records):
            if tape is not None:
                self.done, self._slots = tape.taken(books, records, after, self.done, self._slots)
                if self.done == len(records):
                    break
            self.take(records[self.done], set(after[self.done]))
            self.done += 1

    def take(self, record: Record, dies: set[str]) -> None:
        """Adds a record's steps; `dies` are the names that nobody reads after it."""
        if record.kind == "call":
            self._number(record)
        else:
            self._operation(record, dies)
        if not dies:
            return
        scalars, text, others = self.scalars, self.memory.text, False
        for name in dies:
            slot = scalars.pop(name, None)
            if slot is not None:
                heapq.heappush(self._free, slot[0])
                text.pop(name, None)
            else:
                others = True
        if others:
            self.writer._bury(dies, self.memory)

    def _operation(self, record: Record, dies: set[str]) -> None:
        if record.op not in _CODES:
            _learn(record)
        shape = record.shape
        self.writer._shapes[record.name] = shape, record.dtype, record.strides
        if record.op.kind == "mutate":
            self._mutate(record, dies)
        elif not shape:
            self._scalar(record)
        elif record.op.kind == "call":
            self._list(record, dies)
        else:
            self._map(record, dies)

    # ---- memory ----

    def _array(self, name: str) -> Place:
        """The array that holds a value, whole."""
        text = self.memory.text.get(name)
        known = self._places.get(name)
        if known is not None and known.text == text:
            return known
        if text is None:
            raise Unknown
        geometry = self.writer.geometry_of(name)
        if geometry is None or not geometry[0] or geometry[1].char not in SIZES or not geometry[1].isnative:
            raise Unknown
        shape, dtype, strides = geometry
        strides = c_strides(shape, dtype.itemsize) if strides is None else strides
        number = self._numbers.setdefault(text, len(self.arrays))
        if number == len(self.arrays):
            self.arrays.append(text)
            ends = [s * (n - 1) for s, n in zip(strides, shape, strict=True)]
            some = 0 not in shape
            self.geometry.append((sum(min(0, e) for e in ends) if some else 0,
                                  sum(max(0, e) for e in ends) + dtype.itemsize if some else 0,
                                  prod(shape) * dtype.itemsize))
        known = self._places[name] = Place(number, 0, shape, strides, dtype.char, text)
        return known

    def _place(self, x: Operand) -> Place:
        name, steps = x[0], x[1]
        if name is None:
            raise Unknown
        return self._stepped(self._array(name), steps) if steps else self._array(name)

    def _stepped(self, place: Place, steps: Any) -> Place:
        for fn, args in steps:
            if fn is not _getitem:
                raise Unknown
            place = place.part(args[0])
        return place

    def _operand(self, x: Operand, char: str) -> int:
        """The slot of a number."""
        name = x[0]
        if name is None:
            return self._constant(x.value, char)
        known = self.scalars.get(name)
        if known is None:
            return self._outer(x, char)
        if known[1] != char or x[1]:
            raise Unknown
        return known[0]

    def _outer(self, x: Operand, char: str) -> int:
        """A number from before the stretch: a constant without axes, or a scalar that earlier lines computed."""
        name = x.name or ""
        if x.steps:
            raise Unknown
        text = self.memory.text.get(name, "")
        if not text:
            raise Unknown
        if text.startswith("c") and not (buffer := self.writer.space[text]).shape:
            return self._constant(buffer[()] if type(buffer) is np.ndarray else buffer, char)
        known = self.given.get(text)
        if known is None and name in self.writer.numbers:
            dtype = self.writer.geometry_of(name)[1]
            if dtype.char != char or not dtype.isnative:
                raise Unknown
            known = self.given[text] = self._slots, char
            self._slots += 1
        if known is None or known[1] != char:
            raise Unknown
        return known[0]

    def _constant(self, value: Any, char: str) -> int:
        kind = type(value)
        if kind is int and abs(value) <= (1 << 24 if char == "f" else 1 << 53):
            own = float(value)
        elif kind is float or issubclass(kind, np.floating) and value.dtype.char == char:
            own = float(value)
            if char == "f" and isfinite(own) and float(np.float32(own)) != own and not isfinite(float(np.float32(own))):
                raise Unknown
        else:
            raise Unknown
        key = char, own.hex() if own == own else "nan"
        slot = self._constants.get(key)
        if slot is None:
            slot = self._constants[key] = self._slots
            self._slots += 1
            self._start.append((slot, char, own))
        return slot

    def _give(self, record: Record) -> int:
        """A slot for a record's result."""
        return self._slot_of(record.name, record.dtype.char)

    def _slot_of(self, name: str, char: str) -> int:
        """A slot for a number, noted."""
        if self._free:
            slot = heapq.heappop(self._free)  # the lowest: so turns of a loop come to use the same ones
        else:
            slot = self._slots
            self._slots += 1
        memory = self.memory
        if char != PYTHON:
            self.writer.numbers.add(name)
        self.scalars[name] = slot, char
        memory.text[name] = memory.held[name] = name
        return slot

    def _emit(self, op: int, kind: int, char: str, a: int, b: int, c: int, numbers: Numbers = ()) -> None:
        self.steps.append(((op, kind, SIZES[char], a, b, c), numbers))

    # ---- numbers of Python's ----

    def _number(self, record: Record) -> None:
        """What is computed of Python's floats, or one as NumPy's."""
        result = record.results[0]
        a, b = [self._python(x, record.attrs) for x in (record.args[0], record.args[-1])]
        if record.how == "number":
            dtype = result.dtype
            self.writer._shapes[result.name] = (), dtype, None
            op = tapes.MOVE if dtype.char == "d" else tapes.WEAK
            self._emit(op, 0, dtype.char, a, b, self._slot_of(result.name, dtype.char))
            return
        op, kind = NUMBERS[record.fn]
        self._emit(op, kind, "d", a, b, self._slot_of(result.name, PYTHON))

    def _python(self, x: Any, kind: Any) -> int:
        """The slot of a number of Python's, or of one of NumPy's that the program follows."""
        if type(x) is not Operand or x.name is None:
            return self._constant(x.value if type(x) is Operand else x, "d")
        char = PYTHON if kind is float else "d"
        known = self.scalars.get(x.name)
        if known is None:
            text = self.memory.text[x.name]
            known = self.given.get(text)
            if known is None:
                known = self.given[text] = self._slots, char
                self._slots += 1
        if known[1] != char:
            raise Unknown
        return known[0]

    # ---- scalars ----

    def _scalar(self, record: Record) -> None:
        char, op, operands = record.dtype.char, record.op, record.operands
        if op is ELEMENT:
            place = self._place(operands[0])
            offset = place.element(record.attrs[0][1])
            if offset is None or place.char != char:
                raise Unknown
            self._emit(tapes.LOAD, 0, char, place.array, 0, self._give(record), (offset,))
        elif op.kind == "call":
            self._product(record)
        else:
            kind = kind_of(op.fn, char)
            a = self._operand(operands[0], char)
            b = a if len(operands) == 1 else self._operand(operands[1], char)
            if kind is None:
                self._emit(tapes.CALL, self._loop(op.fn, char), char, a, b, self._give(record))
            else:
                self._emit(tapes.SCALAR, kind, char, a, b, self._give(record))

    def _loop(self, fn: Any, char: str) -> int:
        """The number of NumPy's loop for a function."""
        if called.loop_of(fn, char) is None:
            raise Unknown
        return self._called.setdefault((called.OPERATORS.get(fn, fn), char), len(self._called))

    def _product(self, record: Record) -> None:
        """A product of two vectors."""
        char = record.dtype.char
        a, b = [self._place(x) for x in record.operands]
        if record.attrs or len(a.shape) != 1 or len(b.shape) != 1 or a.char != char or b.char != char:
            raise Unknown
        n = a.shape[0]
        if record.op.fn is np.dot and (n < 2 or a.strides[0] <= 0 or b.strides[0] <= 0):
            raise Unknown  # `dot` has ways of its own for these
        self._emit(tapes.DOT, 0, char, a.array, b.array, self._give(record),
                   (a.offset, a.strides[0], b.offset, b.strides[0], n))

    def _list(self, record: Record, dies: set[str]) -> None:
        """An array that is written as a list of scalars: each is a store."""
        values, char = listed(record), record.dtype.char
        if values is None:
            raise Unknown
        slots = [self._operand(x, char) for x in values]
        self.writer._place(record, dies, self.memory, self.depth)
        place = self._array(record.name)
        for k, slot in enumerate(slots):
            self._emit(tapes.STORE, 0, char, slot, 0, place.array, (place.offset + k * record.dtype.itemsize,))
        self.written.add(place.array)

    # ---- rows ----

    def _map(self, record: Record, dies: set[str]) -> None:
        char = record.dtype.char
        operands = [self._row(x, record.shape, char) for x in record.operands]
        name, fn = record.name, record.op.fn
        loop = None if fn in _MAPS else self._loop(fn, char)
        self.writer._place(record, dies, self.memory, self.depth)
        if loop is None:
            self._into(_MAPS[fn], char, operands, self._array(name))
        else:
            self._called_into(loop, char, operands, self._array(name))

    def _row(self, x: Operand, shape: tuple[int, ...], char: str) -> tuple[int, Numbers]:
        """An operand of a row's operation: an array's part, or the same number for all."""
        if x.name is None or x.name in self.scalars or x.name in self.writer.numbers and not x.steps:
            return ~self._operand(x, char), _NOTHING
        place = self._place(x)
        if place.char != char:
            raise Unknown
        if not place.shape or x.name.endswith(BESIDE):
            return place.array, (place.offset, 0)
        if place.shape != shape:
            raise Unknown
        return place.array, place.row[:2]

    def _into(self, kind: int, char: str, operands: list[tuple[int, Numbers]], out: Place) -> None:
        (a, at_a), (b, at_b) = operands
        offset, stride, n = out.row
        if len(out.shape) > 1 and any(x >= 0 and at[1] not in (0, stride) for x, at in operands):
            raise Unknown
        self._emit(tapes.MAP, kind, char, a, b, out.array, (*at_a, *at_b, offset, stride, n))
        self.written.add(out.array)

    def _called_into(self, loop: int, char: str, operands: list[tuple[int, Numbers]], out: Place) -> None:
        """NumPy's loop over rows without gaps; of one element it has strides of its own."""
        offset, stride, n = out.row
        if n < 2 or stride != SIZES[char] or any(x >= 0 and at[1] not in (0, stride) for x, at in operands):
            raise Unknown
        (a, at_a), (b, at_b) = operands[0], operands[-1]
        self._emit(tapes.CALLS, loop, char, a, b, out.array, (*at_a, *at_b, offset, stride, n))
        self.written.add(out.array)

    # ---- writes ----

    def _mutate(self, record: Record, dies: set[str]) -> None:
        old, memory = record.operands[0], self.memory
        if old.name is None or old.steps is not None:
            raise Unknown
        steps, extra = record.attrs
        char = record.dtype.char
        is_store = record.op.step == "store"
        if not is_store and extra != (0, ()):
            raise Unknown
        source = self._array(old.name)
        own = self.writer._owns(record, dies, memory)
        if not own:
            self.writer._place(record, set(), memory, self.depth, copies=True)
        self.writer._written_to(record, dies, memory, memory.text[old.name] if own else memory.text[record.name], own)
        if own:  # the same memory
            target = self._places[record.name] = source
        else:
            target = self._array(record.name)
        self.written.add(target.array)
        if not own:
            (o, s, n), (p, t, _) = source.row, target.row
            self._emit(tapes.COPY, 0, char, source.array, 0, target.array, (o, s, p, t, n))
        over = self._stepped(target, steps) if steps else target
        values = [(x._replace(name=record.name) if x.name == old.name else x) for x in record.operands[1:]]
        if is_store:
            self._store(over, extra[0], values[0], char)
        else:
            rows = [self._row(x, over.shape, char) for x in values]
            self._into(part_kinds()[record.op], char, rows, over)

    def _store(self, over: Place, index: Any, value: Operand, char: str) -> None:
        offset = over.element(index)
        if offset is not None and value.name in self.scalars:
            self._emit(tapes.STORE, 0, char, self._operand(value, char), 0, over.array, (offset,))
            return
        part = over.part(index)
        is_place = value.name is not None and value.name not in self.scalars and (
            value.steps is not None or bool(self._known(value.name)))
        if not is_place:
            slot = self._operand(value, char)
            if part.shape:
                self._emit(tapes.FILL, 0, char, slot, 0, part.array, part.row)
            else:
                self._emit(tapes.STORE, 0, char, slot, 0, part.array, (part.offset,))
            return
        place = self._place(value)
        if place.shape != part.shape or place.char != char or not part.shape:
            raise Unknown
        (o, s, n), (p, t, _) = place.row, part.row
        if len(part.shape) > 1 and s != t:
            raise Unknown
        if (place.array, o, s) != (part.array, p, t):  # a part onto itself is nothing
            self._emit(tapes.COPY, 0, char, place.array, 0, part.array, (o, s, p, t, n))

    def _known(self, name: str) -> Any:
        geometry = self.writer.geometry_of(name)
        return None if geometry is None else geometry[0]

    # ---- the tape ----

    def finished(self, errstate: Any) -> tuple[Any, list[str]]:
        """The tape, and the names of the scalars that it gives.

        Raises
        ------
        ValueError
            If a step reads what it writes in another order, which NumPy does by way of a copy.
        """
        outputs = sorted(self.scalars)
        written = [i in self.written for i in range(len(self.arrays))]
        arrays = [(*own, there) for own, there in zip(self.geometry, written, strict=True)]
        given, taken = [[(slot, tapes.ENDS[char]) for slot, char in which] for which in (
            self.given.values(), [self.scalars[name] for name in outputs])]
        start = np.zeros(self._slots)
        for slot, char, value in self._start:
            start[slot:slot + 1].view(char)[0] = value
        return tapes.made(nested(self.steps), arrays, start, given, taken, floating.mask(errstate),
                          self._called), outputs
