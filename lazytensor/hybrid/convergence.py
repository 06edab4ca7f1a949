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
from .exits import Exit, exit_at
from .forloops import FEED, function_of, has_left
from .handing import count_of
from .jit import MOST_FAILED
from .ranges import give, variables
from .rolled import ENDLESS, applied
from .scope import Scope, is_users
from .tracing import Trace


class Loops:
    """The loops of one traced call that values may end.

    Attributes
    ----------
    failed : Counter
        How often loops, by their keys, could not be generated since one was; after `MOST_FAILED` times none is tried,
        in later calls either.
    told : list of str
        Why loops that were looked at are traced turn by turn.
    """

    def __init__(self, trace: Trace, failed: Counter[Any]) -> None:
        self.trace, self.failed = trace, failed
        self.told: list[str] = []
        self.frame: Any = None
        self.exit: Exit | None = None
        self.scope = Scope()
        self.before: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self.passed: set[Any] = set()
        self.counter: Any = None

    def went(self, frame: Any, answer: bool) -> None:
        """What Python has been told at a jump of the program's: a loop that it leaves begins anew when it comes
        again."""
        if self.exit is not None and self.frame is frame and self.exit.at == frame.f_lasti and (
                answer is not self.exit.goes_on and self.exit.other is None):
            self.let_go()

    def ended(self, frame: Any, condition: Any) -> bool | None:
        """The answer for the condition at a jump of the program's, if it is that of a loop whose turns have been
        generated; else None."""
        trace = self.trace
        if self.frame is not None and self.frame.f_back is None:
            self.let_go()  # its function has ended
        found = exit_at(frame.f_code, frame.f_lasti)
        if found is None or not is_users(frame.f_globals.get("__name__")) or not is_value(condition):
            return None
        if self.exit is not None and self.frame is frame and found is not self.exit and found.loop == self.exit.loop:
            return None  # the loop is looked at elsewhere in its turns
        if self.failed[found.key] >= MOST_FAILED or found.key in self.passed or not trace.may_skip or (
                mine() is not trace):
            return None
        if self.frame is not frame or self.exit is not found:
            self._begin(frame, found)
            return None
        return self._tried(frame, found, condition)

    def let_go(self) -> None:
        """Forgets the loop that was looked at."""
        self.frame = self.exit = None
        self.scope, self.before, self.last = Scope(), {}, {}

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
        self.let_go()

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
            self.let_go()
            return None
        last, self.last = self.last, values
        state = (condition, *[values[name] for name in found.carried])
        counters = Counters((condition, *map(last.get, found.carried)), state, _first(found, values), True)
        made = self._generated(frame, found, values, counters, left)
        nodes = None if made is None else applied(trace, made[0], [*made[1].state, *made[1].reads])
        if made is None or nodes is None:
            if made is not None:  # it raises, or NumPy would warn: in a later turn of this call
                self.passed.add(found.key)
                self.let_go()
            elif counted.is_early(trace):
                self.failed[found.key] += 1
            else:
                self._give_up(found, trace.unrolled)
            return None
        trace.made[found.key] += 1
        self.failed.pop(found.key, None)
        self.let_go()
        loop, goes_on = made[1], not found.goes_on
        if left < ENDLESS or found.others:
            goes_on = trace.truth_of(scalar(nodes[len(loop.handles) + loop.places.index(0)]))
        if left < ENDLESS and goes_on is found.goes_on:
            self.passed.add(found.key)  # it is not over after all its turns: this call goes through them
            return None
        after = _counted(frame, found, counters, loop.left(nodes, trace), trace)
        give(frame, dict(zip(found.carried, after[1:], strict=True)))
        return goes_on

    def _generated(self, frame: Any, found: Exit, values: dict[str, Any], counters: Counters, left: int) -> Any:
        turns = [function_of(code, frame.f_globals, values) for code in (found.turn, found.other) if code is not None]

        def body(index: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
            watcher: Any = mine()
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
            if not is_value(after[0]):
                watcher.give_up("its condition is no value")
            return after
        own = counters.around(body)
        own.__loop__ = found.key  # type: ignore[attr-defined]
        others = [x for name, x in variables(frame, found.later).items() if name not in found.carried]
        before = [x for one in (*self.before.values(), *others) for x in leaves(one)]
        made = counted.generated(self.trace, _first(found, values), left, own, counters.given, self.scope, before,
                                 left < ENDLESS, True)
        if made is not None and 0 not in made[1].places:
            self.trace.unrolled = "its condition is always the same"
            return None
        return made


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


def is_value(condition: Any) -> bool:
    """Whether a condition is one that a program can decide by."""
    return type(condition) is Tensor and condition._value.shape == () or issubclass(type(condition), Scalar)


def _names(code: types.CodeType) -> tuple[str, ...]:
    return *code.co_varnames, *code.co_cellvars, *code.co_freevars


Trace.new_loops = Loops
