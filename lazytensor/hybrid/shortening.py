"""Traces without turns in the middle of their loops, which are compiled as quickly whatever the number of turns.

The `Writer` shows, from where values lie before and after a turn, that the turns left out would have been written as
those that are there, and writes them as one loop (`rolling.Turns`). Where it cannot, the whole trace is written.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from math import prod
from operator import is_
from typing import Any, NamedTuple, cast, overload

from ..ir.node import new
from .effects import Outcome, Spec
from .fast import native
from .repeating import Found, again, model
from .tracing import Operand, Record

KEPT = ((4, 2), (6, 2), (16, 12))
"""Turns that are kept at least, so that the number of those left out is a multiple of the second: first try, second,
third. The first is for loops that hand on nothing but arrays written in place: other values take turns in memory."""


MOST_SPLITS = 16
"""Turns in the middle of loops that may be wanted."""
LONGEST = 256
"""Records of a turn among which its best beginning is looked for."""


class Cut(NamedTuple):
    """A loop in a shortened trace: where a turn begins there, the records of a turn, the turns from there on that are
    whole, and those that are left out. With a `name`, the program has how often its lines run under that."""

    start: int
    period: int
    kept: int
    gone: int
    name: str = ""


def shortened(records: Sequence[Record], loops: list[Found], end: Outcome, attempt: int,
              few: bool = False) -> tuple[list[Record], list[Cut], Outcome] | None:
    """The records without turns in the middle of the loops, where nothing refers to them; None if there are none. With
    `few`, of a trace of fewer turns than there are, none need be left out.

    A record's name has its number in the whole trace, ``r7``; names of turns that are gone stand for those of as many
    turns before the loop's end. A loop of which a turn in the middle is wanted is two loops, one after the other.
    """
    for _ in range(MOST_SPLITS):
        try:
            return _without(records, loops, end, attempt, few)
        except _Wanted as wanted:
            loops = [part for loop in loops for part in _split(loop, wanted.number)]
    return None


class _Wanted(Exception):
    """The number of a record, of a turn in the middle, whose value is read after its loop."""

    def __init__(self, number: int) -> None:
        self.number = number


def _split(loop: Found, number: int) -> list[Found]:
    """A loop as two, the first of which ends with the turn of that record, if it is one of its."""
    start, period, turns = loop
    first = (number - start) // period + 1
    if not 0 < first < turns:
        return [loop]
    return [Found(start, period, first), Found(start + first * period, period, turns - first)]


def _without(records: Sequence[Record], loops: list[Found], end: Outcome, attempt: int,
             few: bool) -> tuple[list[Record], list[Cut], Outcome] | None:
    keep, step = KEPT[attempt]
    cuts: list[Cut] = []
    gone: list[tuple[int, int, int]] = []  # for each cut: first and last record that are kept under their names, shift
    parts: list[Sequence[Record]] = []
    late: list[int] = []
    at = shift = 0
    for start, period, turns in loops:
        kept = keep + (turns - keep) % step
        if turns < (kept if few else 2 * kept + 2):
            continue
        models = _models(records, start, period)
        if attempt == 0 and (_longest(models) > period or _hands_on(models)):
            return None
        if _longest(models) > (kept // 2 - 1) * period:
            continue
        cuts.append(Cut(start - shift + _seam(models), period, kept - 1, turns - kept))
        parts.append(records[at:start + kept * period])
        late.append(start + (kept // 2 + 1) * period)
        at = start + turns * period
        shift += (turns - kept) * period
        gone.append((start, at, (turns - kept) * period))
    parts.append(records[at:])
    if not cuts:
        return None
    short = list(parts[0])
    for number, part in enumerate(parts[1:], 1):
        rename = _renaming(gone[:number], late)
        short += [_renamed(record, rename) for record in part]
    return short, cuts, _renamed_end(end, _renaming(gone, late))


def _models(records: Sequence[Record], start: int, period: int) -> Any:
    """The records of a loop's second turn, each with how many records back its operands are."""
    found = records.models(start, period) if isinstance(records, Whole) else None
    return found or [model(records, i, period) for i in range(start + period, start + 2 * period)]


def _longest(models: Any) -> int:
    """After how many records, at most, a value of a turn is read."""
    return max([x[0] for _, references in models for x in references], default=0)


def _hands_on(models: Any) -> bool:
    """Whether a turn reads what the one before it made anew."""
    return any(back > j and models[j - back][0].op.kind != "mutate"
               for j, (_, references) in enumerate(models) for back, _ in references)


def _seam(models: Any) -> int:
    """Where in its records a turn had better begin: where the fewest values go over from one turn to the next."""
    period = len(models)
    if period > LONGEST:
        return 0
    crossing: list[set[int]] = [set() for _ in range(period)]
    for j, (_, references) in enumerate(models):
        for back, _ in references:
            for b in range(j - back + 1, j + 1):
                crossing[b % period].add(j - back - (b - b % period))
    return min(range(period), key=lambda b: len(crossing[b]))


