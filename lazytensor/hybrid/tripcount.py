"""A number that only counts the turns of a loop is a number of the program, not one that is guarded by value.

When a function is traced again and only such a number differs, both traces are compared: record by record, but for the
turns of one loop. If `sized` shows from the bytecode that the number does nothing else, the second program takes it
from its argument. What then varies is how often the lines of the loop's turns that are left out (`shortening`) run.
"""

from __future__ import annotations

from math import lcm
from typing import Any

from .branches import _equal
from .comparing import Naming, alike_checks, alike_ends, alike_operands, alike_records, differing
from .guards import Check, Namespace
from .repeating import Found
from .shortening import Cut
from .sized import Sized, sized

NAME = "turns_"
"""What programs call the number of turns."""
COUNT: Any = type("Count", (), {})()
"""What stands for that number among the arguments of a call in a trace."""
MOST = 1 << 60


class TripCount:
    """How often the lines of a loop run, of the argument: called with it, that number or None.

    Attributes
    ----------
    place : int
        Of the argument's check among those of `Arguments`.
    number : int
        The argument in the traced call.
    loop : int
        Which of the trace's loops.
    """

    __slots__ = ("place", "index", "number", "loop", "per", "cycle", "fitted")

    def __init__(self, place: int, index: int, number: int, loop: int, per: int, cycle: int) -> None:
        self.place, self.index, self.number, self.loop = place, index, number, loop
        self.per, self.cycle = per, cycle
        self.fitted = 1, 1

    def __call__(self, number: Any) -> int | None:
        if type(number) is not int or not -MOST < number < MOST:
            return None
        turns, times = self.fitted
        more = number - self.number
        if more % self.step:
            return None
        found = times + more // (self.per * turns)
        return found if found > 0 else None

    @property
    def step(self) -> int:
        """By what numbers may differ."""
        return lcm(self.per * self.fitted[0], self.cycle)

    def fit(self, turns: int, times: int) -> TripCount:
        """The same for a program in which the loop was written as lines for so many of its turns, so many times."""
        other = TripCount(self.place, self.index, self.number, self.loop, self.per, self.cycle)
        other.fitted = turns, times
        return other

    @property
    def least(self) -> int:
        """The least number."""
        turns, times = self.fitted
        return self.number - self.per * turns * (times - 1)

    def checks(self, space: Namespace, check: Check) -> list[Check]:
        """The lines in the place of the check of the number."""
        words = f"{check.message}, or another number of turns from {self.least} on" + (
            f", by {self.step}" if self.step > 1 else "")
        return [Check(f"{NAME} = {space.add(self, 'count')}(args[{self.index}])"), Check(f"{NAME} is not None", words)]

    def counted_by(self, written: tuple[int, int] | None, space: Namespace, checks: list[Check]) -> list[Check]:
        """A guard whose count is that of another text of the program; if it has none, for the number traced alone."""
        name, other = space.add(self, "count"), self.fit(*written) if written is not None else self._alone
        return [check._replace(text=check.text.replace(name, space.add(other, "count"))) for check in checks]

    def _alone(self, number: Any) -> int | None:
        return 1 if type(number) is int and number == self.number else None


def trip_count(fn: Any, new: Any, old: Any, args: tuple[Any, ...]) -> TripCount | None:
    """The `TripCount` with which a compiled function does what another one does, too; None if there is none."""
    differs = differing(new.given.checks, old.given.checks)
    if differs is None or new._whole is None or old._whole is None or new.tree.answer is not None or (
            new.few is not None or old.few is not None):
        return None
    place, index, number, other = differs
    (records, constants, end, found), (records2, constants2, end2, found2) = new._whole, old._whole
    loops, loops2 = [Found(*x) for x in found], [Found(*x) for x in found2]
    varying = [i for i, (a, b) in enumerate(zip(loops, loops2, strict=False)) if a.turns != b.turns]
    if len(loops) != len(loops2) or len(varying) != 1:
        return None
    loop, = varying
    more = loops[loop].turns - loops2[loop].turns
    per = (number - other) // more
    if per < 1 or per * more != number - other:
        return None
    names, names2 = _naming(loops[loop]), _naming(loops2[loop])
    if constants.keys() != constants2.keys() or not all(_equal(x, constants2[name]) for name, x in constants.items()):
        return None
    by = sized(fn, index, args)
    if by is None or not _alike_parts(records, records2, names, names2, loops[loop], by) or not alike_ends(
            end, end2, names, names2):
        return None
    return TripCount(place, index, number, loop, per, by.cycle)


def named(cuts: list[Cut], loops: list[Found], trip: TripCount | None) -> list[Cut]:
    """The cuts of a trace, that of the loop whose turns an argument counts with a name."""
    if trip is None or len(cuts) != len(loops):
        return cuts
    return [cut._replace(name=NAME) if i == trip.loop else cut for i, cut in enumerate(cuts)]


def covers(new: Any, old: Any) -> bool:
    """Whether a compiled function that counts turns serves the calls of another one, too."""
    checks, others = new.given.checks, old.given.checks
    differs = differing(checks, others)
    by = new.bound if new.trip is None else new.trip
    if differs is None or by is None or differs[0] != by.place or by(differs[3]) is None or (old.trip is not None and (
            new.trip is None or old.trip.step % new.trip.step or old.trip.least < new.trip.least)):
        return False
    return all(alike_checks(a, b) for i, (a, b) in enumerate(zip(checks, others, strict=True)) if i != differs[0])


def _naming(loop: Found) -> Naming:
    """What names mean in traces with other numbers of turns: those of the first two turns and before are as they are,
    later ones count from the loop's end."""
    def of(name: str | None) -> Any:
        if name is None or name[0] != "r":
            return name
        number, _, rest = name[1:].partition("_")
        i = int(number)
        return (i, rest) if i < loop.start + 2 * loop.period else (i - loop.turns * loop.period, rest, "late")
    return of


def _alike_parts(records: Any, others: Any, names: Naming, names2: Naming, loop: Found, by: Sized) -> bool:
    """Whether two traces do the same, but for the turns of a loop, which is that of the bytecode."""
    if len(records._parts) != len(others._parts):
        return False
    for (at, _, part), (_, _, part2) in zip(records._parts, others._parts, strict=True):
        if type(part) is list:
            if type(part2) is not list or len(part) != len(part2) or not all(
                    alike_records(a, b) and names(a.name) == names2(b.name) and all(
                        names(x.name) == names2(y.name) and alike_operands(x, y)
                        for x, y in zip(a.operands, b.operands, strict=True))
                    for a, b in zip(part, part2, strict=True)):
                return False
            continue
        (period, _, models), (period2, _, models2) = part, part2
        if period != period2 or not all(
                alike_records(a, b) and [x for x, _ in of] == [x for x, _ in of2] and all(
                    back or names(x.name) == names2(y.name) and alike_operands(x, y)
                    for (back, x), (_, y) in zip(of, of2, strict=True))
                for (a, of), (b, of2) in zip(models, models2, strict=True)):
            return False
        if at == loop.start + 2 * period and not by.is_loop_of([a for a, _ in models]):
            return False
    return True
