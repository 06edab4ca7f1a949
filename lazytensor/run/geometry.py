"""The space that a kernel goes over, with as few axes as possible, and the strides of arrays along them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def along(shape: tuple[int, ...], array: Any, axes: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The strides of an array along the axes of the space, 0 where it is broadcast or one long.

    An array with one element a row lacks these axes, or has them with length 1.
    """
    own = tuple(0 if n == 1 else s for n, s in zip(array.shape, array.strides, strict=True))
    if axes and len(own) == len(shape) - len(axes):
        given = iter(own)
        return tuple(0 if i in axes else next(given) for i in range(len(shape)))
    return (0,) * (len(shape) - len(own)) + own


def in_order(shape: tuple[int, ...], steps: list[tuple[int, ...]], axes: tuple[int, ...], left: tuple[int, ...]) -> (
        tuple[tuple[int, ...], list[tuple[int, ...]], tuple[int, ...]]):
    """The space as NumPy goes over it: without axes of length 1, but for one of them if there is no other to
    reduce."""
    if not any(i in axes for i in left):
        left = *left, axes[-1]
    return (tuple(shape[i] for i in left), [tuple(s[i] for i in left) for s in steps],
            tuple(k for k, i in enumerate(left) if i in axes))


def coalesced(shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """The space with as few axes as possible, in the order in which the last array (an output) lies in memory.

    Returns sizes and, for each array, strides, outermost first; there is always one axis at least.
    """
    axes = sorted(range(len(shape)), key=lambda i: -abs(strides[-1][i]))
    return merged([shape[i] for i in axes], [tuple(s[i] for i in axes) for s in strides])


def merged(shape: Sequence[int], strides: Sequence[tuple[int, ...]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """The same axes in the same order, neighbours as one where all arrays run through them with one stride."""
    axes = [i for i in range(len(shape)) if shape[i] != 1]
    sizes: list[int] = []
    steps: list[list[int]] = []
    for i in axes:
        here = [s[i] for s in strides]
        if sizes and all(old == new * shape[i] for old, new in zip(steps[-1], here, strict=True)):
            sizes[-1] *= shape[i]
            steps[-1] = here
        else:
            sizes.append(shape[i])
            steps.append(here)
    if not sizes:
        sizes, steps = [1], [[0] * len(strides)]
    return sizes, [tuple(step[k] for step in steps) for k in range(len(strides))]


def in_rows(shape: tuple[int, ...], strides: list[tuple[int, ...]], rows: int) -> Any:
    """The space as rows: its last axes as one, the others in C order with as few axes as possible. None if they do not
    become one."""
    first = len(shape) - rows
    inner_sizes, inner = merged(shape[first:], [s[first:] for s in strides])
    if len(inner_sizes) != 1:
        return None
    sizes, outer = merged(shape[:first], [s[:first] for s in strides])
    if len(sizes) == 1 and sizes[0] == 1:
        sizes, outer = [], [()] * len(strides)
    return [*sizes, *inner_sizes], [(*a, *b) for a, b in zip(outer, inner, strict=True)]
