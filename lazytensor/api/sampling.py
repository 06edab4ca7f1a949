"""The geometry of a result, found by asking NumPy with small arrays of the same structure.

A function whose result's shape, dtype and strides do not depend on values is called on samples: arrays of ones with the
operands' dtypes and layouts (which axis lies inside which, where there are gaps), whose long axes are shortened. Axes
that are equal stay equal, the order of lengths stays, lengths that differ by little differ as much, short axes keep
their length. Several samples tell how each axis of the result depends on the lengths. What is not understood (a result
that is a view of an operand, gaps, warnings, errors) is answered with None: NumPy then runs at once.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..ir.errstate import SILENT, under
from ..ir.layout import c_strides, owner_of

_ndarray, _generic = np.ndarray, np.generic
SHORT = 8
"""Axes of at most this length keep it in samples."""
_LARGEST = 64
"""Integer arguments beyond this need samples too large to try."""
_STEP = 16
_plain_showwarning = getattr(warnings, "_showwarning_orig", warnings.showwarning)
_asking = threading.RLock()


def _renew_lock() -> None:
    global _asking
    _asking = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Axis(NamedTuple):
    """The length of an axis of the result: ``const + sum(halves[k] * starts[k]) / 2``, or for sizes ``const + times *``
    the sum of ``factor * prod(lengths[i] for i in classes)`` over `sizes`."""

    const: int
    halves: tuple[int, ...]
    times: int = 0
    sizes: tuple[tuple[int, tuple[int, ...]], ...] = ()


class Made(NamedTuple):
    """One array or scalar of the result: dtype, axes, the axes from the innermost one if not in C order (those of
    length 1 with no step are left out), and whether it is an array."""

    dtype: np.dtype[Any]
    axes: tuple[Axis, ...]
    order: tuple[int, ...] | None
    array: bool


class Answer(NamedTuple):
    """The result: one array, or a tuple or list (`container`) of arrays."""

    made: tuple[Made, ...]
    container: Any


class Lengths:
    """The lengths of the long axes among operands, in classes: equal ones are one class, near ones a cluster."""

    __slots__ = ("lengths", "clusters", "offsets", "rank", "short")

    def __init__(self, shapes: Sequence[tuple[int, ...]], short: int) -> None:
        self.short = short
        self.lengths = sorted({n for shape in shapes for n in shape if n > short})
        self.rank = {n: i for i, n in enumerate(self.lengths)}
        self.clusters: list[int] = []
        self.offsets: list[int] = []
        start = previous = -_STEP
        for n in self.lengths:
            if n - previous >= SHORT:
                start = n
            self.clusters.append(self.clusters[-1] + (start == n) if self.clusters else 0)
            self.offsets.append(n - start)
            previous = n

    def classes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape with ``-1 - class`` for its long axes."""
        rank = self.rank
        return tuple([-1 - rank[n] if n in rank else n for n in shape]) if rank else shape

    def starts(self) -> list[int]:
        """The least length of each cluster."""
        return [n for n, offset in zip(self.lengths, self.offsets, strict=True) if offset == 0]

    def key(self, halves: bool, breaks: tuple[int, ...]) -> tuple[Any, ...]:
        """What samples must have in common with these lengths besides classes."""
        return (tuple(self.offsets), tuple([n % 2 for n in self.starts()]) if halves else (),
                tuple([sum(n >= b for b in breaks) for n in self.lengths]) if breaks else ())

    def shortened(self, breaks: tuple[int, ...]) -> list[int]:
        """The starts of the clusters in the first sample."""
        found: list[int] = []
        place = self.short + 1
        for k, start in enumerate(self.starts()):
            below = max([b for b in breaks if start >= b], default=0)
            place = max(place, below)
            place += (place - start) % 2
            found.append(min(place, start))
            last = max(o for o, c in zip(self.offsets, self.clusters, strict=True) if c == k)
            place = found[-1] + last + _STEP
        return found

    def spread(self, starts: list[int]) -> list[int]:
        """The lengths of all classes, from those of the clusters."""
        return [starts[c] + o for c, o in zip(self.clusters, self.offsets, strict=True)]


