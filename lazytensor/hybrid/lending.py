"""Arrays whose memory somebody outside has, too, such as those made with `asarray` of a real NumPy array.

What reads such memory runs at once, for it may be written to unseen; a compiled function runs within its call, so it
may read that memory where it lies, by the same program that serves arrays of their own. It has to be laid out as
theirs is: aligned, no element in two places. What a call would write to it is left to the Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..api.handle import View, is_shared


def lies_apart(shape: tuple[int, ...], strides: tuple[int, ...] | None, itemsize: int) -> bool:
    """Whether no element of an array lies in the place of another; strides of None are in C order."""
    least = 0
    for stride, n in sorted(zip(map(abs, strides or ()), shape, strict=False)):
        if n > 1 and stride < max(least, itemsize):
            return False
        least = stride * n
    return True


def readable(root: Any) -> bool:
    """Whether the memory of a root that is shared, or read-only, may be read where it lies."""
    node = root._value
    buffer = node.buffer
    return type(buffer) is np.ndarray and not node.dtype.hasobject and buffer.flags.aligned and lies_apart(
        node.shape, node.strides, node.dtype.itemsize)


def may_be_leaf(root: Any) -> bool:
    """Whether a root's value may be a leaf of a program."""
    if root._value.__class__ is View or root._value.dtype.hasobject:
        return False
    return root._state is None or not is_shared(root) and root._state is None or readable(root)


def is_own(root: Any) -> bool:
    """Whether a root's memory is its own and may be written to."""
    return root._state is None or not is_shared(root) and root._state is None
