"""The end of a compiled function: the result, made again of new memory, and other values for arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import fast
from .effects import Outcome, Raised, Spec
from .guards import Namespace
from .places import Memory
from .text import literal

END = "# what it leaves"
TOLD = "# what it would do: "
"""Begins a line with what a prediction has instead of those after it, to the `return`."""


class Leaving:
    """The part of a `Writer` that writes what a call leaves."""

    space: Namespace
    roots: dict[str, tuple[str, str]]
    values: dict[str, str]
    commits: bool
    draws: bool
    prints: bool
    again: str
    raises: str
    _indent: str
    _shapes: dict[str, tuple[Any, Any, Any]]
    _say: Callable[[int, str], None]
    _next: Callable[[], int]

    def _end(self, end: Outcome, memory: Memory, depth: int) -> None:
        self._indent = "    " * depth
        if type(end) is Raised:
            return self._say(depth, f"return {self.raises}")
        self._say(depth, END)
        self.values = _left(end, memory)
        given: set[str] = set()
        writes = []
        for root, name in end.writes.items():
            own = self._own(name, memory, given, depth)
            node = self.roots[root]
            writes.append((root, node, own, self._shapes.get(name, (None, None, None))[2]))
        self._memo: dict[int, str] = {}
        result = self._made(end.result, memory, given, depth)
        shown = ", ".join(f"({owner}, {node}, {own}, {strides!r})" for _, (owner, node), own, strides in writes)
        shown = f"({shown}{',' * bool(writes)})"
        known = "".join(f"({owner}, {node}), " for owner, node in self.roots.values())
        sets = "".join(f"{setting.text(self.space, self._made(spec, memory, given, depth))}, "
                       for setting, spec in end.sets)
        told = f"return {result}, {shown}, ({known}), {'states' if self.draws else None}, ({sets})"
        if not self.commits:
            return self._say(depth, told)
        self._say(depth, TOLD + told)
        if writes:
            self._say(depth, f"if not commit({shown}): return {self.again}")
        if sets:
            self._say(depth, f"rebind(({sets}))")
        if self.prints:
            self._say(depth, "tell(prints)")
        return self._say(depth, f"return {result}")

    def _own(self, name: str, memory: Memory, given: set[str], depth: int) -> str:
        """A value as memory that nobody else has."""
        text = memory.text[name]
        if name in memory.fresh and text not in given:
            given.add(text)
            return text
        copy = f"y{self._next()}"
        self._say(depth, f"{copy} = copied({text})")
        return copy

    def _made(self, spec: Spec, memory: Memory, given: set[str], depth: int) -> str:
        if spec.kind == "same":
            return spec.name
        if spec.kind == "number":
            return memory.text[spec.name]
        if spec.kind == "constant":
            return literal(spec.what, self.space)
        known = self._memo.get(spec.identity)
        if known is not None:
            return known
        name = text = self._made_new(spec, memory, given, depth)
        if not text.isidentifier():
            name = f"z{self._next()}"
            self._say(depth, f"{name} = {text}")
        self._memo[spec.identity] = name
        return name

    def _new_tensor(self, spec: Spec, memory: Memory, given: set[str], depth: int) -> str:
        """A Tensor of new memory, with every slot of its node written out, as the hot paths of `api` have it."""
        own = self._own(spec.name, memory, given, depth)
        known = self._shapes.get(spec.name)
        shape, dtype = (repr(known[0]), self.space.add(known[1])) if known is not None else (
            f"{own}.shape", f"{own}.dtype")
        n, t = f"n{self._next()}_", f"z{self._next()}"
        if fast.native is not None:
            return f"made({own}, {shape}, {dtype}, {spec.what!r})"
        for line in (f"{n} = new(Node); {t} = new(Tensor)", f"{n}.op = LEAF; {n}.rest = (); {n}.seq = tick()",
                     f"{n}.a = {n}.b = {n}.attrs = {n}.code = {n}.errstate = {n}.claim = {t}._state = None",
                     f"{n}.shape = {shape}; {n}.dtype = {dtype}; {n}.strides = {spec.what!r}",
                     f"{n}.lasti = -1; {n}.depth = 0; {n}.buffer = {own}; {t}._value = {n}"):
            self._say(depth, line)
        return t

    def _made_new(self, spec: Spec, memory: Memory, given: set[str], depth: int) -> str:
        space = self.space
        if spec.kind == "array":
            return self._new_tensor(spec, memory, given, depth)
        if spec.kind == "scalar":
            text = memory.text[spec.name]
            return f"item({text})" if spec.what == "real" else f"made_scalar({text})"
        if spec.kind == "view":
            root, steps, writeable, locked = spec.what
            return (f"view_of({self._made(root, memory, given, depth)}, {space.add(steps)}, {writeable!r}, {locked!r})")
        parts = [self._made(x, memory, given, depth) for x in spec.what[-1]]
        if spec.kind == "dict":
            return "{" + ", ".join(f"{literal(k, space)}: {p}" for k, p in zip(
                spec.what[0], parts, strict=True)) + "}"
        if spec.kind == "dataclass":
            kind, names, _ = spec.what
            return f"rebuilt({space.add(kind)}, {names!r}, [{', '.join(parts)}])"
        kind = spec.what[0]
        if kind is list:
            return f"[{', '.join(parts)}]"
        plain = f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        return plain if kind is tuple else f"{space.add(kind)}._make({plain})"


def apart(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines of a program that commits, and of the same one that only tells what it would do."""
    commits, tells = [], []
    told = False
    for line in lines:
        own = line.lstrip()
        if own.startswith(TOLD):
            tells.append(line[:len(line) - len(own)] + own[len(TOLD):])
            told = True
            continue
        commits.append(line)
        if not told:
            tells.append(line)
        elif own.startswith("return "):
            told = False
    return commits, tells


def _left(end: Outcome, memory: Memory) -> dict[str, str]:
    """An expression for each value of a call's records that it leaves."""
    found: dict[str, str] = {}
    for name in end.names():
        if name[0] == "r" and name not in found:
            text = memory.text[name]
            found[name] = text if name in memory.fresh and text not in found.values() else f"copied({text})"
    return found
