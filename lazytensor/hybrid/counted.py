"""Loops in a traced call whose body is given something else each turn, an index or a row: traced for a few turns, and
generated for all others.

The first turn is traced as any operation is. If it left all Python objects as they were, three more are traced on the
side (`carried`, `turns`), on values that nobody knows and with an index that nobody sees. If these say what every turn
is, the loop becomes one call of a `Rolled` program in the trace, which runs at once for the turns that are left. In any
other case the loop goes on, turn by turn.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ..run import floating
from ..run.watching import mine
from .bounds import Even
from .carried import OTHER_TYPE, PASSED, Loop, leaves, lengths_move, mean_size, shown_inside
from .counters import Counters, unread_parts
from .effectless import is_effectless, reach, understood
from .jit import Jitted
from .loopsource import Body
from .nodes import LARGE
from .opaque import Asked, Index, Session, plain
from .rolled import ENDLESS, Rolled, applied
from .scope import Scope
from .settings import put_back
from .steps import Irregular
from .tracing import Record, Trace
from .turns import SAMPLES, Turn, unknown

LEAST = 8
"""Turns that are left for which it is worth while."""
TRIES = 6
"""Turns that are traced before a loop is given up."""
MOST_MADE, OFTEN = 4, 64
"""Loops of one body that are generated however short they are; later ones must have so many turns."""
MOST_IN_FULL = 1 << 12
"""Turns of a loop that are traced one by one, for kernels, where it has proved to be called often."""
MOST_LOST = 4
"""Loops of one body that could not be generated, after which no other is tried."""
LENT = "it writes to an array that is known elsewhere, and gives another in its place"
SHORT, NOT_RUN = "a loop in it is short yet", "a loop in it has not run yet"
EARLY = frozenset((SHORT, NOT_RUN, OTHER_TYPE, PASSED))
"""Why a loop may be generated from a later turn on."""
_MEASURES = frozenset(("shape", "size", "nbytes", "strides", "len", "flat", "tolist", "tobytes", "__len__", "__iter__"))
_SAFE = frozenset((
    "T", "abs", "absolute", "add", "conj", "copy", "cos", "divide", "dot", "dtype", "exp", "fabs", "float32", "float64",
    "imag", "log", "matmul", "mean", "multiply", "negative", "newaxis", "outer", "real", "sin", "sqrt", "square",
    "subtract", "sum", "tanh", "transpose", "where"))
"""Names of NumPy's and of arrays' that do not raise for arrays of some length, whatever it is."""
_OF_ARRAYS = frozenset((*dir(np), *dir(np.ndarray)))


# ---- within each other -----------------------------------------------------------------------------------------------


def inner(turn: Turn, lower: Any, upper: Any, body: Callable[[Any, Any], Any], value: Any,
          starts: Any = None) -> Any:
    """A loop in a turn of another that is looked at: one step of it. Its body reaches what it does from `starts`."""
    session = turn.session
    hidden = type(lower) is Index or type(upper) is Index
    first, count = plain(lower), plain(upper) - plain(lower)
    if type(first) is not int or type(count) is not int or not hidden and count <= SAMPLES + 1:
        note_stepped(turn, upper)
        for i in builtins.range(lower, upper):
            value = body(i, value)
        return value
    if count <= SAMPLES:
        session.ask(SHORT)
    if code_of(body) not in session.ran:
        session.ask(NOT_RUN)
    scope = reach(*starts or [(body, "")])
    if not followed(scope):
        session.ask("a loop in it reaches what cannot be followed")
    explores = functools.cache(lambda: turn.explores() and is_effectless(scope))
    loop = Loop(session, body, first, count, value, explores, hidden)
    if loop.probe(first=True):  # as from the second turn on, perhaps: there is one, as is shown later
        turn.notes.append(("turns", count))
        before = list(leaves(value))
        value, count = body(lower, value), count - 1
        loop = Loop(session, body, first + 1, count, value, explores, hidden)
        if why := loop.probe():
            session.ask(why)
        if loop.is_lent((*before, *scope.tensors.values())):
            session.ask(PASSED if loop.passed else LENT)
    return _step(turn, loop, count, scope)


def within(turn: Turn, body: Callable[[Any, Any], Any], lower: int, count: int, value: Any, scope: Scope,
           before: Any) -> Any:
    """The turns but for the first of a loop that a value ends, in a turn of another that is looked at: one step."""
    session = turn.session
    loop = Loop(session, body, lower, count, value, functools.cache(lambda: turn.explores() and is_effectless(scope)))
    if why := loop.probe():
        session.ask(why)
    loop.may_end = True
    if loop.is_lent((*before, *scope.tensors.values())):
        session.ask(PASSED if loop.passed else LENT)
    return _step(turn, loop, count, scope)


def _step(turn: Turn, loop: Loop, count: int, scope: Scope) -> Any:
    """Writes a loop down as a step of a turn; gives the body's last value."""
    session = turn.session
    loop.looked_at()
    own, numbers = loop.body()
    if changed := scope.changed():
        session.ask(f"a loop in it changes {changed}")
    nodes = [*loop.state, *loop.reads]
    turn.record(nodes)
    name = f"r{len(turn.book)}"
    turn.book.append(Record("loop", name, tuple([turn.operand(node) for node in nodes]), attrs=own,
                            args=(count, *numbers)))
    results = [unknown(node) for node in loop.state]
    for k, node in enumerate(results):
        turn.slots[node.seq] = f"{name}_{k}"
        turn.dtypes[f"{name}_{k}"] = node.dtype
    turn.measured_any |= loop.measured
    return loop.left(results, turn)


