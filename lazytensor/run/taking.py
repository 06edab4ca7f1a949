"""Whose memory a step may write over: what a plan allows, reference counts must confirm."""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from ..ir.capture import Graph
from ..ir.node import Node, leaf, make
from ..ir.operation import Operation
from ..lower.table import GENERAL, Record
from . import pool
from .interpreter import TAKEN

_VIEW = Operation.VIEW


class _Known:
    """How many references are held here, without anybody else: to a leaf, to its buffer, to a result's."""

    __slots__ = ("leaf", "leaf_buffer", "buffer")
    leaf: int
    leaf_buffer: int
    buffer: int


_known = _Known()


def take(slot: int, record: Record, graph: Graph, values: list[Any]) -> bool:
    """Whether this run alone holds the memory in a slot; if it is a leaf's, the leaf has no value any more.

    `record` is the one that will write there: its nodes' own references to the leaf do not count.
    """
    if not held_here(slot, (record,), graph, values):
        return False
    if slot < len(graph.leaves):
        graph.leaves[slot].buffer = None
        graph.leaves[slot].claim = TAKEN
    return True


def held_here(slot: int, records: tuple[Record, ...], graph: Graph, values: list[Any]) -> bool:
    """Whether this run, for these records, alone holds the memory in a slot."""
    if slot >= len(graph.leaves):
        return pool.sole(values[slot], _known.buffer)
    known = _known.leaf + _references(records, graph, graph.leaves[slot])
    return getrefcount(graph.leaves[slot]) <= known and pool.sole(values[slot], _known.leaf_buffer)


def _references(records: tuple[Record, ...], graph: Graph, operand: Node) -> int:
    """How often the nodes of records and their twins refer to another node, each view once."""
    direct, through = 0, set()
    for number in [n for record in records for n in (record.node, *record.twins)]:
        for x in graph.nodes[number].inputs:
            direct += x is operand
            if type(x) is Node and x.op is _VIEW and x.a is operand:
                through.add(id(x))
    return direct + len(through)


def copied(old: Any) -> Any:
    """A writable copy, its axes in the same order in memory."""
    if not isinstance(old, np.ndarray):
        return np.array(old)
    memory = pool.empty_like(old)
    np.copyto(memory, old)
    return memory


# ---- what is held here -----------------------------------------------------------------------------------------------


_TRIAL = Record(GENERAL, None, 0, (), 0, 0, (), 0, 0, False, (), (), False, "", "")


def _trial(of_leaf: bool) -> bool:
    graph = Graph()
    held = leaf(np.zeros(pool.SMALL, np.uint8), None)
    node = make(Operation.VIEW, (held,), None, held.shape, held.dtype, None, None, 0)
    graph.nodes = [node]
    graph.leaves = [held] if of_leaf else []
    values = [held.buffer]
    if not of_leaf:
        held.buffer = None
    del held
    return take(0, _TRIAL, graph, values)


def _calibrate() -> None:
    """Python versions differ in the references that a call holds; they are measured, not assumed."""
    for name, of_leaf in (("buffer", False), ("leaf_buffer", True), ("leaf", True)):
        _known.leaf = _known.leaf if name == "leaf_buffer" else 64
        for guess in range(1, 64):
            setattr(_known, name, guess)
            if _trial(of_leaf):
                break
        else:
            raise ImportError("lazytensor cannot tell who holds a buffer on this Python: sys.getrefcount is not exact")


_known.leaf = _known.leaf_buffer = _known.buffer = 64
_calibrate()
