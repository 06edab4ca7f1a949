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
from ..run import floating
from ..run.watching import hand_over, insist, mine
from .bounds import Even, extremes, is_inside, length_moves
from .guards import same
from .intervals import Span, from_turn, where_even
from .loopsource import Body
from .opaque import Asked, Index, Session
from .steps import Irregular, Step, steps_of
from .turns import SAMPLES, Elsewhere, Inputs, Left, Turn, noting, unknown
from .ways import Line, Way, joined, ways_of

OTHER_TYPE = "a part of its state is of another type each turn"
PASSED = "a way of it gives an array as it was before, which is known elsewhere"


# ---- trees of what a body carries ------------------------------------------------------------------------------------


def leaves(value: Any) -> Iterator[Any]:
    """All that a tree of lists, tuples and dicts holds."""
    kind = type(value)
    if kind is list or issubclass(type(value), tuple):
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
    if issubclass(type(value), tuple):
        parts = [rebuilt(x, given) for x in value]
        return tuple(parts) if kind is tuple else kind._make(parts)
    return next(given)


def structure(value: Any) -> Any:
    kind = type(value)
    if kind is list or issubclass(type(value), tuple):
        return kind, tuple(map(structure, value))
    return (kind, tuple([(key, structure(x)) for key, x in value.items()])) if kind is dict else None


def containers(value: Any) -> Iterator[Any]:
    """The lists and dicts in a tree."""
    if type(value) in (list, dict):
        yield value
    if type(value) in (list, dict) or issubclass(type(value), tuple):
        for x in value.values() if type(value) is dict else value:
            yield from containers(x)


def node_of(x: Any) -> Node:
    """The node of an array that owns its memory, or of a lazy scalar."""
    return x._value if type(x) is Tensor else x._node


def _is_number(x: Any) -> bool:
    return issubclass(type(x), Scalar)


# ---- what a loop does ------------------------------------------------------------------------------------------------