# ---- in a trace ------------------------------------------------------------------------------------------------------


def may_generate(watcher: Any, lower: Any, upper: Any) -> bool:
    """Whether a loop's turns may be generated, as far as can be said before one of them has run."""
    return (type(watcher) is Trace and type(lower) is int and type(upper) is int and upper - lower >= LEAST
            and watcher.may_skip and not watcher.quiet and watcher.refusal is None)


def looped(trace: Trace, lower: int, upper: int, body: Callable[[Any, Any], Any], value: Any) -> Any:
    """``for i in range(lower, upper): value = body(i, value)`` in a trace; gives the last value."""
    scope, tries = beginning(trace, upper - lower, body)
    i, lost, whole, before, last = lower, True, False, list(leaves(value)), value
    while i < upper:
        if tries and i > lower and upper - i >= LEAST:
            good = trace.refusal is None and not scope.changed()
            counters = Counters(last, value, i)
            own = counters.around(body)
            if own is not body:
                own.__loop__ = code_of(body)  # type: ignore[attr-defined]
            rolled = generated(trace, i, upper - i, own, counters.given, scope, before) if good else None
            found = None if rolled is None else finished(trace, *rolled)
            tries = tries - 1 if found is None and good and is_early(trace) else 0
            if rolled is not None and found is not None:
                trace.made[code_of(body)] += 1
                rolled[0].ends |= bool(counters.steps)
                last = value = counters.left(trace, found[0], rolled[0].count, frozenset())
                i, lost, whole = i + rolled[0].count, False, True
                continue
        last, value, whole = value, body(i, value), False
        note_run(trace, body)
        i += 1
    if not whole:
        note_stepped(trace, upper)
    trace.tried[code_of(body)] += lost
    return value


def beginning(trace: Trace, turns: int, body: Any, *others: Any, starts: Any = None) -> tuple[Scope, int]:
    """What a loop's body can reach (from `starts`, if these are given), and how many turns are tried before it is given
    up: none if loops of that body have been, are generated often, and short, so that tracing this one costs less, or
    have proved to be called often."""
    code = code_of(body)
    if code in trace.in_full and turns <= MOST_IN_FULL or trace.tried[code] >= MOST_LOST or (
            trace.made[code] >= MOST_MADE and turns < OFTEN):
        return Scope(), 0
    scope = reach(*starts or [(f, "") for f in (body, *others)])
    return scope, TRIES if followed(scope) else 0


def finished(trace: Trace, rolled: Rolled, loop: Loop) -> tuple[Any] | None:
    """What the body's last value is, after all turns have run; None, with nothing done, if one of them raises."""
    results = applied(trace, rolled, [*loop.state, *loop.reads])
    if results is None:
        trace.unrolled = "it raises, or NumPy would warn"
        return None
    return (loop.left(results, trace),)


def is_early(trace: Trace) -> bool:
    """Whether a loop that could not be generated may be from a later turn on."""
    return trace.unrolled in EARLY


