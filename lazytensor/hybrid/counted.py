"""`fori_loop` in a traced call, of a body that reads its index: traced for three turns, and generated for all others.

The first turn is traced as any operation is. If it left all Python objects as they were, three more are traced on the
side (`turns`), on values that nobody knows and with an index that nobody sees; what they do to arrays is undone. If
these say what every turn is, the loop becomes one call of a `Rolled` program in the trace, which runs at once for the
turns that are left. In any other case the loop goes on, turn by turn.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..api.handle import Tensor, View, lock_of, tensor
from ..api.scalar import Scalar, scalar
from ..compile import realize
from ..ir.layout import canonical
from ..ir.node import Node, leaf
from ..run import floating
from ..run.watching import active, mine
from . import tapes
from .bounds import Even, extremes, is_inside, length_moves
from .guards import same
from .jit import Jitted
from .loopsource import Body, Source
from .looptape import TapeOf
from .opaque import Asked, Index, Session, plain
from .running import Abandon, abandoning, copied
from .scope import Scope
from .skipping import understood
from .tapes import Unknown
from .tracing import Record, Result, Trace
from .turns import Inputs, Irregular, Step, Turn, steps_of, unknown

LEAST = 8
"""Turns that are left for which it is worth while."""
TRIES = 6
"""Turns that are traced before a loop is given up."""
MOST_LOST = 4
"""Loops of one body that could not be generated, after which no other is tried."""
SAMPLES = 3
"""Turns that show what the others are."""
SHORT, NOT_RUN, OTHER_TYPE = ("a loop in it is short yet", "a loop in it has not run yet",
                              "a part of its state is of another type each turn")
AT_BORDER = "an index comes to the border of an array"
EARLY = frozenset((SHORT, NOT_RUN, OTHER_TYPE))
"""Why a loop may be generated from a later turn on."""
_MEASURES = frozenset(("shape", "size", "nbytes", "strides", "len", "flat", "tolist", "tobytes", "__len__", "__iter__"))
_SAFE = frozenset((
    "T", "abs", "absolute", "add", "conj", "copy", "cos", "divide", "dot", "dtype", "exp", "fabs", "float32", "float64",
    "imag", "log", "matmul", "mean", "multiply", "negative", "newaxis", "outer", "real", "sin", "sqrt", "square",
    "subtract", "sum", "tanh", "transpose", "where"))
"""Names of NumPy's and of arrays' that do not raise for arrays of some length, whatever it is."""
_OF_ARRAYS = frozenset((*dir(np), *dir(np.ndarray)))


class Rolled:
    """A loop as one function of arrays: the state and what else it reads, to the state after its last turn. It is a
    tape where it can be, else Python source.

    Parameters
    ----------
    geometry : list of (shape, dtype, strides)
        Of its arguments.
    errstate : the error state in which it runs
    """

    def __init__(self, body: Body, numbers: list[int], count: int, geometry: list[Any], errstate: Any) -> None:
        self.body, self.count, self._numbers = body, count, numbers
        self.__name__ = f"loop_of_{count}_turns"
        self.tape: Any = None
        self._run: Any = None
        self.text = ""
        if tapes.tape is not None:
            try:
                of = TapeOf(body, numbers, count, geometry)
                self.tape = of.made(floating.mask(errstate))
                self._strides = [strides for _, _, strides in of.laid]
            except (Unknown, ValueError):
                pass
        if self.tape is None:
            self._source()

    def _source(self) -> None:
        source = Source(self.body, self._numbers, self.count)
        self.text, self._run = source.text, source.function()

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        values = tuple([x[()] if type(x) is np.ndarray and not x.shape else x for x in values])
        if self.tape is not None:
            arrays = [x for x in values if type(x) is np.ndarray]
            if [x.strides for x in arrays] == self._strides:
                return self._taped(values)
            if self._run is None:
                self._source()
        found = self._run(*values)
        return tuple([copied(x) if any(x is y for y in values) else x for x in found])

    def _taped(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        cells = self.body.cells
        given = [copied(x) if k < len(cells) else x for k, x in enumerate(values)]
        outputs = self.tape(*[x for x in given if type(x) is np.ndarray], *[
            x for x in given if type(x) is not np.ndarray])
        if outputs is None:
            raise Abandon
        numbers = iter(outputs)
        return tuple([given[k] if cell[0] == "array" else next(numbers) for k, cell in enumerate(cells)])


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


def _structure(value: Any) -> Any:
    kind = type(value)
    if kind is list or isinstance(value, tuple):
        return kind, tuple(map(_structure, value))
    return (kind, tuple([(key, _structure(x)) for key, x in value.items()])) if kind is dict else None


def _containers(value: Any) -> Iterator[Any]:
    if type(value) in (list, dict):
        yield value
    if type(value) in (list, dict) or isinstance(value, tuple):
        for x in value.values() if type(value) is dict else value:
            yield from _containers(x)


def node_of(x: Any) -> Node:
    """The node of an array that owns its memory, or of a lazy scalar."""
    return x._value if type(x) is Tensor else x._node  # type: ignore[no-any-return]


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
        nodes = [turn.left[key] for key in known]
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
        structure, boxes = _structure(value), [id(x) for x in _containers(value)]
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
                turn.left[id(root)] = root._value
                root._value = before
            for k, (root, _) in enumerate(known.values()):
                turn.left.setdefault(id(root), root._value)
                root._value = self.entry[k]
        if self.session.asked:
            raise Asked(self.session.asked)
        if _structure(after) != structure or any(id(x) in boxes for x in _containers(after)):
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


def _lengths_move(body: Body, first: list[Even], levels: int) -> bool:
    for shape, numbers in body.steps(first, levels):
        if shape[0] == "loop":
            if _lengths_move(shape[2], numbers[1:], levels + 1):
                return True
        elif shape[0] in ("int", "slice") and length_moves(shape, numbers):
            return True
    return False


# ---- within each other -----------------------------------------------------------------------------------------------


def inner(turn: Turn, lower: Any, upper: Any, body: Callable[[Any, Any], Any], value: Any) -> Any:
    """A loop in a turn of another that is looked at: one step of it."""
    session = turn.session
    hidden = type(lower) is Index or type(upper) is Index
    first, count = plain(lower), plain(upper) - plain(lower)
    if type(first) is not int or type(count) is not int or not hidden and count <= SAMPLES + 1:
        for i in builtins.range(lower, upper):
            value = body(i, value)
        return value
    if count <= SAMPLES:
        session.ask(SHORT)
    if code_of(body) not in session.ran:
        session.ask(NOT_RUN)
    scope = Scope().walk((body, ""))
    if not followed(scope):
        session.ask("a loop in it reaches what cannot be followed")
    loop = Loop(session, body, first, count, value)
    if loop.probe(first=True):  # as from the second turn on, perhaps: there is one, as is shown later
        turn.notes.append(("turns", count))
        value, count = body(lower, value), count - 1
        loop = Loop(session, body, first + 1, count, value)
        if why := loop.probe():
            session.ask(why)
    loop.looked_at()
    own, numbers = loop.body()
    if changed := scope.changed():
        session.ask(f"a loop in it changes {changed}")
    nodes = [*loop.state, *loop.reads]
    turn.record(nodes)
    name = f"r{len(turn.book)}"
    turn.book.append(Record("loop", name, tuple([turn.operand(node) for node in nodes]), attrs=own,
                            args=(count, *numbers)))
    results = [unknown(node) for node in loop.state]
    for k, node in enumerate(results):
        turn.slots[node.seq] = f"{name}_{k}"
    turn.measured_any |= loop.measured
    return loop.left(results, turn)


# ---- in a trace ------------------------------------------------------------------------------------------------------


def may_generate(watcher: Any, lower: Any, upper: Any) -> bool:
    """Whether a loop's turns may be generated, as far as can be said before one of them has run."""
    return (type(watcher) is Trace and type(lower) is int and type(upper) is int and upper - lower >= LEAST
            and watcher.may_skip and not watcher.quiet and watcher.refusal is None)


