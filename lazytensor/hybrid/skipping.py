"""Turns of a `fori_loop` that a trace does not follow.

A body whose code does not read its index does the same in each turn, as far as can be seen. Once so many of its turns
are in the trace that the loop can be compiled from them, the others are run by the body's own compiled function (whose
guard says at each turn that all is as it was, and which is compared with the Python as any other), and the trace counts
them: what they compute has the names that their records would have had. If it turns out that the body was not one
program for all turns, the values are right all the same, and nothing is compiled of this call; the next trace
follows every turn.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from ..api.handle import Tensor, View
from ..api.scalar import Scalar
from ..compile import realize
from .effectless import REFLECTING, reach, understood
from .jit import Jitted, jit
from .tracing import Trace
from .trees import steady

WORTH = 64
"""Turns for which it is worth while."""
TRACED = 28
"""Turns that a loop is compiled from (`shortening.KEPT`)."""
TRIED = 160
"""Turns after which a body that does not repeat is taken not to."""


def may_skip(watcher: Any, lower: Any, upper: Any, body: Any) -> bool:
    """Whether a loop's turns need not all be followed."""
    return (type(watcher) is Trace and type(lower) is int and type(upper) is int and upper - lower >= WORTH
            and watcher.may_skip and not watcher.quiet and watcher.refusal is None and ignores_index(body)
            and understood(reach((body, ""))))


def ignores_index(fn: Any) -> bool:
    """Whether a body's code does not even mention its first parameter.

    >>> ignores_index(lambda i, x: x * 2), ignores_index(lambda i, x: x * i)
    (True, False)
    """
    while isinstance(fn, Jitted):
        fn = fn.__wrapped__
    bound = isinstance(fn, types.MethodType)
    fn = fn.__func__ if bound else fn
    if type(fn) is not types.FunctionType or fn.__code__.co_argcount <= bound:
        return False
    code = fn.__code__
    name = code.co_varnames[int(bound)]
    if name in code.co_cellvars or not REFLECTING.isdisjoint(code.co_names):
        return False
    return not any(name == x.argval or type(x.argval) is tuple and name in x.argval
                   for x in dis.get_instructions(code) if "FAST" in x.opname)


def looped(trace: Trace, lower: int, upper: int, body: Callable[[Any, Any], Any], value: Any,
           deciding: Callable[..., Any]) -> Any:
    """``for i in range(lower, upper): value = body(i, value)`` in a trace; gives the last value. If the first turn
    decides on values, so that turns are not alike, the others are left to `deciding`."""
    turns: list[_Turn] = []
    i, tried, answers = lower, 0, trace.answers
    while i < upper:
        value = body(i, value)
        i += 1
        if trace.answers > answers and i == lower + 1:
            return deciding(trace, i, upper, body, value)
        if trace.refusal is not None or tried > TRIED:
            continue
        tried += 1
        turn = _turn(trace, value)
        if turn is None:
            tried = TRIED + 1
            continue
        turns.append(turn)
        back = _repeats(trace, turns) if tried > TRACED else 0
        left = (upper - i) // back * back if back else 0
        if left >= TRACED:
            found = _run(trace, turns[-1], left, functools.partial(body, i), value)
            i, value = (i, value) if found is None else (i + left, found[0])
            tried = TRIED + 1
    trace.stepped.add(upper)
    return value


class _Turn:
    """After a turn: how many records there are, the carry, and what its arrays and all others are called."""

    __slots__ = ("records", "carry", "names", "roots", "each")

    def __init__(self, records: int, carry: Any, names: list[str], roots: dict[str, str]) -> None:
        self.records, self.carry, self.names, self.roots = records, carry, names, roots
        self.each = 0


def _turn(trace: Trace, carry: Any) -> _Turn | None:
    """Writes down a turn; None if what it carries is not followed."""
    found = list(_leaves(carry))
    if any(x is None for x in found):
        return None
    names = [trace.reference(x).name or "" for x in found]
    trace.record([root._value for root in trace.roots.values()])
    roots = {name: trace.slot_of(root._value) for name, root in trace.roots.items()}
    return _Turn(len(trace.book), carry, names, roots) if trace.refusal is None else None


