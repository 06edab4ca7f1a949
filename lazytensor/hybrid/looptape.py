"""Loops whose turns are generated, as a tape (`_tape.c`): elements, arithmetic between scalars, products of vectors.

Where every step of a loop, and of those within it, is one that a tape has, one native call runs them all. What is not
known raises `Unknown`: such loops are Python source (`loopsource`). Positions move evenly, as has been shown before
(`bounds`), so an array's offset is an `Even` number too; the tape is walked once, and refused if it leaves an array.
"""

from __future__ import annotations

import operator
from math import isfinite, prod
from typing import Any

import numpy as np

from ..api.indexing import ELEMENT
from ..ir.layout import c_strides
from . import called, tapes
from .bounds import Even
from .loopsource import Body, array_of
from .steps import HOLE
from .stretches import kind_of, part_kinds
from .tapes import SIZES, Unknown

_getitem = operator.getitem
Geometry = tuple[Any, Any, Any]


class Place:
    """A part of an array: its number, offset, shape and strides, which may move."""

    __slots__ = ("array", "offset", "shape", "strides", "char")

    def __init__(self, array: int, offset: Even, shape: list[Even], strides: list[Even], char: str) -> None:
        self.array, self.offset, self.shape, self.strides, self.char = array, offset, shape, strides, char


def _even(value: int, levels: int) -> Even:
    return Even(value, (0,) * levels)


def _plus(a: Even, b: Even) -> Even:
    return Even(a.constant + b.constant, tuple([x + y for x, y in zip(a.growth, b.growth, strict=True)]))


def _times(a: Even, b: Even) -> Even:
    if a.moves and b.moves:
        raise Unknown
    a, b = (b, a) if b.moves else (a, b)
    return Even(a.constant * b.constant, tuple([x * b.constant for x in a.growth]))


def _whole(x: Even) -> int:
    if x.moves:
        raise Unknown
    return x.constant


class TapeOf:
    """The tape of a loop.

    Parameters
    ----------
    geometry : list of (shape, dtype, strides)
        Of the state, then of what else the loop reads; a shape of () is a number.
    """

    def __init__(self, body: Body, numbers: list[int], count: int, geometry: list[Geometry]) -> None:
        self.code: list[int] = []
        self.geometry: list[tuple[int, int, int]] = []
        self.laid: list[Geometry] = []
        self.written: set[int] = set()
        self.start: dict[tuple[str, str], int] = {}
        self.called: dict[tuple[Any, str], int] = {}
        self.slots = 0
        self.arrays: list[int] = []
        self.numbers: list[tuple[int, int]] = []
        cells: list[Any] = []
        inputs: list[Any] = []
        for k, one in enumerate(geometry):
            (cells if k < len(body.cells) else inputs).append(self._given(one))
        self.own = list(self.numbers)
        state = _Level(self, body, [Even(x, ()) for x in numbers], Even(count, ()), 0)
        self.cells = cells
        self.constants: list[Any] = []
        state.write(cells, inputs)

    def _given(self, geometry: Geometry) -> Any:
        """What stands for an array (its number) or a number (its slot)."""
        shape, dtype, strides = geometry
        if dtype.char not in SIZES or not dtype.isnative:
            raise Unknown
        if not shape:
            slot = self.slot()
            self.numbers.append((slot, SIZES[dtype.char]))
            return "slot", slot, dtype.char
        return self.array(geometry)

    def array(self, geometry: Geometry) -> Any:
        """Another array of the tape."""
        shape, dtype, strides = geometry
        strides = c_strides(shape, dtype.itemsize) if strides is None else strides
        ends = [s * (n - 1) for s, n in zip(strides, shape, strict=True)] if 0 not in shape else [-dtype.itemsize]
        self.geometry.append((sum(min(0, e) for e in ends) if 0 not in shape else 0,
                              sum(max(0, e) for e in ends) + dtype.itemsize if 0 not in shape else 0,
                              prod(shape) * dtype.itemsize))
        self.laid.append((shape, dtype, strides))
        return "array", len(self.geometry) - 1, dtype.char

    def slot(self) -> int:
        """Another slot."""
        self.slots += 1
        return self.slots - 1

    def loop(self, fn: Any, char: str) -> int:
        """The number of NumPy's loop for a function of numbers."""
        if called.loop_of(fn, char) is None:
            raise Unknown
        return self.called.setdefault((called.OPERATORS.get(fn, fn), char), len(self.called))

    def constant(self, value: Any, char: str) -> int:
        """The slot of a number that is the same in all turns."""
        kind = type(value)
        if kind is int and abs(value) <= (1 << 24 if char == "f" else 1 << 53):
            own = float(value)
        elif kind is float or issubclass(kind, np.floating) and value.dtype.char == char:
            own = float(value)
            if char == "f" and isfinite(own) and not abs(own) < 3e38:
                raise Unknown
        else:
            raise Unknown
        key = char, own.hex() if own == own else "nan"
        if key not in self.start:
            self.start[key] = self.slot()
        return self.start[key]

    def made(self, mask: int) -> Any:
        """The tape; ValueError if it leaves its arrays, or reads what it writes in another order."""
        written = [k in self.written for k in range(len(self.geometry))]
        arrays = [(*own, there) for own, there in zip(self.geometry, written, strict=True)]
        start = np.zeros(self.slots)
        for (char, text), slot in self.start.items():
            start[slot:slot + 1].view(char)[0] = float.fromhex(text) if text != "nan" else np.nan
        outputs = [(x[1], SIZES[x[2]]) for x in self.cells if x[0] == "slot"]
        return tapes.of_words(self.code, arrays, start, self.numbers, outputs, mask, self.called)


