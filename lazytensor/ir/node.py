"""The node: one immutable value of a program, computed or not yet. All that the compiler sees is made of these."""

from __future__ import annotations

import itertools
import sys
from math import prod
from types import CodeType
from typing import Any

import numpy as np

from ..hot import learn, native
from .operation import Operation

AT_ONCE = sys.maxsize // 2
"""A depth beyond every limit: a node with such a depth is run as soon as it is made."""

tick = itertools.count(1).__next__ if native is None else native.tick
new = object.__new__


NUMBERS = ("lasti", "depth", "seq")
"""The attributes of nodes that are ints: the extension has them as numbers."""


class Node(object if native is None else native.Marked):  # type: ignore[misc]
    """A value: an operation on operands, or a buffer that holds the result.

    The first two operands are `a` and `b` (None where there is none), further ones in the tuple `rest`: a tuple for
    every node would double the work of Python's garbage collector. An operand is a Node, a Python number or a NumPy
    scalar. `inputs` gives them all, in order: ``x*x`` has two.

    Attributes
    ----------
    op : Operation
    attrs : what the operation takes besides operands; its meaning is the operation's kind (see `operation`)
    shape : tuple of int
    dtype : numpy.dtype
    strides : tuple of int, in bytes, or None for C-contiguous
    code, lasti : the caller's code object and instruction offset, the place in the user's program
    errstate : NumPy's floating-point error state when the operation was written (an opaque capsule)
    depth : the length of the longest chain of pending nodes behind it; AT_ONCE if it may not stay pending
    seq : program order: operands have a smaller number than what uses them
    buffer : numpy.ndarray, or numpy.generic for the node of a scalar, or None while pending
    claim : the run that is computing it, or the exception that makes it impossible to compute
    """

    __slots__ = ("op", "a", "b", "rest", "attrs", "shape", "dtype", "strides", "code", "errstate", "buffer", "claim",
                 "__weakref__", *(NUMBERS if native is None else ()))
    op: Operation
    a: Any
    b: Any
    rest: tuple[Any, ...]
    attrs: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...] | None
    code: CodeType | None
    lasti: int
    errstate: Any
    depth: int
    seq: int
    buffer: Any
    claim: Any

    @property
    def inputs(self) -> tuple[Any, ...]:
        """All the operands, in order."""
        if self.a is None:
            return self.rest
        return (self.a, *self.rest) if self.b is None else (self.a, self.b, *self.rest)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return prod(self.shape) * self.dtype.itemsize

    def __repr__(self) -> str:
        state = "pending" if self.buffer is None else "realized"
        return f"<{self.op.name} {self.dtype}{list(self.shape)} #{self.seq} {state}>"


learn(Node=Node, Operation=Operation, view_operation=Operation.VIEW, leaf_operation=Operation.LEAF)


def make(op: Operation, inputs: tuple[Any, ...], attrs: Any, shape: tuple[int, ...], dtype: np.dtype[Any],
         strides: tuple[int, ...] | None, errstate: Any, depth: int, frame: Any = None) -> Node:
    """A pending node; the hot paths of `api` write the same stores out."""
    n = new(Node)
    n.op = op
    count = len(inputs)
    n.a = inputs[0] if count else None
    n.b = inputs[1] if count > 1 else None
    n.rest = inputs[2:] if count > 2 else ()
    n.attrs = attrs
    n.shape = shape
    n.dtype = dtype
    n.strides = strides
    n.code, n.lasti = (None, -1) if frame is None else (frame.f_code, frame.f_lasti)
    n.errstate = errstate
    n.depth = depth
    n.seq = tick()
    n.buffer = None
    n.claim = None
    return n


if native is not None:
    make = native.make


def leaf(buffer: Any, strides: tuple[int, ...] | None, depth: int = 0) -> Node:
    """A node that is its buffer (an ndarray or a NumPy scalar)."""
    n = make(Operation.LEAF, (), None, buffer.shape, buffer.dtype, strides, None, depth)
    n.buffer = buffer
    return n


def memory_leaf(buffer: Any) -> Node:
    """The leaf of memory in C order that was made for results which are to be written there."""
    n = leaf(buffer, None)
    n.attrs = MADE
    return n


MADE = ("made",)
"""What marks such a leaf: `lazytensor.explain` counts its memory as new."""


def settle(node: Node, buffer: Any) -> None:
    """Gives a pending node its value; it forgets its operands, which may then be freed."""
    node.buffer = buffer
    node.a = node.b = node.attrs = node.claim = None
    node.rest = ()
    node.depth = 0
