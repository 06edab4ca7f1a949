"""Loops that a trace has in full become loops again: lines that repeat, the very same text each time, are one body.

A block of lines that does the same as the one before it, to the letter, may as well be run once more by a loop: nothing
else has to be shown. Temporaries are given out so that a loop's lines come to be the same after its first turns.
"""

from __future__ import annotations

from typing import Any

from .shortening import Cut
from .tracing import Record

LONGEST = 4096
"""Lines of a loop's body."""
LEAST = 3
"""Turns for which a loop is worth while."""


def roll(lines: list[str]) -> tuple[list[str], int]:
    """The lines with repeated blocks as loops; and how many lines that saved."""
    if len(lines) < 16:
        return lines, 0
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(line, len(numbers)) for line in lines]
    last: dict[int, int] = {}
    found: list[str] = []
    i, n = 0, len(lines)
    while i < n:
        period = i - last.get(codes[i], -LONGEST)
        may = period < LONGEST and i + (LEAST - 1) * period <= n and codes[i + period] == codes[i]
        turns = _turns(codes, i - period, period, n) if may else 0
        if turns >= LEAST and _whole(lines[i - period:i]) and len(found) >= period:
            body = lines[i - period:i]
            del found[-period:]
            indent = _indent(body[0])
            found.append(f"{indent}for _ in range({turns}):")
            found += [f"    {line}" for line in body]
            i += period * (turns - 1)
            last.clear()
            continue
        last[codes[i]] = i
        found.append(lines[i])
        i += 1
    return found, n - len(found)


def _turns(codes: list[int], start: int, period: int, n: int) -> int:
    """How often the block of that length repeats from there on."""
    turns, block = 1, codes[start:start + period]
    while start + (turns + 1) * period <= n and codes[start + turns * period:start + (turns + 1) * period] == block:
        turns += 1
    return turns


def _indent(line: str) -> str:
    return line[:len(line) - len(line.lstrip())]


def _whole(body: list[str]) -> bool:
    """Whether lines are statements of one level with nothing that leaves the function."""
    indent = _indent(body[0])
    return all(_indent(line) == indent and not line.endswith(":") and "return " not in line for line in body)


class Irregular(Exception):
    """A loop whose turns are not written alike: those that were left out cannot be taken for granted."""


class Turns:
    """Shows that turns of a loop which are left out of the records would be written like those that are there.

    Before each turn it notes where every value lies, and which memory is free. What is written for a turn
    follows from these and from the records alone; so if they are the same before a turn and after it, all later turns
    are written like this one. (Records are named by numbers, so names count from where the turn begins.)
    """

    def __init__(self, cuts: list[Cut], records: list[Record]) -> None:
        self.cuts, self.at, self._records = cuts, 0, records
        self._seen: list[dict[int, tuple[int, Any]]] = [{} for _ in cuts]
        self.fit: tuple[int, int] | None = None

    def begins(self) -> set[int]:
        """Where turns begin, among the records from `at` on."""
        return {cut.start + turn * cut.period - self.at for cut in self.cuts for turn in range(cut.kept + 1)}

    def note(self, position: int, writer: Any, memory: Any, capsule: Any) -> None:
        """Notes the state before a record that begins a turn."""
        position += self.at
        for cut, seen in zip(self.cuts, self._seen, strict=True):
            turn, rest = divmod(position - cut.start, cut.period)
            if 0 <= turn <= cut.kept and not rest:
                first = int(self._records[cut.start].name[1:])
                here = first + position - cut.start

                def of(name: str, first: int = first, here: int = here) -> Any:
                    number = name[1:]
                    return here - int(number) if name[0] == "r" and number.isdigit() and int(number) >= first else name
                others = [text for text, _ in memory.others.values()]
                if any(type(of(text)) is int for text in (*memory.text.values(), *others)):
                    continue  # a turn would read by name what the turn before called so
                where = frozenset([(of(name), text, memory.held.get(name), name in memory.fresh,
                                    repr(memory.others.get(name))) for name, text in memory.text.items()])
                free = {key: tuple(names) for key, names in memory.free.items() if names}
                made = len(memory.views), len(writer.temporaries), len(writer.prepared)
                seen[position] = len(writer.lines), (where, free, made, capsule)

    def close(self, lines: list[str]) -> int:
        """Makes loops of the turns, in place; gives how many lines that saved.

        Raises
        ------
        Irregular
            If a loop's turns are not written alike.
        """
        saved = 0
        for cut, seen in reversed(list(zip(self.cuts, self._seen, strict=True))):
            turns, times, here = _closed(cut, seen, lines)
            saved += here
            if cut.name:
                self.fit = turns, times
        return saved


def _closed(cut: Cut, seen: dict[int, tuple[int, Any]], lines: list[str]) -> tuple[int, int, int]:
    """Makes a loop of the first turns after which all is as before, among those of the first half: what these compute
    is read as it would be in the whole trace, for no value is read after more turns than that (`shortened`). Gives of
    how many turns its lines are, how often they run, and how many lines that saved."""
    half = (cut.kept + 1) // 2
    for position in sorted(seen):
        begin, state = seen[position]
        for turns in range(1, half + 1 - (position - cut.start) // cut.period):
            later = seen.get(position + turns * cut.period)
            if later is None:
                break
            end, after = later
            body = lines[begin:end]
            if after == state and cut.gone % turns == 0 and body and _whole(body):
                more = cut.gone // turns
                lines[begin:end] = [f"{_indent(body[0])}for _ in range({cut.name or more + 1}):",
                                    *[f"    {x}" for x in body]]
                return turns, more + 1, more * len(body)
    raise Irregular
