"""For arguments of one structure: the tree of a function's traces, and the Python functions made of it."""

from __future__ import annotations

import contextlib
import gc
import linecache
import sys
import threading
import types
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..api.handle import Tensor, View
from ..compile import BYTE_NS, IMPORT_NS
from ..ir.node import Node
from ..run import floating, pool
from ..run.interpreter import apply_view
from . import fast, fusing, running
from .arguments import Arguments, geometry_of, root_checks, view_checks
from .branches import Branch, branch_of, join, last_reads
from .effects import Outcome
from .guards import Check, Later, Namespace, why_not, written
from .nodes import NodeWriter, is_large
from .rolling import Irregular
from .running import abandoning
from .scope import Item, Scope
from .shortening import KEPT, Whole, shortened
from .source import Writer
from .streams import put_back, states_of
from .text import guard_lines
from .tracing import Refusal, Trace

_number = count(1).__next__
FIRST_CHECKS: tuple[int, ...] = (2, 3, 4)
"""Calls that also run the Python; after these, every power of two. None at all if there are none here (for tests)."""
NEVER = 1 << 62
AT_ONCE = 8
"""Ways through a function that are compiled when they are first seen; later ones when they make up"""
SHARE = 4
"""one part in so many of those that are compiled, or are seen again."""
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


class Captured:
    """The arrays, reached from a function's names, whose values are leaves; each has a name in generated code.

    One that is reached by a way that generated code can go (a global, a cell, an attribute, an element) may be another
    array of the same kind at the next call. A view is known by its identity.
    """

    def __init__(self) -> None:
        self.roots: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.places: dict[str, Item | None] = {}
        self.views: list[tuple[Any, str | None]] = []

    def add(self, handle: Any, taken: dict[int, str], place: Item | None) -> None:
        """Takes in an array's root, unless it is among the arguments'."""
        view = handle._value.__class__ is View
        root = handle._value.root if view else handle
        if view and not any(h is handle for h, _ in self.views):
            self.views.append((handle, taken.get(id(root))))
        if id(root) in taken:
            return
        name = self.names.get(id(root))
        if name is None:
            name = self.names[id(root)] = f"w{len(self.names)}"
            self.roots[name] = root
            self.places[name] = None if view else place
        elif view:
            self.places[name] = None

    @property
    def handles(self) -> dict[int, str]:
        """By the id of an array that may be another at the next call, its expression."""
        return {id(self.roots[name]): f"t{name}" for name, place in self.places.items() if place is not None}

    def owner(self, name: str, space: Namespace) -> str:
        """The expression of a root."""
        return f"t{name}" if self.places[name] is not None else space.add(self.roots[name])

    def words(self, name: str) -> str:
        """What it is, in words."""
        place = self.places[name]
        return "an array that it reaches" if place is None else place.words

    def checks(self, used: set[str], space: Namespace, owners: dict[str, str]) -> list[Check | Later]:
        """The lines that bind the values of those that are used."""
        found: list[Check | Later] = []
        for name, root in self.roots.items():
            place = self.places[name]
            lines = partial(self._lines, name, geometry_of(root), name in used)
            load = None if place is None else fast.load_of(place.form, place.holder, place.key)
            if fast.native is not None and load is not None and name in used:
                row = fast.array_row(load, root, (self.owner(name, space), f"n{name}", name))
                found.append(Later(row, lines))
            else:
                found += lines(space)
        for handle, of in self.views:
            text = f"{space.add(handle)}._value"
            found += view_checks(text, handle._value, space, "a view that it reaches")
            if of is not None:
                found.append(Check(f"{text}.root is {owners[of]}", "a view that it reaches was one of an argument"))
        return found

    def _lines(self, name: str, geometry: Any, used: bool, space: Namespace) -> list[Check]:
        place, owner, words, n = self.places[name], self.owner(name, space), self.words(name), f"n{name}"
        found = [] if place is None else [Check(f"{owner} = {place.text(space)}"),
                                          Check(f"type({owner}) is Tensor", words)]
        checks = root_checks(n, owner, geometry, name, space, words)
        return [*found, Check(f"{n} = {owner}._value"), Check(f"{n}.__class__ is Node", words),
                *(checks if used else checks[1:4])]


