"""Python's numbers in what a loop carries that count its turns, as in
``lt.while_loop(lambda s: s[0] < 100 and s[1] > tol, ...)``.

A whole number that is another one after each turn, by as much, is the loop's index times a step and no part of its
state. While turns are looked at it is an `Index`, which may be compared, and used beside arrays; each turn has to give
it back as much more. After a loop whose turns are known it is a number of Python's; of a loop that a value ends, how
many turns there were is asked, so that what follows is for that number, unless the bytecode shows that nobody reads it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import numpy as np

from ..api.scalar import scalar
from ..ir.node import leaf
from ..run.watching import mine
from .carried import containers, leaves, rebuilt, structure
from .forloops import KNOWN, PEEKING, RUNS_ON, Flow
from .opaque import Index

MOST_PARTS = 64
_SKIPPED = frozenset(("EXTENDED_ARG", "CACHE", "NOP"))


class Counters:
    """The numbers that count in a value that a loop carries, before its turn `first`, where that was `last` before the
    turn before; with `asks`, how many turns there are is not known."""

    def __init__(self, last: Any, value: Any, first: int, asks: bool = False) -> None:
        self.value, self.first, self.asks = value, first, asks
        self.steps: dict[int, int] = {}
        self.shape = structure(value)
        if structure(last) == self.shape and not any(containers(value)):
            self.steps = {k: y - x for k, (x, y) in enumerate(zip(leaves(last), leaves(value), strict=True))
                          if type(x) is int is type(y) and x != y}

    @property
    def given(self) -> Any:
        """The value without them; where it is asked, the number of turns beside it."""
        if not self.steps:
            return self.value
        rest = self._without(self.value)
        return (rest, scalar(leaf(np.int64(0), None))) if self.asks else rest

    def _without(self, value: Any) -> Any:
        return rebuilt(value, iter([None if k in self.steps else x for k, x in enumerate(leaves(value))]))

    def _with(self, rest: Any, turns: Any) -> Any:
        """The value with its numbers after so many turns."""
        now = list(leaves(rest))
        for k, x in enumerate(leaves(self.value)):
            if k in self.steps:
                now[k] = turns * self.steps[k] + x
        return rebuilt(rest, iter(now))

    def around(self, body: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """The loop's body, of the value without them."""
        if not self.steps:
            return body

        def turn(index: Any, given: Any) -> Any:
            rest, turns = given if self.asks else (given, 0)
            value = self._with(rest, index - self.first)
            after = body(index, value)
            if structure(after) != self.shape or not all(map(self._has_counted, range(len(list(leaves(value)))),
                                                             leaves(value), leaves(after))):
                mine().give_up("a number that it carries is not by as much another one after each turn")
            found = self._without(after)
            return (found, turns + 1) if self.asks else found
        return turn

    def _has_counted(self, k: int, before: Any, after: Any) -> bool:
        if k not in self.steps:
            return True
        return (type(after) is Index and after._tree is None and after._home is before._home
                and after._slope == before._slope and after._value == before._value + self.steps[k])

    def left(self, trace: Any, found: Any, turns: int, unread: frozenset[int]) -> Any:
        """The value after the loop, of what it left and how many turns it had; what is `unread` of it is any number."""
        if not self.steps:
            return found
        if self.asks:
            found, count = found
            own = self._places(unread)
            turns = int(trace._value(count)) if own.issuperset(self.steps) else trace.counted(count)
        return self._with(found, turns)

    def _places(self, parts: frozenset[int]) -> set[int]:
        """Which leaves are these parts of a tuple."""
        if type(self.value) is not tuple:
            return set()
        own = [k for k, part in enumerate(self.value) for _ in leaves(part)]
        return {place for place, k in enumerate(own) if k in parts}


def unread_parts(frame: Any) -> frozenset[int]:
    """Which parts of the tuple that the call to which a frame has come gives are not read; without a frame, none."""
    if frame is None:
        return frozenset()
    code = frame.f_code
    if not KNOWN or code.co_flags & RUNS_ON or not PEEKING.isdisjoint(code.co_names):
        return frozenset()
    return frozenset(_unread(code, frame.f_lasti))


def _unread(code: CodeType, call: int) -> Iterator[int]:
    flow = Flow(code)
    at = bisect([x.offset for x in flow.lines], call)
    if flow.lines[at - 1].opname != "CALL":
        return
    lines = [(k, x) for k, x in enumerate(flow.lines) if k >= at and x.opname not in _SKIPPED]
    if len(lines) > 1 and lines[0][1].opname == "LOAD_CONST" and lines[1][1].opname == "BINARY_SUBSCR":
        part = lines[0][1].argval
        if type(part) is int and part >= 0:
            yield from (k for k in range(MOST_PARTS) if k != part)
    if not lines or lines[0][1].opname != "UNPACK_SEQUENCE":
        return
    stored: list[str | None] = []
    for k, line in lines[1:]:
        if len(stored) >= (lines[0][1].arg or 0):
            read = flow.live()[k]
            yield from (place for place, name in enumerate(stored) if name is not None and name not in read)
            return
        if line.is_jump_target or not line.opname.startswith("STORE_"):
            return
        if line.opname == "STORE_FAST":
            stored.append(line.argval)
        elif line.opname == "STORE_FAST_STORE_FAST":
            stored += line.argval
        elif line.opname in ("STORE_DEREF", "STORE_GLOBAL", "STORE_NAME"):
            stored.append(None)
        else:
            return

