"""One compiled function: for arguments of one structure, the tree of its traces, and the Python functions made of it."""

from __future__ import annotations

import linecache
import threading
from itertools import count
from typing import Any

import numpy as np

from ..api.handle import View
from ..run import floating, pool
from ..run.interpreter import apply_view
from . import running
from .branches import Branch, branch_of, join, names_read
from .effects import Outcome
from .guards import Arguments, Check, Namespace, Scope, root_checks, why_not
from .running import abandoning
from .source import TooDeep, Writer, guard_lines
from .streams import put_back, states_of
from .tracing import Refusal, Trace

_number = count(1).__next__
FIRST_CHECKS = (2, 3, 4)
"""Calls that also run the Python; after these, every power of two."""


class Captured:
    """The arrays, reached from a function's names, whose values are leaves; each has a name in generated code."""

    def __init__(self) -> None:
        self.roots: dict[str, Any] = {}
        self.handles: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self.words: dict[str, str] = {}

    def add(self, handle: Any, taken: dict[int, str], words: str = "a captured array") -> None:
        """Takes in an array's root, unless it is among the arguments'."""
        root = handle._value.root if handle._value.__class__ is View else handle
        if id(root) in taken or id(root) in self._names:
            return
        name = f"w{len(self._names)}"
        self._names[id(root)] = name
        self.roots[name], self.words[name] = root, words

    def checks(self, used: set[str], space: Namespace) -> list[Check]:
        """The lines that bind the values of those that are used."""
        found: list[Check] = []
        for name in sorted(used & self.roots.keys(), key=lambda n: int(n[1:])):
            root, words = self.roots[name], self.words[name]
            handle, n = space.add(root), f"n{name}"
            found += [Check(f"{n} = {handle}._value"), Check(f"{n}.__class__ is Node", words),
                      *root_checks(n, handle, root, name, space, words)]
        return found


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

    def __init__(self, name: str, given: Arguments, scope: Scope, captured: Captured, capsule: Any) -> None:
        self.name, self.given, self.scope, self.captured, self.capsule = name, given, scope, captured, capsule
        self.tree: Branch | None = None
        self.refusal: Refusal | None = None
        self.generators: list[Any] = []
        self.calls = self.due = 1
        self.abandoned = 0
        self.source = ""
        self.spaces: list[Any] = []
        self.replay: Any = None
        self.predict: Any = None
        self.checks: list[Check] = []
        self.space = given.space
        self.leaves: set[str] = set()
        self.memory = 0
        self.lock = threading.RLock()

    def add(self, trace: Trace, outcome: Outcome) -> Refusal | None:
        """Takes in a trace; the reason if it does not fit those that were here before."""
        with self.lock:
            path = branch_of(trace, outcome)
            if self.tree is None:
                self.tree = path
            else:
                refusal = join(self.tree, path)
                if refusal is not None:
                    return refusal
            try:
                self._compile()
            except TooDeep:
                return Refusal("it has more branches within each other than one function can hold", "")
            self.due = self.calls + 1
            self._base = self.calls - 1
            return None

    def next_check(self) -> None:
        """When the Python runs again."""
        done = self.calls - self._base
        later = [n for n in FIRST_CHECKS if n > done]
        self.due = self._base + (later[0] if later else 1 << done.bit_length())

    _base = 0

    # ---- compilation ----

    def _compile(self) -> None:
        tree, space = self.tree, Namespace()
        assert tree is not None
        used, draws = _used(tree)
        self.generators = list({id(g): g for g in draws}.values())
        checks = [c for c in self.given.checks]
        space.update(self.given.space)
        space._by_id = dict(self.given.space._by_id)
        checks += list(self.scope.checks(space, set(self.given.containers)))
        checks += self.captured.checks(used, space)
        self.leaves = used
        writes = {name for branch in tree.lines() if branch.end is not None for name in branch.end.writes}
        roots = {**self.given.owners, **{name: space.add(root) for name, root in self.captured.roots.items()
                                         if name in used}}
        if writes and len(roots) > 1:
            owners = list(roots.values())
            checks.append(Check(f"len({{{', '.join(f'id({x})' for x in owners)}}}) == {len(owners)}",
                                "two arrays that were different are one"))
        self.checks = checks
        scope = running.scope()
        generators = self.generators
        scope |= {"E": self, "spaces": self.spaces, "CAP": self.capsule, "alike": self._alike,
                  "RUN": abandoning(self.capsule),
                  "drawn": lambda: states_of(generators),
                  "restored": lambda states, answer: (put_back(generators, states), answer)[1]}
        leaves = {name: name for name in (*roots, *self.given.scalars)}
        nodes = {name: (owner, f"n{name[1:]}" if name[0] == "a" else f"n{name}") for name, owner in roots.items()}
        for commits in (True, False):
            writer = Writer(space, tree, leaves, nodes, commits, self.capsule)
            text = self._text(writer, checks, commits)
            made = self._executed(text, scope, space)
            if commits:
                self.spaces.clear()
                scope["new_space"] = _space_maker(writer, space)
                self.replay, self.source = made, text
                self.memory = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype, _ in writer.temporaries)
            else:
                scope["new_space_2"] = _space_maker(writer, space)
                self.predict = made
        self.scope_of_source = {**scope, **space}

    def _executed(self, text: str, scope: dict[str, Any], space: Namespace) -> Any:
        """The function of a text; its lines can be seen in tracebacks."""
        scope.update(space)
        filename = f"<lazytensor.jit {self.name} {_number()}>"
        code = compile(text, filename, "exec", dont_inherit=True)
        exec(code, scope)
        linecache.cache[filename] = len(text), None, text.splitlines(True), filename
        return scope["call"]

    def _text(self, writer: Writer, checks: list[Check], commits: bool) -> str:
        names = [f"b{i}_" for i in range(len(writer.temporaries))] + [f"d{i}_" for i in range(len(writer.prepared))]
        lines = ["def call(args, kwargs):", *guard_lines(checks), "    cap = in_force()",
                 "    if cap is not CAP and not alike(cap): return MISS",
                 "    if not (cap is watch.capsule and warnings.filters == watch.filters and "
                 "warnings._showwarnmsg_impl is watch.show) and not unchanged(cap): return ABANDON"]
        if commits:
            lines += ["    E.calls += 1", "    if E.calls >= E.due: return CHECK"]
            space = "try: W = spaces.pop()\n    except IndexError: W = new_space()"
        else:
            space = "W = new_space_2()"
        if names:
            lines += [f"    {space}", f"    {', '.join(names)}{',' * (len(names) == 1)} = W"]
        if writer.draws:
            lines.append("    states = drawn()")
        if writer.prints:
            lines.append("    prints = []")
        if writer.runs:
            lines.append("    before, run = noted.run, Run(); noted.run = run")
        lines += ["    token = enter(RUN)", "    try:"]
        lines += ["    " + line for line in writer.lines]
        failed = "restored(states, ABANDON)" if writer.draws else "ABANDON"
        lines += ["    except (Exception, Abandon):", f"        return {failed}", "    finally:", "        leave(token)"]
        if writer.runs:
            lines.append("        noted.run = before")
        if names and commits:
            lines.append("        spaces.append(W)")
        return "\n".join(lines) + "\n"

    def _alike(self, capsule: Any) -> bool:
        return floating.modes_of(capsule) == floating.modes_of(self.capsule)

    def why_not(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Which check fails for these arguments, in words."""
        scope = dict(self.scope_of_source) if self.tree is not None else {**running.scope(), **self.space}
        return why_not(self.checks or self.given.checks, {**scope, "args": args, "kwargs": kwargs})


def _used(tree: Branch) -> tuple[set[str], list[Any]]:
    """The names that a tree reads or writes, and the generators that it draws from."""
    used: set[str] = set()
    draws: list[Any] = []
    for branch in tree.lines():
        for record in branch.records:
            used |= set(names_read(record))
            if record.kind == "draw":
                own = getattr(record.fn, "__self__", None)
                found = record.args[0] if record.args and isinstance(
                    record.args[0], (np.random.Generator, np.random.RandomState)) else own
                draws.append(found)
        if branch.answer is not None:
            used |= set(names_read(branch.answer))
        if branch.end is not None:
            used |= set(branch.end.names()) | set(branch.end.writes)
    return used, draws


def _space_maker(writer: Writer, space: Namespace) -> Any:
    """What makes a workspace: the temporaries, and the views over them."""
    temporaries, prepared = list(writer.temporaries), list(writer.prepared)

    def new_space() -> tuple[Any, ...]:
        arrays = [pool.empty(shape, dtype, strides) for shape, dtype, strides in temporaries]
        views = [apply_view(steps, arrays[int(text[1:-1])]) for text, steps in prepared]
        return (*arrays, *views)
    return new_space


