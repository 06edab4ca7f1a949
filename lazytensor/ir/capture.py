"""From pending nodes to a captured graph and its key: the structure alone, so that one plan serves many sizes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from operator import attrgetter, gt
from sys import getrefcount
from typing import Any

import numpy as np

from ..hot import learn, native
from .node import Node, make, new
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
    chains = 0
    while stack:
        node = stack.pop()
        chains += 1
        while type(node) is Node:  # along the first operands
            claim = node.claim
            if node.buffer is not None or claim is run:
                break
            if claim is not None and not getattr(claim, "ended", False):
                for other in found:
                    other.claim = None
                raise claim if isinstance(claim, BaseException) else Busy(claim)
            if node.op is not _VIEW:
                node.claim = run
                found.append(node)
                operand = node.b
                if type(operand) is Node and operand.buffer is None:
                    stack.append(operand)
                if node.rest:
                    stack += node.rest
            node = node.a
    if chains == 1:
        found.reverse()
    else:
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
    reads : list of tuple of int
        For each node its operands' numbers; what is read through a view has the number of what is viewed.
    views : mapping of int to tuple
        By a node's number, per operand, None or the view node through which it reads.
    kept : list of bool
        Whether something besides the captured nodes holds the node: a handle, other pending work, or the request.
    spare : list of bool
        For each leaf, whether only the captured nodes hold it, so that its memory may be reused after its last use.
    exact : tuple
        The structure with the sizes: what two graphs have in common that differ only in numbers, offsets and places.
        A record for each node (operation, dtype, shape, strides, attributes, then what it reads), one after the other
        in one flat tuple (a tuple for each would take longer); then what the leaves and views are; then `kept`.
    bound : dict
        What was found out for this exact structure by earlier runs: kernels bound to its shapes and strides.
    """

    __slots__ = ("nodes", "leaves", "views", "exact", "bound")
    nodes: list[Node]
    leaves: list[Any]
    views: dict[int, tuple[Any, ...]]
    exact: tuple[Any, ...]
    bound: dict[Any, Any]

    def _records(self) -> Iterator[tuple[Any, ...]]:
        """The records of `exact`, one by one: five entries and at least one number."""
        flat, start = self.exact[0], 0
        while start < len(flat):
            end = start + 6
            while end < len(flat) and type(flat[end]) is int:
                end += 1
            yield flat[start:end]
            start = end

    @property
    def kept(self) -> list[bool]:
        return list(self.exact[2][:len(self.nodes)])

    @property
    def spare(self) -> list[bool]:
        return [not held for held in self.exact[2][len(self.nodes):]]

    @property
    def reads(self) -> list[tuple[int, ...]]:
        return [record[5:] for record in self._records()]

    @property
    def key(self) -> tuple[Any, ...]:
        """The structure alone: `exact` with classes of shapes (which lengths are 1, which are equal) and of layouts
        (which axis lies inside which) in place of lengths and strides."""
        lengths: dict[int, int] = {0: 0, 1: 1}

        def classes(shape: tuple[int, ...]) -> tuple[int, ...]:
            return tuple([lengths.setdefault(n, len(lengths)) for n in shape])
        _, kinds, kept = self.exact
        return (tuple([(op, dtype, classes(shape), order_of(strides), *further)
                       for op, dtype, shape, strides, *further in self._records()]),
                tuple([(*kind[:2], classes(kind[2]), order_of(kind[3])) if type(kind) is tuple else kind
                       for kind in kinds]), kept)


_NUMBERS = frozenset((bool, int, float, complex))
_NO_VIEWS = (None,) * 1024


class _Views(dict[int, tuple[Any, ...]]):
    """Which operands of a node are read through views, by the node's number; most nodes read none."""

    def __missing__(self, number: int) -> tuple[None, ...]:
        return _NO_VIEWS


_NONE = _Views()


