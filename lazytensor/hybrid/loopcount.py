"""A number that only ends loops which are generated (``lt.fori_loop(0, n, body, x)``) is a number of the program.

When a function is traced again and only such a number differs, both traces are compared (as in `tripcount`, which does
it for loops of Python's): record by record, but for how many turns the loops have. If the bytecode shows that the
number is read nowhere else, the second program takes it from its argument. For each number it is shown once more that
no index comes to a border.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from typing import Any

from ..run import floating
from . import bytecode
from .bounds import Even
from .branches import Branch, _equal
from .carried import shown_inside
from .comparing import alike_ends, alike_operands, alike_records, differing
from .forloops import PAIRS, PEEKING, RUNS_ON, callee
from .guards import Check, Namespace
from .rolled import ENDLESS
from .tracing import Record
from .tripcount import COUNT, MOST, NAME

FEW = 4
"""Numbers that came up, for each of which a function may have a program of its own if it is called often."""
MOST_KNOWN = 1 << 12
ARGUMENTS = 4
"""Of a `fori_loop`."""


class LoopCount:
    """The number of an argument, of which loops take their turns; called with it, that number, or None if the program
    is not shown for it.

    Attributes
    ----------
    place : int
        Of the argument's check among those of `Arguments`.
    loops : list of (Rolled, int)
        The loops, and how many turns they have more than the number says.
    """

    def __init__(self, place: int, index: int, loops: list[tuple[Any, int]]) -> None:
        self.place, self.index, self.loops = place, index, loops
        self.known: dict[int, bool] = {}

    def __call__(self, number: Any) -> int | None:
        if type(number) is not int or not -MOST < number < MOST:
            return None
        found = self.known.get(number)
        if found is None:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            found = self.known[number] = all(_is_shown(loop, number + more) for loop, more in self.loops)
        return number if found else None

    def checks(self, space: Namespace, check: Check) -> list[Check]:
        """The lines in the place of the check of the number."""
        words = f"{check.message}, or another number of turns for which no index comes to a border"
        return [Check(f"{NAME} = {space.add(self, 'count')}(args[{self.index}])"), Check(f"{NAME} is not None", words)]


def _is_shown(loop: Any, turns: int) -> bool:
    first = [Even(x, ()) for x in loop.numbers]
    return 1 <= turns < ENDLESS and shown_inside(loop.body, first, Even(turns, ()), ())


class OfTurns:
    """A loop whose number of turns is an argument's and so many more, as `Rolled` is told of."""

    def __init__(self, loop: Any, more: int, count: LoopCount) -> None:
        self.rolled, self.more, self.count, self.loop = loop, more, count, loop.loop

    @property
    def operations(self) -> int:
        """As `Rolled.operations`, while few numbers have come up: then each may have a program of its own."""
        return self.rolled.operations if len(self.count.known) <= FEW else 0

    @property
    def kernels(self) -> int:
        """As `Rolled.kernels`."""
        return int(self.rolled.kernels)

    def with_kernels(self) -> OfTurns:
        """As `Rolled.with_kernels`."""
        quick = self.rolled.with_kernels()
        return self if quick is self.rolled else OfTurns(quick, self.more, self.count)

    @property
    def words(self) -> str:
        """What it is, in words, with its text."""
        return f"{self.rolled.words}\n    for other numbers of turns, too, which an argument says"

    def is_as(self, other: OfTurns) -> bool:
        """Whether another one is the same."""
        return self is other

    def named(self) -> Any:
        """It as a function of the number and of arrays."""
        def loop_of_so_many_turns(number: int, *values: Any) -> tuple[Any, ...]:
            return self.rolled.of_turns(number + self.more)(*values)
        loop_of_so_many_turns.rolled = self  # type: ignore[attr-defined]
        return loop_of_so_many_turns


def loop_count(fn: Any, new: Any, old: Any) -> tuple[LoopCount, list[Record]] | None:
    """The `LoopCount` with which a compiled function does what another one does, too, and its records with that; None
    if there is none."""
    differs = differing(new.given.checks, old.given.checks)
    if differs is None or any(not _is_line(one) for one in (new, old)):
        return None
    place, index, number, other = differs
    if number in new.stepped or other in old.stepped:
        return None  # a loop that is the same in both traces may end with it, too
    a: Branch = new.tree
    b: Branch = old.tree
    if len(a.records) != len(b.records) or a.constants.keys() != b.constants.keys() or not all(
            _equal(x, b.constants[name]) for name, x in a.constants.items()) or not alike_ends(a.end, b.end, str, str):
        return None
    count, records = LoopCount(place, index, []), []
    for x, y in zip(a.records, b.records, strict=True):
        record = _of_both(x, y, number, other, count)
        if record is None:
            return None
        records.append(record)
    return (count, records) if count.loops and count(number) is not None and count(other) is not None and (
        _only_ends_loops(fn, index)) else None