def looped(trace: Trace, lower: int, upper: int, body: Callable[[Any, Any], Any], value: Any) -> Any:
    """``for i in range(lower, upper): value = body(i, value)`` in a trace; gives the last value."""
    scope = Scope().walk((body, ""))
    tries = TRIES if trace.tried[code_of(body)] < MOST_LOST and followed(scope) else 0
    for i in builtins.range(lower, upper):
        if tries and i > lower and upper - i >= LEAST:
            good = trace.refusal is None and not scope.changed()
            rolled = _generated(trace, i, upper, body, value, scope) if good else None
            if rolled is not None:
                own, loop = rolled
                results = applied(trace, own, [*loop.state, *loop.reads])
                if results is not None:
                    return loop.left(results, trace)
            tries -= 1 if good and trace.unrolled in EARLY else TRIES
        value = body(i, value)
        note_run(trace, body)
    trace.tried[code_of(body)] += 1
    return value


def note_run(trace: Any, body: Any) -> None:
    """Notes that a body runs at least once in a traced call: what it does to Python objects is seen afterwards."""
    if type(trace) is Trace:
        trace.ran.add(code_of(body))


def followed(scope: Scope) -> bool:
    """Whether a body's code reaches nothing unknown, and does not look at what objects are: an index is none of
    Python's numbers."""
    return "type" not in scope.names and understood(scope)


