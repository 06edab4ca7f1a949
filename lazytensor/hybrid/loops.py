"""Control flow as functions: `cond`, `while_loop`, `fori_loop`, `scan`, `map`, `range`. They do what the loops in their
docstrings do, everywhere. In a jitted function they are traced like such loops, a few turns instead of all where these
say what the others are (`counted`, `skipping`); outside of one the body is jitted by itself, so that its Python runs
once for each structure of what it is given.
"""

from __future__ import annotations

import builtins
import itertools
import sys
import weakref
from collections.abc import Callable
from typing import Any

from ..api.handle import Tensor
from ..run.watching import active, mine
from . import counted, ranges, skipping, stacking
from .jit import Jitted, jit
from .tracing import Trace
from .trees import length_of, rows, stacked, steady
from .turns import Turn

_bodies: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _body(fn: Any) -> Any:
    """A loop's body, jitted unless a trace is in progress or it is already."""
    if isinstance(fn, Jitted) or active and mine() is not None:
        return fn
    try:
        known = _bodies.get(fn)
        if known is None:
            known = _bodies[fn] = jit(fn)
    except TypeError:  # no weak references to it
        return fn
    return known


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], *operands: Any) -> Any:
    """``true_fn(*operands) if pred else false_fn(*operands)``.

    >>> import lazytensor as np
    >>> np.cond(np.arange(3).sum() > 2, lambda x: x * 2, lambda x: x, np.arange(3))
    array([0, 2, 4])
    """
    return true_fn(*operands) if pred else false_fn(*operands)


def while_loop(cond_fn: Callable[[Any], Any], body_fn: Callable[[Any], Any], init: Any) -> Any:
    """``value = init; while cond_fn(value): value = body_fn(value)``, and the last value.

    In a jitted function, a condition that is a value (a comparison of arrays without axes) is decided by the compiled
    program, whatever the number of turns.

    >>> import lazytensor as np
    >>> np.while_loop(lambda x: x.sum() < 100, lambda x: x * 2, np.arange(4.0))
    array([ 0., 32., 64., 96.])
    """
    if active and type(trace := mine()) is Trace and trace.may_skip and not trace.quiet:
        frame = sys._getframe(1)
        return counted.until(trace, cond_fn, body_fn, init, frame if ranges.is_called(frame, while_loop) else None)
    condition, body, value = cond_fn, body_fn, init
    jits = True
    while condition(value):
        before, value = value, body(value)
        if jits and steady(before, value):
            condition, body, jits = _body(cond_fn), _body(body_fn), False
    return value


def fori_loop(lower: int, upper: int, body_fn: Callable[[Any, Any], Any], init: Any) -> Any:
    """``value = init; for i in range(lower, upper): value = body_fn(i, value)``, and the last value.

    In a jitted function, a body that uses its index as an index of arrays, a bound of slices or loops, or a number
    beside arrays, and does not ask for its value otherwise, is traced a few times, however many turns there are.

    >>> import lazytensor as np
    >>> np.fori_loop(0, 4, lambda i, x: x + i, np.zeros(2))
    array([6., 6.])
    """
    if active and (trace := mine()) is not None:
        if type(trace) is Turn:
            return counted.inner(trace, lower, upper, body_fn, init)
        if skipping.may_skip(trace, lower, upper, body_fn):
            return skipping.looped(trace, lower, upper, body_fn, init, counted.looped)
        if counted.may_generate(trace, lower, upper):
            return counted.looped(trace, lower, upper, body_fn, init)
        if upper > lower:
            counted.note_run(trace, body_fn)
        counted.note_stepped(trace, upper)
    value = init
    for i in builtins.range(lower, upper):
        value = body_fn(i, value)
    return value


def scan(f: Callable[[Any, Any], Any], init: Any, xs: Any, length: int | None = None) -> Any:
    """``carry, y = f(carry, x)`` for each x of the first axis of `xs` (or `length` times None); gives the last carry
    and the ys, stacked.

    In a jitted function, a few turns are traced where these say what the others are, and each y is put in its place.

    >>> import lazytensor as np
    >>> np.scan(lambda total, x: (total + x, total * x), 0.0, np.arange(4.0))
    (np.float64(6.0), array([0., 0., 2., 9.]))
    """
    turns = (length or 0) if xs is None else length_of(xs, "scan")
    if length is not None and turns is not None and length != turns:
        raise ValueError(f"lazytensor.scan: length={length}, but xs has {turns} parts along its first axis")
    step, carry = f, init
    ys: list[Any] = []
    if xs is not None and active and stacking.may_stack(trace := mine(), xs, turns):
        carry, ys, whole = stacking.stacked_loop(trace, f, init, xs, turns or 0, f)
        return carry, stacked(ys) if whole is None and ys[0] is not None else whole
    before: Any = None
    for x in itertools.repeat(None, turns or 0) if xs is None else rows(xs):
        if step is f and ys and steady(before, (carry, x)):
            step = _body(f)
        before = carry, x
        carry, y = step(carry, x)
        ys.append(y)
    if not ys:
        raise ValueError("lazytensor.scan: no turn, so nothing says what the ys are; look at len(xs) before, or use "
                         "lazytensor.fori_loop, if only the carry is wanted")
    return carry, stacked(ys)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """``f(x)`` for each x of the first axis of `xs`, stacked.

    >>> import lazytensor as np
    >>> np.map(lambda row: row.sum(), np.ones((2, 3)))
    array([3., 3.])
    """
    turns = length_of(xs, "map")
    step = f
    ys: list[Any] = []
    if active and stacking.may_stack(trace := mine(), xs, turns):
        _, ys, whole = stacking.stacked_loop(trace, lambda carry, x: (carry, f(x)), None, xs, turns or 0, f)
        return stacked(ys) if whole is None and ys[0] is not None else whole
    before: Any = None
    for x in rows(xs):
        if step is f and (type(x) is Tensor or ys and steady(before, x)):
            step = _body(f)
        before = x
        ys.append(step(x))
    if not ys:
        raise ValueError("lazytensor.map: xs has no parts along its first axis, so nothing says what the results are; "
                         "look at len(xs) before")
    return stacked(ys)


def range(*bounds: Any) -> Any:
    """Python's `range`, whose bounds may be arrays without axes.

    >>> import lazytensor as np
    >>> list(np.range(np.arange(4).max()))
    [0, 1, 2]
    """
    if active and type(watcher := mine()) in (Trace, Turn):
        found = ranges.loop_over(watcher, sys._getframe(1), bounds, range)
        if found is not None:
            return found
    return builtins.range(*[int(b) for b in bounds])


__all__ = ["cond", "fori_loop", "map", "range", "scan", "while_loop"]
