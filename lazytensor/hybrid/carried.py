"""What a loop carries from turn to turn, and what its turns do: `Loop` traces a few of them on the side.

The state of a loop is what its body is given and gives back, and the arrays that it writes to. In the turns on the side
values that nobody knows stand for it; what these turns do to arrays is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any

import numpy as np

from ..api.handle import Tensor, View, lock_of, root_of, tensor
from ..api.scalar import Scalar, scalar
from ..ir.node import Node
from ..run.watching import active, mine
from .bounds import Even, extremes, is_inside, length_moves
from .guards import same
from .loopsource import Body
from .opaque import Asked, Index, Session
from .steps import Irregular, Step, steps_of
from .turns import SAMPLES, Inputs, Turn, unknown

OTHER_TYPE = "a part of its state is of another type each turn"


# ---- trees of what a body carries ------------------------------------------------------------------------------------


def leaves(value: Any) -> Iterator[Any]:
    """All that a tree of lists, tuples and dicts holds."""
    kind = type(value)
    if kind is list or isinstance(value, tuple):
        for x in value:
            yield from leaves(x)
    elif kind is dict:
        for x in value.values():
            yield from leaves(x)
    else:
        yield value


def rebuilt(value: Any, given: Iterator[Any]) -> Any:
    """The same tree of other leaves."""
    kind = type(value)
    if kind is list:
        return [rebuilt(x, given) for x in value]
    if kind is dict:
        return {key: rebuilt(x, given) for key, x in value.items()}
    if isinstance(value, tuple):
        parts = [rebuilt(x, given) for x in value]
        return tuple(parts) if kind is tuple else kind._make(parts)
    return next(given)


def structure(value: Any) -> Any:
    kind = type(value)
    if kind is list or isinstance(value, tuple):
        return kind, tuple(map(structure, value))
    return (kind, tuple([(key, structure(x)) for key, x in value.items()])) if kind is dict else None


def _containers(value: Any) -> Iterator[Any]:
    if type(value) in (list, dict):
        yield value
    if type(value) in (list, dict) or isinstance(value, tuple):
        for x in value.values() if type(value) is dict else value:
            yield from _containers(x)


def node_of(x: Any) -> Node:
    """The node of an array that owns its memory, or of a lazy scalar."""
    return x._value if type(x) is Tensor else x._node


def _is_number(x: Any) -> bool:
    return issubclass(type(x), Scalar)


# ---- what a loop does ------------------------------------------------------------------------------------------------


class Loop:
    """A loop that is looked at: its body, the value that it begins with, and the bounds of its index, in numbers."""

    def __init__(self, session: Session, body: Callable[[Any, Any], Any], lower: int, count: int, value: Any) -> None:
        self.session, self.run, self.lower, self.count, self.value = session, body, lower, count, value
        self.inputs = Inputs()
        self.handles: list[Tensor] = []
        self.entry: list[Node] = []
        self.places: list[int] = []
        self.samples: list[list[Step]] = []
        self.after: tuple[str, ...] = ()
        self.replaced: list[Tensor] = []
        self.measured = False

    def ask(self, why: str) -> Any:
        return self.session.ask(why)

    # ---- turns on the side ----

    def probe(self, first: bool = False) -> str:
        """Traces a turn to find what the loop's state is; why it cannot be said, or "". Of the `first` turn, the arrays
        that are given may be known elsewhere; of others, they are what the turn before has made."""
        own = list(leaves(self.value))
        if any(not (type(x) is Tensor or _is_number(x) or _is_plain(x)) for x in own):
            return "its state is of something else than arrays and plain values"
        after, written, _ = self._turn(self.lower, self.value, own, {})
        found = list(leaves(after))
        self.places = [k for k, (x, y) in enumerate(zip(own, found, strict=True)) if x is not y and not (
            _is_plain(x) and _is_plain(y) and same(x, y))]
        given = [own[k] for k in self.places]
        self.handles = [root for root, _ in written.values() if first or not any(root is x for x in given)]
        self.replaced = [root for root, _ in written.values() if not any(root is x for x in self.handles)]
        self.entry = [root._value for root in self.handles]
        for x, y in [(own[k], found[k]) for k in self.places]:
            if type(x) is not type(y) or not (_is_number(x) or type(x) is Tensor):
                return OTHER_TYPE
            if any(x is root for root in self.handles):
                return "it writes to an array and gives another in its place"
            if type(x) is Tensor and (x._value.__class__ is View or x._state is not None or not x._value.shape):
                return "its state is a view, or shares memory"
        if any(node.dtype.hasobject or not node.shape for node in self.entry) or any(
                node.dtype.hasobject for node in self.state):
            return "its state is no array of numbers"
        return ""

    def is_lent(self, others: Iterable[Any]) -> bool:
        """Whether an array that a turn writes to, and for which it gives another, is known elsewhere, too: twice in the
        state, or among `others`, which were there before the loop."""
        if not self.replaced:
            return False
        own = [id(root_of(x)) for x in leaves(self.value) if type(x) is Tensor]
        known = {id(root_of(x)) for x in others if type(x) is Tensor}
        return any(own.count(id(root)) > 1 or id(root) in known for root in self.replaced)

    def looked_at(self) -> None:
        """Traces the turns that show what the others are.

        Raises
        ------
        Asked
            If that cannot be said.
        """
        own = list(leaves(self.value))
        for k in range(SAMPLES):
            self._sample(self.lower + k, own)

    def _sample(self, index: int, own: list[Any]) -> None:
        given, known = list(own), {}
        for root, node in zip(self.handles, self.entry, strict=True):
            known[id(root)] = root, unknown(node)
        for k in self.places:
            stand_in = unknown(node_of(own[k]))
            given[k] = tensor(stand_in) if type(own[k]) is Tensor else scalar(stand_in)
        stand_ins = [node for _, node in known.values()] + [node_of(given[k]) for k in self.places]
        value = rebuilt(self.value, iter(given))
        after, written, turn = self._turn(index, value, given, known, stand_ins)
        found = list(leaves(after))
        own_ones = {id(given[k]) for k in self.places}
        if set(written) - own_ones != set(known):
            self.ask("it does not write to the same arrays in each turn")
        self.measured |= turn.measured_any
        nodes = [turn.ends[key] for key in known]
        old = {id(x) for x in given}
        for k, (x, y) in enumerate(zip(given, found, strict=True)):
            if k in self.places:
                nodes.append(self._fresh(x, y, turn, old, found))
            elif x is not y and not (_is_plain(x) and _is_plain(y) and same(x, y)):
                self.ask("what it carries is not the same in each turn")
        self._same_geometry(stand_ins, nodes)
        active[active.index(turn.outer)] = turn
        try:
            turn.record([n for n in nodes])
            after_names = tuple([turn.slot_of(n) for n in nodes])
        finally:
            active[active.index(turn)] = turn.outer
        if self.after and self.after != after_names:
            self.ask("its turns are not alike")
        self.after = after_names
        try:
            self.samples.append(steps_of(turn))
        except Irregular:
            self.ask("it does what cannot be generated")

    def _fresh(self, x: Any, y: Any, turn: Turn, old: set[int], found: list[Any]) -> Node:
        """The node of what a turn gives anew."""
        if type(y) is not type(x):
            self.ask("what it carries changes its type")
        if type(y) is Tensor and (y._value.__class__ is View or y._state is not None or y._value.seq <= turn.start
                                  or id(y) in old or sum(z is y for z in found) > 1):
            self.ask("what it carries is a view, or was there before")
        return node_of(y)

    def _same_geometry(self, before: list[Node], after: list[Node]) -> None:
        for a, b in zip(before, after, strict=True):
            if (a.shape, a.dtype, a.strides) != (b.shape, b.dtype, b.strides) or a.dtype.char != b.dtype.char:
                self.ask("what it carries changes its shape or dtype")

    def _turn(self, index: int, value: Any, own: list[Any], known: dict[int, Any],
              stand_ins: Any = ()) -> tuple[Any, Any, Turn]:
        """Runs the body once, watched by a `Turn`, and undoes what it does to arrays. Gives its value, what it has
        written to, and the turn, which has what was left there."""
        shape, boxes = structure(value), [id(x) for x in _containers(value)]
        if not known and boxes:
            value = rebuilt(value, iter(own))
            boxes = [id(x) for x in _containers(value)]
        outer = mine()
        for root, node in known.values():
            root._value = node
        turn = Turn(self.session, self.inputs if stand_ins else Inputs(), outer)
        for k, node in enumerate(stand_ins):
            turn.slots[node.seq] = f"s{k}"
        self.session.stack.append(turn)
        active[active.index(outer)] = turn
        try:
            after = self.run(Index(turn, index), value)
        except Asked:
            raise
        except Exception as error:
            self.ask(f"it raises {type(error).__name__}")
        finally:
            active[active.index(turn)] = outer
            self.session.stack.remove(turn)
            for root, before in [*turn.written.values()]:
                turn.ends[id(root)] = root._value
                root._value = before
            for k, (root, _) in enumerate(known.values()):
                turn.ends.setdefault(id(root), root._value)
                root._value = self.entry[k]
        if self.session.asked:
            raise Asked(self.session.asked)
        if structure(after) != shape or any(id(x) in boxes for x in _containers(after)):
            self.ask("what it carries changes its structure, or is a container that was there")
        return after, turn.written, turn

    # ---- what they show ----

    def body(self) -> tuple[Body, list[int]]:
        """What each turn does, and the numbers of the first."""
        first, second, third = self.samples
        shapes = tuple([step.shape for step in first])
        for other in (second, third):
            if tuple([step.shape for step in other]) != shapes:
                self.ask("its turns are not alike")
        growth: list[int] = []
        for a, b, c in zip(first, second, third, strict=True):
            grows = [y - x for x, y in zip(a.numbers, b.numbers, strict=True)]
            if grows != [y - x for x, y in zip(b.numbers, c.numbers, strict=True)]:
                self.ask("its numbers do not move evenly")
            growth += grows
        cells = tuple([("array" if n.shape else "scalar", n.shape, n.dtype, n.strides) for n in self.state])
        constants = tuple([key for key, _ in sorted(self.inputs.constants.items(), key=lambda x: int(x[1][0][1:]))])
        return Body(shapes, tuple([len(step.numbers) for step in first]), tuple(growth), cells, self.after,
                    len(self.inputs.values), constants), [x for step in first for x in step.numbers]

    @property
    def state(self) -> list[Node]:
        """The values that go over from one turn to the next, at the beginning."""
        own = list(leaves(self.value))
        return [*self.entry, *[node_of(own[k]) for k in self.places]]

    @property
    def reads(self) -> list[Node]:
        """What else it reads."""
        return [node for _, node in self.inputs.values.values()]

    def left(self, results: list[Node], watcher: Any) -> Any:
        """Gives arrays their values after the loop, and the body's last value."""
        for root, node in zip(self.handles, results, strict=False):
            if root._value.seq <= watcher.start:
                watcher.writes(root)
            with lock_of(root):
                root._value = node
        own = list(leaves(self.value))
        for k, node in zip(self.places, results[len(self.handles):], strict=True):
            own[k] = tensor(node) if type(own[k]) is Tensor else scalar(node)
        return rebuilt(self.value, iter(own))