def code_of(body: Any) -> Any:
    """What two bodies that are one `def` or `lambda` have in common."""
    while isinstance(body, Jitted):
        body = body.__wrapped__
    return getattr(getattr(body, "__func__", body), "__code__", body)


def _generated(trace: Trace, lower: int, upper: int, body: Any, value: Any, scope: Scope) -> tuple[Rolled, Loop] | None:
    """The turns that are left as one function; None if they cannot be generated."""
    session = Session()
    loop = Loop(session, body, lower, upper - lower, value)
    session.ran = trace.ran
    try:
        if why := loop.probe():
            loop.ask(why)
        loop.looked_at()
        own, numbers = loop.body()
    except Asked:
        trace.unrolled = session.asked
        return None
    first = [Even(x, ()) for x in numbers]
    if not shown_inside(own, first, Even(loop.count, ()), ()):
        trace.unrolled = AT_BORDER
        return None
    if _lengths_move(own, first, 0) and (loop.measured or not scope.names.isdisjoint(_MEASURES) or not (
            scope.names & _OF_ARRAYS <= _SAFE)):
        trace.unrolled = "lengths move, and it may look at them"
        return None
    try:
        return Rolled(own, numbers, loop.count, [(n.shape, n.dtype, n.strides) for n in [*loop.state, *loop.reads]],
                      floating.in_force()), loop
    except Irregular:
        return None


def applied(trace: Trace, rolled: Rolled, nodes: list[Node]) -> list[Node] | None:
    """Runs a loop, and writes it down as a call; None if it raises, or NumPy would warn."""
    trace.record(nodes)
    operands = [trace.operand(node) for node in nodes]
    if trace.refusal is not None:
        return None
    realize([node for node in nodes if node.buffer is None])
    capsule = floating.in_force()
    token = floating.enter(abandoning(capsule))
    try:
        found = rolled(*[node.buffer for node in nodes])
    except KeyboardInterrupt:
        raise
    except BaseException:  # in the turn where it is due, it comes again
        return None
    finally:
        floating.leave(token)
    record = Record("call", f"r{len(trace.book)}", fn=rolled, args=tuple(operands), kwargs={}, results=[], how="many",
                    errstate=capsule)
    trace.book.append(record)
    results = []
    for k, (value, cell) in enumerate(zip(found, rolled.body.cells, strict=True)):
        name = f"{record.name}_{k}"
        is_array = cell[0] == "array"
        record.results.append(Result(name, value.dtype, value.shape if is_array else None))
        node = leaf(value, canonical(value.strides, value.shape, value.itemsize) if is_array else None)
        trace._know(node, name)
        results.append(node)
    return results


