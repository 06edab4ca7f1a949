"""Repetition in a trace, noticed while it grows: a loop of ten thousand turns is compiled from a handful of them.

A loop's turn repeats the one before it when each of its records does the same, from the same line, to operands that are
either the same (from before the loop) or as many records back. `Repeats` follows the records as they come: it compares
each with the one a period before. (`Book` in `_records.c` is the twin of what is here; it leaves turns out at once.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..api.indexing import ELEMENT
from .fast import native
from .guards import same

LONGEST = 2048
"""Records of a turn."""
LEAST = 14
"""Turns of a loop that is worth while."""
NEVER = 1 << 30
"""The same where no loops are looked for, so that each record has the very values that its operation had."""


class Found(NamedTuple):
    """A loop in a trace: its first record, the records of a turn, and how many turns there are."""

    start: int
    period: int
    turns: int


class Repeats:
    """The loops of a list of records that grows. There are `period` records in a turn of the one that goes on, from
    `start`; 0 if none does. None stands for records that are not there, of turns that a trace skips."""

    def __init__(self, least: int = LEAST) -> None:
        self.least = least
        self.found: list[Found] = []
        self._at = self.start = self.period = self._wait = 0
        self._wall = -1
        self._last: dict[Any, tuple[int, int]] = {}
        self._turn: list[Any] = []

    def follow(self, records: list[Any]) -> None:
        """Looks at the records that are new."""
        i, n = self._at, len(records)
        while i < n:
            if not self.period:
                self._search(records, i)
                i += 1
            else:
                end = self._matched(records, i, n)
                if end < n:
                    self._end(end)
                i = end
        self._at = i

    def skip(self, records: list[Any], count: int) -> None:
        """The loop that goes on does so for that many records more: holes, but for the last turn, of which a part may
        be no whole one."""
        n, period = len(records) + count, self.period
        records += [None] * (count - period)
        for i in range(n - period, n):
            record, references = self._turn[(i - self.start) % period]
            records.append(again(record, references, i))
        self._at = n

    def finish(self, records: list[Any]) -> list[Found]:
        """All of them, when the trace has ended."""
        self.follow(records)
        self._end(len(records))
        return self.found

    def _end(self, i: int) -> None:
        if not self.period:
            return
        turns = (i - self.start) // self.period
        if turns >= self.least:
            self.found.append(Found(self.start, self.period, turns))
            self._last.clear()
        self.period = self._wait = 0  # a few turns may be part of a longer one

    def _matched(self, records: list[Any], i: int, n: int) -> int:
        """How far the loop goes on, from record i."""
        turn, start, period = self._turn, self.start, self.period
        while i < n:
            record = records[i]
            if record is None:
                return i
            model, references = turn[(i - start) % period]
            if (record.op is not model.op or record.lasti != model.lasti or record.code is not model.code
                    or record.errstate is not model.errstate or record.shape != model.shape
                    or record.dtype is not model.dtype or record.strides != model.strides
                    or not _alike(record.attrs, model.attrs) or len(record.operands) != len(references)):
                return i
            for (name, steps, value, _), (back, x) in zip(record.operands, references, strict=True):
                if name != (f"r{i - back}" if back else x[0]) or not _alike(steps, x[1]) or (
                        name is None and not same(value, x[2])):
                    return i
            i += 1
        return i

    def _search(self, records: list[Any], i: int) -> None:
        record = records[i]
        if self.least == NEVER or record is None or record.op is ELEMENT or record.kind != "operation":
            self._wall = i  # no loop goes over it
            return
        site = record.code, record.lasti
        before, period = self._last.get(site, (-1, 0))
        distance = i - before
        self._last[site] = i, distance
        if before < 0 or distance != period or i < self._wait or period > LONGEST:
            return
        first = i - 3 * period + 1
        if first <= self._wall:
            return
        turn = []
        for k in range(first + period, first + 2 * period):
            found = model(records, k, period)
            if found is None:
                break
            turn.append(found)
        else:
            self.start, self.period, self._turn = first, period, turn
            if self._matched(records, first + 2 * period, i + 1) > i:
                return
        self.period, self._wait = 0, i + period // 2


class Book:
    """The records of a trace, which has the `slots`, `real` and `dynamic`; loops have at least so many turns."""

    def __init__(self, slots: dict[int, str], real: set[str], dynamic: set[str], same: Any, least: int) -> None:
        self.slots, self.dynamic = slots, dynamic
        self.records: list[Any] = []
        self.repeats = Repeats(least)

    def __len__(self) -> int:
        return len(self.records)

    def write(self, trace: Any, start: int, targets: list[Any], depth: int | None = None) -> None:
        """As `Trace.record`; `depth` is what that of the nodes becomes that are written down."""
        if trace.write(self.records, targets, depth) > 64:
            self.repeats.follow(self.records)

    def append(self, record: Any) -> None:
        """Any other record."""
        self.records.append(record)

    def name(self, seq: int) -> str | None:
        """What records call a node's value; None if there is no record of it."""
        return self.slots.get(seq)

    def changes(self, name: str) -> bool:
        """Whether a record's value depends on what is not constant."""
        return name in self.dynamic

    def loop(self) -> tuple[int, int]:
        """Where the loop that goes on began, and its period; 0 if none does."""
        self.repeats.follow(self.records)
        return self.repeats.start, self.repeats.period

    def skip(self, count: int) -> None:
        """The loop that goes on does so for that many records more."""
        self.repeats.skip(self.records, count)

    def rename(self, seq: int, number: int, changes: bool) -> None:
        """A node's value is that of the record of that number."""
        self.slots[seq] = name = f"r{number}"
        if changes:
            self.dynamic.add(name)

    def finish(self) -> tuple[list[Any], list[Found]]:
        """The records, with loops (`compacted`); and where these are."""
        loops = self.repeats.finish(self.records)
        return compacted(self.records, loops), loops


