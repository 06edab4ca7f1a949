"""From pending nodes to a captured graph and its key: the structure alone, so that one plan serves many sizes."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from sys import getrefcount
from typing import Any

from .node import Node
from .operation import Operation

_VIEW = Operation.VIEW
_program_order = attrgetter("seq")


class Busy(Exception):
    """A node that is needed is being computed by another run; `claim` is that run."""

    def __init__(self, claim: Any) -> None:
        self.claim = claim


def pending(targets: list[Node]) -> list[Node]:
    """The pending nodes that the targets need, in program order. Views are not among them: they are ways to read.

    Called under the claims' lock. A node's claim is read before its buffer: a run sets the buffer first.

    Raises
    ------
    Busy
        If another run has claimed one of them.
    """
    seen: set[Node] = set()
    found: list[Node] = []
    stack: list[Any] = [t.a if t.op is _VIEW else t for t in targets]
    while stack:
        node = stack.pop()
        if type(node) is not Node or node in seen:
            continue
        claim = node.claim
        if node.buffer is not None:
            continue
        if claim is not None:
            raise claim if isinstance(claim, BaseException) else Busy(claim)
        if node.op is _VIEW:
            stack.append(node.a)
            continue
        seen.add(node)
        found.append(node)
        operand = node.a
        if type(operand) is Node and operand.buffer is None:
            stack.append(operand)
        operand = node.b
        if type(operand) is Node and operand.buffer is None:
            stack.append(operand)
        if node.rest:
            stack.extend(node.rest)
    found.sort(key=_program_order)
    return found


class Graph:
    """A captured graph: what a plan is made for and what it is run on.

    Attributes
    ----------
    nodes : list of Node
        The pending nodes in program order; node i has number i.
    leaves : list
        Realized nodes, Python numbers and NumPy scalars that they read; leaf j has number ``len(nodes) + j``.
    reads : list of list of int
        For each node its operands' numbers. A view is written as the number of what it views, plus `VIEWED`.
    views : list of sequences
        For each node, per operand, None or the view node through which it reads.
    kept : list of bool
        Whether something besides the captured nodes holds the node: a handle, other pending work, or the request.
    spare : list of bool
        For each leaf, whether only the captured nodes hold it, so that its memory may be reused after its last use.
    key : tuple
        Structure: operations, dtypes, shape classes, layouts, operands, kept, spare.
    """

    __slots__ = ("nodes", "leaves", "reads", "views", "kept", "spare", "key")
    nodes: list[Node]
    leaves: list[Any]
    reads: list[list[int]]
    views: list[Any]
    kept: list[bool]
    spare: list[bool]
    key: tuple[Any, ...]


def _held(items: list[Any]) -> int:
    """The reference count of an item that only `items` holds, as the loops below see it."""
    for item in items:
        return getrefcount(item)
    return 0


_ALONE = _held([Node()])


class _Shapes:
    """Shape classes: shapes with the same rank, the same axes of length 1 (or 0) and the same equal lengths are alike."""

    __slots__ = ("known", "lengths")

    def __init__(self) -> None:
        self.known: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.lengths: dict[int, int] = {0: 0, 1: 1}

    def of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        lengths = self.lengths
        pattern = self.known[shape] = tuple([lengths.setdefault(n, len(lengths)) for n in shape])
        return pattern


_NUMBERS = frozenset((bool, int, float, complex))
_NO_VIEWS: list[tuple[None, ...]] = [(None,) * n for n in range(256)]


@lru_cache(4096)
def _order_of(strides: tuple[int, ...]) -> tuple[int, ...]:
    """The class of a layout: which axis lies inside which."""
    return tuple(sorted(range(len(strides)), key=strides.__getitem__))


def capture(nodes: list[Node]) -> Graph:
    """Numbers the pending `nodes` (in program order) and their leaves and writes the key."""
    count = len(nodes)
    number: dict[Any, int] = dict(zip(nodes, range(count), strict=True))
    uses: list[int] = [0] * count
    leaves: list[Any] = []
    leaf_uses: list[int] = []
    shapes = _Shapes()
    known = shapes.known
    reads: list[list[int]] = []
    views: list[Any] = []
    seen_views: set[Node] = set()
    key: list[Any] = []
    pattern_of, get_number = shapes.of, number.get
    for node in nodes:
        shape = node.shape
        key += (node.op, node.dtype, known.get(shape) or pattern_of(shape))
        if node.strides is not None:
            key.append(_order_of(node.strides))
        if node.attrs is not None and node.op.kind != "mutate":
            key.append(node.attrs)
        read: list[int] = []
        through: Any = None
        for operand in (node.a, node.b) if not node.rest else (node.a, node.b, *node.rest):
            kind = type(operand)
            if kind is not Node:
                if operand is None:
                    continue
                at = count + len(leaves)
                leaves.append(operand)
                leaf_uses.append(-1)
                key.append(kind if kind in _NUMBERS else operand.dtype)
            elif (at := get_number(operand)) is not None:
                if at < count:
                    uses[at] += 1
                else:
                    leaf_uses[at - count] += 1
            else:
                if operand.op is _VIEW and operand.buffer is None:
                    view, operand = operand, operand.a
                    if through is None:
                        through = [None] * len(read)
                    through.append(view)
                    key += ("view", view.dtype, known.get(view.shape) or pattern_of(view.shape))
                    again = view in seen_views
                    seen_views.add(view)
                else:
                    view, again = None, False
                at = number.get(operand)
                if at is None:
                    at = number[operand] = count + len(leaves)
                    leaves.append(operand)
                    leaf_uses.append(0)
                    key += ("leaf", operand.dtype, known.get(operand.shape) or pattern_of(operand.shape))
                    if operand.strides is not None:
                        key.append(_order_of(operand.strides))
                if not again:
                    if at < count:
                        uses[at] += 1
                    else:
                        leaf_uses[at - count] += 1
            key.append(at)
            read.append(at)
            if through is not None and len(through) < len(read):
                through.append(None)
        reads.append(read)
        views.append(_NO_VIEWS[len(read)] if through is None else through)
    node = operand = view = None  # type: ignore[assignment]
    graph = Graph()
    graph.nodes, graph.leaves, graph.reads, graph.views = nodes, leaves, reads, views
    _ask_who_holds(graph, number, uses, leaf_uses)
    key.append(tuple(graph.kept))
    key.append(tuple(graph.spare))
    graph.key = tuple(key)
    return graph


def _ask_who_holds(graph: Graph, number: dict[Any, int], uses: list[int], leaf_uses: list[int]) -> None:
    """Reference counts tell who else holds a node: beyond the lists here and the operands that were counted."""
    nodes, leaves = graph.nodes, graph.leaves
    graph.kept = [getrefcount(node) - n > _EXTRA for node, n in zip(nodes, uses, strict=True)]
    graph.spare = [n >= 0 and getrefcount(leaf) - n <= _EXTRA for leaf, n in zip(leaves, leaf_uses, strict=True)]
    number.clear()


_EXTRA = 0


def _calibrate() -> None:
    """Finds the references that capturing itself holds, on a node that nobody else holds."""
    global _EXTRA
    nodes = [Node()]
    number = {nodes[0]: 0}
    _EXTRA = [getrefcount(node) for node, n in zip(nodes, [0], strict=True)][0]
    number.clear()


_calibrate()
