"""`roll` of large arrays by a few places, as stencils with periodic borders have it: views of one array.

Made as calls of NumPy's, each would be an array of its own. Here the array is put once into a larger one, with a margin
in which its values go on from the other end, and what is rolled by a few places along some axes is a part of that,
which kernels read where it lies. What is pending is computed into its place there. What is there already would have to
be copied: it is so in functions that are traced, and at a place of the program that has been seen to roll an array of
which another roll was still pending; the first time it is a call.
"""

from __future__ import annotations

import functools
import operator
import sys
import weakref
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..config import current
from ..ir.dtypes import NUMERIC
from ..ir.node import Node
from ..ir.operation import register
from ..run import pool
from ..run.watching import active, mine
from .build import COPY, record, users_frame
from .fallback import fallback, unseen
from .handle import Tensor, geometry, lock_of, read, tensor, view_tensor
from .indexing import STORE
from .joining import computed_by_kernels

LEAST = 1 << 18
"""Bytes of an array from which on this is done, but for functions that are traced."""
MARGIN = 8
"""The most places by which a part may be away from the array's own."""
_SOURCES, _SITES = 4, 4096
_getframe = sys._getframe


class _Source(NamedTuple):
    """What is known of a Tensor that was rolled, or is a roll itself.

    Attributes
    ----------
    of : weakref
        The Tensor.
    seq : int
        The number of the node that was its value then: the node itself would keep memory that may be written over.
    site : tuple
        The place in the program that rolled it first.
    whole : weakref or None
        The node of the array with margins of which it is a part: there as long as something pending reads it.
    margin : int
    starts : tuple of int
        Where in that it begins.
    watcher : int
        Whose trace it was rolled in, if it was: a trace keeps no values of nodes for what comes after it.
    call : weakref or None
        The node of the last roll of it that was left to NumPy.
    """

    of: Any
    seq: int
    site: Any
    whole: Any = None
    margin: int = 0
    starts: tuple[int, ...] = ()
    watcher: int = 0
    call: Any = None


_known: dict[int, _Source] = {}
_sites: set[Any] = set()


def _go_on(whole: Any, margin: int) -> None:
    """Fills the margins of that many places on both sides of each axis: the values within go on from the other end."""
    inside = slice(margin, -margin)
    for axis, long in enumerate(whole.shape):  # what has been filled along the axes before goes on along this one
        before, n = (slice(None),) * axis, long - 2 * margin
        after = (inside,) * (whole.ndim - axis - 1)
        whole[(*before, slice(0, margin), *after)] = whole[(*before, slice(n, n + margin), *after)]
        whole[(*before, slice(n + margin, None), *after)] = whole[(*before, slice(margin, 2 * margin), *after)]


_MEMORY = register("roll_memory", "call", lambda _, shape, dtype: pool.empty(shape, dtype), label="roll",
                   laws=("fresh",), called="roll.memory")
_GO_ON = register("roll_margin", "mutate", lambda view, margin: _go_on(view, margin), label="roll",
                  called="roll.margins")
_roll_of_real = fallback(np.roll, "roll")


@functools.wraps(_roll_of_real)
@unseen
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """See `numpy.roll`."""
    if type(a) is not Tensor and axis is None:  # a class that takes the function over sees what was given
        return _roll_of_real(a, shift)
    if type(a) is Tensor and (steps := _steps(a, shift, axis)) is not None:
        found = _rolled(a, steps)
        if found is not None:
            return found
        found = _roll_of_real(a, shift, axis)
        source = _known.get(id(a))
        if source is not None and source.of() is a and type(found) is Tensor and found._value.__class__ is Node:
            _known[id(a)] = source._replace(call=weakref.ref(found._value))
        return found
    return _roll_of_real(a, shift, axis)