class Whole(Sequence[Record]):
    """All the records of a trace, made of the compact ones (`repeating.compacted`) as they are asked for."""

    def __init__(self, compact: list[Any]) -> None:
        self._parts: list[tuple[int, int, Any]] = []  # of each: its first record, how many there are, records or loop
        at = 0
        for part in compact:
            if type(part) is not Record:
                count = (part[1] - 2) * part[0]
                self._parts.append((at, count, part))
                at += count
            elif self._parts and type(self._parts[-1][2]) is list:
                self._parts[-1][2].append(part)
                at += 1
            else:
                self._parts.append((at, 0, [part]))
                at += 1
        self._count = at
        self._starts = [start for start, _, _ in self._parts]

    def __len__(self) -> int:
        return self._count

    def models(self, start: int, period: int) -> Any:
        """Those of a turn of the loop that begins there, or None."""
        for at, _, part in self._parts:
            if at == start + 2 * period and type(part) is not list and part[0] == period:
                return part[2]
        return None

    @property
    def nbytes(self) -> int:
        """The bytes of what all operations give."""
        return sum(sum(map(_nbytes, part)) if type(part) is list else
                   (part[1] - 2) * sum(_nbytes(record) for record, _ in part[2]) for _, _, part in self._parts)

    def __iter__(self) -> Iterator[Record]:
        for start, count, part in self._parts:
            yield from part if type(part) is list else map(self._at, range(start, start + count))

    def _at(self, i: int) -> Record:
        start, count, part = self._parts[bisect.bisect_right(self._starts, i) - 1]
        if type(part) is list:
            return cast("Record", part[i - start])
        period, _, models = part
        record, references = models[(i - start) % period]
        return cast("Record", _again(record, references, i))

    @overload
    def __getitem__(self, i: int) -> Record: ...
    @overload
    def __getitem__(self, i: slice) -> list[Record]: ...
    def __getitem__(self, i: Any) -> Any:
        if type(i) is not slice:
            return self._at(range(self._count)[i])
        begin, end, _ = i.indices(self._count)
        found: list[Record] = []
        for start, count, part in self._parts:
            if type(part) is list:
                found += part[max(begin - start, 0):max(end - start, 0)]
            else:
                period, _, models = part
                for k in range(max(begin, start), min(end, start + count)):
                    record, references = models[(k - start) % period]
                    found.append(_again(record, references, k))
        return found


_again = again if native is None else native.again


def _nbytes(record: Record) -> int:
    return prod(record.shape) * int(record.dtype.itemsize) if record.kind == "operation" else 0


def _copy(record: Record, name: str, operands: tuple[Operand, ...]) -> Record:
    other = new(Record)
    other.kind, other.name, other.operands = record.kind, name, operands
    other.op, other.attrs, other.shape, other.dtype = record.op, record.attrs, record.shape, record.dtype
    other.strides, other.errstate, other.fn, other.args = record.strides, record.errstate, record.fn, record.args
    other.kwargs, other.results, other.outcome = record.kwargs, record.results, record.outcome
    other.how, other.code, other.lasti = record.how, record.code, record.lasti
    return other


def _renaming(gone: list[tuple[int, int, int]], late: list[int]) -> Callable[[str], str]:
    """What later records call a value."""
    def rename(name: str) -> str:
        number, rest = name[1:], ""
        if name[0] != "r":
            return name
        if not number.isdigit():
            number, _, rest = number.partition("_")
        i = int(number)
        for (start, end, shift), least in zip(gone, late, strict=False):
            if start <= i < end:
                if i - shift < least:
                    raise _Wanted(i)
                return f"r{i - shift}{'_' * bool(rest)}{rest}"
        return name
    return rename


def _renamed(record: Record, rename: Callable[[str], str]) -> Record:
    operands = tuple([_renamed_value(x, rename) for x in record.operands])
    if record.args is None and all(map(is_, operands, record.operands)):
        return record
    other = _copy(record, record.name, operands)
    if record.args is not None:
        other.args, other.kwargs = _renamed_value(record.args, rename), _renamed_value(record.kwargs, rename)
    return other


def _renamed_value(value: Any, rename: Callable[[str], str]) -> Any:
    kind = type(value)
    if kind is Operand:
        name = None if value[0] is None else rename(value[0])
        return value if name == value[0] else Operand(name, value[1], value[2], value[3])
    if kind is list or kind is tuple:
        return kind([_renamed_value(x, rename) for x in value])
    if kind is dict:
        return {k: _renamed_value(v, rename) for k, v in value.items()}
    return value


def _renamed_end(end: Outcome, rename: Callable[[str], str]) -> Outcome:
    return end.mapped(lambda spec: _renamed_spec(spec, rename),
                      {root: rename(name) for root, name in end.writes.items()})


def _renamed_spec(spec: Spec, rename: Callable[[str], str]) -> Spec:
    if spec.kind in ("array", "scalar", "number"):
        return spec._replace(name=rename(spec.name))
    if spec.kind == "view":
        return spec._replace(what=(_renamed_spec(spec.what[0], rename), *spec.what[1:]))
    if spec.kind in ("sequence", "dict", "dataclass"):
        return spec._replace(what=(*spec.what[:-1], [_renamed_spec(x, rename) for x in spec.what[-1]]))
    return spec
