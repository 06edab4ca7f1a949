"""Whose memory each result may take, where values are kept during a run, and what that costs at the peak."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

from ..ir.capture import Graph
from ..ir.dag import SAME, Dag, Operand, Value
from ..ir.node import Node
from .fuse import STORES, Group
from .plan import Live, Plan, Step

IN_PLACE_BYTES = 1 << 18
"""Smaller results of elementwise operations get memory of their own: NumPy's allocator is quicker than asking who else
holds an operand's (`run.pool.SMALL`)."""


def memory(live: Live) -> Plan:
    """The plan: for each operation the operand whose memory it may write over, and its slot."""
    dag = live.dag
    steps: list[Step] = []
    slots = _Slots(dag)
    twins = _twins(live)
    for position, number in enumerate(live.numbers):
        value, operands = dag.value(number), dag.operands(number)
        reads = tuple(n for n, _ in operands)
        frees = tuple(n for n in dict.fromkeys((*reads, number)) if live.last[n] == position)
        over = overwritable(dag, value, operands, frees)
        steps.append(Step(number, value.op, value, reads, tuple(view is not None for _, view in operands), over, frees,
                          tuple(twins.get(position, ())), slots.place(number, over, frees)))
    leaves = {number: dag.value(number) for number in dag.leaves()}
    return Plan(tuple(steps), dag.count, leaves, slots.count, slots.first, tuple(twins.get(-1, ())), dict(dag.same),
                dag.alike, dag.laid_alike, live.groups)


def _twins(live: Live) -> dict[int, list[int]]:
    """The operations that do not run, by the position of the step after which they need their operands no more.

    If a run fails before that step, they are computed from their operands after all; if it fails later, they get the
    value of what they were rewritten as. Position -1: rewritten as a leaf, whose value is there from the start.
    """
    dag = live.dag
    position = {number: i for i, number in enumerate(live.numbers)}
    until: dict[int, int] = {}
    for number in sorted(dag.gone, reverse=True):
        if number in dag.same:
            until[number] = position.get(dag.same[number], -1)
        for operand in dag.gone[number]:
            if operand in dag.gone and operand not in dag.same:
                until[operand] = max(until.get(operand, -1), until.get(number, -1))
    twins: dict[int, list[int]] = {}
    for number in sorted(dag.gone):
        twins.setdefault(until.get(number, -1), []).append(number)
    return twins


class _Slots:
    """Gives each result a slot, that of a value that dies with it if there is one. Leaves have slots of their own."""

    def __init__(self, dag: Dag) -> None:
        self.first = max((number - dag.count + 1 for number in dag.leaves()), default=0)
        self.count = self.first
        self.slot: dict[int, int] = {}
        self.free: list[int] = []

    def place(self, number: int, over: int, frees: tuple[int, ...]) -> int:
        dying = [self.slot[n] for n in frees if n in self.slot]
        if over in self.slot:
            dying.remove(self.slot[over])
            dying.append(self.slot[over])
        self.free += dying
        if self.free:
            slot = self.free.pop()
        else:
            slot, self.count = self.count, self.count + 1
        self.slot[number] = slot
        if number in frees:
            self.free.append(slot)
        return slot


def overwritable(dag: Dag, value: Value, operands: list[Operand], frees: Iterable[int]) -> int:
    """The number of the operand whose memory a step may take, or -1.

    A mutating step takes what it mutates, a copy what it copies. An elementwise step takes an array of its own dtype,
    class of shape and layout that it does not read through a view as well, and never one of Python objects: a failure
    halfway would leave it half written.
    """
    dying = set(frees)
    if value.kind == "mutate" or value.op is SAME:
        return operands[0].number if operands and operands[0].number in dying else -1
    if value.kind != "elementwise" or not value.shape or value.dtype.hasobject:
        return -1
    through_views = {n for n, view in operands if view is not None}
    for number, _ in operands:
        other = dag.value(number)
        if (number in dying and number not in through_views and other.shape == value.shape
                and other.dtype == value.dtype and other.layout == value.layout):
            return number
    return -1