def _steps(a: Any, shift: Any, axis: Any) -> tuple[int, ...] | None:
    """The shift along each axis; None for arrays and arguments that are left to NumPy."""
    v = a._value
    if v.__class__ is not Node or a._state is not None or v.strides is not None or not (
            v.dtype.char in NUMERIC and v.dtype.isnative):
        return None
    ndim = len(v.shape)
    if ndim == 1 and axis is None:
        axis = 0
    shifts, axes = (x if type(x) is tuple else (x,) for x in (shift, axis))
    if not ndim or len(shifts) != len(axes):
        return None
    if min(v.shape) < MARGIN if _watching() else (
            min(v.shape) < 2 * MARGIN or prod(v.shape) * v.dtype.itemsize < LEAST):
        return None
    steps = [0] * ndim
    for n, i in zip(shifts, axes, strict=True):
        if type(n) is not int or type(i) is not int or not -ndim <= i < ndim or abs(n) > MARGIN:
            return None
        steps[i] += n
    return tuple(steps) if max(map(abs, steps)) <= MARGIN else None


def _rolled(a: Any, steps: tuple[int, ...]) -> Any:
    """The array as a part of one with margins; None where that is not known to pay."""
    frame = users_frame()
    node, source = a._value, _known.get(id(a))
    if source is not None and (source.seq != node.seq or source.of() is not a or source.watcher != _watching()):
        source = None
    whole = source.whole() if source is not None and source.whole is not None else None
    if source is None or whole is None:
        site = (frame.f_code, frame.f_lasti) if frame is not None else None
        if source is not None and source.call is not None and (call := source.call()) and call.buffer is None:
            _sites.update((site, source.site))
        if site not in _sites and not _watching() and (current.engine != "llvm" or not computed_by_kernels(node)):
            _remember(a, site)
            return None
        source, whole = _with_margin(a, max(1, *map(abs, steps)), site, frame)
    starts = tuple(map(operator.sub, source.starts, steps))
    if min(starts) < 0 or max(starts) > 2 * source.margin:
        if source.starts != (source.margin,) * len(steps):
            return None  # a roll of a roll, too far away
        source, whole = _with_margin(a, max(map(abs, steps)), source.site, frame)
        starts = tuple(map(operator.sub, source.starts, steps))
    part = tensor(_part(whole, starts, node.shape, frame))
    _remember(part, None, source.whole, source.margin, starts)
    return part


def _part(whole: Node, starts: tuple[int, ...], shape: tuple[int, ...], frame: Any) -> Node:
    """What has a shape and begins there in an array with margins, as an array of its own."""
    index = tuple([slice(start, start + n) for start, n in zip(starts, shape, strict=True)])
    root = tensor(whole)
    view = view_tensor(root, ((operator.getitem, (index,)),), geometry(root)[index], True)
    return record(COPY, (read(view),), (), shape, whole.dtype, None, frame)


def _with_margin(a: Any, margin: int, site: Any, frame: Any) -> tuple[_Source, Node]:
    """The array within one with margins, remembered; and that one's node. What is pending is computed into its place
    there, and read there from now on."""
    v = a._value
    shape = tuple([n + 2 * margin for n in v.shape])
    memory = record(_MEMORY, (0,), (("shape", shape), ("dtype", v.dtype)), shape, v.dtype, None, frame)
    value = v if v.buffer is None else record(COPY, (v,), (), v.shape, v.dtype, None, frame)
    place = (slice(margin, -margin),) * len(shape)
    stored = record(STORE, (memory, value), ((), (place,)), shape, v.dtype, None, frame)
    whole = record(_GO_ON, (stored,), ((), (margin,)), shape, v.dtype, None, frame)
    starts = (margin,) * len(v.shape)
    if v.buffer is None and not _watching():  # a trace would take it for a write
        center = _part(whole, starts, v.shape, frame)
        with lock_of(a):
            if a._value is v:
                a._value = center
    return _remember(a, site, weakref.ref(whole), margin, starts), whole


def _remember(t: Any, site: Any, *of: Any) -> _Source:
    """Notes what is known of a Tensor, the last few alone; `of` is the array of which it is a part, see `_Source`."""
    source = _Source(weakref.ref(t, functools.partial(_forget, id(t))), t._value.seq, site, *of)._replace(
        watcher=_watching())
    _known.pop(id(t), None)
    _known[id(t)] = source
    for identity in list(_known)[:-_SOURCES]:
        _known.pop(identity, None)
    if len(_sites) > _SITES:
        _sites.clear()
    return source


def _watching() -> int:
    """Who traces this thread, by the number with which the trace began; 0 if nobody does."""
    watcher = mine() if active else None
    return 0 if watcher is None else watcher.start


def _forget(identity: int, _: Any) -> None:
    _known.pop(identity, None)
