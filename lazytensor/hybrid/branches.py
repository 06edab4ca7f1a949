"""The tree of traces: one straight line of records, then an answer that the program saw, and a branch for each answer.

Another call that gives an answer not seen before is traced from the top, and its trace joins the tree: what precedes
the new answer must be the same, record by record, or the function's Python does not do the same each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..run import floating
from .advice import advice_at
from .shortening import Cut
from .tracing import Operand, Record, Refusal

MOST_PATHS = 64
"""Ways through one function that are compiled; what goes yet another way runs its Python."""
FEW, HITS = 16, 8
"""From so many ways on, calls that went a way that was there must be one for each so many ways: else nearly every call
goes a new one, and compiling them costs more than they will save."""
OTHERWISE = Refusal("its Python did something else than before on the way to the same answer", "")
DEEPEST = 60
"""Branches within branches that Python's compiler takes."""
MOST_ANSWERS = 400
"""Answers on one way through."""
MOST_VALUES = 8
"""Different values (not truth values) seen in one place."""
MOST_LINES = 12
"""Lines where they part that are named besides the first."""


class Branch:
    """A straight line: `records`; then either the `answer` that leads on to one of `paths`, or the `end`. `cuts` are
    loops of the records that have more turns than are there."""

    __slots__ = ("records", "constants", "answer", "paths", "end", "cuts")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.constants: dict[str, Any] = {}
        self.answer: Record | None = None
        self.paths: dict[Any, Branch] = {}
        self.end: Any = None
        self.cuts: list[Cut] = []

    def lines(self) -> Iterator[Branch]:
        """This branch and all behind it, those behind first."""
        stack, found = [self], []
        while stack:
            branch = stack.pop()
            found.append(branch)
            stack += branch.paths.values()
        return reversed(found)

    @property
    def ends(self) -> int:
        """How many ways lead through."""
        return sum(branch.end is not None for branch in self.lines())


def names_read(record: Record) -> list[str]:
    """The names of what a record reads."""
    found = [x[0] for x in record.operands if x[0] is not None]
    if record.args is not None:
        found += _names_within((record.args, record.kwargs or {}))
    return found


def _names_within(value: Any) -> Iterator[str]:
    if type(value) is Operand:
        if value.name is not None:
            yield value.name
    elif type(value) in (list, tuple):
        for x in value:
            yield from _names_within(x)
    elif type(value) is dict:
        yield from _names_within(list(value.values()))


def branch_of(records: Iterable[Record], constants: dict[str, Any], end: Any, cuts: Iterable[Cut] = ()) -> Branch:
    """A trace as a tree of one path."""
    first = branch = Branch()
    given: set[str] = set()
    starts = {cut.start: cut for cut in cuts}

    def use(names: Any) -> None:
        for name in names:
            if name in constants and name not in given:
                given.add(name)
                branch.constants[name] = constants[name]
    own = branch.records
    for number, record in enumerate(records):
        if constants:
            use(names_read(record))
        if number in starts:
            branch.cuts.append(starts[number]._replace(start=len(own)))
        if record.kind == "answer":
            branch.answer = record
            branch.paths[record.outcome] = branch = Branch()
            own = branch.records
        else:
            own.append(record)
    use(end.names())
    branch.end = end
    return first


def join(tree: Branch, path: Branch) -> Refusal | None:
    """Adds a path to a tree; or says why that cannot be."""
    whole, answers, deep = tree, 0, 0
    while True:
        if not _alike(tree, path):
            return OTHERWISE
        if path.answer is None:
            return None  # it is there
        answers += 1
        asked: Any = tree.answer
        (outcome, rest), = path.paths.items()
        known = tree.paths.get(outcome)
        if known is not None:
            deep += known is not next(iter(tree.paths.values()))
            tree, path = known, rest
            continue
        refusal = _too_many(whole, asked, answers, deep, len(tree.paths))
        if refusal is None:
            tree.paths[outcome] = rest
        return refusal