def _is_line(one: Any) -> bool:
    tree = one.tree
    return (tree is not None and tree.answer is None and tree.end is not None and not tree.cuts and not one.forgotten
            and one.few is None and one.trip is None and one.bound is None and not one.captured.numbers
            and not one.given.numbers and not one.as_nodes)


def _of_both(a: Record, b: Record, number: int, other: int, count: LoopCount) -> Record | None:
    """A record of both traces, with the number in it; None if they are not alike."""
    if a.name != b.name or a.kind != b.kind:
        return None
    if a.kind == "operation":
        alike = alike_records(a, b) and all(
            x.name == y.name and alike_operands(x, y) for x, y in zip(a.operands, b.operands, strict=True))
        return a if alike else None
    loop, loop2 = getattr(a.fn, "rolled", None), getattr(b.fn, "rolled", None)
    if a.kind != "call" or loop is None or loop2 is None or len(a.args) != len(b.args) or not all(
            x.name is not None and x.name == y.name and alike_operands(x, y)
            for x, y in zip(a.args, b.args, strict=True)) or a.results != b.results or (
            not floating.alike(a.errstate, b.errstate)) or loop.body != loop2.body or loop.numbers != loop2.numbers or (
            loop.loop != loop2.loop):
        return None
    if loop.count == loop2.count:
        return a
    if loop.count - loop2.count != number - other or loop.ends or loop2.ends:
        return None
    more = loop.count - number
    count.loops.append((loop, more))
    record = a.copy(a.name, a.operands)
    record.fn, record.args = OfTurns(loop, more, count).named(), (COUNT, *a.args)
    return record


# ---- what the bytecode shows -----------------------------------------------------------------------------------------


def _only_ends_loops(fn: Any, index: int) -> bool:
    """Whether a parameter is read only as the end of `fori_loop`s."""
    if type(fn) is not types.FunctionType or index >= fn.__code__.co_argcount:
        return False
    code = fn.__code__
    name = code.co_varnames[index]
    if name in code.co_cellvars or code.co_flags & RUNS_ON or PEEKING.intersection(code.co_names):
        return False
    lines = list(_lines(code))
    ends = {end for at, (op, _, _, _) in enumerate(lines) if op == "CALL" and (
        end := _end_of(fn, lines, at)) is not None}
    uses = [k for k, line in enumerate(lines) if line[1] == name]
    return bool(uses) and all(k in ends and lines[k][0] == "LOAD_FAST" for k in uses)


def _lines(code: types.CodeType) -> Iterator[tuple[str, Any, int, Any]]:
    """Instructions as (name, argument, what the stack grows by, the line of `dis`), two in one as two."""
    for x in dis.get_instructions(code):
        if x.opname in PAIRS:
            for op, name in zip(PAIRS[x.opname], x.argval, strict=True):
                yield op, name, 1 if op == "LOAD_FAST" else -1, x
        elif x.opname != "EXTENDED_ARG":
            yield x.opname, x.argval, dis.stack_effect(x.opcode, x.arg), x


def _end_of(fn: types.FunctionType, lines: list[Any], at: int) -> int | None:
    """The one instruction that loads the end of the loop that a call of `fori_loop` is; None if it is another call, or
    the end is computed."""
    call = lines[at][3]
    if call.arg != ARGUMENTS or (found := callee(fn.__code__, call.offset)) is None or not _is_loop(fn, *found):
        return None
    starts, have, k = [at], 0, at
    while len(starts) <= ARGUMENTS and k > 0:  # back to where each argument begins
        k -= 1
        op, _, adds, line = lines[k]
        if line.is_jump_target or line.opcode in dis.hasjrel or line.opcode in dis.hasjabs or op == "KW_NAMES":
            return None
        if k < at - 1 or op != "PRECALL":  # its own
            have += adds
        if have == len(starts):
            starts.append(k)
    if len(starts) <= ARGUMENTS:
        return None
    third, second = starts[ARGUMENTS - 2:ARGUMENTS]
    return second if third - second == 1 else None


def _is_loop(fn: types.FunctionType, how: tuple[str, str], attribute: str) -> bool:
    op, name = how
    if op.startswith("LOAD_GLOBAL"):
        value, rebinds = fn.__globals__.get(name), "STORE_GLOBAL"
    elif op == "LOAD_DEREF" and name in fn.__code__.co_freevars:
        value, rebinds = (fn.__closure__ or ())[fn.__code__.co_freevars.index(name)].cell_contents, "STORE_DEREF"
    else:
        return False
    if any(x.opname == rebinds and x.argval == name for x in dis.get_instructions(fn.__code__)):
        return False
    return (bytecode.of_module(value, attribute) if attribute else value) is bytecode.own("fori_loop")
