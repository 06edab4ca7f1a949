"""Python's own loops that a value ends, ``while np.abs(f).max() > tol``, in a traced call: turns are traced until they
show what the others are, and these are generated as those of `lt.while_loop` (`counted.until`).

The loop is looked at where Python asks for the value that may end it. The turn that goes from there to the same place
again is a function of the variables (`exits`); when the others have been computed, the variables get their values, and
Python is told that the loop is to end. So how many turns there are is no branch of the program.
"""

from __future__ import annotations

import types
from collections import Counter
from typing import Any

from ..api.handle import Tensor
from ..api.scalar import Scalar, scalar
from ..run.floating import line_of
from ..run.watching import mine
from . import counted
from .carried import leaves, rebuilt
from .counters import Counters
from .effectless import reach
from .exits import Exit, exit_at, jump_at
from .floats import Float, Floats
from .forloops import FEED, function_of, has_left, origins
from .handing import count_of
from .jit import MOST_FAILED
from .ranges import give, variables
from .rolled import ENDLESS, applied
from .scope import Scope, is_users
from .tracing import Trace
from .turns import Turn

MOST_PUT_OFF = 3
"""Calls that are left to the Python because a loop in them was not over after all its turns; then it is compiled."""


class Loops:
    """The loops of one traced call that values may end.

    Attributes
    ----------
    failed : Counter
        How often loops, by their keys, could not be generated since one was; after `MOST_FAILED` times none is tried,
        in later calls either.
    not_over : Counter or None
        How often each was not over after all its turns, for a function of which something is compiled.
    told : list of str
        Why loops that were looked at are traced turn by turn.
    is_put_off : bool
        Whether this call is Python's, and another like it may be traced.
    """

    def __init__(self, trace: Trace, failed: Counter[Any], not_over: Counter[Any] | None) -> None:
        self.trace, self.failed, self.not_over = trace, failed, not_over
        self.is_put_off = False
        self.told: list[str] = []
        self.frame: Any = None
        self.exit: Exit | None = None
        self.scope = Scope()
        self.before: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self.passed: set[Any] = set()
        self.counter: Any = None
        self.around: list[Any] = []

    def went(self, frame: Any, answer: bool) -> None:
        """What Python has been told at a jump of the program's: a loop that it leaves begins anew when it comes
        again."""
        if self.exit is not None and self.frame is frame and self.exit.at == jump_at(frame.f_code, frame.f_lasti) and (
                answer is not self.exit.goes_on and self.exit.other is None):
            self._leave()

    def ended(self, frame: Any, condition: Any) -> bool | None:
        """The answer for the condition at a jump of the program's, if it is that of a loop whose turns have been
        generated; else None."""
        trace = self.trace
        while self.frame is not None and self.frame.f_back is None:
            self._leave()  # its function has ended
        found = exit_at(frame.f_code, frame.f_lasti)
        if found is None or not is_users(frame.f_globals.get("__name__")) or not is_value(condition):
            return None
        for other, exit, *_ in (self._looked_at, *self.around):
            if exit is not None and other is frame and found is not exit and found.loop == exit.loop:
                return None  # the loop is looked at elsewhere in its turns
        if self.failed[found.key] >= MOST_FAILED or found.key in self.passed or not trace.may_skip or (
                mine() is not trace):
            return None
        while any(other is frame and exit is found for other, exit, *_ in self.around):
            self._leave()  # one in it
        if self.frame is not frame or self.exit is not found:
            while self.frame is frame and self.exit is not None and not found.loop < self.exit.loop:
                self._leave()
            if self.exit is not None:
                self.around.append(self._looked_at)
            self._begin(frame, found)
            return None
        return self._tried(frame, found, condition)

    def let_go(self) -> None:
        """Forgets the loops that were looked at."""
        self.around.clear()
        self._leave()

    def _leave(self) -> None:
        """Forgets the innermost of them."""
        self.frame, self.exit, self.scope, self.before, self.last, self.counter = (
            self.around.pop() if self.around else (None, None, Scope(), {}, {}, None))

    @property
    def _looked_at(self) -> Any:
        return self.frame, self.exit, self.scope, self.before, self.last, self.counter

    @property
    def __loop__(self) -> Any:
        return None if self.exit is None else self.exit.key

    def _begin(self, frame: Any, found: Exit) -> None:
        """Notes what there is before a turn, which Python runs."""
        self.frame, self.exit = frame, found
        self.before = variables(frame, _names(frame.f_code))
        self.last = known = {name: x for name, x in self.before.items() if name in found.reads}
        self.counter = known.get(found.counter or "")
        turn = function_of(found.turn, frame.f_globals, known)
        self.scope, tries = counted.beginning(self.trace, counted.OFTEN, self, starts=_starts(found, turn, known))
        if not tries:
            self._give_up(found, "it reaches what may be another at each turn, or asks for types")

    def _give_up(self, found: Exit, why: str) -> None:
        self.failed[found.key] = MOST_FAILED
        place = f"{found.code.co_filename}, line {line_of(found.code, found.at)}"
        self.told.append(f"its loop is traced turn by turn: {why} ({place})")
        self._leave()

    def _tried(self, frame: Any, found: Exit, condition: Any) -> bool | None:
        trace = self.trace
        trace.ran.add(found.key)
        values = variables(frame, found.reads)
        if (changed := self.scope.changed()) or any(name not in values for name in found.reads):
            self._give_up(found, f"it changes {changed}" if changed else "its variables have no values")
            return None
        if found.counter is not None:
            before, self.counter = self.counter, values[found.counter]
            if type(before) is not int or type(self.counter) is not int or self.counter != before + 1:
                self._begin(frame, found)  # the loop has begun anew
                return None
        left = _turns_left(frame, found, values)
        if left < counted.LEAST:
            self._leave()
            return None
        last, self.last = self.last, values
        floats = Floats((condition, *[values[name] for name in found.carried]))
        if (others := [name for name in found.carried if type(values[name]) is float and name in found.read]):
            self._give_up(found, f"the number {others[0]!r} that it carries is used after it")
            return None
        counters = Counters((condition, *map(last.get, found.carried)), floats.given, _first(found, values), True)
        made = self._generated(frame, found, values, counters, left, floats)
        nodes = None if made is None else applied(trace, made[0], [*made[1].state, *made[1].reads])
        if made is None or nodes is None:
            if made is not None:  # it raises, or NumPy would warn: in a later turn of this call
                self.passed.add(found.key)
                self._leave()
            elif counted.is_early(trace):
                self.failed[found.key] += 1
            else:
                self._give_up(found, trace.unrolled)
            return None
        trace.made[found.key] += 1
        self.failed.pop(found.key, None)
        self._leave()
        loop, goes_on = made[1], not found.goes_on
        if left < ENDLESS or found.others:
            goes_on = trace.truth_of(scalar(nodes[len(loop.handles) + loop.places.index(0)]))
        if left < ENDLESS and goes_on is found.goes_on:
            self.passed.add(found.key)  # it is not over after all its turns: this call goes through them
            self._put_off(found)
            return None
        after = _counted(frame, found, counters, loop.left(nodes, trace), trace)
        give(frame, {name: values[name] if type(values[name]) is float else x
                     for name, x in zip(found.carried, after[1:], strict=True)})
        return goes_on

    def _put_off(self, found: Exit) -> None:
        """Leaves a call that goes through all turns of a loop to the Python, unless such calls are many: loops in it
        would be generated anew in each turn."""
        if self.not_over is not None and self.not_over[found.key] < MOST_PUT_OFF:
            self.not_over[found.key] += 1
            self.is_put_off = True
            self.trace.refuse("a loop that a value ends was not over after all its turns")

    def _generated(self, frame: Any, found: Exit, values: dict[str, Any], counters: Counters, left: int,
                   floats: Floats) -> Any:
        body = body_of(found, frame.f_globals, values)
        own = counters.around(floats.around(body))
        own.__loop__ = found.key  # type: ignore[attr-defined]
        others = [x for name, x in variables(frame, found.later).items() if name not in found.carried]
        before = [x for one in (*self.before.values(), *others) for x in leaves(one)]
        made = counted.generated(self.trace, _first(found, values), left, own, counters.given, self.scope, before,
                                 left < ENDLESS, True)
        if made is not None and 0 not in made[1].places:
            self.trace.unrolled = "its condition is always the same"
            return None
        return made