def _too_many(whole: Branch, asked: Record, answers: int, deep: int, values: int) -> Refusal | None:
    """Why a tree has enough ways, if it has."""
    if answers > MOST_ANSWERS:
        return Refusal(f"its Python decides on values more than {MOST_ANSWERS} times", asked.place,
                       advice_at(asked.place))
    if values >= MOST_VALUES and asked.how != "bool" and not asked.attrs:
        return Refusal(f"its Python uses a value that has been another one {MOST_VALUES} times", asked.place)
    if whole.ends >= MOST_PATHS:
        forks = _forks(whole)
        return Refusal(f"its decisions on values lead more than {MOST_PATHS} ways through it", forks, advice_at(forks))
    if deep >= DEEPEST - 2:
        return Refusal(f"its decisions on values are {deep} within each other, and more are not compiled",
                       asked.place, advice_at(asked.place))
    return None


def seldom_again(whole: Branch, calls: int) -> Refusal | None:
    """Why no way of so many calls is worth compiling: nearly each of them went one of its own."""
    ways = whole.ends
    if ways < FEW or HITS * (calls - ways) >= ways:
        return None
    forks = _forks(whole)
    return Refusal(f"its decisions on values lead another way at nearly every call: {ways} ways in {calls} calls",
                   forks, advice_at(forks), True)


def _forks(tree: Branch) -> str:
    """The lines where ways part, as text: first the one with the most of them, then others of its file."""
    answers = [branch.answer for branch in tree.lines() if branch.answer is not None and len(branch.paths) > 1]
    counts = Counter([(x.code.co_filename, floating.line_of(x.code, x.lasti)) for x in answers if x.code is not None])
    if not counts:
        return answers[0].place if answers else ""
    (file, line), *others = [place for place, _ in counts.most_common()]
    more = sorted([other for name, other in others if name == file])
    shown = ", ".join(map(str, more[:MOST_LINES])) + ", ..." * (len(more) > MOST_LINES)
    plural = "s" * (len(more) > 1)
    return f"{file}, line {line}{f', and line{plural} {shown}' if more else ''}"


def _alike(tree: Branch, path: Branch) -> bool:
    return (len(tree.records) == len(path.records) and all(map(Record.like, tree.records, path.records))
            and (tree.answer is None) == (path.answer is None)
            and (tree.answer is None or path.answer is None or tree.answer.like(path.answer))
            and tree.constants.keys() == path.constants.keys() and all(
                _equal(node, path.constants[name]) for name, node in tree.constants.items()))


def _equal(a: Any, b: Any) -> bool:
    x, y = a.buffer, b.buffer
    return a is b or (x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes())


def last_reads(tree: Branch) -> tuple[dict[int, list[set[str]]], set[str]]:
    """For each branch (by id) and record, the names that are read there for the last time; and all names that the tree
    reads, or makes and gives."""
    found: dict[int, list[set[str]]] = {}
    needed: dict[int, set[str]] = {}
    used: set[str] = set()
    none: set[str] = set()
    for branch in tree.lines():
        live = set()
        for path in branch.paths.values():
            live |= needed[id(path)]
        if branch.answer is not None:
            live |= set(names_read(branch.answer))
        if branch.end is not None:
            live |= set(branch.end.names())
        used |= live
        dies: list[set[str]] = []
        for record in reversed(branch.records):
            last = none if record.name in live else {record.name}
            live.discard(record.name)  # before it there is no such value
            for x in record.operands:
                name = x[0]
                if name is not None and name not in live:
                    live.add(name)
                    used.add(name)
                    if last is none:
                        last = {name}
                    else:
                        last.add(name)
            if record.args is not None:
                reads = set(names_read(record))
                last = last | (reads - live)
                live |= reads
                used |= reads
            dies.append(last)
        found[id(branch)] = dies[::-1]
        needed[id(branch)] = live
    return found, used


def in_order(names: Iterable[str]) -> list[str]:
    """Names as their values were made: what is done for each in turn is then alike for each turn of a loop. The order
    of a set is another in every process."""
    return sorted(names, key=lambda name: (len(name), name))


def counted(tree: Branch) -> dict[str, int]:
    """How many operations, calls of NumPy and draws there are."""
    kinds = [record.kind for branch in tree.lines() for record in branch.records]
    found = {kind: kinds.count(kind) for kind in ("operation", "call", "draw")}
    found["operation"] += sum(cut.gone * cut.period for branch in tree.lines() for cut in branch.cuts)
    return found


def drawn(tree: Branch) -> list[Any]:
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