class _Level:
    """One loop of a tape."""

    def __init__(self, tape: TapeOf, body: Body, first: list[Even], count: Even, level: int) -> None:
        self.tape, self.body, self.first, self.count, self.level = tape, body, first, count, level
        self.at: dict[str, Any] = {}

    def _emit(self, op: int, kind: int, char: str, a: int, b: int, c: int, numbers: tuple[Even, ...] = ()) -> None:
        self.tape.code += [op, kind, SIZES[char], a, b, c, self.level]
        for x in numbers:
            self.tape.code += [x.constant, *x.growth]

    def write(self, state: list[Any], inputs: list[Any]) -> None:
        """Writes the loop: it leaves its state where it was."""
        body, tape = self.body, self.tape
        for k, where in enumerate(inputs):
            self.at[f"w{k}"] = where
        for k, constant in enumerate(body.constants):
            array = array_of(constant)
            self.at[f"c{k}"] = ("constant", array[()]) if not array.shape else None
        code = tape.code
        head = len(code)
        self._emit(tapes.LOOP, 0, "d", 0, 0, 0, (self.count,))
        begin = len(code)
        self.level += 1
        for k, where in enumerate(state):
            self.at[f"s{k}"] = where
        last: dict[str, int] = {}
        steps = list(body.steps(self.first, self.level - 1))
        for position, (shape, _) in enumerate(steps):
            if shape[0] == "loop":
                last |= {x[0]: position for x in shape[3] if x[0] is not None}
            elif type(shape[0]) is not str:
                last |= {x[1]: position for x in shape[2] if x[0] == "value"}
        last |= dict.fromkeys(body.after, len(steps))
        for position, (shape, numbers) in enumerate(steps):
            self._step(shape, numbers, position, last)
        self._close(state)
        self.level -= 1
        self._emit(tapes.END, 0, "d", 0, 0, begin)
        code[head + 5] = len(code)

    def _close(self, state: list[Any]) -> None:
        moved = []
        for where, name in zip(state, self.body.after, strict=True):
            now = self.at[name]
            if now == where:
                continue
            if where[0] != "slot" or now is None or now[0] != "slot" or now[2] != where[2]:
                raise Unknown
            moved.append((now, where))
        held = moved
        if len(moved) > 1:
            held = []
            for now, where in moved:
                between = "slot", self.tape.slot(), now[2]
                self._emit(tapes.MOVE, 0, "d", now[1], 0, between[1])
                held.append((between, where))
        for now, where in held:
            self._emit(tapes.MOVE, 0, "d", now[1], 0, where[1])

    # ---- steps ----

    def _step(self, shape: Any, numbers: list[Even], position: int, last: dict[str, int]) -> None:
        if shape[0] in ("int", "slice", "turns"):
            return
        if shape[0] == "loop":
            return self._inner(shape, numbers, position, last)
        if type(shape[0]) is str:
            raise Unknown
        op, name, operands, attrs, _, dtype, _ = shape
        given, char = iter(numbers), dtype.char
        if char not in SIZES or not dtype.isnative:
            raise Unknown
        if op is ELEMENT:
            index = self._index(attrs, given)
            place = self._part(self._place(operands[0], given), index)
            if place.shape or place.char != char:
                raise Unknown
            return self._emit(tapes.LOAD, 0, char, place.array, 0, self._give(name, char), (place.offset,))
        if op.kind == "mutate":
            return self._mutate(shape, given, position, last)
        if op.kind == "call" and op.fn in (np.matmul, np.dot) and not shape[4] and not attrs.value:
            a, b = self._place(operands[0], given), self._place(operands[1], given)
            if len(a.shape) != 1 or len(b.shape) != 1 or a.char != char or b.char != char or a.shape != b.shape or (
                    op.fn is np.dot):
                raise Unknown
            return self._emit(tapes.DOT, 0, char, a.array, b.array, self._give(name, char),
                              (a.offset, a.strides[0], b.offset, b.strides[0], a.shape[0]))
        if shape[4] or op.kind not in ("scalar", "elementwise") or attrs.value:
            raise Unknown
        kind = kind_of(op.fn, char)
        which = tapes.CALL if kind is None else tapes.SCALAR
        if kind is None:
            kind = self.tape.loop(op.fn, char)
        slots = [self._number(x, char, given) for x in operands]
        return self._emit(which, kind, char, slots[0], slots[-1], self._give(name, char))

    def _give(self, name: str, char: str) -> int:
        slot = self.tape.slot()
        self.at[name] = "slot", slot, char
        return slot

    def _mutate(self, shape: Any, given: Any, position: int, last: dict[str, int]) -> None:
        op, name, operands, (steps, extra), _, dtype, _ = shape
        old = operands[0][1]
        where, char = self.at[old], dtype.char
        if where is None or where[0] != "array" or operands[0][2] or last[old] != position or old[0] in "wc" or (
                where[2] != char):
            raise Unknown
        over = self._stepped(self._all(where), steps, given)
        index = self._index(extra, given) if op.step == "store" else None
        self.at = {**self.at, name: where}
        self.tape.written.add(where[1])
        if op.step == "store":
            return self._store(self._part(over, index), operands[1], char, given)
        kind = part_kinds().get(op)
        if kind is None or extra.value != (0, ()):
            raise Unknown
        (a, at_a), (b, at_b) = [self._row(x, over, char, given) for x in operands[1:]]
        offset, stride, n = self._line(over)
        return self._emit(tapes.MAP, kind, char, a, b, over.array, (*at_a, *at_b, offset, stride, n))

    def _store(self, part: Place, value: Any, char: str, given: Any) -> None:
        if value[0] == "value" and (where := self.at[value[1]]) is not None and where[0] == "array":
            source = self._stepped(self._all(where), value[2] or (), given)
            if source.shape != part.shape or source.char != char or len(part.shape) != 1:
                raise Unknown
            return self._emit(tapes.COPY, 0, char, source.array, 0, part.array,
                              (source.offset, source.strides[0], part.offset, part.strides[0], part.shape[0]))
        slot = self._number(value, char, given)
        if not part.shape:
            return self._emit(tapes.STORE, 0, char, slot, 0, part.array, (part.offset,))
        return self._emit(tapes.FILL, 0, char, slot, 0, part.array, self._line(part))

    def _inner(self, shape: Any, numbers: list[Even], position: int, last: dict[str, int]) -> None:
        _, name, body, operands = shape
        inner = _Level(self.tape, body, numbers[1:], numbers[0], self.level)
        given = [self.at.get(x[0]) if x[0] is not None else ("constant", x[2]) for x in operands]
        names = [x[0] for x in operands]
        state = given[:len(body.cells)]
        for k, where in enumerate(state):
            if where is None:
                raise Unknown
            if where[0] == "array":
                if last[names[k]] != position or names.count(names[k]) > 1 or names[k][0] in "wc":
                    raise Unknown
                self.at[f"{name}_{k}"] = where
            else:  # a number gets a slot of its own
                char = body.cells[k][2].char
                own = "slot", self.tape.slot(), char
                self._emit(tapes.MOVE, 0, "d", self._known(where, char), 0, own[1])
                state[k] = self.at[f"{name}_{k}"] = own
        inner.write(state, given[len(body.cells):])

    # ---- operands ----

    def _known(self, where: Any, char: str) -> int:
        if where is None or where[0] == "array":
            raise Unknown
        if where[0] == "constant":
            return self.tape.constant(where[1], char)
        if where[2] != char:
            raise Unknown
        return int(where[1])

    def _number(self, x: Any, char: str, given: Any) -> int:
        """The slot of a number."""
        kind, value, *rest = x
        if kind == "value":
            if rest[0]:
                raise Unknown
            return self._known(self.at[value], char)
        if kind == "constant":
            return self.tape.constant(value.value, char)
        if kind != "number":
            raise Unknown
        own = next(given)
        if not own.moves:
            return self.tape.constant(own.constant, char)
        slot = self.tape.slot()
        self._emit(tapes.INDEX, 0, char, 0, 0, slot, (own,))
        return slot

    def _all(self, where: Any) -> Place:
        shape, dtype, strides = self.tape.laid[where[1]]
        level = self.level
        return Place(where[1], _even(0, level), [_even(n, level) for n in shape], [_even(s, level) for s in strides],
                     dtype.char)

    def _place(self, x: Any, given: Any) -> Place:
        if x[0] != "value" or (where := self.at[x[1]]) is None or where[0] != "array":
            raise Unknown
        return self._stepped(self._all(where), x[2] or (), given)

    def _stepped(self, place: Place, steps: Any, given: Any) -> Place:
        for fn, args in steps:
            if fn is not _getitem:
                raise Unknown
            place = self._part(place, self._index(args, given))
        return place

    def _index(self, index: Any, given: Any) -> Any:
        """An index with its numbers."""
        if index == HOLE:
            return next(given)
        kind, *parts = index
        if kind == "slice":
            return tuple([None if x is None else next(given) for x in parts])
        if kind == "tuple":
            return [self._index(x, given) for x in parts]
        raise Unknown

    def _part(self, place: Place, index: Any) -> Place:
        offset, shape, strides = place.offset, [], []
        parts = index if type(index) is list else [index]
        if len(parts) > len(place.shape):
            raise Unknown
        for x, n, step in zip(parts, place.shape, place.strides, strict=False):
            if type(x) is Even:
                offset = _plus(offset, _times(_plus(x, n) if x.constant < 0 else x, step))
                continue
            start, length, by = _range(x, n)
            offset = _plus(offset, _times(start, step))
            shape.append(length)
            strides.append(_times(step, _even(by, self.level)))
        return Place(place.array, offset, shape + place.shape[len(parts):], strides + place.strides[len(parts):],
                     place.char)

    def _line(self, place: Place) -> tuple[Even, Even, Even]:
        if len(place.shape) != 1:
            raise Unknown
        return place.offset, place.strides[0], place.shape[0]

    def _row(self, x: Any, over: Place, char: str, given: Any) -> tuple[int, tuple[Even, Even]]:
        """An operand of a row's operation: a part of an array, or one number."""
        if x[0] == "value" and (where := self.at[x[1]]) is not None and where[0] == "array":
            place = self._stepped(self._all(where), x[2] or (), given)
            if place.char != char or place.shape != over.shape or len(place.shape) != 1:
                raise Unknown
            return place.array, (place.offset, place.strides[0])
        return ~self._number(x, char, given), (_even(0, self.level), _even(0, self.level))


def _range(index: tuple[Any, ...], n: Even) -> tuple[Even, Even, int]:
    """Start, length and step of a slice. One that moves lies within its axis, as has been shown."""
    start, stop, step = index
    by = 1 if step is None else _whole(step)
    if not n.moves and all(x is None or not x.moves for x in (start, stop)):
        found = range(*slice(start and start.constant, stop and stop.constant, by).indices(n.constant))
        return Even(found.start, (0,) * len(n.growth)), Even(len(found), (0,) * len(n.growth)), by
    if by != 1:
        raise Unknown
    ends = [_plus(x, n) if x is not None and x.constant < 0 else x for x in (start, stop)]
    first = Even(0, (0,) * len(n.growth)) if ends[0] is None else ends[0]
    last = n if ends[1] is None else ends[1]
    return first, last - first, 1

