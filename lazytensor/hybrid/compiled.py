"""For arguments of one structure: the tree of a function's traces, and the Python functions made of it."""

from __future__ import annotations

import contextlib
import gc
import linecache
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from math import prod
from typing import Any, cast

from ..api.handle import Tensor, View
from ..compile import BYTE_NS
from ..config import current
from ..ir.node import Node
from ..run import floating, startup
from ..run.kernels import failures
from . import fast, fusing, inner, running  # noqa: F401  (`inner` tells the extension of ufuncs' loops)
from .arguments import Arguments, Geometry, geometry_of
from .branches import Branch, branch_of, counted, drawn, join, last_reads, seldom_again
from .captured import Captured
from .effects import Outcome, Raised
from .exits import exit_at
from .fewer import Fewer
from .guards import Check, Later, Namespace, why_not, written
from .loopcount import LoopCount
from .nodes import NodeWriter, is_large
from .rolling import Irregular
from .running import abandoning
from .scope import Scope
from .settings import apart
from .shortening import KEPT, Whole, shortened
from .source import Writer
from .streams import put_back, states_of
from .texts import Body, compiled_text, running_lines, space_maker, text_of
from .tracing import Read, Record, Refusal, Trace
from .tripcount import NAME, TripCount, named
from .unrolling import unrolled

_number = count(1).__next__
FIRST_CHECKS: tuple[int, ...] = (2, 3, 4)
"""Calls that also run the Python; after these, every power of two. None at all if there are none here (for tests)."""
NEVER = 1 << 62
AT_ONCE = 8
"""Ways through a function that are compiled when they are first seen; later ones when they make up"""
SHARE = 4
"""one part in so many of those that are compiled, or are seen again."""
MANY, AT_ONCE_OF_MANY, SHARE_OF_MANY = 1 << 9, 2, 2
"""The same for ways of so many operations, on the average: to compile these takes some 15 us each."""
ROLL = 4
"""Ways through a function from which on its loops that values end are generated; fewer are better compiled each."""
LINES_A_RUN = 2
"""So many operations run lazily in the time in which Python compiles a line."""
KERNELS_NS = 2e7
"""What NumPy's calls take, as `compile.BYTE_NS` has it, from which on loops are compiled with kernels at once."""
LONG_TAPE = 4096
"""Operations on a tape from which on they are forgotten once all is compiled."""


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without collections of garbage: many objects are made meanwhile, and none is garbage."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Unfit(Exception):
    """A few turns of a loop were traced, and they are not enough for the program that was to be written."""


_living: weakref.WeakSet[Any] = weakref.WeakSet()
_gone = [0]


def replays() -> int:
    """The calls that programs have served, those of programs that are gone included."""
    return _gone[0] + sum(one.served for one in list(_living))


NOT_OF_FEW = Refusal("its turns are not compiled from a few of them", "")