def until(trace: Trace, condition: Callable[[Any], Any], body: Callable[[Any], Any], value: Any, frame: Any) -> Any:
    """``while condition(value): value = body(value)`` in a trace, where the condition is a value: from the second turn
    on it is decided by the program that is made of the loop. The value is what a call gives to which a
    `frame` has come, if that is known."""
    scope, tries = beginning(trace, OFTEN, body, condition)

    def turn(_: Any, value: Any) -> Any:
        mine().goes_on(condition(value))
        return body(value)

    turns, before, last = 0, list(leaves(value)), value
    while True:
        if tries and turns:
            good = trace.refusal is None and not scope.changed()
            counters = Counters(last, value, 0, True)
            own = counters.around(turn)
            own.__loop__ = code_of(turn)  # type: ignore[attr-defined]
            rolled = generated(trace, 0, ENDLESS, own, counters.given, scope, before, True) if good else None
            found = None if rolled is None else finished(trace, *rolled)
            if found is not None:
                trace.made[code_of(body)] += 1
                return counters.left(trace, found[0], 0, unread_parts(frame))
            tries = tries - 1 if good and is_early(trace) else 0
        if not condition(value):
            break
        last, value = value, body(value)
        note_run(trace, body)
        turns += 1
    trace.tried[code_of(body)] += 1
    return value


def note_run(trace: Any, body: Any) -> None:
    """Notes that a body runs at least once in a traced call: what it does to Python objects is seen afterwards."""
    if type(trace) is Trace:
        trace.ran.add(code_of(body))


def note_stepped(watcher: Any, upper: Any) -> None:
    """Notes the end of a loop whose last turn, if it has any, is run by Python: nothing says what later ones do."""
    while type(watcher) is Turn:
        watcher = watcher.outer
    if type(watcher) is Trace and type(upper) is int:
        watcher.stepped.add(upper)


def followed(scope: Scope) -> bool:
    """Whether a body's code reaches nothing unknown, and does not look at what objects are: an index is none of
    Python's numbers."""
    return "type" not in scope.names and understood(scope)


def code_of(body: Any) -> Any:
    """What two bodies that are one `def`, `lambda` or loop have in common."""
    if hasattr(type(body), "__loop__") or isinstance(body, FunctionType) and hasattr(body, "__loop__"):
        return body.__loop__
    while isinstance(body, Jitted):
        body = body.__wrapped__
    return getattr(getattr(body, "__func__", body), "__code__", body)


def generated(trace: Trace, lower: int, count: int, body: Any, value: Any, scope: Scope, before: list[Any],
              whole: bool = False, ends: bool = False) -> tuple[Rolled, Loop] | None:
    """The turns that are left as one function, or (if not the `whole` loop is wanted) those before the first that comes
    to the border of an array; None if they cannot be generated. `before` has what the loop was given at first; `ends`
    says that a value may end a loop whose turns are counted."""
    session = Session()
    loop = Loop(session, body, lower, count, value, functools.cache(lambda: is_effectless(scope)))
    session.ran = trace.ran
    try:
        if why := loop.probe():
            loop.ask(why)
        loop.may_end = ends or count == ENDLESS
        if loop.is_lent((*before, *scope.tensors.values())):
            loop.ask(PASSED if loop.passed else LENT)
        loop.looked_at()
        own, numbers = loop.body()
    except Asked:
        put_back(scope)
        trace.unrolled = session.asked
        return None
    if changed := put_back(scope):
        trace.unrolled = f"it changes {changed}"
        return None
    if mean_size(own, numbers) >= LARGE:
        trace.unrolled = "its arrays are large, and kernels are quicker"
        return None
    if any(cell[0] == "scalar" and own.passes(k) and own.is_element(k) is not trace.is_element(node)
           for k, (cell, node) in enumerate(zip(own.cells, loop.state, strict=True))):
        trace.unrolled = "a number that it carries is an element of an array on one way only"
        return None
    if any(trace.is_element(loop.state[k]) or own.is_element(k) for k in own.moved()):
        trace.unrolled = "an element of an array goes from one place of its state to another"
        return None
    first = [Even(x, ()) for x in numbers]
    inside = _turns_inside(own, first, count)
    if inside < (count if whole else LEAST):
        trace.unrolled = "an index comes to the border of an array"
        return None
    if lengths_move(own, first, 0) and (loop.measured or not scope.names.isdisjoint(_MEASURES) or not (
            scope.names & _OF_ARRAYS <= _SAFE) or any(code.co_exceptiontable for code in scope.codes)):
        trace.unrolled = "lengths move, and it may look at them"
        return None
    try:
        rolled = Rolled(own, numbers, inside, [(n.shape, n.dtype, n.strides) for n in [*loop.state, *loop.reads]],
                        floating.in_force())
        rolled.loop, rolled.ends = code_of(body), session.ends
        return rolled, loop
    except Irregular:
        return None


def _turns_inside(body: Body, first: list[Even], count: int) -> int:
    """How many turns a loop has before one comes to the border of an array."""
    if shown_inside(body, first, Even(count, ()), ()):
        return count
    low, high = 0, count  # the turns of a shorter loop are among those of a longer one
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if shown_inside(body, first, Even(middle, ()), ()) else (low, middle)
    return low
