"""What a legal plan is.

No leaf is written over before the last step that may fail without being able to run again: a step writes over a leaf
only after all others that read it, and everything done before a failure is settled, so what is left to run never needs
it. If the step that writes fails halfway, what it was writing over is marked as lost, and whoever needs it gets the
failure as the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import CheckError
from ..ir.dag import SAME, Dag
from .plan import Plan, Step, step_text

Faults = Iterator[tuple[Step, str]]


def every_kept_operation_once(plan: Plan, dag: Dag) -> Faults:
    """Each operation of the dag is a step, once, with the dag's operands."""
    seen: set[int] = set()
    for step in plan.steps:
        if step.node in seen or step.node not in dag or step.node >= dag.count:
            yield step, f"%{step.node} runs twice, or is none of the dag's operations"
        elif [n for n, _ in dag.operands(step.node)] != list(step.reads):
            yield step, "it reads other operands than in the dag"
        seen.add(step.node)
    if plan.steps and seen != set(dag.operations()):
        yield plan.steps[-1], f"operations without a step: {sorted(set(dag.operations()) - seen)}"


def reads_what_is_there(plan: Plan, dag: Dag) -> Faults:
    """What a step reads was made before it and neither freed nor written over."""
    there = set(dag.leaves())
    for step in plan.steps:
        for number in step.reads:
            if number not in there:
                yield step, f"%{number} is not made yet, or not there any more"
        there.add(step.node)
        there -= set(step.frees)
        if step.over >= 0:
            there.discard(step.over)


def frees_only_its_own(plan: Plan, dag: Dag) -> Faults:
    """What is kept is not freed or written over, nor a leaf that others hold, nor what the step does not read."""
    for step in plan.steps:
        for number in {*step.frees, step.over} - {-1}:
            value = dag.value(number)
            if value.kept:
                yield step, f"%{number} is kept"
            elif number >= dag.count and not value.spare:
                yield step, f"others hold the leaf %{number}"
            elif number not in step.reads and number != step.node:
                yield step, f"it does not read %{number}"


def overwrites_what_fits(plan: Plan, dag: Dag) -> Faults:
    """A step writes over an array that it frees, of its own dtype and shape, not read through a view beside."""
    for step in plan.steps:
        if step.over < 0:
            continue
        value, other = step.value, dag.value(step.over)
        if step.over not in step.frees or step.over == step.node:
            yield step, f"%{step.over} is not freed by it"
        elif step.op.kind not in ("elementwise", "mutate") and step.op is not SAME:
            yield step, "operations of its kind do not write into an operand"
        elif value.dtype != other.dtype or value.shape != other.shape or not isinstance(other.shape, tuple):
            yield step, f"%{step.over} has another dtype or shape"
        elif step.op.kind == "elementwise":
            if value.dtype.hasobject:
                yield step, "a failure halfway would leave objects half written"
            if any(viewed and n == step.over for n, viewed in zip(step.reads, step.viewed)):
                yield step, f"it reads %{step.over} through a view too"
            if value.layout != other.layout:
                yield step, f"%{step.over} has another layout"


def slots_hold_one_value(plan: Plan, dag: Dag) -> Faults:
    """A result does not take the slot of a leaf or of a value that is still needed."""
    owner: dict[int, int] = {}
    for step in plan.steps:
        held = owner.get(step.slot)
        if step.slot >= plan.slots or step.slot in {number - plan.captured for number in plan.leaves}:
            yield step, f"slot {step.slot} is a leaf's, or none"
        elif held is not None and held not in step.frees:
            yield step, f"slot {step.slot} holds %{held}, which is still needed"
        owner = {slot: number for slot, number in owner.items() if number not in step.frees}
        if step.node not in step.frees:
            owner[step.slot] = step.node


LAWS: tuple[Callable[[Plan, Dag], Faults], ...] = (
    every_kept_operation_once, reads_what_is_there, frees_only_its_own, overwrites_what_fits, slots_hold_one_value)


def check(plan: Plan, dag: Dag) -> Plan:
    """The plan, if it is legal.

    Raises
    ------
    CheckError
        Naming the law and the step, with the plan.
    """
    for law in LAWS:
        for step, fault in law(plan, dag):
            raise CheckError(f"after schedule: {step_text(step)}: {fault} (law {law.__name__}: {law.__doc__})\n{plan}")
    return plan