def _leaves(value: Any) -> Iterator[Any]:
    """The arrays and lazy scalars of a tree; None for what is not followed."""
    kind = type(value)
    if kind is Tensor:
        yield None if value._value.__class__ is View or value._state is not None else value
    elif issubclass(kind, Scalar):
        yield value
    elif isinstance(value, tuple) or kind is list or kind is dict:
        for x in value.values() if kind is dict else value:
            yield from _leaves(x)
    elif not (value is None or kind in (bool, int, float, complex, str)):
        yield None


def _repeats(trace: Trace, turns: list[_Turn]) -> int:
    """After how many turns the records repeat, if they have done so often enough; else 0."""
    start, period = trace.book.loop()
    here = turns[-1]
    each = here.each = here.records - turns[-2].records
    back = period // each if period and each and not period % each else 0
    if not back or len(turns) <= TRACED * back or here.records - turns[-1 - TRACED * back].records != (
            TRACED * period) or here.records - start < TRACED * period:
        return 0
    before = turns[-1 - back]
    moved = (*zip(before.names, here.names, strict=False), *((before.roots.get(k, ""), v) for k, v in
                                                             here.roots.items()))
    alike = len(before.names) == len(here.names) and steady(before.carry, here.carry) and all(
        old == new and _number(new) < start or _number(old) >= start and _number(old) + period == _number(new)
        for old, new in moved)
    return back if alike else 0


def _number(name: str) -> int:
    """The number of the record that a name means; -1 for other names."""
    return int(name[1:]) if name[:1] == "r" and name[1:].isdigit() else -1


def _run(trace: Trace, turn: _Turn, left: int, body: Callable[[Any], Any], value: Any) -> tuple[Any] | None:
    """Runs turns that the trace does not follow, and has it count them; gives the last value. None, with nothing done,
    if the loop does not go on."""
    settle(trace, value)  # while it is followed
    if len(trace.book) != turn.records:
        return None
    compiled: Jitted = jit(body)
    compiled._keeps = True  # `_all_known` asks for its arguments
    first = list(_leaves(value))
    with trace.paused():
        value = compiled(value)
        own = compiled._compiled
        run: Any = compiled if own and understood(own[0].scope) else body
        for _ in range(left - 1):
            value = run(value)
        settle(trace, value)
    found = list(_leaves(value))
    goes_on = len(trace.book) == turn.records and trace.book.loop()[1]
    if not (goes_on and run is compiled and _one_program(compiled) and list(map(type, first)) == list(map(type, found))
            and _all_known(compiled, {*map(id, found), *map(id, trace.roots.values())})):
        trace.lose()
        return (value,)
    count, (start, _) = left * turn.each, trace.book.loop()
    trace.skip(count)
    nodes = [x._value if type(x) is Tensor else x._node for x in found]
    for node, name in (*zip(nodes, turn.names, strict=True), *(
            (trace.roots[k]._value, name) for k, name in turn.roots.items())):
        trace.rename(node, name, _number(name) + count if _number(name) >= start else None)
    return (value,)


def settle(trace: Trace, value: Any) -> None:
    """Computes the arrays of a tree, and all that the trace follows."""
    found = [x for x in (*_leaves(value), *trace.roots.values()) if x is not None]
    nodes = [x._value if type(x) is Tensor else x._node for x in found]
    realize([node for node in nodes if node.buffer is None])


def _one_program(compiled: Jitted) -> bool:
    """Whether one straight program ran in all turns."""
    info = compiled.cache_info()
    return info["compiled"] == info["paths"] == 1 and not info["reasons"] and info["python"] is None


def _all_known(compiled: Jitted, known: set[int]) -> bool:
    """Whether all arrays that a function writes to are among these, and that is all that it does."""
    own = compiled._compiled[0]
    roots = {**own.captured.roots, **own.given.roots}
    return own.tree is not None and all(not end.sets and all(id(roots[name]) in known for name in end.writes)
                                        for end in [branch.end for branch in own.tree.lines()] if end)