@lru_cache(4096)
def order_of(strides: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The class of a layout: which axis lies inside which; None for C order."""
    return None if strides is None else tuple(sorted(range(len(strides)), key=strides.__getitem__))


_NEVER_ALONE = -1


_Found = tuple[dict[Any, int], list[int], list[Any], list[Any], dict[Node, int], list[tuple[int, int, Node]]]
"""What captured nodes read: the numbers of nodes and leaves, how many references capture itself has to each, the
leaves, what describes leaves and views in the order in which they are met, how often a view is an operand, where."""


def _place(operand: Any, node: int, position: int, found: _Found) -> int:
    """The number of an operand that is no captured node nor known leaf: a new leaf, or what is read by a view."""
    number, uses, leaves, kinds, seen, through = found
    kind = type(operand)
    if kind is not Node:
        kinds.append(kind if kind in _NUMBERS else operand.dtype)
        leaves.append(operand)
        uses.append(_NEVER_ALONE)
        return len(uses) - 1
    if operand.op is _VIEW and operand.buffer is None:
        through.append((node, position, operand))
        kinds.append((_where(operand, node, position), operand.dtype, operand.shape, operand.strides))
        again = operand in seen
        seen[operand] = seen.get(operand, 0) + 1
        operand = operand.a
        at = number.get(operand)
        if at is not None:
            uses[at] += not again
            return at
    at = number[operand] = len(uses)
    leaves.append(operand)
    uses.append(_known.item + 1)
    kinds.append((None, operand.dtype, operand.shape, operand.strides))
    return at


def _where(view: Node, node: int, position: int) -> tuple[Any, ...]:
    """Where a view is read, and for one step without arguments which it is, as the real part."""
    steps = view.attrs
    if type(steps) is tuple and len(steps) == 1 and type(steps[0]) is tuple and len(steps[0]) == 2 and (
            steps[0][1] == ()):
        return node, position, steps[0][0]
    return node, position


def capture(nodes: list[Node]) -> Graph:
    """Numbers the pending `nodes` (in program order) and their leaves, and describes their structure."""
    number: dict[Any, int] = dict(zip(nodes, range(len(nodes))))  # noqa: B905  strict costs
    uses: list[int] = [_known.item] * len(nodes)
    leaves: list[Any] = []
    kinds: list[Any] = []
    through: list[tuple[int, int, Node]] = []
    found: _Found = number, uses, leaves, kinds, {}, through
    known = number.get
    exact: list[Any] = []
    for i, node in enumerate(nodes):
        op, attrs, a, b = node.op, node.attrs, node.a, node.b
        at = known(a) if type(a) is Node else None
        if at is None:
            at = _place(a, i, 0, found)
        else:
            uses[at] += 1
        exact += (op, node.dtype, node.shape, node.strides,
                  attrs if attrs is None or op.kind != "mutate" else None, at)
        if b is None:
            continue
        if type(b) in _NUMBERS:
            at = len(uses)
            kinds.append(type(b))
            leaves.append(b)
            uses.append(_NEVER_ALONE)
        else:
            at = known(b) if type(b) is Node else None
            if at is None:
                at = _place(b, i, 1, found)
            else:
                uses[at] += 1
        exact.append(at)
        if node.rest:
            exact += _further(found, node, i)
    node = a = b = op = attrs = None  # type: ignore[assignment]
    held = list(map(gt, map(getrefcount, nodes + leaves), uses))
    graph = new(Graph)
    graph.nodes, graph.leaves, graph.views = nodes, leaves, _views_of(found, nodes, held) if through else _NONE
    graph.exact, graph.bound = (tuple(exact), tuple(kinds), tuple(held)), {}
    return graph


def _further(found: _Found, node: Node, i: int) -> list[int]:
    """The numbers of the third operand and those after it."""
    number, uses, *_ = found
    numbers = []
    for k, operand in enumerate(node.rest, 2):
        at = number.get(operand) if type(operand) is Node else None
        if at is None:
            at = _place(operand, i, k, found)
        else:
            uses[at] += 1
        numbers.append(at)
    return numbers


def _views_of(found: _Found, nodes: list[Node], held: list[bool]) -> _Views:
    """The views by node and operand. What work outside the graph reads through one of them is held."""
    number, _, _, _, seen, through = found
    for view in seen:
        if getrefcount(view) - seen[view] > _known.view:
            held[number[view.a]] = True
    views = _Views()
    for i, k, view in through:
        row = list(views.get(i) or [None] * len(nodes[i].inputs))
        row[k] = view
        views[i] = tuple(row)
    return views


class _Known:
    """How many references `capture` itself holds: to a node or leaf, and to a view."""

    __slots__ = ("item", "view")
    item: int
    view: int


_known = _Known()


def _calibrate() -> None:
    """Measures them on a node read through a view, neither of which anything else holds."""
    for name in ("item", "view"):
        _known.item = _known.view = 64
        for guess in range(1, 64):
            setattr(_known, name, guess)
            base = make(_VIEW, (), None, (), np.dtype(float), None, None, 0)
            view = make(_VIEW, (base,), (), (), np.dtype(float), None, None, 0)
            base.buffer = view.claim = None
            base.op = Operation.LEAF
            reader = make(Operation.LEAF, (view,), None, (), np.dtype(float), None, None, 0)
            del base, view
            if capture([reader]).spare == [True]:
                break
        else:
            raise ImportError("lazytensor cannot tell who holds a node on this Python: sys.getrefcount is not exact")
        found = getattr(_known, name)
        if name == "item":
            item = found
    _known.item = item


_calibrate()
capture_in_python = capture
if native is not None:
    learn(Graph=Graph, views_class=_Views, no_views=_NONE)
    capture = native.capture
