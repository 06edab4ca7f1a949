"""The ways that a turn of a loop may go where its body decides on values.

A turn that is traced on the side has no values, so its body runs once for each way: with the answers that lead there
(`Turn.truth`), true at first. What ways have in common is the same in each of them, and is written once; then comes a
choice, and what either side does. Each way ends the turn, so nothing comes after a choice: ``if``, the steps of one
side and its end, ``else``, those of the other, ``end``.
"""

from __future__ import annotations

import dis
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .scope import Scope
from .steps import Irregular, Step
from .turns import Turn

MOST = 16
"""Ways of a turn: each runs its Python, and is in the program."""
_ELSE, _END = Step(("else",), ()), Step(("end",), ())
_MUTATING = frozenset((
    "append", "extend", "insert", "pop", "popitem", "remove", "clear", "add", "discard", "update", "setdefault", "sort",
    "reverse", "appendleft", "extendleft", "popleft", "rotate", "difference_update", "intersection_update",
    "symmetric_difference_update", "setattr", "delattr", "setflags", "move_to_end", "__setitem__", "__setattr__",
    "__delitem__", "setitem", "delitem", "iadd", "iconcat", "__dict__", "__iadd__", "cell_contents"))
_GLOBAL = frozenset((
    "seterr", "seterrcall", "setbufsize", "set_printoptions", "config", "seed", "set_state", "shuffle", "save", "savez",
    "savez_compressed", "savetxt", "tofile", "dump", "memmap", "open_memmap", "KeyboardInterrupt"))
_BINDING = frozenset(("STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "DELETE_SUBSCR", "DELETE_DEREF",
                      "IMPORT_NAME"))


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


def may_be_tried(scope: Scope) -> bool:
    """Whether a body may run on ways that no turn has gone yet: its code has no effects on Python objects, settings and
    files, which would have to be undone."""
    if not _MUTATING.isdisjoint(scope.names) or not _GLOBAL.isdisjoint(scope.names):
        return False
    does = [_does(code) for code in scope.codes]
    boxes = any(isinstance(x, (list, dict, set)) for x in scope.objects.values())
    return not any(binds or boxes and stores for binds, stores in does)


@functools.lru_cache(1024)
def _does(code: Any) -> tuple[bool, bool]:
    """Whether a function's code binds other things than its own variables; whether it stores elements, or does
    something in place."""
    lines = list(dis.get_instructions(code))
    return (any(x.opname in _BINDING or x.opname == "STORE_DEREF" and x.argval in code.co_freevars for x in lines),
            any(x.opname == "STORE_SUBSCR" or x.opname == "BINARY_OP" and "=" in x.argrepr for x in lines))