class Compiled:
    """What a jitted function has for arguments of one structure.

    Attributes
    ----------
    replay, predict : callable
        ``replay(args, kwargs)`` does a call; `predict` computes what it would do and does nothing.
    calls, due : int
        How often it was called, and the next call that also runs the Python.
    left : int
        Of its calls those that it did not serve: the one that was traced, comparisons, and those left to the Python.
    refusal : Refusal or None
        Why it has no replay: calls run the Python.
    unfit : bool
        Whether it was made of a few turns of a loop, and cannot be compiled otherwise: all turns are to be traced.
    stepped : set of int
        The ends of loops of its traces that were not generated to their end.
    rolls : bool
        Whether its traces have loops that values end generated (`convergence`), if that can be.
    put_off : int
        How many more calls of another way are left to the Python, without a trace.
    whole_turns : of which loops every turn was to be traced, when its first trace began
    """

    __slots__ = ("calls", "due", "replay", "predict", "__dict__", "__weakref__")

    def __init__(self, name: str, given: Arguments, scope: Scope, captured: Captured, capsule: Any) -> None:
        self.name, self.given, self.scope, self.captured, self.capsule = name, given, scope, captured, capsule
        self.tree: Branch | None = None
        self._whole: tuple[Any, ...] | None = None
        self._attempt = 0
        self.refusal: Refusal | None = None
        self.trip: TripCount | None = None
        self.bound: LoopCount | None = None
        self.stepped: set[int] = set()
        self.few: Fewer | None = None
        self._more = 0
        self.family: Any = None
        self.laid: dict[str, Geometry] | None = None
        self.reads: list[Read] | None = None
        self.generators: list[Any] = []
        self.calls = self.due = self.left = 1
        self._ways = 0
        self.quick = self.as_nodes = False
        self.kernels = self.steps = 0
        self.counts = {"operation": 0, "call": 0, "draw": 0}
        self.forgotten = False
        self.abandoned = self.doubts = self.put_off = 0
        self.unfit = self.rolls = False
        self.whole_turns: Any = None
        self.replay: Any = None
        self.predict: Any = None
        self._checks: list[Check | Later] = []
        self._own: set[str] = set()
        self.space = given.space
        self.leaves: set[str] = set()
        self._files: list[str] = []
        self.memory = self.rolled = 0
        self.alone: Any = None
        self._body: Body | None = None
        self._large: bool | None = None
        self._filters_change = False
        self._roots: dict[str, str] = {}
        self._scope: dict[str, Any] = {}
        self.lock = threading.RLock()
        _living.add(self)

    def __del__(self) -> None:
        _gone[0] += self.served

    @property
    def served(self) -> int:
        """The calls that it did, without the Python."""
        return max(int(self.calls - self.left), 0)

    def add(self, trace: Trace, outcome: Outcome, few: Fewer | None = None) -> Refusal | None:
        """Takes in a trace; the reason if it does not fit those that were here before, or, of fewer turns than there
        are, cannot be compiled for all of them."""
        with self.lock:
            if self.forgotten:
                return None  # another thread has traced the only way through
            refusal = None
            self.stepped |= trace.stepped
            self._filters_change |= floating.filters_since(trace.start)
            if self.tree is None:
                compact, loops = trace.finish()
                whole = Whole(compact)
                self._note_lengths(trace, () if loops else whole)
                self._whole = whole, dict(trace.constants), outcome, loops
                if few is not None and not self._is_of_few(few, loops):
                    return NOT_OF_FEW
            else:
                self._shorten(len(KEPT))
                before = self.tree.ends
                self._large = None
                records: Any = Whole(trace.finish()[0])
                self._note_lengths(trace, records)
                if type(outcome) is Raised:
                    records = [*records]
                    while records and records[-1].kind != "answer":
                        records.pop()
                    if not records:
                        return None
                refusal = join(self.tree, branch_of(records, trace.constants, outcome))
                if refusal is None and (self._is_of_many() or any(
                        r.kind == "answer" and r.how != "bool" and not r.attrs for r in records)):
                    refusal = seldom_again(self.tree, self.calls)
                if refusal is not None and refusal.final:
                    return refusal
                if type(outcome) is Raised and self.tree.ends == before:
                    return refusal
                waits = refusal is None and self._can_wait(before)
                if waits or refusal is not None and self._ways == before:
                    return refusal
            try:
                if self.tree is None:
                    self._begin(few)
                self._compile()
            except Unfit:
                return NOT_OF_FEW
            if few is not None and few.index is not None and (self.trip is None or self.trip(few.number) is None):
                return NOT_OF_FEW
            self._base = self.calls - 1
            self.due = self.calls + 1 if FIRST_CHECKS else NEVER
            return refusal

    def _is_of_few(self, few: Fewer, loops: list[Any]) -> bool:
        """Whether the first trace, of fewer turns than there are, says what the others do."""
        assert self._whole is not None
        self.few, per = few, few.per_turn(self._whole[0], loops)
        if per is None:
            return False
        if few.index is None:
            self._more, rest = divmod(few.number - few.less, per)
            return rest == 0
        self.trip = few.trip_count(per, self.given.checks)
        return self.trip is not None

    def _begin(self, few: Fewer | None) -> None:
        """Makes the tree of the first trace."""
        assert self._whole is not None
        records, _, _, loops = self._whole
        long = bool(loops) and _is_long(records, few) and fusing.possible()
        self._shorten(0)
        self.quick = long and not self._is_large()
        if self.quick:
            self._shorten(0)

    def _note_lengths(self, trace: Trace, records: Sequence[Record]) -> None:
        """Notes what is needed to derive the program for arrays of other sizes (`families`)."""
        if not trace.all_written(records) or self.captured.scalars or self.captured.numbers or (
                self.given.numbers):
            self.reads = None
        elif self.tree is None:
            self.laid, self.reads = {name: Geometry(*of) for name, of in self._given().items()}, trace.lengths()
            self.laid |= {name: Geometry((), s._node.dtype, None) for name, s in self.given.scalars.items()}
        elif self.reads is not None:
            self.reads += [read for read in trace.lengths() if read not in self.reads]

    def resized(self, given: Arguments, tree: Branch, laid: dict[str, Geometry], family: Any) -> Compiled:
        """The same for arguments of other sizes, of which `tree` has the operations."""
        other = Compiled(self.name, given, self.scope, self.captured, self.capsule)
        other.tree, other.laid, other.reads, other.family = tree, laid, self.reads, family
        other._filters_change = self._filters_change
        other.calls = other._base = other.left = 0
        with uncollected():
            other._compile()
        other.alone = None
        given.let_go({id(item.value) for item in self.scope.items})
        return other

    def _can_wait(self, before: int) -> bool:
        """Whether a way through is compiled later: when it is seen again, or together with others. There were as many
        as `before`. So what compiling takes does not grow with the square of their number."""
        assert self.tree is not None
        now, ways = self.tree.ends, self._ways
        at_once, share = (AT_ONCE_OF_MANY, SHARE_OF_MANY) if self._is_of_many() else (AT_ONCE, SHARE)
        return now > before and now > at_once and share * (now - ways) < ways

    def _is_of_many(self) -> bool:
        """Whether its ways are of many operations each, on the average, as far as they are compiled."""
        return sum(self.counts.values()) > MANY * self._ways

    def _shorten(self, attempt: int) -> None:
        """Makes the tree of the first trace, with that many turns of its loops, or whole.

        Raises
        ------
        Unfit
            If it has fewer turns than there are, and would be whole.
        """
        if self._whole is None:
            return
        records, constants, end, found = self._whole
        tries = [(k, found) for k in range(attempt, len(KEPT))]
        if self.quick and not attempt and self.trip is None:
            longer = unrolled(records, found)
            tries = [(0, longer), *tries] if longer else []
        for self._attempt, loops in tries:
            short = shortened(records, loops, end, self._attempt, self.few is not None) if loops else None
            if short is not None:
                cuts = named(short[1], found, self.trip)
                if self._more:
                    cuts = [cut._replace(gone=cut.gone + self._more) for cut in cuts] if len(cuts) == 1 else []
                if self._more and not cuts:
                    continue
                self.tree = branch_of(short[0], constants, short[2], cuts)
                self._large = None
                if not self._is_large():
                    return
        if self._more:
            raise Unfit
        self.tree, self._large = branch_of(records, constants, end), None
        self._whole = None

    def _is_large(self) -> bool:
        """`is_large` of its tree."""
        assert self.tree is not None
        if self._large is None:  # nodes warn by the filters that are in force when they run
            self._large = not self._filters_change and is_large(self.tree, self._given())
        return self._large

    def quicken(self, on: bool = True) -> None:
        """Compiles once more, with kernels, what has proved to be called often."""
        with self.lock:
            if self.quick is not on and not self.as_nodes and not self.forgotten and (not on or fusing.possible()):
                self.quick = on
                with uncollected():
                    try:
                        self._shorten(0)
                        self._compile()
                    except Unfit:
                        self.unfit = True
                    except Exception as error:  # it does without kernels what it did before
                        failures.append(error)
                        if current.debug:
                            raise
                        self.quick = False
                        self._compile()
                self.alone = None

    def may_be_rolled(self, refused: bool) -> bool:
        """Whether there are so many ways through it, or ways so long that one was refused, that it is better traced
        anew, with the loops generated that values end."""
        if self.rolls or self.tree is None or self.tree.ends < ROLL and not refused:
            return False
        return any(may_end(branch.answer) for branch in self.tree.lines() if branch.answer is not None)

    def generated(self, most: int) -> set[Any]:
        """Its loops that were generated and make calls of NumPy's, at most so many."""
        lines = self.tree.lines() if self.tree is not None else ()
        made = [r.fn.rolled for branch in lines for r in branch.records if hasattr(r.fn, "rolled")]
        return {x.loop for x in made if 0 < x.operations <= most}

    def counts_turns(self, trip: TripCount) -> None:
        """Compiles once more, for any number of turns of a loop that an argument counts."""
        with self.lock:
            if self._whole is None or self.forgotten:
                return
            self.trip = trip
            with uncollected():
                self._shorten(0)
                self._compile()
            self.alone = None

    def bounds_loops(self, count: LoopCount, records: list[Record]) -> None:
        """Compiles once more, of these records, for any number of turns of generated loops that an argument ends."""
        with self.lock:
            assert self.tree is not None
            self.bound, self.tree.records, self._whole = count, records, None
            with uncollected():
                self._compile()
            self.alone = None

    def values(self, outcome: Outcome, leaves: dict[str, Any], wanted: list[str]) -> Any:
        """What the call that was traced last left, computed from the values of its leaves; None if it cannot be. It
        does nothing else. Only once, after `add`."""
        with self.lock:
            alone, self.alone = self.alone, None
            if alone is None or self.tree is None or self.tree.end is None:
                return None
            writer, texts = alone
            few, turns = self.few, []
            if few is not None and self.trip is not None:
                turns = [self.trip(few.number)]
            elif few is None and LINES_A_RUN * len(writer.body) > sum(self.counts.values()):
                return None
            names = dict(zip(outcome.names(), self.tree.end.names(), strict=True))  # those of the short trace
            if any(names.get(name) not in writer.values for name in wanted):
                return None
            given = [name for name in texts if name in leaves]
            made = ", ".join([writer.values[names[name]] for name in wanted])
            body = [*writer.body, f"    return [{made}]"]
            lines = [f"def call({', '.join([*[texts[name] for name in given], *[NAME] * len(turns)])}):",
                     *running_lines(Body.of(writer), body, True)]
            scope = {**self._scope, **self.space}
        call = compiled_text("\n".join(lines) + "\n", f"<lazytensor.jit {self.name} {_number()}>", scope)
        found = call(*[leaves[name] for name in given], *turns)
        return None if found is running.ABANDON else found

    def _forget(self) -> None:
        """Drops the records of a long loop over elements, which take memory: nothing is compiled of them any more."""
        with self.lock:
            if self.steps > LONG_TAPE and self.tree is not None and self.tree.answer is None:
                self.tree.records, self._whole, self.forgotten = [], None, True

    def next_check(self) -> None:
        """When the Python runs again."""
        done = self.calls - self._base
        later = [n for n in FIRST_CHECKS if n > done]
        self.due = self._base + (later[0] if later else 1 << done.bit_length())

    _base = 0

    # ---- compilation ----

    def _compile(self) -> None:
        while True:
            try:
                return self._compile_tree()
            except Irregular:  # a loop of the short tree: once more, with more of its turns
                self._shorten(self._attempt + 1)

    def _compile_tree(self) -> None:
        tree = self.tree
        assert tree is not None
        self._ways = tree.ends
        live, used = last_reads(tree)
        used |= {name for branch in tree.lines() if branch.end is not None for name in branch.end.writes}
        self.generators, self.leaves, self.counts = drawn(tree), used, counted(tree)
        self._guard(used)
        self._scope = self._names()
        self.as_nodes = self._is_large()
        if self.as_nodes:
            self._checks += self._seen_as_nodes()
        write = self._writing()
        writer = write(tree, True, self.quick and not self.as_nodes, live)
        if self.trip is not None:
            self.trip = None if writer.fit is None else self.trip.fit(*writer.fit)
            if self.trip is None and self.few is not None:
                raise Unfit
        by = self.trip if self.trip is not None else self.bound
        if by is not None:
            self._checks[by.place:by.place + 1] = by.checks(self.space, cast("Check", self._checks[by.place]))
        self.kernels, self.steps, self.rolled = writer.kernels, writer.steps, writer.rolled
        self.memory = sum(prod(shape) * dtype.itemsize for shape, dtype, _ in writer.temporaries)
        alike = not self.quick and not self.as_nodes and (tree.answer is None or self.trip is None)
        told = writer.predicts if alike else None
        body = Body.of(writer)
        self._replays(tree, body, space_maker(writer), write, None if told is None else body._replace(lines=told))

    def _guard(self, used: set[str]) -> None:
        """The guard, and the names of what it has."""
        given = self.given
        space = self.space = Namespace()
        space.update(given.space)
        space._by_id = dict(given.space._by_id)
        checks = [*given.checks, *self.captured.checks(used, space, given.owners),
                  *self.scope.checks(space, self.captured.handles, given.handles, self.captured.defining())]
        self._roots = {**given.owners, **{name: self.captured.owner(name, space) for name in self.captured.roots
                                          if name in used}}
        bound = {check.fast[1][0] for check in checks if type(check.fast) is tuple and len(check.fast) == 2}
        bound -= given.locals.keys()

        def distinct(handles: list[str]) -> Any:
            return fast.DISTINCT if bound == set(handles) and len(bound) <= fast.MOST_DISTINCT else None
        handles = given.tensors
        if len(handles) > 1:
            checks.append(Check(" and ".join(f"{a} is not {b}" for i, a in enumerate(handles) for b in handles[:i])
                                if len(handles) < 5 else f"len({{{', '.join(f'id({x})' for x in handles)}}}) == "
                                f"{len(handles)}", "two arguments that were different arrays are one",
                                distinct(handles)))
        assert self.tree is not None
        self._checks = checks
        owners = list(self._roots.values())
        written = {root for branch in self.tree.lines() if branch.end is not None for root in branch.end.writes}
        if written and given.lift:  # views that are only read may be of one array
            checks += [Check(f"{self._roots[a]} is not {b}", "an array that it writes to was not a view's")
                       for a in sorted(written) for name, b in self._roots.items() if name != a]
        elif len(owners) > 1 and written:
            checks.append(Check(f"len({{{', '.join(f'id({x})' for x in owners)}}}) == {len(owners)}",
                                "two arrays that were different are one", distinct(owners)))
        checks += self._of_memory(written)
        checks += apart(self.scope, {local: kind for local, (kind, _) in given.locals.items()}, given.keys, space)
        self._checks = checks

    def _of_memory(self, written: set[str]) -> Iterator[Check]:
        """Whether memory that the call writes to is an array's own, and what it gives parts of may be written to: the
        extension asks both at once."""
        assert self.tree is not None
        ends = [branch.end for branch in self.tree.lines() if branch.end is not None]
        names = {owner: name for name, owner in self._roots.items()}
        parts = {names[owner] for end in ends for owner in end.seen_through() if owner in names} - self.given.lift
        self._own = written | parts
        for name in sorted(self._own):
            owner = self._roots[name]
            words = self.given.words.get(name) or self.captured.words(name)
            if name in written:
                yield Check(f"is_own({owner})", f"the memory of {words} is shared", self._asked_of(name))
            else:
                yield Check(f"{owner}._state is None or writing_of({owner}) is True", f"{words} is read-only",
                            self._asked_of(name))

    def _asked_of(self, name: str) -> Any:
        """PART if a row of the extension binds the value of that name, else None."""
        bound = any(type(check.fast) is tuple and len(check.fast) == 2 and check.fast[1][2] == name
                    for check in self._checks)
        return fast.PART if bound else None

    def _names(self) -> dict[str, Any]:
        """What texts refer to."""
        generators = self.generators
        return running.scope() | {
            "E": self, "spaces": [], "CAP": self.capsule, "alike": self._alike, "RUN": abandoning(self.capsule),
            "drawn": lambda: states_of(generators),
            "restored": lambda states, answer: put_back(generators, states, answer)}

    def _given(self) -> dict[str, tuple[Any, Any, Any]]:
        """Shape, dtype and strides of the arrays that are given to it, by their names."""
        return {name: geometry_of(root) for name, root in {**self.given.roots, **self.captured.roots}.items()}

    def _seen_as_nodes(self) -> list[Check]:
        """The lines that make nodes of views that are leaves."""
        found = []
        for name in sorted(self.given.lift):
            i, (shape, dtype, strides) = name[1:], geometry_of(self.given.roots[name])
            found.append(Check(f"m{i} = make(VIEW, (n{i},), t{i}._value.steps, {shape!r}, {self.space.add(dtype)}, "
                               f"{strides!r}, None, n{i}.depth)"))
        return found

    def _writing(self) -> Callable[..., Writer]:
        """What makes a `Writer` for a tree, of: the tree, whether it commits, whether it fuses, its last reads."""
        nodes = {name: (owner, f"n{name[1:]}" if name[0] == "a" else f"n{name}") for name, owner in self._roots.items()}
        scalars = {**self.given.scalars, **self.captured.scalars}
        numbers = {name: name for name in (*[name for name, _ in self.captured.numbers.values()], *self.given.numbers)}
        leaves = {name: name for name in (*self._roots, *scalars, *numbers)}
        if self.as_nodes:
            leaves = {name: node for name, (_, node) in nodes.items()} | {
                name: f"m{name[1:]}" for name in self.given.lift} | {
                name: f"{path}._node" for name, path in self.given.paths.items()} | {
                name: f"t{name}._node" for name in self.captured.scalars} | numbers
        geometry = self._given()
        kind, space, capsule = NodeWriter if self.as_nodes else Writer, self.space, self.capsule

        def write(tree: Branch, commits: bool, fuses: bool = False, live: Any = None) -> Writer:
            writer = kind(space, tree, leaves, nodes, commits, capsule, geometry, fuses, live)
            if commits:
                self.alone = None if writer.body is None or kind is NodeWriter else (writer, leaves)
            return writer
        return write

    def _replays(self, tree: Branch, body: Body, new_space: Any, write: Callable[..., Writer],
                 told: Body | None) -> None:
        """Sets the functions, which are compiled when they are first called; `told` is the prediction, if it needs no
        writer of its own."""
        scope, space, checks, trip = self._scope, self.space, self._checks, self.trip
        self._body, scope["new_space"] = body, new_space
        given: list[str] | None = None
        if fast.native is not None:
            scope["G"], given, rest = fast.guard(checks, self.given.count, self.given.keywords, self._own)
            scope["slow"] = self._when_needed(lambda: text_of(body, written(checks, space), True), scope, space)
        else:
            rest = written(checks, space)

        def replay(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            with self.lock:
                if self.replay is replay:
                    self.replay = self._executed(text_of(body, rest, True, given), scope, space)
            return self.replay(args, kwargs)

        def predict(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            own, counted, scope["new_space_2"] = told, list, new_space
            if own is None:
                try:
                    other = self._predicting(tree, write)
                except Unfit:  # such calls are the Python's
                    self.predict = lambda args, kwargs: running.MISS
                    return running.MISS
                own, scope["new_space_2"] = Body.of(other), space_maker(other)
                if trip is not None:
                    counted = partial(trip.counted_by, other.fit, space)  # type: ignore[assignment]
            if given is not None:
                scope["slow_2"] = self._when_needed(lambda: text_of(own, counted(written(checks, space)), False), scope,
                                                    space)
            self.predict = self._executed(text_of(own, counted(rest), False, given), scope, space)
            self._forget()
            return self.predict(args, kwargs)
        self.replay, self.predict = replay, predict

    def _predicting(self, tree: Branch, write: Callable[..., Writer]) -> Writer:
        """The writer of a prediction. Another thread may have a path to add."""
        with self.lock, uncollected():
            try:
                return write(tree, False)
            except Irregular:
                self._shorten(len(KEPT))
                return write(self.tree, False)

    def _when_needed(self, text: Callable[[], str], scope: dict[str, Any], space: Namespace) -> Any:
        """A function with its whole guard in Python, compiled at its first call."""
        made: list[Any] = []

        def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not made:
                made.append(self._executed(text(), dict(scope), space))
            return made[0](args, kwargs)
        return call

    @property
    def checks(self) -> list[Check]:
        """All lines of the guard."""
        return written(self._checks or self.given.checks, self.space)

    @property
    def writes(self) -> bool:
        """Whether it asks for memory that is an array's own."""
        return bool(self._own)

    @property
    def source(self) -> str:
        """The program as text."""
        return "" if self._body is None else text_of(self._body, self.checks, True)

    def _executed(self, text: str, scope: dict[str, Any], space: Namespace) -> Any:
        """The function of a text; its lines can be seen in tracebacks."""
        scope.update(space)
        filename = f"<lazytensor.jit {self.name} {_number()}>"
        call = compiled_text(text, filename, scope)
        if isinstance(call, types.FunctionType):
            self._files.append(filename)
            for old in self._files[:-3]:  # what runs now, its whole guard, and its prediction
                linecache.cache.pop(old, None)
            del self._files[:-3]
            linecache.cache[filename] = len(text), None, text.splitlines(True), filename
        return call

    def _alike(self, capsule: Any) -> bool:
        return floating.modes_of(capsule) == floating.modes_of(self.capsule)

    def why_not(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Which check fails for these arguments, in words."""
        return self.first_failing(args, kwargs)[0]

    def first_failing(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, int]:
        """Which check fails for these arguments, in words, and how many hold before it."""
        checks = self.checks
        scope = self._scope if self.tree is not None else running.scope()
        return why_not(checks, {**scope, **self.space, "args": args, "kwargs": kwargs})


if fast.native is not None:
    fast.native.setup_programs((Tensor, View, Node, Compiled, type(floating.watch)))


def may_end(answer: Record) -> bool:
    """Whether an answer may be that of a loop that a value ends."""
    is_bool = answer.how == "bool" or answer.how == "value" and answer.outcome[0] is bool
    return answer.code is not None and is_bool and exit_at(answer.code, answer.lasti) is not None


def _is_long(records: Whole, few: Fewer | None) -> bool:
    """Whether kernels pay at the very first call."""
    more = 1 if few is None else few.number / few.less
    ahead = more * BYTE_NS * records.nbytes
    return ahead >= KERNELS_NS and startup.pays(ahead - KERNELS_NS)