class Loop:
    """A loop that is looked at: its body, the value that it begins with, and the bounds of its index, in numbers: those
    of the present turn of the loop around it, if they are `hidden`."""

    def __init__(self, session: Session, body: Callable[[Any, Any], Any], lower: int, count: int, value: Any,
                 explores: Callable[[], bool], hidden: bool = False) -> None:
        self.explores = explores
        self.span = None if hidden else Span(lower, lower + count)
        self.session, self.run, self.lower, self.count, self.value = session, body, lower, count, value
        self.inputs = Inputs()
        self.handles: list[Tensor] = []
        self.entry: list[Node] = []
        self.places: list[int] = []
        self.steps: list[Step] = []
        self.after: tuple[str, ...] = ()
        self.replaced: list[Tensor] = []
        self.passed: list[Tensor] = []
        self.measured = self.may_end = False

    def ask(self, why: str) -> Any:
        return self.session.ask(why)

    # ---- turns on the side ----

    def probe(self, first: bool = False) -> str:
        """Traces a turn to find what the loop's state is; why it cannot be said, or "". Of the `first` turn, the arrays
        that are given may be known elsewhere; of others, they are what the turn before has made."""
        own = list(leaves(self.value))
        if any(not (type(x) is Tensor or _is_number(x) or _is_plain(x)) for x in own):
            return "its state is of something else than arrays and plain values"

        def run(script: tuple[bool, ...]) -> Way:
            return _settled(lambda at: self._turn(at, self.value, own, {}, None, script, True), self.lower)

        ways = [way for way in self._ways(run) if way.turn.how == "goes"]
        if len(ways) * (SAMPLES + 1) > self.count and len(ways) > 1 and not self.session.stack and not any(
                way.turn.by_value for way in ways):
            return "its index decides in more ways than pay for so few turns"
        founds = [list(leaves(way.after)) for way in ways]
        written = {key: x for way in ways for key, x in way.written.items()}
        self.places = [k for k, x in enumerate(own) if not all(_is_same(x, found[k]) for found in founds)]
        given = [own[k] for k in self.places]
        self.passed = [own[k] for k in self.places if type(own[k]) is Tensor and any(
            x is own[k] for found in founds for x in found)]
        self.handles = [root for root, _ in written.values() if first or not any(root is x for x in given)]
        self.replaced = [root for root, _ in written.values() if not any(root is x for x in self.handles)]
        self.entry = [root._value for root in self.handles]
        for x, y in [(own[k], found[k]) for k in self.places for found in founds]:
            if type(x) is not type(y) or not (_is_number(x) or type(x) is Tensor):
                return OTHER_TYPE
            if any(x is root for root in self.handles):
                return "it writes to an array and gives another in its place"
            if type(x) is Tensor and (x._value.__class__ is View or x._state is not None or not x._value.shape):
                return "its state is a view, or shares memory"
        if any(node.dtype.hasobject or not node.shape for node in self.entry) or any(
                node.dtype.hasobject for node in self.state):
            return "its state is no array of numbers"
        return PASSED if first and self.passed else ""

    def is_lent(self, others: Iterable[Any]) -> bool:
        """Whether an array that a turn writes to, and for which it gives another, is known elsewhere, too: twice in the
        state, or among `others`, which were there before the loop."""
        lent = [*self.replaced, *self.passed]
        if self.may_end:  # at once: then its state is what it was
            lent = [x for x in self._given() if type(x) is Tensor]
            self.passed = lent
        if not lent:
            return False
        own = [id(root_of(x)) for x in leaves(self.value) if type(x) is Tensor]
        known = {id(root_of(x)) for x in others if type(x) is Tensor}
        return any(own.count(id(root)) > 1 or id(root) in known for root in lent)

    def _given(self) -> list[Any]:
        """What it carries, at the beginning."""
        own = list(leaves(self.value))
        return [own[k] for k in self.places]

    def looked_at(self) -> None:
        """Traces the turns that show what the others are.

        Raises
        ------
        Asked
            If that cannot be said.
        """
        own = list(leaves(self.value))
        lines: list[Line] = []

        def run(script: tuple[bool, ...]) -> Way:
            way, line = _settled(lambda at: self._sample(at, own, script, True), self.lower)
            same_way = tuple(way.turn.decided)
            others = [self._sample(way.turn.at + k, own, same_way, False)[1] for k in range(1, SAMPLES)]
            lines.append(self._of_all(way.turn.at - self.lower, [line, *others]))
            return way

        self._ways(run)
        if len(lines) == 1:
            self.after, self.steps = lines[0].end.shape[1], lines[0].steps
            return
        try:
            self.steps = list(joined(lines))
        except Irregular:
            self.ask("its turns are not alike")

    def _ways(self, run: Callable[[tuple[bool, ...]], Way]) -> list[Way]:
        ways = ways_of(run, self.ask)
        if all(way.turn.how != "goes" for way in ways):
            self.ask("it raises, or ends")
        return ways

    def _sample(self, index: int, own: list[Any], script: tuple[bool, ...], moves: bool) -> tuple[Way, Line]:
        way, names = self._followed(index, own, script, moves)
        turn = way.turn
        end = turn.how, names, tuple([_is_element(turn, k, name) for k, name in enumerate(names)])
        try:
            return way, Line(tuple(turn.decided), steps_of(turn), Step(end, ()))
        except Irregular:
            return self.ask("it does what cannot be generated")

    def _of_all(self, turn: int, lines: list[Line]) -> Line:
        """A way as its samples show it, of which the first is of that turn: a step's numbers are pairs of what it is in
        the first turn of the loop and what it grows by."""
        first = lines[0]
        shapes = [step.shape for step in first.steps]
        if any(line.answers != first.answers or line.end != first.end or [step.shape for step in line.steps] != shapes
               for line in lines):
            self.ask("its turns are not alike")
        steps = []
        for alike in zip(*[line.steps for line in lines], strict=True):
            pairs = []
            for a, b, c in zip(*[step.numbers for step in alike], strict=True):
                if b - a != c - b:
                    self.ask("its numbers do not move evenly")
                pairs.append((a - (b - a) * turn, b - a))
            steps.append(Step(alike[0].shape, tuple(pairs)))
        return Line(first.answers, steps, first.end)

    def _followed(self, index: int, own: list[Any], script: tuple[bool, ...],
                  moves: bool) -> tuple[Way, tuple[str, ...]]:
        """A way of a turn that begins with stand-ins, and the names of the values that it leaves as the state."""
        given, known = list(own), {}
        for root, node in zip(self.handles, self.entry, strict=True):
            known[id(root)] = root, unknown(node)
        for k in self.places:
            stand_in = unknown(node_of(own[k]))
            given[k] = tensor(stand_in) if type(own[k]) is Tensor else scalar(stand_in)
        stand_ins = [node for _, node in known.values()] + [node_of(given[k]) for k in self.places]
        value = rebuilt(self.value, iter(given))
        way = self._turn(index, value, given, known, stand_ins, script, moves)
        after, written, turn = way
        if turn.how != "goes":
            return way, ()
        found = list(leaves(after))
        own_ones = {id(given[k]) for k in self.places}
        others = set(written) - own_ones
        if not (others <= set(known) if turn.decided else others == set(known)):
            self.ask("it does not write to the same arrays in each turn")
        self.measured |= turn.measured_any
        nodes = [turn.ends[key] for key in known]
        old = {id(x) for x in given}
        for k, (x, y) in enumerate(zip(given, found, strict=True)):
            if k in self.places:
                once = type(x) is type(y) and sum(z is y for z in found) == 1
                passes = once and turn.decided and x is y
                moves = once and x is not y and type(y) is Tensor and id(y) in own_ones and id(y) not in written
                nodes.append(turn.ends.get(id(y), node_of(y)) if passes or moves
                             else self._fresh(x, y, turn, old, found))
            elif not _is_same(x, y):
                self.ask("what it carries is not the same in each turn")
        self._same_geometry(stand_ins, nodes)
        try:
            hand_over(turn.outer, turn)
            turn.record([n for n in nodes])
            return way, tuple([turn.slot_of(n) for n in nodes])
        finally:
            insist(hand_over, turn, turn.outer)

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

    def _turn(self, index: int, value: Any, own: list[Any], known: dict[int, Any], stand_ins: Any,
              script: tuple[bool, ...], moves: bool) -> Way:
        """Runs the body once, watched by a `Turn`, and undoes what it does to arrays. Gives its value, what it has
        written to, and the turn, which has what was left there."""
        shape, boxes = structure(value), [id(x) for x in containers(value)]
        if not known and boxes:
            value = rebuilt(value, iter(own))
            boxes = [id(x) for x in containers(value)]
        if script:
            self.session.count_way()
        outer, capsule = mine(), floating.in_force()
        turn = Turn(self.session, Inputs() if stand_ins is None else self.inputs, outer, self.explores, script,
                    index, self.span, moves)
        turn.capsule = floating.let_wait(noting(capsule))
        after: Any = None
        for k, node in enumerate(stand_ins or ()):
            turn.slots[node.seq] = f"s{k}"
            turn.dtypes[f"s{k}"] = node.dtype
        try:
            for root, node in known.values():
                root._value = node
            self.session.stack.append(turn)
            hand_over(outer, turn)
            floating.enter(turn.capsule)
            after = self.run(Index(turn, index), value)
        except (Asked, Elsewhere):
            raise
        except Left:
            turn.how = "leaves"
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            turn.how = "raises"
            if not turn.decided and not isinstance(error, Exception):
                raise
        finally:
            insist(self._undone, turn, capsule, known)
        if self.session.asked:
            raise Asked(self.session.asked)
        if turn.elsewhere is not None:
            raise Elsewhere(turn.elsewhere)
        turn.how = "raises" if turn.warns else turn.how
        if turn.how == "raises" and not turn.decided:
            self.ask("it raises, or NumPy would warn")
        if turn.how == "goes" and (structure(after) != shape or any(id(x) in boxes for x in containers(after))):
            self.ask("what it carries changes its structure, or is a container that was there")
        return Way(after, turn.written, turn)

    def _undone(self, turn: Turn, capsule: Any, known: dict[int, Any]) -> None:
        """Has all be as it was before a turn."""
        hand_over(turn, turn.outer)
        floating.enter(capsule)
        if turn in self.session.stack:
            self.session.stack.remove(turn)
        for root, before in [*turn.written.values()]:
            turn.ends.setdefault(id(root), root._value)
            root._value = before
        for k, (root, _) in enumerate(known.values()):
            turn.ends.setdefault(id(root), root._value)
            root._value = self.entry[k]

    # ---- what they show ----

    def body(self) -> tuple[Body, list[int]]:
        """What each turn does, and the numbers of the first."""
        shapes = tuple([step.shape for step in self.steps])
        pairs = [pair for step in self.steps for pair in step.numbers]
        cells = tuple([("array" if n.shape else "scalar", n.shape, n.dtype, n.strides) for n in self.state])
        constants = tuple([key for key, _ in sorted(self.inputs.constants.items(), key=lambda x: int(x[1][0][1:]))])
        for kinds in zip(*[shape[2] for shape in shapes if shape[0] == "goes"], strict=True):
            if len({*kinds} - {None}) > 1:
                self.ask("a number that it carries is an element of an array on one way only")
        return Body(shapes, tuple([len(step.numbers) for step in self.steps]), tuple([grows for _, grows in pairs]),
                    cells, self.after, len(self.inputs.values), constants), [x for x, _ in pairs]

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


