"""The table: a plan as flat records, the form that is run.

A record says what a dispatcher has to know and nothing of the dag: which function, how it is called, in which slots its
operands and its result are, whose memory the result may take, which slots are empty afterwards. Leaves have the first
slots. What differs between graphs of one key (shapes, strides, attributes, views, numbers, error state) is read from
the graph at each run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..ir.dag import SAME, Value
from ..ir.text import operation_text
from ..schedule.memory import IN_PLACE_BYTES
from ..schedule.plan import Plan, Step
from .fused import Fused
from .halves import HALF
from .kernel import NUMBER, Kernel

DIRECT1, DIRECT2, MAP1, MAP2, GENERAL, KERNEL = range(6)
CODES = ("direct1", "direct2", "map1", "map2", "general", "kernel")
"""How a record is called.

``direct``: ``fn(a)`` or ``fn(a, b)``, on scalars. ``map``: the same for arrays whose result is C-ordered and has the
class of shape of the operand in slot `gauge`; where that has `limit` bytes or more, as ``general``. ``general``:
whatever the operation's kind says, with views, attributes and memory to take. ``kernel``: a row that comes before those
of the operations in whose place it may run; if it does, they are skipped."""


class Record(NamedTuple):
    """A row of the table.

    Attributes
    ----------
    code : int
        How it is called: `DIRECT1`, `DIRECT2`, `MAP1`, `MAP2`, `GENERAL`.
    fn : callable
    node : int
        The captured operation.
    operands : tuple of int
        The operands' slots.
    out : int
        The result's slot.
    over : int
        The slot of the operand whose memory the result may take, or -1.
    empties : tuple of int
        The slots that hold nothing afterwards.
    gauge, limit : int
        See `CODES`.
    kept : bool
        Whether the node gets the result as its value.
    viewed : tuple of bool
        For each operand, whether it is read through a view; empty if none is.
    twins : tuple of int
        Captured operations that this one stands for.
    switch : bool
        Whether the error state has to be entered anew, since NumPy warns itself here and not before, or the reverse.
    kind, name : str
        The operation's kind and name; the kind is 'same' for a copy of another's value.
    """

    code: int
    fn: Any
    node: int
    operands: tuple[int, ...]
    out: int
    over: int
    empties: tuple[int, ...]
    gauge: int
    limit: int
    kept: bool
    viewed: tuple[bool, ...]
    twins: tuple[int, ...]
    switch: bool
    kind: str
    name: str


class Account:
    """Nanoseconds of work that a kernel could have saved; it is compiled when they pay for that."""

    __slots__ = ("credit",)

    def __init__(self) -> None:
        self.credit = 0.0


_accounts: dict[Kernel, Account] = {}
_DEAR, _DEAR_STEPS = 8, frozenset(("call", "where", "masked"))
"""What a function costs, or a choice of elements, which NumPy makes one by one."""


class KernelRecord:
    """A kernel in the place of `span` records.

    Attributes
    ----------
    fused : Fused
    span : int
        How many records it stands for; the last of them is at position `last`.
    reads : tuple of (int, int, int)
        For each input of the kernel its slot, and the operation and position through whose view it is read.
    outputs : tuple of (int, Record or None)
        For each output the operation, and the record of one that writes to a part of an array.
    stores : bool
        Whether there are such.
    rereads : frozenset of int
        Those whose array the kernel reads, too: it writes piece by piece, or if it reads other elements that it writes,
        into new memory, and what it does not write is copied.
    over : (int, int) or None
        The input over which a result may be written if nobody else holds it, for nothing reads it later, and which one.
    records : tuple of Record
        Those that it stands for.
    arrays, numbers : tuple of int
        Which inputs are arrays, and which are not.
    slots : tuple of int
        The slots of those that are arrays.
    paths : tuple of tuple of (int, int)
        For each of them the operations and positions whose views of results that are not made it is read through.
    plain : bool
        Whether none of them is read through a view.
    results : tuple of (int, int)
        The outputs that are kept: operation and index.
    live : tuple of (int, int)
        The outputs that later records read: slot and index.
    empties : tuple of int
        Slots that hold nothing afterwards.
    general : tuple of Record
        The records among those replaced that hold more than two operands, views or twins.
    weight : int
        What its operations cost NumPy for each element, against an addition.
    account : Account
        What it could have saved so far, shared by all places where the same kernel is.
    wait : int
        How many runs to pass by, because the last ones raised floating-point flags.
    """

    __slots__ = ("fused", "span", "last", "reads", "outputs", "results", "live", "empties", "general", "account",
                 "wait", "penalty", "weight", "arrays", "numbers", "stores", "rereads", "slots", "plain", "over",
                 "records", "members", "restless", "simple", "paths")

    def __init__(self, fused: Fused, records: tuple[Record, ...], slot: dict[int, int]) -> None:
        self.fused = fused
        self.span = len(records)
        self.last = 0
        self.reads = tuple((slot[n], member, k) for n, member, k in fused.reads)
        place = {record.node: record.out for record in records}
        stores = {record.node: record for record in records if record.node in fused.stores}
        self.outputs = tuple((n, stores.get(n)) for n in fused.writes)
        self.stores = bool(stores)
        read = {at for at, _, _ in self.reads}
        self.rereads = frozenset(n for n, record in stores.items() if record.operands[0] in read)
        empties = {s for record in records for s in (*record.empties, record.out)}
        index = {n: i for i, n in enumerate(fused.writes)}
        kept = {record.node for record in records if record.kept}
        self.results = tuple((n, i) for n, i in index.items() if n in kept)
        self.live = tuple((place[n], i) for n, i in index.items() if _outlives(n, place[n], records))
        self.empties = tuple(sorted(empties - {s for s, _ in self.live}))
        self.records = records
        gone = {s for record in records for s in (*record.empties, record.out)}
        self.over = next((found for found in fused.over if self.reads[found[0]][0] in gone), None)
        self.general = tuple(r for r in records if r.code == GENERAL)
        dear = [step.name in _DEAR_STEPS or step.char == HALF for step in fused.kernel.steps]
        self.weight = sum(_DEAR if is_dear else 1 for is_dear in dear)
        self.account = _accounts.setdefault(fused.kernel, Account())
        self.wait = self.penalty = 0
        self.arrays = tuple(i for i, source in enumerate(fused.kernel.inputs) if source.kind != NUMBER)
        self.slots = tuple(self.reads[i][0] for i in self.arrays)
        self.plain = not fused.paths and not any(
            any(records[fused.members.index(self.reads[i][1])].viewed) for i in self.arrays)
        self.numbers = tuple(i for i, source in enumerate(fused.kernel.inputs) if source.kind == NUMBER)
        self.members = fused.members
        self.restless = tuple(r.node for r in self.general)
        self.simple = not self.stores and not any(r.twins for r in records)
        self.paths = tuple(fused.paths.get(i, ()) for i in self.arrays)


def _outlives(node: int, slot: int, records: tuple[Record, ...]) -> bool:
    """Whether a result is still in its slot after the last of the records."""
    mine = False
    for record in records:
        if record.node == node:
            mine = True
        elif record.out == slot:
            mine = False
        if slot in record.empties and mine:
            mine = False
    return mine


class Program:
    """A table and what it takes for granted.

    Attributes
    ----------
    records : tuple of Record
    rows : tuple of tuple
        What the Python interpreter's loop unpacks of each record: (position, code, fn, node, a, b, out, gauge, limit,
        kept, empties, switch, record), a and b being the slots of the first two operands.
    leaves, slots : int
        How many leaves a graph has, and how many slots a run.
    same : dict of int to int
        Operations that are not run and have another's value.
    alike, laid_alike : tuple of (int, int)
        See `ir.dag.Dag`; asked of each graph.
    guarded : bool
        Whether there is anything to ask.
    in_program_order : bool
        Whether the records are in the order in which the operations were written.
    needless : tuple of int
        Operations that do not run and never need their operands.
    otherwise : Program or None
        What runs where something taken for granted does not hold.
    plan : Plan
        What it was made from, for `explain`.
    kernels : dict of int to KernelRecord
        By the position of the first record that each replaces.
    alone : KernelRecord or None
        The kernel that replaces all records, if it writes over nothing that it reads.
    """

    __slots__ = ("records", "rows", "leaves", "slots", "spare_slots", "same", "alike", "laid_alike", "guarded",
                 "in_program_order", "needless", "otherwise", "plan", "kernels", "alone")

    def __init__(self, plan: Plan, leaves: int, fused: dict[int, Fused]) -> None:
        self.plan = plan
        self.leaves = leaves
        self.slots = plan.slots - plan.first_slot + leaves
        self.spare_slots = [None] * (self.slots - leaves)
        self.same, self.alike, self.laid_alike = plan.same, plan.alike, plan.laid_alike
        self.needless = plan.needless
        self.guarded = bool(plan.alike or plan.laid_alike)
        self.otherwise: Program | None = None
        self.records = _records(plan, leaves)
        self.kernels: dict[int, KernelRecord] = {}
        self.rows = self._rows(fused)
        first = self.kernels.get(0)
        self.alone = first if first and first.span == len(self.records) and first.over is None and not (
            first.rereads or self.needless or self.same) else None
        numbers = [record.node for record in self.records]
        self.in_program_order = numbers == sorted(numbers)

    def _rows(self, fused: dict[int, Fused]) -> tuple[Any, ...]:
        slot = {self.plan.captured + j: j for j in range(self.leaves)}
        rows: list[Any] = []
        for i, record in enumerate(self.records):
            made = fused.get(record.node)
            if made is not None:
                records = self.records[i:i + len(made.members)]
                assert {r.node for r in records} == set(made.members)
                kernel = self.kernels[i] = KernelRecord(made, records, slot)
                kernel.last = i + kernel.span - 1
                rows.append((i, KERNEL, None, record.node, -1, -1, -1, -1, 0, False, (), record.switch, kernel))
            rows.append(_row(i, record))
            slot[record.node] = record.out
        return tuple(rows)

    def __str__(self) -> str:
        return program_text(self)


def table(plan: Plan, leaves: int, fused: dict[int, Fused] | None = None) -> Program:
    """The table of a plan for graphs with that many leaves, with kernels by the first operation that each replaces."""
    return Program(plan, leaves, fused or {})


def _records(plan: Plan, leaves: int) -> tuple[Record, ...]:
    """Every step as a record, with slots for numbers; leaf j is in slot j and results come after all leaves."""
    slot = {plan.captured + j: j for j in range(leaves)}
    values = {step.node: step.value for step in plan.steps} | plan.leaves
    records: list[Record] = []
    labelled = None
    for step in plan.steps:
        out = step.slot - plan.first_slot + leaves
        operands = tuple(slot[n] for n in step.reads)
        empties = tuple(slot[n] for n in step.frees if n in slot and (slot[n] != out))
        over = slot.get(step.over, -1)
        if step.node in step.frees:
            empties += (out,)
        switch = labelled is not None and labelled is not bool(step.op.label)
        labelled = bool(step.op.label)
        records.append(_record(step, values, operands, out, over, empties, switch))
        slot[step.node] = out
    return tuple(records)


def _record(step: Step, values: dict[int, Value], operands: tuple[int, ...], out: int, over: int,
            empties: tuple[int, ...], switch: bool) -> Record:
    code, gauge, limit = GENERAL, -1, 0
    viewed = step.viewed if any(step.viewed) else ()
    kind = "same" if step.op is SAME else step.op.kind
    if len(operands) in (1, 2) and not viewed and not step.value.attrs and not step.twins:
        two = len(operands) - 1
        if not step.value.shape and (kind == "elementwise" or (
                kind == "scalar" and all(_is_scalar(values[n]) for n in step.reads))):
            code = DIRECT1 + two
        elif kind == "elementwise" and step.value.layout is None and isinstance(step.op.fn, np.ufunc):
            gauge, limit = _gauge(step, values, operands)
            code = MAP1 + two if gauge >= 0 else GENERAL
    return Record(code, step.op.fn, step.node, operands, out, over, empties, gauge, limit, step.value.kept, viewed,
                  step.twins, switch, kind, operation_text(step.op))


def _is_scalar(value: Value) -> bool:
    """Whether a value is a NumPy scalar or a Python number for certain, and not an array of no axes."""
    return value.shape is None or value.kind == "scalar"


def _gauge(step: Step, values: dict[int, Value], operands: tuple[int, ...]) -> tuple[int, int]:
    """The slot of an operand of the result's class of shape, and how large it is where the result is large."""
    itemsize = step.value.dtype.itemsize
    for number, slot in zip(step.reads, operands):
        value = values[number]
        if value.shape == step.value.shape and itemsize and value.dtype.itemsize:
            return slot, -(-IN_PLACE_BYTES * value.dtype.itemsize // itemsize)
    return -1, 0


def _row(position: int, record: Record) -> tuple[Any, ...]:
    a = record.operands[0] if record.operands else -1
    b = record.operands[1] if len(record.operands) > 1 else -1
    return (position, record.code, record.fn, record.node, a, b, record.out, record.gauge, record.limit, record.kept,
            record.empties, record.switch, record)


def program_text(program: Program) -> str:
    """The table as text, a line a record."""
    lines = [f"table of {len(program.records)} records, {program.leaves} leaves, {program.slots} slots"]
    for i, record in enumerate(program.records):
        if i in program.kernels:
            lines.append(f"  kernel in the place of {program.kernels[i].span}:")
            lines += [f"    {line}" for line in str(program.kernels[i].fused.kernel).splitlines()]
        words = [f"{CODES[record.code]:8} {record.name}", f"node {record.node}",
                 f"from {' '.join(map(str, record.operands)) or '-'}", f"to {record.out}"]
        if record.viewed:
            words.append(f"views {''.join('v' if viewed else '.' for viewed in record.viewed)}")
        if record.over >= 0:
            words.append(f"over {record.over}")
        if record.empties:
            words.append(f"empties {' '.join(map(str, record.empties))}")
        if record.twins:
            words.append(f"also for {' '.join(map(str, record.twins))}")
        if record.kept:
            words.append("kept")
        lines.append("  " + ", ".join(words))
    return "\n".join(lines) + "\n"
