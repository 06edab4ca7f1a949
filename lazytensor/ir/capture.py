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

    Raises
    ------
    Busy
        If a run has claimed one of them.
    """
    looking = object()
    nodes = claimed(targets, looking)
    for node in nodes:
        node.claim = None
    return nodes


def claimed(targets: list[Node], run: Any) -> list[Node]:
    """`pending`, with every node claimed for `run`. Called under the claims' lock.

    A node's claim is read before its buffer, because a run sets the buffer first and then drops the claim.
    """
    found: list[Node] = []
    stack: list[Any] = [t.a if t.op is _VIEW and t.buffer is None else t for t in targets]
    while stack:
        node = stack.pop()
        claim = node.claim
        if claim is run or node.buffer is not None:
            continue
        if claim is not None:
            for other in found:
                other.claim = None
            raise claim if isinstance(claim, BaseException) else Busy(claim)
        if node.op is _VIEW:
            stack.append(node.a)
            continue
        node.claim = run
        found.append(node)
        operand = node.a
        if type(operand) is Node and operand.buffer is None:
            stack.append(operand)
        operand = node.b
        if type(operand) is Node and operand.buffer is None:
            stack.append(operand)
        if node.rest:
            stack += [x for x in node.rest if type(x) is Node]
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
        For each node its operands' numbers; what is read through a view has the number of what is viewed.
    views : mapping of int to tuple
        By a node's number, per operand, None or the view node through which it reads.
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
    views: dict[int, tuple[Any, ...]]
    kept: list[bool]
    spare: list[bool]
    key: tuple[Any, ...]


_NUMBERS = frozenset((bool, int, float, complex))
_NO_VIEWS = (None,) * 1024


class _Views(dict[int, tuple[Any, ...]]):
    """Which operands of a node are read through views, by the node's number; most nodes read none."""

    def __missing__(self, number: int) -> tuple[None, ...]:
        return _NO_VIEWS


_op, _dtype, _shape, _strides, _attrs = (attrgetter(x) for x in ("op", "dtype", "shape", "strides", "attrs"))


