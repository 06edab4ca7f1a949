"""What can be said of numbers that move evenly through loops within loops, before any of these runs.

An `Even` number is a constant and what it grows by with each turn of each loop around it. The turns of an inner loop
are such a number, of the loops around that one.
"""

from __future__ import annotations

from typing import NamedTuple

MOST = 1 << 12
"""Turns of the outermost of three loops that are looked at one by one."""


class Even(NamedTuple):
    """``constant + sum(growth[k] * turn[k])``, over the loops around it, outermost first."""

    constant: int
    growth: tuple[int, ...]

    def at(self, turn: int) -> Even:
        """The same in one turn of the outermost loop."""
        return Even(self.constant + self.growth[0] * turn, self.growth[1:])

    def __sub__(self, other: Even) -> Even:
        return Even(self.constant - other.constant, tuple([
            a - b for a, b in zip(self.growth, other.growth, strict=True)]))

    @property
    def moves(self) -> bool:
        """Whether it is not the same in all turns."""
        return any(self.growth)


def extremes(number: Even, turns: tuple[Even, ...]) -> tuple[int, int] | None:
    """The least and the greatest value in loops of so many turns; None if these never run."""
    if not turns:
        return number.constant, number.constant
    outer = turns[0].constant
    if len(turns) == 1:
        return None if outer <= 0 else _ends(number, 0, outer - 1, None)
    if len(turns) == 2:
        first, last = _running(turns[1], outer)
        return None if first > last else _ends(number, first, last, turns[1])
    if outer > MOST:
        return -(1 << 62), 1 << 62
    found = [x for turn in range(outer) if (x := extremes(number.at(turn), tuple([c.at(turn) for c in turns[1:]])))]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def _running(inner: Even, outer: int) -> tuple[int, int]:
    """The first and last turn of the outer loop in which the inner one has turns."""
    (step,) = inner.growth
    if step == 0:
        return (0, outer - 1) if inner.constant > 0 else (0, -1)
    if step > 0:
        return max(0, -((inner.constant - 1) // step)), outer - 1
    return 0, min(outer - 1, (inner.constant - 1) // -step)


def _ends(number: Even, first: int, last: int, inner: Even | None) -> tuple[int, int]:
    """Extremes lie at corners: of the outer turns, and of the inner ones there."""
    found = []
    for turn in (first, last):
        value = number.constant + number.growth[0] * turn
        found.append(value)
        if inner is not None:
            found.append(value + number.growth[1] * (inner.constant + inner.growth[0] * turn - 1))
    return min(found), max(found)


def is_inside(kind: tuple[object, ...], numbers: list[Even], turns: tuple[Even, ...]) -> bool:
    """Whether an index never comes to a border of its axis, so that what it gives moves evenly, too. `kind` is that of
    a step of `steps._accesses`; the last number is the length of the axis."""
    if extremes(numbers[0], turns) is None or not any(x.moves for x in numbers):
        return True
    *own, n = numbers
    if kind[0] == "int":
        return _lies(own[0], n, turns, 1) or _lies(_from_the_end(own[0], n), n, turns, 1) and _negative(own[0], turns)
    given = dict(zip([name for name, there in zip(("start", "stop", "step"), kind[1:], strict=True) if there], own,
                     strict=True))
    step = given.get("step")
    by = 1 if step is None else step.constant
    if step is not None and (step.moves or by == 0):
        return False
    ends = []
    for name in ("start", "stop"):
        x = given.get(name)
        if x is None:
            continue
        if not _lies(x, n, turns, int(by < 0)):
            x, negative = _from_the_end(x, n), _negative(x, turns)
            if not negative or not _lies(x, n, turns, int(by < 0)):
                return False
        ends.append(x)
    length = ends[1] - ends[0] if len(ends) == 2 else n - ends[0]
    if abs(by) != 1 and length.moves:
        return False  # rounded lengths do not move evenly
    if len(ends) < 2:
        return True
    found = extremes(ends[1] - ends[0], turns)
    return found is not None and (found[0] >= 0 if by > 0 else found[1] <= 0)


def _negative(x: Even, turns: tuple[Even, ...]) -> bool:
    found = extremes(x, turns)
    return found is not None and found[1] < 0


def _from_the_end(x: Even, n: Even) -> Even:
    return Even(x.constant + n.constant, tuple([a + b for a, b in zip(x.growth, n.growth, strict=True)]))


def _lies(x: Even, n: Even, turns: tuple[Even, ...], less: int) -> bool:
    """Whether ``0 <= x <= n - less`` in all turns."""
    low, high = extremes(x, turns), extremes(n - x, turns)
    return low is not None and high is not None and low[0] >= 0 and high[0] >= less


def length_moves(kind: tuple[object, ...], numbers: list[Even]) -> bool:
    """Whether a slice has not the same length in all turns, as far as can be seen."""
    if kind[0] == "int":
        return numbers[-1].moves
    *own, n = numbers
    if kind[1] and kind[2]:
        return (own[1] - own[0]).moves or n.moves
    return any(x.moves for x in numbers)
