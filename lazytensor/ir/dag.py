"""The graph that the compiler works on: a captured graph as a graph of structure only.

A plan made from a dag serves every captured graph of the same key, so a dag holds nothing but what the key says, with
two exceptions that a rewrite must not take for granted: which operations have the same `attrs` and which read through
the same view. A rewrite that relies on one of them says so (`Dag.same`), and each run asks again before it believes it.

Passes ask for a node's value, its operands and its users, which dictionaries answer at once. `Dag.graph` is the same
as a NetworkX graph, for whatever else one may want to know of it. This is the only file that imports networkx, and only
there: importing it takes 100 to 240 ms, longer than all that many programs do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np

from .capture import Graph
from .node import Node
from .operation import Operation

LEAF = Operation.LEAF
SAME = Operation("same", "call", np.copy)
"""What a rewritten operation that somebody holds becomes: the value of another, in memory of its own."""


@cache
def networkx() -> Any:
    """The module, imported when first asked for."""
    before = set(sys.modules)
    try:
        import networkx
    except BaseException:  # Ctrl-C: what of it is there would not be imported again, and never be whole
        for name in [x for x in sys.modules if x.partition(".")[0] == "networkx" and x not in before]:
            sys.modules.pop(name, None)
        raise
    return networkx


@dataclass(frozen=True, slots=True)
class Value:
    """A node of a dag.

    Attributes
    ----------
    op : Operation
        `Operation.LEAF` for leaves.
    dtype : numpy.dtype or str
        The name of the Python type for a Python number.
    shape : tuple of int or None
        The shape's class: 0 and 1 are lengths, larger numbers name unknown ones. None for a number.
    layout : tuple of int or None
        The axes from the innermost to the outermost, None for C order.
    attrs : int
        0 for none; operations of equal attributes have the same number.
    kept : bool
        Whether somebody holds an operation's value, or needs it.
    spare : bool
        Whether nobody else needs a leaf, so that its memory may be written over after its last use.
    """

    op: Operation
    dtype: Any
    shape: tuple[int, ...] | None
    layout: tuple[int, ...] | None = None
    attrs: int = 0
    kept: bool = False
    spare: bool = False

    @property
    def kind(self) -> str:
        """The kind of its operation; 'number' for a Python number or a NumPy scalar that is a leaf."""
        return "number" if self.shape is None else self.op.kind


class View(NamedTuple):
    """How an operand is read: through view number `number`, which gives an array of that dtype and class of shape."""

    number: int
    dtype: Any
    shape: tuple[int, ...]


class Operand(NamedTuple):
    """An operand of a node: the number of what is read, and the view through which it is."""

    number: int
    view: View | None


class Dag:
    """A program's operations and leaves, numbered as in the captured graph.

    Attributes
    ----------
    count : int
        How many operations were captured; the leaves' numbers start there.
    same : dict of int to int
        Rewritten operations: each has the value of the other, which is in the graph.
    alike : tuple of (int, int)
        Pairs of operations that were taken to have the same attributes, layout, views and error state.
    laid_alike : tuple of (int, int)
        Pairs, an operation and a node, that were taken to have the same dtype and layout.
    gone : dict of int to tuple of int
        Operations that are not run as captured, rewritten or dead, and the operands that they had.
    """

    __slots__ = ("count", "same", "alike", "laid_alike", "gone", "_values", "_operands", "_users")

    def __init__(self, count: int) -> None:
        self.count = count
        self.same: dict[int, int] = {}
        self.alike: tuple[tuple[int, int], ...] = ()
        self.laid_alike: tuple[tuple[int, int], ...] = ()
        self.gone: dict[int, tuple[int, ...]] = {}
        self._values: dict[int, Value] = {}
        self._operands: dict[int, list[Operand]] = {}
        self._users: dict[int, set[int]] = {}

    @property
    def graph(self) -> Any:
        """The dag as a `networkx.MultiDiGraph`: an edge from operand to user for each operand, its key the operand's
        position. Nodes carry `value`, a `Value`; edges `view`, a `View` or None."""
        graph = networkx().MultiDiGraph()
        for number, value in self._values.items():
            graph.add_node(number, value=value)
        for number, operands in self._operands.items():
            for position, operand in enumerate(operands):
                graph.add_edge(operand.number, number, key=position, view=operand.view)
        return graph

    def copy(self) -> Dag:
        """A dag that may be changed without changing this one."""
        other = Dag(self.count)
        other._values, other._operands = dict(self._values), dict(self._operands)
        other._users = {number: set(users) for number, users in self._users.items()}
        other.same, other.alike, other.laid_alike = dict(self.same), self.alike, self.laid_alike
        other.gone = dict(self.gone)
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dag):
            return NotImplemented
        return (self.count == other.count and self.same == other.same and self.alike == other.alike
                and self.laid_alike == other.laid_alike and self.gone == other.gone
                and self._values == other._values and self._operands == other._operands)

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, number: int) -> bool:
        return number in self._values

    def value(self, number: int) -> Value:
        """What is known of a node."""
        return self._values[number]

    def operands(self, number: int) -> list[Operand]:
        """The operands of a node, in order; not to be changed."""
        return self._operands[number]

    def users(self, number: int) -> list[int]:
        """The operations that read a node, in program order, each once."""
        return sorted(self._users[number])

    def operations(self) -> list[int]:
        """The numbers of the operations, in program order."""
        return sorted(n for n in self._values if n < self.count)

    def leaves(self) -> list[int]:
        """The numbers of the leaves that are still read, in order."""
        return sorted(n for n in self._values if n >= self.count)

    def values(self) -> Iterator[tuple[int, Value]]:
        """All nodes and what is known of them, by number."""
        return ((n, self._values[n]) for n in sorted(self._values))

    def root(self, number: int) -> int:
        """The node that has the value of a captured node, rewritten or not."""
        return self.same.get(number, number)

    def add(self, number: int, value: Value, operands: list[Operand]) -> None:
        """Adds a node, or gives one that is there another value and other operands, which may come later."""
        self._unread(number)
        self._values[number] = value
        self._operands[number] = operands
        self._users.setdefault(number, set())
        for operand in operands:
            self._users.setdefault(operand.number, set()).add(number)

    def _unread(self, number: int) -> None:
        """A node reads nothing any more."""
        for operand in self._operands.get(number, ()):
            self._users[operand.number].discard(number)

    def _drop(self, number: int) -> None:
        """Takes out a node that nobody reads."""
        self._unread(number)
        del self._values[number], self._operands[number], self._users[number]

    def become(self, number: int, other: int) -> None:
        """Rewrites an operation as the value of `other`: whoever read it reads that; if it is kept, it is a copy."""
        value = self.value(number)
        self.gone[number] = tuple(n for n, _ in self.operands(number))
        for user in self.users(number):
            operands = [Operand(other, view) if n == number else Operand(n, view) for n, view in self.operands(user)]
            self.add(user, self.value(user), operands)
        if value.kept:
            self.add(number, replace(value, op=SAME, attrs=0), [Operand(other, None)])
        else:
            self._drop(number)
        for rewritten, root in self.same.items():
            if root == number:
                self.same[rewritten] = other
        self.same[number] = other

    def remove(self, number: int) -> None:
        """Takes out a node that nobody reads."""
        if number < self.count and number not in self.gone:
            self.gone[number] = tuple(n for n, _ in self.operands(number))
        self._drop(number)
        self.same = {rewritten: other for rewritten, other in self.same.items() if other != number}


def build(graph: Graph) -> Dag:
    """The dag of a captured graph."""
    dag = Dag(len(graph.nodes))
    shapes, attrs, views = _Classes({0: 0, 1: 1}), _Attributes(), _Classes({})
    kept, spare, reads = graph.kept, graph.spare, graph.reads
    for i, node in enumerate(graph.nodes):
        number = 0 if node.op.kind == "mutate" or node.attrs is None else attrs.number(node.attrs)
        dag.add(i, Value(node.op, node.dtype, shapes.all(node.shape), _order(node.strides), number, kept[i]), [])
    for j, leaf in enumerate(graph.leaves):
        if isinstance(leaf, Node):
            value = Value(LEAF, leaf.dtype, shapes.all(leaf.shape), _order(leaf.strides), spare=spare[j])
        else:
            value = Value(LEAF, leaf.dtype if isinstance(leaf, np.generic) else type(leaf).__name__, None)
        dag.add(dag.count + j, value, [])
    for i in range(dag.count):
        operands = []
        # of a node that reads nothing through views the row may be shorter than its operands are many
        for operand, view in zip(reads[i], chain(graph.views[i], repeat(None))):
            through = None if view is None else View(views.number(view), view.dtype, shapes.all(view.shape))
            operands.append(Operand(operand, through))
        dag.add(i, dag.value(i), operands)
    return dag


class _Classes:
    """Numbers for things in the order in which they come."""

    def __init__(self, known: dict[Any, int]) -> None:
        self.known = known

    def number(self, thing: Any) -> int:
        return self.known.setdefault(thing, len(self.known))

    def all(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([self.number(n) for n in shape])


class _Attributes:
    """Numbers for attributes, from 1 on, equal only where `exactly` is."""

    def __init__(self) -> None:
        self.known: list[Any] = []
        self.alike: dict[Any, list[int]] = {}

    def number(self, attrs: Any) -> int:
        same = self.alike.setdefault(attrs, [])
        for number in same:
            if exactly(self.known[number - 1], attrs):
                return number
        self.known.append(attrs)
        same.append(len(self.known))
        return len(self.known)


def exactly(a: Any, b: Any) -> bool:
    """Whether two attributes are the same in every respect: 0, 0.0, -0.0 and False are equal and yet not the same."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(exactly, a, b))
    if isinstance(a, np.dtype):
        return a == b and a.char == b.char and a.metadata is b.metadata is None
    if isinstance(a, slice):
        return exactly((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, (int, str, bytes)):
        return bool(a == b)
    return isinstance(a, (float, complex, np.generic)) and repr(a) == repr(b) and bool(a == b)


def _order(strides: tuple[int, ...] | None) -> tuple[int, ...] | None:
    return None if strides is None else tuple(sorted(range(len(strides)), key=strides.__getitem__))