def _is_plain(x: Any) -> bool:
    return x is None or type(x) in (bool, int, float, complex, str) or issubclass(type(x), np.generic)


def shown_inside(body: Body, first: list[Even], count: Even, turns: tuple[Even, ...]) -> bool:
    """Whether no index comes to a border of its array in any turn; the loops around have so many turns."""
    turns = (*turns, count)
    for shape, numbers in body.steps(first, len(turns) - 1):
        if shape[0] == "loop":
            if not shown_inside(shape[2], numbers[1:], numbers[0], turns):
                return False
        elif shape[0] == "turns":
            if (found := extremes(numbers[0], turns)) is not None and found[0] < 1:
                return False
        elif shape[0] in ("int", "slice") and not is_inside(shape, numbers, turns):
            return False
    return True


def lengths_move(body: Body, first: list[Even], levels: int) -> bool:
    for shape, numbers in body.steps(first, levels):
        if shape[0] == "loop":
            if lengths_move(shape[2], numbers[1:], levels + 1):
                return True
        elif shape[0] in ("int", "slice") and length_moves(shape, numbers):
            return True
    return False


def mean_size(body: Body, numbers: list[int]) -> float:
    """The bytes of what its operations on arrays give, on the average, in the first turn."""
    found = list(_sizes(body, [Even(x, ()) for x in numbers], 0))
    return sum(found) / len(found) if found else 0.0


def _sizes(body: Body, first: list[Even], levels: int) -> Iterator[int]:
    for shape, numbers in body.steps(first, levels):
        if shape[0] == "loop":
            yield from _sizes(shape[2], numbers[1:], levels + 1)
        elif type(shape[0]) is not str and shape[4]:
            yield prod(x.constant for x in numbers[-len(shape[4]):]) * shape[5].itemsize
