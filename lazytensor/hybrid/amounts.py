"""How much a program does at a call: segments, arrays and their bytes, and loops with their turns. For `explain()`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from .branches import Branch
from .shortening import Cut
from .tracing import Record


class Amounts(NamedTuple):
    """What one way through a program does: operations in stretches without anything else between them, which native
    code runs as one (`segments`); the arrays that they give, views not among them, and the bytes of these."""

    segments: int = 0
    arrays: int = 0
    nbytes: int = 0

    def __add__(self, other: tuple[int, ...]) -> Amounts:  # type: ignore[override]
        return Amounts(*[a + b for a, b in zip(self, other, strict=True)])


def amounts(tree: Branch) -> Amounts:
    """Of the way through a tree that gives most bytes, for the sizes that it is compiled for."""
    found: dict[int, Amounts] = {}
    for branch in tree.lines():
        rest = max([found[id(path)] for path in branch.paths.values()], key=lambda one: one.nbytes, default=Amounts())
        found[id(branch)] = _own(branch) + rest
    return found[id(tree)]


def _own(branch: Branch) -> Amounts:
    own = [_of(record, before) for record, before in zip(branch.records, [None, *branch.records], strict=False)]
    total = sum(own, Amounts())
    for cut in branch.cuts:
        start = cut.start + cut.period * (cut.kept > 1)
        turn: Amounts = sum(own[start:start + cut.period], Amounts())
        total += tuple([cut.gone * n for n in turn])
    return total


def _of(record: Record, before: Record | None) -> Amounts:
    if record.kind != "operation":
        given = [(x.shape, x.dtype) for x in record.results or () if x.shape and x.dtype is not None]
        return Amounts(0, len(given), sum(prod(shape) * dtype.itemsize for shape, dtype in given))
    starts = before is None or before.kind != "operation"
    if not record.shape or record.op.kind in ("view", "mutate"):
        return Amounts(starts)
    return Amounts(starts, 1, prod(record.shape) * int(record.dtype.itemsize))


def size_of(nbytes: int) -> str:
    """Bytes in words.

    >>> size_of(1600)
    '1.6 kB'
    """
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if nbytes >= factor:
            return f"{nbytes / factor:.3g} {unit}"
    return f"{nbytes} B"


def loops_of(tree: Branch) -> Iterator[str]:
    """Its loops that are not as many lines as they have turns, each with the user's line."""
    for branch in tree.lines():
        for record in branch.records:
            rolled = getattr(record.fn, "rolled", None)
            if rolled is not None:
                yield f"{_at(rolled.loop)}{rolled.words}"
        yield from Counter([_cut(branch, cut) for cut in branch.cuts])


def _cut(branch: Branch, cut: Cut) -> str:
    places = [record.place for record in branch.records[cut.start:cut.start + cut.period] if record.code is not None]
    where = f" at {places[0]}" if places else ""
    if cut.name:
        return f"a loop{where}: any number of turns, of which {cut.kept} are written out"
    return f"a loop{where}: {cut.kept + cut.gone} turns that are alike, rolled up from {cut.kept}"


def _at(code: object) -> str:
    line = getattr(code, "co_firstlineno", None)
    return "" if line is None else f"{getattr(code, 'co_filename', '')}, line {line}: "


def decided(tree: Branch) -> Iterator[str]:
    """Where its Python decides on values, or uses them, a line for each of the user's lines."""
    most: dict[int, Counter[tuple[str, bool]]] = {}
    outcomes: dict[tuple[str, bool], dict[str, None]] = {}
    several: Counter[tuple[str, bool]] = Counter()
    for branch in tree.lines():
        counts: Counter[tuple[str, bool]] = Counter()
        for path in branch.paths.values():
            counts |= most.pop(id(path))
        asked = branch.answer
        if asked is not None:
            key = asked.place, asked.how == "bool"
            counts[key] += 1
            several[key] = max(several[key], len(branch.paths))
            outcomes.setdefault(key, {}).update(dict.fromkeys(map(str, branch.paths)))
        most[id(branch)] = counts
    for key, times in sorted(most[id(tree)].items()):
        place, is_bool = key
        often = f", {'up to ' if tree.ends > 1 else ''}{times} times a call" if times > 1 else ""
        if is_bool:
            yield f"Python decides on a value in {place}{often}: {', '.join(sorted(outcomes[key], reverse=True))}"
        elif several[key] > 1:
            yield f"Python uses a value, or a length, in {place}{often}: {several[key]} of them seen"