@lru_cache(4096)
def _order_of(strides: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The class of a layout: which axis lies inside which; None for C order."""
    return None if strides is None else tuple(sorted(range(len(strides)), key=strides.__getitem__))


class _Operands:
    """Numbers the operands of captured nodes: `number` knows nodes and leaves, `uses` counts references to each."""

    __slots__ = ("number", "uses", "leaves", "kinds", "shapes", "views", "seen")

    def __init__(self, nodes: list[Node]) -> None:
        self.number: dict[Any, int] = dict(zip(nodes, range(len(nodes)), strict=True))
        self.uses = [0] * len(nodes)
        self.leaves: list[Any] = []
        self.kinds: list[Any] = []
        self.shapes: list[tuple[int, ...]] = []
        self.views: dict[int, dict[int, Node]] = {}
        self.seen: dict[Node, int] = {}

    def place(self, operand: Any, node: int, position: int) -> int:
        """The number of an operand that is no captured node nor known leaf: a new leaf, or what is read by a view."""
        kind = type(operand)
        if kind is not Node:
            self.kinds.append(kind if kind in _NUMBERS else operand.dtype)
            return self._leaf(operand, -1)
        counted = True
        if operand.op is _VIEW and operand.buffer is None:
            self.views.setdefault(node, {})[position] = operand
            self.kinds += (node, position, operand.dtype)
            self.shapes.append(operand.shape)
            counted = operand not in self.seen
            self.seen[operand] = self.seen.get(operand, 0) + 1
            operand = operand.a
        at = self.number.get(operand)
        if at is None:
            at = self.number[operand] = self._leaf(operand, 0)
            self.kinds += (operand.dtype, _order_of(operand.strides))
            self.shapes.append(operand.shape)
        self.uses[at] += counted
        return at

    def _leaf(self, operand: Any, uses: int) -> int:
        self.leaves.append(operand)
        self.uses.append(uses)
        return len(self.uses) - 1


def _shape_classes(shapes: list[tuple[int, ...]]) -> tuple[Any, ...]:
    """Shapes with the same rank, the same axes of length 1 or 0 and the same equal lengths are alike."""
    lengths: dict[int, int] = {0: 0, 1: 1}
    known = {shape: tuple([lengths.setdefault(n, len(lengths)) for n in shape]) for shape in dict.fromkeys(shapes)}
    return tuple(map(known.__getitem__, shapes))


def capture(nodes: list[Node]) -> Graph:
    """Numbers the pending `nodes` (in program order) and their leaves and writes the key."""
    operands = _Operands(nodes)
    known, uses, place = operands.number.get, operands.uses, operands.place
    kinds, leaves = operands.kinds, operands.leaves
    reads: list[Any] = []
    for i, node in enumerate(nodes):
        a = node.a
        at = known(a)
        if at is None:
            at = place(a, i, 0)
        else:
            uses[at] += 1
        b = node.b
        if b is None:
            reads.append((at,))
            continue
        second = known(b)
        if second is None:
            if type(b) in _NUMBERS:
                kinds.append(type(b))
                leaves.append(b)
                second = len(uses)
                uses.append(-1)
            else:
                second = place(b, i, 1)
        else:
            uses[second] += 1
        reads.append((at, second) if not node.rest else (at, second, *_further(operands, node, i)))
    node = a = b = None  # type: ignore[assignment]
    graph = Graph()
    graph.nodes, graph.leaves, graph.reads = nodes, operands.leaves, reads
    graph.views = _Views()
    for i, through in operands.views.items():
        graph.views[i] = tuple([through.get(k) for k in range(len(reads[i]))])
    shapes = list(map(_shape, nodes))
    shapes += operands.shapes
    strides = list(map(_strides, nodes))
    attrs = list(map(_attrs, nodes))
    _ask_who_holds(graph, operands)
    graph.key = (tuple(map(_op, nodes)), tuple(map(_dtype, nodes)), tuple(reads), _shape_classes(shapes),
                 tuple(operands.kinds), tuple(graph.kept), tuple(graph.spare),
                 tuple(map(_order_of, strides)) if strides.count(None) < len(nodes) else None,
                 _structural(nodes, attrs) if attrs.count(None) < len(nodes) else None)
    return graph


def _further(operands: _Operands, node: Node, i: int) -> list[int]:
    """The numbers of the third operand and those after it."""
    numbers = []
    for k, operand in enumerate(node.rest, 2):
        at = operands.number.get(operand) if type(operand) is Node else None
        if at is None:
            at = operands.place(operand, i, k)
        else:
            operands.uses[at] += 1
        numbers.append(at)
    return numbers


def _structural(nodes: list[Node], attrs: list[Any]) -> tuple[Any, ...]:
    """The attributes that belong to the structure: all but the places and indices of writes, which are run-time values."""
    return tuple([None if x is None or n.op.kind == "mutate" else x for n, x in zip(nodes, attrs, strict=True)])


def _ask_who_holds(graph: Graph, operands: _Operands) -> None:
    """Reference counts tell who else holds a node: beyond the lists here and the operands that were counted."""
    uses, count = operands.uses, len(graph.nodes)
    graph.kept = [getrefcount(node) - n > _EXTRA for node, n in zip(graph.nodes, uses, strict=False)]
    graph.spare = [n >= 0 and getrefcount(leaf) - n <= _EXTRA
                   for leaf, n in zip(graph.leaves, uses[count:], strict=True)]
    operands.views.clear()
    for view in operands.seen:
        if getrefcount(view) - operands.seen[view] > _EXTRA:  # work outside reads through it: what it views must stay
            at = operands.number[view.a]
            if at < count:
                graph.kept[at] = True
            else:
                graph.spare[at - count] = False


_EXTRA = 0


def _calibrate() -> None:
    """Finds the references that capturing itself holds, on a node that nobody else holds."""
    global _EXTRA
    nodes = [Node()]
    number = {nodes[0]: 0}
    _EXTRA = [getrefcount(node) for node, n in zip(nodes, [0], strict=False)][0]
    number.clear()


_calibrate()
