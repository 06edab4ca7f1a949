"""Traces without turns in the middle of their loops, which are compiled as quickly whatever the number of turns.

The `Writer` shows, from where values lie before and after a turn, that the turns left out would have been written as
those that are there, and writes them as one loop (`rolling.Turns`). Where it cannot, the whole trace is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .effects import Outcome, Spec
from .repeating import Found, again, model
from .tracing import Operand, Record

KEPT = ((6, 2), (16, 12))
"""Turns that are kept at least, so that the number of those left out is a multiple of the second: first try, second."""


MOST_SPLITS = 16
"""Turns in the middle of loops that may be wanted."""
LONGEST = 256
"""Records of a turn among which its best beginning is looked for."""


class Cut(NamedTuple):
    """A loop in a shortened trace: where a turn begins there, the records of a turn, the turns from there on that are
    whole, and those that are left out."""

    start: int
    period: int
    kept: int
    gone: int


def shortened(records: list[Record], loops: list[Found], end: Outcome, attempt: int) -> tuple[
        list[Record], list[Cut], Outcome] | None:
    """The records without turns in the middle of the loops, where nothing refers to them; None if there are none.

    A record's name has its number in the whole trace, ``r7``; names of turns that are gone stand for those of as many
    turns before the loop's end. A loop of which a turn in the middle is wanted is two loops, one after the other.
    """
    for _ in range(MOST_SPLITS):
        try:
            return _without(records, loops, end, attempt)
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


def _without(records: list[Record], loops: list[Found], end: Outcome, attempt: int) -> tuple[
        list[Record], list[Cut], Outcome] | None:
    keep, step = KEPT[attempt]
    cuts: list[Cut] = []
    gone: list[tuple[int, int, int]] = []  # for each cut: first and last record that are kept under their names, shift
    parts: list[list[Record]] = []
    late: list[int] = []
    at = shift = 0
    for start, period, turns in loops:
        kept = keep + (turns - keep) % step
        if turns < 2 * kept + 2 or None in records[start:start + kept * period] or (
                _longest(records, start, period) > (kept // 2 - 1) * period):
            continue
        cuts.append(Cut(start - shift + _seam(records, start, period), period, kept - 1, turns - kept))
        parts.append(records[at:start + kept * period])
        late.append(start + (kept // 2 + 1) * period)
        at = start + turns * period
        shift += (turns - kept) * period
        gone.append((start, at, (turns - kept) * period))
    parts.append(records[at:])
    if not cuts or any(None in part for part in parts):
        return None
    short = list(parts[0])
    for number, part in enumerate(parts[1:], 1):
        rename = _renaming(gone[:number], late)
        short += [_renamed(record, rename) for record in part]
    return short, cuts, _renamed_end(end, _renaming(gone, late))


def _longest(records: list[Record], start: int, period: int) -> int:
    """After how many records, at most, a value of a turn is read."""
    return max((back for j in range(period) for back, _ in model(records, start + period + j, period)[1]), default=0)


def _seam(records: list[Record], start: int, period: int) -> int:
    """Where in its records a turn had better begin: where the fewest values go over from one turn to the next."""
    if period > LONGEST:
        return 0
    crossing: list[set[int]] = [set() for _ in range(period)]
    for j in range(period):
        for back, _ in model(records, start + period + j, period)[1]:
            for b in range(j - back + 1, j + 1):
                crossing[b % period].add(j - back - (b - b % period))
    return min(range(period), key=lambda b: len(crossing[b]))


def compacted(records: list[Record], loops: list[Found]) -> list[Any]:
    """The records with loops as (period, turns, models of the second turn) after the first two of their turns, so that
    a long trace does not have to be kept."""
    found: list[Any] = []
    at = 0
    for start, period, turns in loops:
        found += records[at:start + 2 * period]
        found.append((period, turns, [model(records, i, period) for i in range(start + period, start + 2 * period)]))
        at = start + turns * period
    return found + records[at:]


def expanded(compact: list[Any]) -> list[Record]:
    """All the records again."""
    found: list[Record] = []
    for part in compact:
        if type(part) is Record:
            found.append(part)
            continue
        period, turns, models = part
        begin = len(found)
        for i in range(begin, begin + (turns - 2) * period):
            record, references = models[(i - begin) % period]
            found.append(again(record, references, i))
    return found


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
    names = [x.name for x in record.operands if x.name is not None and rename(x.name) != x.name]
    if not names and record.args is None:
        return record
    other = record.copy(record.name, tuple([_renamed_value(x, rename) for x in record.operands]))
    if record.args is not None:
        other.args, other.kwargs = _renamed_value(record.args, rename), _renamed_value(record.kwargs, rename)
    return other


def _renamed_value(value: Any, rename: Callable[[str], str]) -> Any:
    kind = type(value)
    if kind is Operand:
        return value if value.name is None else value._replace(name=rename(value.name))
    if kind is list or kind is tuple:
        return kind([_renamed_value(x, rename) for x in value])
    if kind is dict:
        return {k: _renamed_value(v, rename) for k, v in value.items()}
    return value


def _renamed_end(end: Outcome, rename: Callable[[str], str]) -> Outcome:
    return Outcome(_renamed_spec(end.result, rename), {root: rename(name) for root, name in end.writes.items()})


def _renamed_spec(spec: Spec, rename: Callable[[str], str]) -> Spec:
    if spec.kind in ("array", "scalar"):
        return spec._replace(name=rename(spec.name))
    if spec.kind == "view":
        return spec._replace(what=(_renamed_spec(spec.what[0], rename), *spec.what[1:]))
    if spec.kind in ("sequence", "dict", "dataclass"):
        return spec._replace(what=(*spec.what[:-1], [_renamed_spec(x, rename) for x in spec.what[-1]]))
    return spec
