"""The records of a plan: what runs in which order, and what becomes of the memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..ir.dag import Dag, Value
from ..ir.operation import Operation
from ..ir.text import dtype_text, operation_text, shape_text
from .fuse import Group

NEVER = 1 << 60
"""The last use of what outlives the run."""


class Ordered(NamedTuple):
    """A dag, the order in which its operations run, and which of them may run together."""

    dag: Dag
    numbers: tuple[int, ...]
    groups: tuple[Group, ...] = ()


class Live(NamedTuple):
    """An ordered dag and, for each node, the position of the last operation that needs it (`NEVER`: it stays)."""

    dag: Dag
    numbers: tuple[int, ...]
    last: dict[int, int]
    groups: tuple[Group, ...] = ()


class Step(NamedTuple):
    """One operation of a plan. Values are named by the numbers of the captured graph.

    Attributes
    ----------
    node : int
        The operation, whose value it makes.
    op : Operation
        What is done: the captured operation, or `ir.dag.SAME` where another's value is copied.
    value : Value
        What is known of the result.
    reads : tuple of int
        The operands.
    viewed : tuple of bool
        For each operand, whether it is read through a view.
    over : int
        The operand in whose memory the result may be written, because this step is the last to need it; -1 for none.
        A run asks once more, by reference counts, before it does so.
    frees : tuple of int
        What nobody needs after this step, `over` included.
    twins : tuple of int
        Operations that do not run and need their own operands no more once this one has run: those rewritten as this
        one, and what only they would have read.
    slot : int
        Where the result is kept during the run.
    """

    node: int
    op: Operation
    value: Value
    reads: tuple[int, ...]
    viewed: tuple[bool, ...]
    over: int
    frees: tuple[int, ...]
    twins: tuple[int, ...]
    slot: int


class Plan(NamedTuple):
    """A plan, good for every captured graph of one key.

    Attributes
    ----------
    steps : tuple of Step
    captured : int
        How many operations were captured; leaf j has the number ``captured + j`` and the slot j.
    leaves : dict of int to Value
        The leaves that are read, by number.
    slots, first_slot : int
        How many slots there are, and which is the first that is no leaf's.
    needless : tuple of int
        Operations that do not run and never need their operands.
    same, alike, laid_alike
        What was rewritten and what was taken for granted, as in `ir.dag.Dag`.
    groups : tuple of Group
        The operations that may run together; those of a group are next to each other.
    """

    steps: tuple[Step, ...]
    captured: int
    leaves: dict[int, Value]
    slots: int
    first_slot: int
    needless: tuple[int, ...]
    same: dict[int, int]
    alike: tuple[tuple[int, int], ...]
    laid_alike: tuple[tuple[int, int], ...]
    groups: tuple[Group, ...] = ()

    def __str__(self) -> str:
        return plan_text(self)


def plan_text(plan: Plan) -> str:
    """A plan as text, a line a step."""
    lines = [f"plan of {len(plan.steps)} steps, {plan.slots} slots"]
    for number, value in sorted(plan.leaves.items()):
        lines.append(f"  %{number} = {leaf_text(value)}")
    lines += [f"  {step_text(step)}" for step in plan.steps]
    lines += [f"  given that %{a} and %{b} are alike" for a, b in plan.alike]
    lines += [f"  given that %{a} and %{b} are laid out alike" for a, b in plan.laid_alike]
    return "\n".join(lines) + "\n"


def leaf_text(value: Value) -> str:
    """A leaf in a few words."""
    if value.shape is None:
        return f"number {value.dtype}" if isinstance(value.dtype, str) else f"scalar {dtype_text(value.dtype)}"
    layout = "" if value.layout is None else " order " + ",".join(map(str, value.layout))
    return f"leaf {array_text(value.dtype, value.shape)}{layout}{' spare' if value.spare else ''}"


def array_text(dtype: Any, shape: tuple[int, ...]) -> str:
    """A dtype and a class of shapes."""
    return dtype_text(dtype) + shape_text(shape)


def step_text(step: Step) -> str:
    """A step: what, from what, and what happens to memory."""
    reads = ", ".join(f"{'view of ' if viewed else ''}%{n}" for n, viewed in zip(step.reads, step.viewed))
    words = [f"%{step.node} = {operation_text(step.op)}({reads})", array_text(step.value.dtype, step.value.shape or ())]
    if step.value.kept:
        words.append("kept")
    if step.over >= 0:
        words.append(f"in the memory of %{step.over}")
    if freed := [n for n in step.frees if n != step.over]:
        words.append("frees " + " ".join(f"%{n}" for n in freed))
    if step.twins:
        words.append("also for " + " ".join(f"%{n}" for n in step.twins))
    return f"{', '.join([words[0] + ' ' + words[1], *words[2:]])}  [slot {step.slot}]"
