"""Traces without turns in the middle of their loops, which are compiled as quickly whatever the number of turns.

The `Writer` shows, from where values lie before and after a turn, that the turns left out would have been written as
those that are there, and writes them as one loop (`rolling.Turns`). Where it cannot, the whole trace is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .effects import Outcome, Spec
from .repeating import Found, model
from .tracing import Operand, Record

KEPT = ((6, 2), (16, 12))
"""Turns that are kept at least, so that the number of those left out is a multiple of the second: first try, second."""


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
    turns before the loop's end.
    """
    keep, step = KEPT[attempt]
    cuts: list[Cut] = []
    gone: list[tuple[int, int, int]] = []  # for each cut: first and last record that are kept under their names, shift
    parts: list[list[Record]] = []
    late: list[int] = []
    at = shift = 0
    for start, period, turns in loops:
        kept = keep + (turns - keep) % step
        if turns < 2 * kept + 2 or _longest(records, start, period) > (kept // 2 - 1) * period:
            continue
        cuts.append(Cut(start - shift + _seam(records, start, period), period, kept - 1, turns - kept))
        parts.append(records[at:start + kept * period])
        late.append(start + (kept // 2 + 1) * period)
        at = start + turns * period
        shift += (turns - kept) * period
        gone.append((start, at, (turns - kept) * period))
    if not cuts:
        return None
    parts.append(records[at:])
    try:
        short = list(parts[0])
        for number, part in enumerate(parts[1:], 1):
            rename = _renaming(gone[:number], late)
            short += [_renamed(record, rename) for record in part]
        return short, cuts, _renamed_end(end, _renaming(gone, late))
    except LookupError:
        return None


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
            found.append(_copy(record, f"r{i}", tuple([
                x._replace(name=f"r{i - back}") if back else x for back, x in references])))
    return found


def _copy(record: Record, name: str, operands: tuple[Operand, ...]) -> Record:
    other = Record(record.kind, name, operands)
    for slot in Record.__slots__[3:]:
        setattr(other, slot, getattr(record, slot))
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
                    raise LookupError(name)  # a value of a turn in the middle is wanted
                return f"r{i - shift}{'_' * bool(rest)}{rest}"
        return name
    return rename


def _renamed(record: Record, rename: Callable[[str], str]) -> Record:
    names = [x.name for x in record.operands if x.name is not None and rename(x.name) != x.name]
    if not names and record.args is None:
        return record
    other = _copy(record, record.name, tuple([_renamed_value(x, rename) for x in record.operands]))
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