def body_of(found: Exit, space: dict[str, Any], values: dict[str, Any]) -> Any:
    """A turn as a function of an index and of the condition with what is carried, which gives these."""
    turns = [function_of(code, space, values) for code in (found.turn, found.other) if code is not None]

    def body(index: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        watcher: Any = mine()
        watcher.exit, watcher.codes = found, [turn.__code__ for turn in turns]
        turn = turns[0]
        if found.other is None:
            watcher.goes_on(state[0], found.goes_on)
        elif not watcher.truth(state[0]):
            turn = turns[1]
        given = {**values, **dict(zip(found.carried, state[1:], strict=True))}
        with FEED.apart(index):
            try:
                after: tuple[Any, ...] = turn(*[given.get(name) for name in found.turn.co_varnames])
            except RuntimeError as error:
                if has_left(error, found._replace(turn=turn.__code__)):
                    watcher.leave() if found.others else watcher.give_up("it is left otherwise")
                raise
        if found.asks is not None:
            after = watcher.noted, *after[1:]
        if not is_value(after[0]):
            watcher.give_up("its condition is no value")
        return after
    return body


def _first(found: Exit, values: dict[str, Any]) -> int:
    """The index of the next turn."""
    return int(values[found.counter]) + 1 if found.counter is not None else 0


def _counted(frame: Any, found: Exit, counters: Counters, after: Any, trace: Trace) -> Any:
    """What a loop carries, after it: numbers that count its turns are `Count`s, if they are only handed on; else what
    follows is for that number of turns alone. What nobody reads is any number."""
    if not counters.steps:
        return after
    rest, turns = after
    names = [name for name, part in zip(("", *found.carried), counters.value, strict=True) for _ in leaves(part)]
    read = {k for k in counters.steps if names[k] in found.read}
    is_own = frame.f_code is trace.code and frame.f_back is trace.caller  # nobody else gets what it returns
    if read and not (is_own and all(names[k] in found.handed for k in read)):
        return counters.left(trace, after, 0, frozenset())
    now, begin = list(leaves(rest)), list(leaves(counters.value))
    for k, step in counters.steps.items():
        now[k] = count_of(trace, turns, step, begin[k]) if k in read else begin[k]
    return rebuilt(rest, iter(now))


def _starts(found: Exit, turn: Any, known: dict[str, Any]) -> list[tuple[Any, str]]:
    """What a turn can reach, with words."""
    return [(turn, ""), *[(x, f"variable {name!r}") for name, x in known.items() if name not in found.carried]]


def _turns_left(frame: Any, found: Exit, values: dict[str, Any]) -> int:
    """How many turns there are left at most; 0 if nobody knows."""
    if found.bound is None or found.counter is None:
        return ENDLESS
    how, name = found.bound
    space = frame.f_globals
    number = name
    if how != "LOAD_CONST":
        number = (variables(frame, (name,)) if how == "LOAD_FAST" else space).get(name)
    index = values[found.counter]
    if type(number) is not int or type(index) is not int or (
            "range" in space or frame.f_builtins.get("range") is not range):
        return 0
    return number - 1 - index


class Within:
    """A loop that a value ends within a turn of another: its first turn is part of that turn, the others are one step
    of it."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.frame: Any = None
        self.exit: Exit | None = None
        self.before: dict[str, Any] = {}
        self.last: dict[str, Any] = {}

    def ended(self, frame: Any, condition: Any) -> bool | None:
        """The answer for the condition at a jump, if its loop's turns have been generated; else None."""
        found, turn = exit_at(frame.f_code, frame.f_lasti), self.turn
        if found is None or found.others or found.other is not None or not is_value(condition) or not is_users(
                frame.f_globals.get("__name__")):
            return None
        if frame.f_code in origins and not (
                frame.f_code in turn.codes and turn.exit is not None and found.loop < turn.exit.loop):
            return None
        values = variables(frame, found.reads)
        if self.frame is not frame or self.exit is not found or any(name not in values for name in found.reads):
            self.frame, self.exit, self.last = frame, found, values
            self.before = variables(frame, _names(frame.f_code))
            return None
        self.frame = self.exit = None
        return self._generated(frame, found, values, condition)

    def _generated(self, frame: Any, found: Exit, values: dict[str, Any], condition: Any) -> bool:
        turn, session = self.turn, self.turn.session
        turn.numbers_carried = True
        left = _turns_left(frame, found, values)
        if left < 1:
            session.ask("a loop in it has turns that nobody counts, or none")
        floats = Floats((condition, *[values[name] for name in found.carried]))
        counters = Counters((condition, *map(self.last.get, found.carried)), floats.given, _first(found, values), True)
        names = [name for name, part in zip(("", *found.carried), counters.value, strict=True) for _ in leaves(part)]
        if any(names[k] in found.read for k in counters.steps):
            session.ask("a number that a loop in it counts is used after it")
        own: Any = counters.around(floats.around(body_of(found, frame.f_globals, values)))
        own.__loop__ = found.key
        known = {name: x for name, x in values.items() if name not in found.carried}
        scope = reach((function_of(found.turn, frame.f_globals, values), ""), *[
            (x, f"variable {name!r}") for name, x in known.items()])
        if not counted.followed(scope):
            session.ask("a loop in it reaches what cannot be followed")
        others = [x for name, x in variables(frame, found.later).items() if name not in found.carried]
        before = [x for one in (*self.before.values(), *others) for x in leaves(one)]
        result = counted.within(turn, own, _first(found, values), left, counters.given, scope, before)
        rest = result[0] if counters.steps else result
        after = list(leaves(rest))
        begin = list(leaves(counters.value))
        for k in counters.steps:
            after[k] = begin[k]
        for k in floats.places:
            after[k] = Float(turn, after[k])
        after = rebuilt(rest, iter(after))
        if left < ENDLESS and turn.truth_of(after[0]) is found.goes_on:
            raise Endless
        give(frame, dict(zip(found.carried, after[1:], strict=True)))
        return not found.goes_on


class Endless(Exception):
    """A loop is not over after all its turns: this call is the Python's."""


def is_value(condition: Any) -> bool:
    """Whether a condition is one that a program can decide by."""
    return type(condition) is Tensor and condition._value.shape == () or issubclass(type(condition), Scalar)


def _names(code: types.CodeType) -> tuple[str, ...]:
    return *code.co_varnames, *code.co_cellvars, *code.co_freevars


Trace.new_loops = Loops
Turn.new_inner = Within