def compacted(records: list[Any], loops: list[Found]) -> list[Any]:
    """The records with loops as (period, turns, models of the second turn) after the first two of their turns, so that
    a long trace does not have to be kept."""
    found: list[Any] = []
    at = 0
    for start, period, turns in loops:
        found += records[at:start + 2 * period]
        found.append((period, turns, [model(records, i, period) for i in range(start + period, start + 2 * period)]))
        at = start + turns * period
    return found + records[at:]


def model(records: Sequence[Any], i: int, period: int) -> Any:
    """A record, and for each of its operands how many records back it was written (0 for what is the same in every
    turn), if it does the same as the one a period before; else None."""
    a, b = records[i], records[i - period]
    if a is None or b is None:
        return None
    if (a.op is not b.op or a.lasti != b.lasti or a.code is not b.code or a.errstate is not b.errstate
            or a.kind != "operation" or b.kind != "operation" or a.op is ELEMENT or a.shape != b.shape
            or a.dtype is not b.dtype or a.strides != b.strides or not _alike(a.attrs, b.attrs)
            or len(a.operands) != len(b.operands)):
        return None
    references: list[tuple[int, Any]] = []
    for x, y in zip(a.operands, b.operands, strict=True):
        if not _alike(x[1], y[1]) or (x[1] is None) is not (y[1] is None):
            return None
        if x[0] == y[0]:
            if x[0] is None and not same(x[2], y[2]):
                return None
            references.append((0, x))
        else:
            number = _number(x[0])
            if not number or number != _number(y[0]) + period:
                return None
            references.append((i - number, x))
    return a, references


def again(record: Any, references: list[tuple[int, Any]], i: int) -> Any:
    """A record of a later turn, the one of number i, of its model."""
    return record.copy(f"r{i}", tuple([x._replace(name=f"r{i - back}") if back else x for back, x in references]))


def _number(name: str | None) -> int:
    """The number of the record that a name means; 0 for the first and for other names."""
    return int(name[1:]) if name is not None and name[0] == "r" and name[1:].isdigit() else 0


def _alike(a: Any, b: Any) -> bool:
    """`same`, the quick way if it is known."""
    if a is b:
        return True
    found = None if native is None else native.alike(a, b)
    return same(a, b) if found is None else bool(found)