@lru_cache(8192)
def pattern(shape: tuple[int, ...], strides: tuple[int, ...] | None, itemsize: int) -> Any:
    """The structure of a layout without its sizes: per axis from the innermost, whether it is dense, has a gap, is
    tight (begins before the gap of the axis inside ends), overlaps or repeats, and its direction. None for C order;
    False if it cannot be imitated."""
    if strides is None or not shape:
        return None
    found = []
    running, previous, extent = itemsize, 0, itemsize
    for axis in sorted(range(len(shape) - 1, -1, -1), key=lambda i: abs(strides[i])):
        step = abs(strides[axis])
        if itemsize == 0 or step % itemsize:
            return False
        relation = ("repeats" if step == 0 else "dense" if step == running else "gap" if step > running else
                    "same" if step == previous else "tight" if step >= extent else "overlaps")
        found.append((axis, relation, strides[axis] < 0))
        if shape[axis] > 1 or step > running:
            running = max(running, step * shape[axis])
        extent += step * max(0, shape[axis] - 1)
        previous = step
    return tuple(found)


def sample(shape: tuple[int, ...], dtype: np.dtype[Any], laid: Any, fill: Any, scalar: bool) -> Any:
    """An array of that structure, its elements all `fill`."""
    if laid is None or not shape:
        array = np.full(shape, fill, dtype)
        return array[()] if scalar else array
    strides = [0] * len(shape)
    running, previous, offset, size = dtype.itemsize, 0, 0, dtype.itemsize
    for axis, relation, backwards in laid:
        step = {"repeats": 0, "dense": running, "gap": running + dtype.itemsize, "same": previous,
                "tight": size, "overlaps": previous + dtype.itemsize}[relation]
        reach = step * max(0, shape[axis] - 1)
        size += reach
        if backwards:
            offset += reach
        strides[axis] = -step if backwards else step
        if shape[axis] > 1 or step > running:
            running = max(running, step * shape[axis])
        previous = step
    memory = np.full(-(-size // dtype.itemsize), fill, dtype)
    return _ndarray(shape, dtype, memory, offset, tuple(strides))


def _order(array: Any) -> Any:
    """The axes from the innermost, None for C order, False where the array has gaps or steps backwards."""
    shape, strides, size = array.shape, array.strides, array.itemsize
    if strides == c_strides(shape, size):
        return None
    if 0 in shape:
        return False
    steps = [i for i in range(len(shape) - 1, -1, -1) if strides[i] or shape[i] != 1]
    inner_first = sorted(steps, key=lambda i: (strides[i], shape[i] != 1))
    return tuple(inner_first) if packed(shape, size, tuple(inner_first)) == strides else False


def packed(shape: tuple[int, ...], itemsize: int, inner_first: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a dense array whose axes lie in this order."""
    if 0 in shape:
        return (0,) * len(shape)
    strides = [0] * len(shape)
    for axis in inner_first:
        strides[axis] = itemsize
        itemsize *= shape[axis]
    return tuple(strides)


_WRITEABLE, _WARN_ON_WRITE = 1024, -(1 << 31)  # bits of `flags.num`; to ask for `flags.writeable` would warn


class _Strange(Exception):
    """A result of which no geometry can be promised."""


def _described(value: Any, given: list[Any]) -> Any:
    """dtype, shape and order of one result."""
    if isinstance(value, _generic):
        return value.dtype, (), None, False
    if type(value) is not _ndarray or value.flags.num & (_WRITEABLE | _WARN_ON_WRITE) != _WRITEABLE:
        raise _Strange
    order = _order(value)
    if order is False or any(isinstance(x, _ndarray) and _share(value, x) for x in given):
        raise _Strange
    return value.dtype, value.shape, order, True


def _share(a: Any, b: Any) -> bool:
    """Whether two arrays lie in the same memory; of those without elements, whether one is a view of the other."""
    return bool(np.may_share_memory(a, b)) or not (a.size and b.size) and owner_of(a) is owner_of(b)


_EVERY: Any = ("always", None, Warning, None, 0)


def hushed(capsule: Any, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
    """What a function gives under an error state, and the warnings that it gave; one call at a time.

    `warnings.catch_warnings` would make Python forget which it has shown.
    """
    given: list[Any] = []
    with _asking:
        filters = warnings.filters
        show = warnings._showwarnmsg_impl, warnings.showwarning  # type: ignore[attr-defined]
        try:
            filters.insert(0, _EVERY)  # type: ignore[attr-defined]
            warnings._showwarnmsg_impl = given.append  # type: ignore[attr-defined]
            warnings.showwarning = _plain_showwarning
            result = under(capsule, fn, *args, **kwargs)
        finally:
            warnings._showwarnmsg_impl, warnings.showwarning = show  # type: ignore[attr-defined]
            filters.remove(_EVERY)  # type: ignore[attr-defined]
    return result, given


def asked(call: Callable[[list[Any]], Any], samples: list[Any]) -> Any:
    """NumPy's answer for samples, as descriptions and the container; None if nothing can be promised."""
    try:
        result, given = hushed(SILENT, call, samples)
        if given:
            return None
        kind = type(result)
        if kind is tuple or kind is list or issubclass(kind, tuple):
            found = tuple([_described(x, samples) for x in result])
            several = [x for x in result if type(x) is _ndarray]
            if any(_share(x, y) for i, x in enumerate(several) for y in several[:i]):
                return None
            return found, kind
        return (_described(result, samples),), None
    except Exception:
        return None


def answer(call: Callable[[list[Any]], Any], shapes: list[tuple[int, ...]], lengths: Lengths,
           make: Callable[[int, tuple[int, ...]], Any], breaks: tuple[int, ...]) -> Answer | None:
    """What `call` gives for operands of these shapes; ``make(i, shape)`` is a sample of operand i.

    `call` gets the list of samples.
    """
    base = lengths.shortened(breaks)
    trials = [base]
    for k in range(len(base)):
        trials.append([n + 2 * (i >= k) for i, n in enumerate(base)])  # those above move too: their order stays
    if base:
        trials.append([n + 4 + 2 * i for i, n in enumerate(base)])
    seen = []
    for starts in trials:
        spread = lengths.spread(starts)
        at = dict(zip(lengths.lengths, spread, strict=True))
        found = asked(call, [make(i, tuple([at.get(n, n) for n in shape])) for i, shape in enumerate(shapes)])
        if found is None:
            return None
        seen.append(found)
    first, container = seen[0]
    for found, kind in seen[1:]:
        if kind is not container or len(found) != len(first) or any(
                x[0] != y[0] or len(x[1]) != len(y[1]) or x[2:] != y[2:] for x, y in zip(found, first, strict=True)):
            return None
    sizes = [lengths.spread(starts) for starts in trials]
    ranks = [(prod(n for n in shape if n not in lengths.rank), tuple([
        lengths.rank[n] for n in shape if n in lengths.rank])) for shape in shapes]
    made = []
    for i, (dtype, shape, order, array) in enumerate(first):
        axes = [_fitted([found[i][1][axis] for found, _ in seen], trials, sizes, ranks) for axis in range(len(shape))]
        if None in axes:
            return None
        made.append(Made(dtype, tuple(axes), order, array))  # type: ignore[arg-type]
    return Answer(tuple(made), container)


def _fitted(observed: list[int], trials: list[list[int]], sizes: list[list[int]],
            ranks: list[tuple[int, tuple[int, ...]]]) -> Axis | None:
    """How the length of an axis follows from the lengths of the operands; `ranks` are these' sizes."""
    count = len(trials[0])
    above = [observed[k + 1] - observed[0] for k in range(count)] + [0]
    halves = tuple([above[k] - above[k + 1] for k in range(count)])
    twice = 2 * observed[0] - sum(h * n for h, n in zip(halves, trials[0], strict=True))
    if all(2 * o == twice + sum(h * n for h, n in zip(halves, starts, strict=True))
           for o, starts in zip(observed, trials, strict=True)):
        return Axis(twice, halves)
    pairs = [((1, (i, j)),) for i in range(len(sizes[0])) for j in range(i + 1)]
    for tried in (*[(rank,) for rank in ranks], tuple(ranks), *pairs):
        values = [_size(tried, lengths) for lengths in sizes]
        change = values[-1] - values[0]
        times, rest = divmod(observed[-1] - observed[0], change) if change else (0, 1)
        const = observed[0] - times * values[0]
        if not rest and all(o == const + times * v for o, v in zip(observed, values, strict=True)):
            return Axis(const, (), times, tried)
    return None


def _size(sizes: tuple[tuple[int, tuple[int, ...]], ...], lengths: list[int]) -> int:
    return sum(factor * prod(lengths[i] for i in classes) for factor, classes in sizes)


def placed(found: Answer, lengths: Lengths) -> Any:
    """Shape, dtype, strides of each part of a result for the real lengths, and whether it is an array; None if a length
    is not whole."""
    starts = lengths.starts()
    result = []
    for made in found.made:
        shape = []
        for axis in made.axes:
            if axis.sizes:
                n = axis.const + axis.times * _size(axis.sizes, lengths.lengths)
            else:
                n, odd = divmod(axis.const + sum(h * s for h, s in zip(axis.halves, starts, strict=True)), 2)
                if odd:
                    return None
            if n < 0:
                return None
            shape.append(n)
        whole = tuple(shape)
        strides = None if made.order is None else packed(whole, made.dtype.itemsize, made.order)
        if strides == c_strides(whole, made.dtype.itemsize):
            strides = None
        result.append((whole, made.dtype, strides, made.array))
    return result