class Compiled:
    """What a jitted function has for arguments of one structure.

    Attributes
    ----------
    replay, predict : callable
        ``replay(args, kwargs)`` does a call; `predict` computes what it would do and does nothing.
    calls, due : int
        How often it was called, and the next call that also runs the Python.
    refusal : Refusal or None
        Why it has no replay: calls run the Python.
    """

    __slots__ = ("calls", "due", "replay", "predict", "__dict__", "__weakref__")

    def __init__(self, name: str, given: Arguments, scope: Scope, captured: Captured, capsule: Any) -> None:
        self.name, self.given, self.scope, self.captured, self.capsule = name, given, scope, captured, capsule
        self.tree: Branch | None = None
        self._whole: tuple[Any, ...] | None = None
        self._attempt = 0
        self.refusal: Refusal | None = None
        self.generators: list[Any] = []
        self.calls = self.due = 1
        self._ways = 0
        self.quick = self.as_nodes = False
        self.kernels = self.steps = 0
        self.counts = {"operation": 0, "call": 0, "draw": 0}
        self.forgotten = False
        self.abandoned = self.doubts = 0
        self.replay: Any = None
        self.predict: Any = None
        self._checks: list[Check | Later] = []
        self.space = given.space
        self.leaves: set[str] = set()
        self._files: list[str] = []
        self.memory = self.rolled = 0
        self.alone: Any = None
        self._body: Body | None = None
        self._large: bool | None = None
        self._scope: dict[str, Any] = {}
        self.lock = threading.RLock()

    def add(self, trace: Trace, outcome: Outcome) -> Refusal | None:
        """Takes in a trace; the reason if it does not fit those that were here before."""
        with self.lock:
            if self.forgotten:
                return None  # another thread has traced the only way through
            refusal = None
            if self.tree is None:
                compact, loops = trace.book.finish()
                self._whole = Whole(compact), dict(trace.constants), outcome, loops
                long = bool(loops) and _is_long(self._whole[0]) and fusing.possible()
                self._shorten(0)
                self.quick = long and not self._is_large()
            else:
                self._shorten(len(KEPT))
                before = self.tree.ends
                self._large = None
                refusal = join(self.tree, branch_of(Whole(trace.book.finish()[0]), trace.constants, outcome))
                waits = refusal is None and self._can_wait(before)
                if waits or refusal is not None and self._ways == before:
                    return refusal
            self._compile()
            self._base = self.calls - 1
            self.due = self.calls + 1 if FIRST_CHECKS else NEVER
            return refusal

    def _can_wait(self, before: int) -> bool:
        """Whether a way through is compiled later: when it is seen again, or together with others. There were as many
        as `before`. So what compiling takes does not grow with the square of their number."""
        assert self.tree is not None
        now = self.tree.ends
        return now > before and now > AT_ONCE and SHARE * (now - self._ways) < self._ways

    def _shorten(self, attempt: int) -> None:
        """Makes the tree of the first trace, with that many turns of its loops, or whole."""
        if self._whole is None:
            return
        records, constants, end, found = self._whole
        for self._attempt in range(attempt, len(KEPT)):
            short = shortened(records, found, end, self._attempt) if found else None
            if short is not None:
                self.tree = branch_of(short[0], constants, short[2], short[1])
                self._large = None
                if not self._is_large():
                    return
        self.tree, self._large = branch_of(records, constants, end), None
        self._whole = None

    def _is_large(self) -> bool:
        """`is_large` of its tree."""
        assert self.tree is not None
        if self._large is None:
            self._large = is_large(self.tree)
        return self._large

    def quicken(self, on: bool = True) -> None:
        """Compiles once more, with kernels, what has proved to be called often."""
        with self.lock:
            if self.quick is not on and not self.as_nodes and not self.forgotten and (not on or fusing.possible()):
                self.quick = on
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
            if LINES_A_RUN * len(writer.body) > sum(self.counts.values()):
                return None
            names = dict(zip(outcome.names(), self.tree.end.names(), strict=True))  # those of the short trace
            if any(names.get(name) not in writer.values for name in wanted):
                return None
            given = [name for name in texts if name in leaves]
            made = ", ".join([writer.values[names[name]] for name in wanted])
            body = [*writer.body, f"    return [{made}]"]
            lines = [f"def call({', '.join(texts[name] for name in given)}):", *_running(Body.of(writer), body, True)]
            scope = {**self._scope, **self.space}
        call = compiled_text("\n".join(lines) + "\n", f"<lazytensor.jit {self.name} {_number()}>", scope)
        found = call(*[leaves[name] for name in given])
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
        tree, space = self.tree, Namespace()
        assert tree is not None
        self._ways = tree.ends
        live, used = last_reads(tree)
        writes = {name for branch in tree.lines() if branch.end is not None for name in branch.end.writes}
        used |= writes
        self.generators = _drawn(tree)
        checks = list(self.given.checks)
        space.update(self.given.space)
        space._by_id = dict(self.given.space._by_id)
        checks += self.captured.checks(used, space, self.given.owners)
        checks += list(self.scope.checks(space, set(self.given.containers), self.captured.handles, self.given.handles))
        self.leaves = used
        handles = self.given.tensors
        bound = {check.fast[1][0] for check in checks if type(check.fast) is tuple and len(check.fast) == 2}
        if len(handles) > 1:
            checks.append(Check(" and ".join(f"{a} is not {b}" for i, a in enumerate(handles) for b in handles[:i])
                                if len(handles) < 5 else f"len({{{', '.join(f'id({x})' for x in handles)}}}) == "
                                f"{len(handles)}", "two arguments that were different arrays are one",
                                fast.DISTINCT if bound == set(handles) and len(bound) <= fast.MOST_DISTINCT else None))
        roots = {**self.given.owners, **{name: self.captured.owner(name, space) for name in self.captured.roots
                                         if name in used}}
        if writes and len(roots) > 1:
            owners = list(roots.values())
            checks.append(Check(f"len({{{', '.join(f'id({x})' for x in owners)}}}) == {len(owners)}",
                                "two arrays that were different are one",
                                fast.DISTINCT if bound == set(owners) and len(bound) <= fast.MOST_DISTINCT else None))
        self._checks, self.space = checks, space
        scope = running.scope()
        generators = self.generators
        scope |= {"E": self, "spaces": [], "CAP": self.capsule, "alike": self._alike,
                  "RUN": abandoning(self.capsule),
                  "drawn": lambda: states_of(generators),
                  "restored": lambda states, answer: put_back(generators, states, answer)}
        leaves = {name: name for name in (*roots, *self.given.scalars)}
        nodes = {name: (owner, f"n{name[1:]}" if name[0] == "a" else f"n{name}") for name, owner in roots.items()}
        self.as_nodes = self._is_large()
        geometry = {name: (root._value.shape, root._value.dtype, root._value.strides)
                    for name, root in {**self.given.roots, **self.captured.roots}.items()}
        kind: type[Writer] = Writer
        if self.as_nodes:
            kind = NodeWriter
            leaves = {name: node for name, (_, node) in nodes.items()} | {
                name: f"{self.given.handles[id(s)]}._node" for name, s in self.given.scalars.items()}
        writer = kind(space, tree, leaves, nodes, True, self.capsule, geometry, self.quick and not self.as_nodes, live)
        self.kernels, self.steps = writer.kernels, writer.steps
        self.counts = _counted(tree)
        body = self._body = Body.of(writer)
        if fast.native is not None and self.given.fast:
            scope["G"], given, rest = fast.guard(checks, self.given.count)
            text = self._text(body, rest, True, given)
            scope["slow"] = self._when_needed(lambda: self._text(body, written(checks, space), True), scope, space)
        else:
            given, rest = None, written(checks, space)
            text = self._text(body, rest, True)
        self.rolled = writer.rolled
        self.alone = None if self.as_nodes or writer.body is None else (writer, leaves)
        self.memory = sum(prod(shape) * dtype.itemsize for shape, dtype, _ in writer.temporaries)
        scope["new_space"] = _space_maker(writer)
        self.replay = self._executed(text, scope, space)
        self.predict = None

        def predict(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            """Compiled when it is first needed."""
            with uncollected():
                try:
                    other = kind(space, tree, leaves, nodes, False, self.capsule, geometry)
                except Irregular:
                    self._shorten(len(KEPT))
                    assert self.tree is not None
                    other = kind(space, self.tree, leaves, nodes, False, self.capsule, geometry)
            body = Body.of(other)
            text = self._text(body, rest, False, given)
            if given is not None:
                scope["slow_2"] = self._when_needed(lambda: self._text(body, written(checks, space), False), scope,
                                                    space)
            scope["new_space_2"] = _space_maker(other)
            self.predict = self._executed(text, scope, space)
            self._forget()
            return self.predict(args, kwargs)
        self.predict = predict
        self._scope = scope

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
    def source(self) -> str:
        """The program as text."""
        return "" if self._body is None else self._text(self._body, self.checks, True)

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

    def _text(self, body: Body, checks: list[Check], commits: bool, given: list[str] | None = None) -> str:
        """The source; with `given`, the names that the extension's guard gives, the guard is what is left of it."""
        lines = ["def call(args, kwargs):"]
        if given is not None:
            lines += ["    x = G(args, kwargs)",
                      f"    if x is None: return {'slow' if commits else 'slow_2'}(args, kwargs)"]
            if given:
                lines.append(f"    {', '.join(given)} = x")
        if checks:
            lines += ["    try:", *guard_lines(checks),
                      "    except (LookupError, AttributeError, ValueError, TypeError):", "        return MISS"]
        state = ["cap = in_force()", "if cap is not CAP and not alike(cap): return MISS",
                 "if not unchanged(cap): return ABANDON"]
        lines += ["    if not steady(CAP):", *[f"        {line}" for line in state]] if fast.native is not None else [
            f"    {line}" for line in state]
        if commits:
            lines += ["    E.calls = calls = E.calls + 1", "    if calls >= E.due: return CHECK"]
        return "\n".join(lines + _running(body, body.lines, commits)) + "\n"

    def _alike(self, capsule: Any) -> bool:
        return floating.modes_of(capsule) == floating.modes_of(self.capsule)

    def why_not(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Which check fails for these arguments, in words."""
        checks = self.checks
        scope = self._scope if self.tree is not None else running.scope()
        return why_not(checks, {**scope, **self.space, "args": args, "kwargs": kwargs})


def compiled_text(text: str, filename: str, scope: dict[str, Any]) -> Any:
    """The function `call` of a text: read by the extension, or where that does not know a line of it, compiled by
    Python."""
    if fast.native is not None:
        try:
            return fast.native.Program(text, scope)
        except ValueError:
            pass
    exec(compile(text, filename, "exec", dont_inherit=True), scope)
    return scope.pop("call")


if fast.native is not None:
    fast.native.setup_programs((Tensor, Node, Compiled, type(floating.watch)))


class Body(NamedTuple):
    """What of a `Writer` a text is made of: its lines, the names of a workspace's arrays, whether it draws, prints and
    calls functions that ask which operation is running."""

    lines: list[str]
    names: list[str]
    draws: bool
    prints: bool
    runs: bool

    @classmethod
    def of(cls, writer: Writer) -> Body:
        """That of a writer."""
        names = [f"b{i}_" for i in range(len(writer.temporaries))] + [f"d{i}_" for i in range(len(writer.prepared))]
        return cls(writer.lines, names, writer.draws, writer.prints, writer.runs)


def _running(body: Body, own: list[str], commits: bool) -> list[str]:
    """Lines run in a workspace, under an error state that leaves the call to the Python."""
    names = body.names
    space = "try: W = spaces.pop()\n    except IndexError: W = new_space()" if commits else "W = new_space_2()"
    lines = []
    if names:
        lines += [f"    {space}", f"    {', '.join(names)}{',' * (len(names) == 1)} = W"]
    if body.draws:
        lines.append("    states = drawn()")
    if body.prints:
        lines.append("    prints = []")
    if body.runs:
        lines.append("    before, run = noted.run, Run(); noted.run = run")
    lines += ["    token = enter(RUN)", "    try:"]
    lines += ["    " + line for line in own]
    failed = "restored(states, ABANDON)" if body.draws else "ABANDON"
    lines += ["    except (Exception, Abandon):", f"        return {failed}", "    finally:",
              "        leave(token)"]
    if body.runs:
        lines.append("        noted.run = before")
    if names and commits:
        lines.append("        spaces.append(W)")
    return lines


def _is_long(records: Whole) -> bool:
    """Whether kernels pay at the very first call."""
    return BYTE_NS * records.nbytes >= KERNELS_NS + (0 if "networkx" in sys.modules else IMPORT_NS)


def _counted(tree: Branch) -> dict[str, int]:
    """How many operations, calls of NumPy and draws there are."""
    kinds = [record.kind for branch in tree.lines() for record in branch.records]
    found = {kind: kinds.count(kind) for kind in ("operation", "call", "draw")}
    found["operation"] += sum(cut.gone * cut.period for branch in tree.lines() for cut in branch.cuts)
    return found


def _drawn(tree: Branch) -> list[Any]:
    """The generators that a tree draws from."""
    found: dict[int, Any] = {}
    for branch in tree.lines():
        for record in branch.records:
            if record.kind == "draw":
                own = record.args[0] if record.args and isinstance(
                    record.args[0], (np.random.Generator, np.random.RandomState)) else getattr(
                        record.fn, "__self__", None)
                found[id(own)] = own
    return list(found.values())


def _space_maker(writer: Writer) -> Any:
    """What makes a workspace: the temporaries, and the views over them."""
    temporaries, prepared = list(writer.temporaries), list(writer.prepared)

    def new_space() -> tuple[Any, ...]:
        arrays = [pool.empty(shape, dtype, strides) for shape, dtype, strides in temporaries]
        views = [apply_view(steps, arrays[int(text[1:-1])]) for text, steps in prepared]
        return (*arrays, *views)
    return new_space