def peak(steps: Iterable[Step], size: Callable[[int], int], groups: Iterable[Group] = (),
         renewed: frozenset[int] | None = None) -> int:
    """The most bytes that the arrays made by the steps take at a time, `size` giving those of each node.

    Arrays that were there before do not count, and still do not when a step's result takes their memory. A group makes
    what is needed after it, beside all that it reads; a result may take the place of what dies with it. The `renewed`
    write into parts of arrays whose old value their kernel reads beside, so these are made anew; if it is not known
    which do, all that might.
    """
    held: dict[int, int] = {}
    now = most = 0
    home = {number: group.members for group in groups if len(group.members) > 1 for number in group.members}
    unit: list[Step] = []
    reducing = {number for group in groups if group.rows or group.inlined for number in group.members}
    for step in steps:
        if step.node in home:
            unit.append(step)
            if len(unit) < len(home[step.node]):
                continue
            freed = {number for s in unit for number in s.frees}
            in_rows = step.node in reducing or any(s.op.kind == "call" and not s.op.step for s in unit)
            over, out = (-1, -1) if in_rows else _written_over(unit, freed, size)
            anew = _renewed(unit) if renewed is None else renewed
            for s in unit:
                if s.op.step in STORES and s.over >= 0 and s.node not in anew:
                    held[s.node] = held.pop(s.over, 0)
                elif s.node == out:
                    held[out] = held.pop(over, 0)
                elif s.node not in freed:
                    held[s.node] = size(s.node)
                    now += held[s.node]
            most = max(most, now)
            now -= sum(held.pop(number, 0) for number in freed)
            unit = []
            continue
        nbytes = size(step.node)
        moved = step.over >= 0 and (step.op.kind != "elementwise" or nbytes >= IN_PLACE_BYTES)
        held[step.node] = held.get(step.over, 0) if moved else nbytes
        if not moved:
            now += nbytes
            most = max(most, now)
        for number in step.frees:
            if not (moved and number == step.over):
                now -= held.get(number, 0)
    return most


def _renewed(unit: list[Step]) -> frozenset[int]:
    """What might write into a part of an array whose old value the group reads, too."""
    reads = [(s.node, k, n) for s in unit for k, n in enumerate(s.reads)]
    return frozenset(s.node for s in unit if any(
        n == s.over and (node, k) != (s.node, 0) for node, k, n in reads))


def _written_over(unit: list[Step], freed: set[int], size: Callable[[int], int]) -> tuple[int, int]:
    """What dies with a group and has the kind of one of its results, and that result: a kernel writes it there. Or -1s.
    """
    members = {s.node for s in unit}
    if any(s.op.kind == "mutate" for s in unit):
        return -1, -1
    viewed = {n for s in unit for n, through in zip(s.reads, s.viewed) if through}
    results = [s for s in unit if s.node not in freed]
    for s in unit:
        if s.over >= 0 and s.over not in members and s.over not in viewed and s.op.kind == "elementwise":
            for result in results:
                a, b = s.value, result.value
                if (a.shape, a.dtype, a.layout) == (b.shape, b.dtype, b.layout) and size(result.node) >= IN_PLACE_BYTES:
                    return s.over, result.node
    return -1, -1


def predicted_peak(plan: Plan, graph: Graph, renewed: frozenset[int] | None = None) -> int:
    """The bytes of arrays that a run of the plan on this graph makes and has at one time; `renewed` as for `peak`.

    Outputs count; the leaves do not, nor what NumPy uses inside one call.
    """
    return peak(plan.steps, lambda number: nbytes_of(graph.nodes[number]), plan.groups, renewed)


def nbytes_of(node: Node) -> int:
    """The bytes of the array that a node's value is; 0 for NumPy scalars."""
    return prod(node.shape) * node.dtype.itemsize if node.shape else 0