def _settled(run: Callable[[int], Any], index: int) -> Any:
    """What a way of a turn gives, with the index with which it is gone."""
    while True:
        try:
            return run(index)
        except Elsewhere as other:
            index = other.index


def _is_same(x: Any, y: Any) -> bool:
    return x is y or _is_plain(x) and _is_plain(y) and same(x, y)


def _is_element(turn: Turn, place: int, name: str) -> bool | None:
    """Whether a value that goes over is an element of an array as it is; None if it is what was there."""
    if name == f"s{place}":
        return None
    own, _, of_loop = name.partition("_")
    loops = [r.attrs for r in turn.book.records if r.kind == "loop" and r.name == own] if of_loop else []
    return bool(loops[0].is_element(int(of_loop))) if loops else name in turn.real


def _is_plain(x: Any) -> bool:
    return x is None or type(x) in (bool, int, float, complex, str) or issubclass(type(x), np.generic)


def shown_inside(body: Body, first: list[Even], count: Even, turns: tuple[Even, ...]) -> bool:
    """Whether no index comes to a border of its array in any turn that does it; the loops around have so many turns."""
    span = None if count.moves else Span(0, count.constant)
    choices: list[tuple[Span | None, Any, list[Even]]] = []
    for shape, numbers in body.steps(first, len(turns)):
        if shape[0] in ("if", "else") and span is not None:
            if shape[0] == "if":
                choices.append((span, shape[1], numbers))
            around, test, given = choices[-1]
            span = where_even(around, test, given, shape[0] == "if")  # type: ignore[arg-type]
        elif shape[0] == "end" and span is not None:
            choices.pop()
        elif span is None:
            if not _is_inside(shape, numbers, (*turns, count)):
                return False
        elif span.low < span.high:
            own = Even(span.high - span.low, count.growth)
            if not _is_inside(shape, from_turn(numbers, span.low), (*turns, own)):
                return False
    return True


def _is_inside(shape: Any, numbers: list[Even], turns: tuple[Even, ...]) -> bool:
    """Whether a step's index never comes to a border."""
    if shape[0] == "loop":
        return shown_inside(shape[2], numbers[1:], numbers[0], turns)
    if shape[0] == "turns":
        return (found := extremes(numbers[0], turns)) is None or found[0] >= 1
    return shape[0] not in ("int", "slice") or is_inside(shape, numbers, turns)


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
