"""`scan` and `map` in a traced call: loops whose body is given a row each turn, and whose results are stacked.

They are loops by an index that selects the rows, and stores each result in its place of one array (`counted`). That is
what stacking at the end gives if nobody writes to a result meanwhile: it is a number or an array that the body has just
made and does not carry on, or nothing is written at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..api.handle import Tensor, View, root_of
from ..api.namespace import ours
from ..api.scalar import Scalar
from ..ir.dtypes import NUMERIC
from ..run.watching import mine
from .carried import leaves, rebuilt, structure
from .counted import LEAST, beginning, code_of, finished, generated, is_early, may_generate, note_run
from .scope import Scope
from .tracing import Trace
from .trees import rows
from .turns import Turn

_zeros = ours(np.zeros, "zeros")


def may_stack(watcher: Any, xs: Any, turns: int | None) -> bool:
    """Whether turns of a loop over rows may be generated."""
    return turns is not None and may_generate(watcher, 0, turns) and all(type(x) is Tensor for x in leaves(xs))


def stacked_loop(trace: Trace, f: Callable[[Any, Any], Any], carry: Any, xs: Any, turns: int,
                 own: Any) -> tuple[Any, list[Any], Any]:
    """``carry, y = f(carry, x)`` for each row; gives the last carry, the ys so far as a list, and the ys stacked, or
    None if they are all in the list. `own` is the program's function in `f`."""
    scope, tries = beginning(trace, turns, own)
    ys: list[Any] = []
    before = [*leaves(carry), *leaves(xs)]
    for i, x in enumerate(rows(xs)):
        if tries and i and turns - i >= LEAST:
            good = trace.refusal is None and not scope.changed()
            found = _rest(trace, f, carry, xs, i, turns, ys, scope, [*before, *leaves(ys)]) if good else None
            if found is not None:
                trace.made[code_of(own)] += 1
                return found[0], ys, found[1]
            tries = tries - 1 if good and is_early(trace) else 0
        carry, y = f(carry, x)
        note_run(trace, own)
        ys.append(y)
    trace.tried[code_of(own)] += 1
    return carry, ys, None


def _row(xs: Any, index: Any) -> Any:
    kind = type(xs)
    if kind is tuple or kind is list:
        return kind(_row(x, index) for x in xs)
    return {key: _row(x, index) for key, x in xs.items()} if kind is dict else xs[index]


def _rest(trace: Trace, f: Any, carry: Any, xs: Any, first: int, turns: int, ys: list[Any], scope: Scope,
          before: list[Any]) -> tuple[Any, Any] | None:
    """The last carry and the stacked results, if the turns from the `first` on can be generated."""
    kinds = structure(ys[0])
    nothing = ys[0] is None
    if not _is_simple(ys[0]) or any(structure(y) != kinds for y in ys) or not nothing and not all(
            all(map(_stacks, leaves(y), leaves(ys[0]))) for y in ys):
        return None
    found = [] if nothing else [_zeros((turns, *_shape(y)), y.dtype) for y in leaves(ys[0])]
    for k, y in enumerate(ys):
        for array, part in zip(found, () if nothing else leaves(y), strict=True):
            array[k] = part

    def body(index: Any, carry: Any) -> Any:
        after, y = f(carry, _row(xs, index))
        turn: Turn = mine()
        if structure(y) != kinds or (y is None) is not nothing:
            turn.give_up("its results are not alike")
        for array, part in zip(found, () if nothing else _lasting(turn, y, after, found), strict=True):
            if _shape(array)[1:] != _shape(part) or array.dtype != part.dtype:
                turn.give_up("its results are not alike")
            array[index] = part
        return after

    rolled = generated(trace, first, turns - first, body, carry, scope, before, whole=True)
    if rolled is None:
        return None
    value = finished(trace, *rolled)
    if value is None:
        return None
    return value[0], None if nothing else rebuilt(ys[0], iter(found))


def _is_simple(y: Any) -> bool:
    """Whether a tree is of tuples, lists and dicts."""
    kind = type(y)
    if kind is dict or kind is list or isinstance(y, tuple):
        return kind in (dict, list, tuple) and all(map(_is_simple, y.values() if kind is dict else y))
    return True


def _shape(y: Any) -> tuple[int, ...]:
    return y._value.shape if type(y) is Tensor else ()


def _stacks(y: Any, like: Any) -> bool:
    """Whether a result can be stored in an array of equal ones."""
    if not (type(y) is Tensor or issubclass(type(y), Scalar)) or type(y) is not type(like):
        return False
    if type(y) is Tensor and (y._value.strides is not None or not y._value.shape):
        return False
    return _shape(y) == _shape(like) and y.dtype == like.dtype and y.dtype.char in NUMERIC and bool(y.dtype.isnative)


def _lasting(turn: Turn, y: Any, after: Any, found: list[Any]) -> Iterator[Any]:
    """The results of a turn, if they will be the same at the end of the loop."""
    arrays = {id(x) for x in found}
    written = set(turn.written) - arrays
    carried = {id(root_of(x)) for x in leaves(after) if type(x) is Tensor}
    for x in leaves(y):
        if not (type(x) is Tensor or issubclass(type(x), Scalar)):
            turn.give_up("its results are no arrays")
        if type(x) is Tensor:
            root = root_of(x)
            new = root._value.seq > turn.start and id(root) not in written and id(root) not in carried
            if written and not new or root._state is not None or id(root) in arrays or (
                    x._value.strides is not None and x._value.__class__ is not View):
                turn.give_up("what it gives may be written to later")
        yield x
