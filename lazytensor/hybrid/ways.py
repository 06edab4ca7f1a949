"""The ways that a turn of a loop may go where its body decides on values.

A turn that is traced on the side has no values, so its body runs once for each way: with the answers that lead there
(`Turn.truth`), true at first. What ways have in common is the same in each of them, and is written once; then comes a
choice, and what either side does. Each way ends the turn, so nothing comes after a choice: ``if``, the steps of one
side and its end, ``else``, those of the other, ``end``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .steps import Irregular, Step
from .turns import Turn

MOST = 16
"""Ways of a turn: each runs its Python, and is in the program."""
_ELSE, _END = Step(("else",), ()), Step(("end",), ())


class Way(NamedTuple):
    """One of them: what the body gave, what it has written to, and the turn that watched it."""

    after: Any
    written: Any
    turn: Turn


class Line(NamedTuple):
    """What it does: the answers on it, its steps, and how it ends."""

    answers: tuple[bool, ...]
    steps: list[Step]
    end: Step


def ways_of(run: Callable[[tuple[bool, ...]], Way], too_many: Callable[[str], Any]) -> list[Way]:
    """All ways of a turn, the one whose answers are true first; `run` goes one, given its first answers."""
    found: list[Way] = []
    script: tuple[bool, ...] = ()
    while True:
        found.append(run(script))
        answers = list(found[-1].turn.decided)
        while answers and not answers[-1]:
            answers.pop()
        if not answers:
            return found
        if len(found) == MOST:
            too_many("it decides on values in too many ways")
        script = (*answers[:-1], False)


def joined(lines: list[Line], begin: int = 0, choice: int = 0) -> Iterator[Step]:
    """The steps of all ways as one list, of those from `begin` on, where they have had so many choices.

    Raises
    ------
    Irregular
        If what they should have in common is not the same.
    """
    first = lines[0]
    if len(lines) == 1:
        yield from first.steps[begin:]
        yield first.end
        return
    after = [k for k, step in enumerate(first.steps) if step.shape[0] == "if"][choice] + 1
    common = first.steps[begin:after]
    if any(line.steps[begin:after] != common for line in lines):
        raise Irregular
    yield from common
    for answer, last in ((True, _ELSE), (False, _END)):
        yield from joined([line for line in lines if line.answers[choice] is answer], after, choice + 1)
        yield last
