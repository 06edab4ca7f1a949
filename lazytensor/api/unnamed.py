"""Temporaries without a name, which NumPy writes an operator's result into: what the result has of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.layout import ELIDED_BYTES, Operand, elided
from ..ir.node import Node
from .build import CAST, NUMBERS, record
from .handle import Tensor
from .scalar import Scalar


class _References:
    """The reference counts by which an operator knows an operand that has no name, which NumPy writes into: those that
    `_general` sees of its two, that of a unary operator's operand and that of a power's base."""

    __slots__ = ("pair", "operand", "base", "seen")
    pair: tuple[int, ...]
    operand: tuple[int, ...]
    base: tuple[int, ...]
    seen: list[tuple[int, ...]] | None


references = _References()
references.pair = references.operand = references.base = (0, 0)
references.seen = None


def may_show(x: Any) -> bool:
    """Whether a result written into this operand may have another layout or dtype than a new array."""
    return type(x) is Node and (x.strides is not None or not x.dtype.isnative or x.dtype.char in "qQ")


def turns_operands(ufunc: Any, a: Any, b: Any) -> bool:
    """Whether a result written into the second operand is computed of them in turned order, and rounded otherwise."""
    return ufunc is np.multiply and type(a) not in NUMBERS and type(b) not in NUMBERS and (
        a.dtype.kind == b.dtype.kind == "c")


def overwritten(ufunc: Any, counts: tuple[int, ...], unnamed: tuple[int, ...], *operands: Any) -> Operand | None:
    """The large unnamed temporary that NumPy would write the result into, if there is one. `operands` are the values
    and what nodes hold for them."""
    if references.seen is not None:
        references.seen.append(counts)
    if max([x.nbytes for _, x in operands if type(x) is Node]) < ELIDED_BYTES:
        return None
    return elided(ufunc.__name__, *[as_operand(value, x, count <= least)
                                    for (value, x), count, least in zip(operands, counts, unnamed, strict=False)])


def as_operand(value: Any, x: Any, unnamed: bool) -> Operand:
    if type(x) is not Node:
        return Operand((), None, np.asarray(x).dtype, generic=isinstance(x, np.generic))
    own = type(value) is Tensor and value._value.__class__ is Node and value._state is None
    return Operand(x.shape, x.strides, x.dtype, unnamed and own, issubclass(type(value), Scalar))


def as_overwritten(node: Node, into: Operand | None, frame: Any) -> Node:
    """The result in the dtype of the temporary that it is written into: of another byte order, or another C type."""
    if into is None or (into.dtype == node.dtype and into.dtype.char == node.dtype.char):
        return node
    return record(CAST, (node,), (), node.shape, into.dtype, into.strides, frame)
