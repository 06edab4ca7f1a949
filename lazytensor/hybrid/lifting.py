"""View arguments as arrays of their own: one program for any part of any array that has the same geometry.

A trace names the values of arrays that own memory; a view, such as a minibatch ``x[i:i + 32]``, is steps that lead
from one. Where the call only reads through the views that are its arguments, it is the same whatever the steps are:
what was written down is rewritten with a leaf for each such view (it is *lifted*), and the guard asks for its geometry.
It is not lifted if the array behind it is written to, is another argument itself, or is reached in any other way: then
the program is for those steps, and for arrays that are one where they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..api.handle import root_of
from ..run.interpreter import apply_view
from .arguments import Arguments
from .effects import Outcome, Spec
from .tracing import Operand, Read, Record, Trace


class Fixed(Exception):
    """An array behind a view is used otherwise: its name."""


def candidates(given: Arguments, fixed: Iterable[str]) -> frozenset[str]:
    """The names of the views that may be lifted, but for those whose words are `fixed`."""
    found: dict[str, list[str]] = {}
    for name, (root, *_) in given.viewed.items():
        found.setdefault(root, []).append(name)
    return frozenset(name for root, names in found.items() if root not in given.whole and not any(
        given.words[name] in fixed or not given.viewed[name][2] for name in names) and not _one_in_another(
            [given.viewed[name][1] for name in names]) for name in names)


def _one_in_another(views: list[Any]) -> bool:
    """Whether one view is a view of another, or the same: what is read of it might be either's."""
    return any(i != j and _rest(a, b) is not None for i, a in enumerate(views) for j, b in enumerate(views)) or (
        not all(views))


def _rest(whole: Any, steps: Any) -> Any:
    """The steps after the first ones, which have to be these very ones; None if they are not."""
    n = len(steps)
    return whole[n:] if len(whole) >= n and all(a is b for a, b in zip(whole, steps, strict=False)) else None


class Lift:
    """What a trace wrote down, with the views that are arguments as leaves.

    Attributes
    ----------
    leaves : dict of str to (str, steps)
        For each lifted view the name of the array behind it, and the steps.
    """

    def __init__(self, given: Arguments, names: frozenset[str]) -> None:
        self.leaves = {name: given.viewed[name][:2] for name in sorted(names)}
        self._owners = {given.owners[root] for root, _ in self.leaves.values()}
        self._behind: dict[str, list[tuple[str, Any]]] = {}
        for name, (root, steps) in self.leaves.items():
            self._behind.setdefault(root, []).append((name, steps))

    def _found(self, root: str, steps: Any) -> tuple[str, Any]:
        """The leaf that steps go through, and those that remain."""
        for name, own in self._behind[root]:
            rest = _rest(steps or (), own)
            if rest is not None:
                return name, rest
        raise Fixed(root)

    def operand(self, x: Operand) -> Operand:
        """An operand of a record."""
        if x.name not in self._behind:
            return x
        name, rest = self._found(x.name, x.steps)
        return Operand(name, rest, None, x.laid) if rest else Operand(name)

    def _argument(self, value: Any) -> Any:
        kind = type(value)
        if kind is Operand:
            return self.operand(value)
        if kind is list or kind is tuple:
            return kind([self._argument(x) for x in value])
        return {k: self._argument(v) for k, v in value.items()} if kind is dict else value

    def record(self, r: Record) -> Record:
        """A record."""
        if r.args is None and not any(x.name in self._behind for x in r.operands):
            return r
        if r.op is not None and r.op.kind == "mutate" and r.operands[0].name in self._behind:
            raise Fixed(r.operands[0].name)
        other = r.copy(r.name, tuple(map(self.operand, r.operands)))
        other.args, other.kwargs = self._argument(r.args), self._argument(r.kwargs)
        return other

    def records(self, compact: list[Any]) -> list[Any]:
        """All records, loops of them as `repeating.compacted` has them."""
        return [self.record(part) if type(part) is Record else (*part[:2], [
            (self.record(model), [(back, self.operand(x)) for back, x in references])
            for model, references in part[2]]) for part in compact]

    def read(self, read: Read) -> Read:
        """A look at lengths."""
        if read.name not in self._behind:
            return read
        name, rest = self._found(read.name, read.steps)
        return read._replace(name=name, steps=rest or None)

    def outcome(self, end: Outcome) -> Outcome:
        """What the call leaves."""
        for root in end.writes:
            if root in self._behind:
                raise Fixed(root)
        return end.mapped(self._spec)

    def _spec(self, spec: Spec) -> Spec:
        if spec.kind == "same" and spec.name in self._owners:
            raise Fixed(self._root(spec))
        if spec.kind == "view":
            root, steps, *more = spec.what
            if root.kind == "same" and root.name in self._owners:
                name, rest = self._found(self._root(root), steps)
                root, steps = Spec("same", f"t{name[1:]}", None, root.identity), rest
            else:
                root = self._spec(root)
            return spec._replace(what=(root, steps, *more))
        if spec.kind in ("sequence", "dict", "dataclass"):
            return spec._replace(what=(*spec.what[:-1], [self._spec(x) for x in spec.what[-1]]))
        return spec

    def _root(self, spec: Spec) -> str:
        return f"a{spec.name[1:]}"  # o1 has a1

    def values(self, roots: dict[str, Any]) -> dict[str, Any]:
        """The arrays that the leaves are, of those of the roots."""
        return {name: apply_view(steps, roots[root]) for name, (root, steps) in self.leaves.items()}


def lifted(trace: Trace, outcome: Outcome, given: Arguments, scope: Any, names: frozenset[str]) -> tuple[
        Outcome, str]:
    """Lifts views of a trace; gives the outcome and "", or the name of an array that is used otherwise."""
    lift = Lift(given, names)
    behind = {id(given.roots[root]): root for root, _ in lift.leaves.values()}
    # What is reached by a name of its own may have the very steps of an argument.
    reached = [behind[id(root)] for root in map(root_of, scope.tensors.values()) if id(root) in behind]
    if reached or "base" in scope.names:
        return outcome, next(iter(reached or behind.values()))
    try:
        end, compact = lift.outcome(outcome), lift.records(trace.finish()[0])
        for read in trace.lengths():
            lift.read(read)
    except Fixed as fixed:
        return outcome, str(fixed)
    trace.lift_to(lift, compact)
    return end, ""


def words_of(given: Arguments, root: str) -> set[str]:
    """The words of the views of an array."""
    return {given.words[name] for name, (own, *_) in given.viewed.items() if own == root}

