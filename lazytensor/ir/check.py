"""What a legal dag is, asked between the passes.

`legal` states what holds for one dag and costs little; `preserved`, what a pass must leave as it was, is asked under
`config(debug=True)`. A law is a function that yields (node, what is wrong with it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from ..config import current
from ..errors import CheckError
from .dag import SAME, Dag, networkx
from .operation import Operation
from .text import to_text

Faults = Iterator[tuple[Any, str]]


def nodes_carry_values(dag: Dag) -> Faults:
    """Every node has a value, and operations and leaves have numbers of their own ranges."""
    for number, value in dag.values():
        if number >= dag.count and value.op is not Operation.LEAF:
            yield number, f"{value.op!r} has the number of a leaf"
        elif number < dag.count and value.shape is None:
            yield number, "a number has the number of an operation"
        for operand, _ in dag.operands(number):
            if operand not in dag:
                yield operand, f"nothing is known of it, which %{number} reads"


def views_are_not_nodes(dag: Dag) -> Faults:
    """A view is a way to read an operand, never a node."""
    for number, value in dag.values():
        if value.kind == "view":
            yield number, "a view is no node of its own"


def leaves_read_nothing(dag: Dag) -> Faults:
    """Leaves have no operands."""
    for number, value in dag.values():
        if value.op is Operation.LEAF and dag.operands(number):
            yield number, "a leaf has operands"


def views_fit_what_they_read(dag: Dag) -> Faults:
    """Only arrays are read through views."""
    for user, _ in dag.values():
        for source, view in dag.operands(user):
            if view is not None and dag.value(source).shape is None:
                yield user, f"it reads the number %{source} through a view"


def mutate_has_a_target(dag: Dag) -> Faults:
    """What is mutated is an array of the result's dtype and shape, and is not read through a view."""
    for number, value in dag.values():
        if value.kind != "mutate":
            continue
        operands = dag.operands(number)
        if not operands or operands[0].view is not None:
            yield number, "its first operand is not what it mutates"
        else:
            target = dag.value(operands[0].number)
            if target.shape != value.shape or target.dtype != value.dtype:
                yield number, "its result has another dtype or shape than what it mutates"


def acyclic(dag: Dag) -> Faults:
    """No operation needs itself."""
    waiting = {number: {n for n, _ in dag.operands(number)} for number, _ in dag.values()}
    ready = [number for number, needed in waiting.items() if not needed]
    for number in ready:
        for user in dag.users(number):
            waiting[user].discard(number)
            if not waiting[user]:
                ready.append(user)
    if len(ready) < len(waiting):
        yield min(min(edge[:2]) for edge in networkx().find_cycle(dag.graph)), "it needs its own result"


def rewritten_point_into_the_graph(dag: Dag) -> Faults:
    """What was rewritten has the value of a node that is there; if it is still there itself, it is a copy of it."""
    for number, other in dag.same.items():
        if other not in dag or (other in dag.same and dag.value(other).op is not SAME):
            yield number, f"it has the value of %{other}, which is not in the graph"
        elif number in dag and (dag.value(number).op is not SAME or dag.operands(number)[0].number != other):
            yield number, f"it was rewritten as %{other}, yet is neither gone nor its copy"


LAWS: tuple[Callable[[Dag], Faults], ...] = (
    nodes_carry_values, views_are_not_nodes, leaves_read_nothing, views_fit_what_they_read,
    acyclic, mutate_has_a_target, rewritten_point_into_the_graph,
)


def kept_nodes_stay(before: Dag, after: Dag) -> Faults:
    """What somebody holds stays in the graph, with dtype, class of shape and layout; so does everything that stays."""
    for number, value in before.values():
        if number not in after:
            if value.kept:
                yield number, "it is kept, and gone"
            continue
        now = after.value(number)
        if (now.dtype, now.shape, now.layout, now.kept) != (value.dtype, value.shape, value.layout, value.kept):
            yield number, "a pass gave it another dtype, shape, layout or holder"


def nothing_is_invented(before: Dag, after: Dag) -> Faults:
    """A pass adds no nodes, and what is not in the graph any more is either rewritten or read by nobody."""
    for number, _ in after.values():
        if number not in before:
            yield number, "a pass made it"


def effects_stay(before: Dag, after: Dag) -> Faults:
    """A mutating operation keeps its operation and its operands but for those that were rewritten."""
    for number, value in before.values():
        if value.kind == "mutate" and number in after:
            was = [after.root(n) for n, _ in before.operands(number)]
            if after.value(number).op is not value.op or was != [n for n, _ in after.operands(number)]:
                yield number, "a pass changed what it mutates or with what"


def relations_stay(before: Dag, after: Dag) -> Faults:
    """Operands of a call that were two arrays stay two, and one stays one: NumPy's ``x @ x.T`` is another sum."""
    for number, value in before.values():
        if number in after and after.value(number).op is value.op and value.kind in ("call", "mutate"):
            if relation(before, number) != relation(after, number):
                yield number, "operands that were different became one, or the other way round"


def relation(dag: Dag, number: int) -> list[tuple[int, int]]:
    """Which pairs of operand positions of a node read the same array."""
    operands = [n for n, _ in dag.operands(number)]
    return [(i, k) for i, k in combinations(range(len(operands)), 2) if operands[i] == operands[k]]


PRESERVED: tuple[Callable[[Dag, Dag], Faults], ...] = (
    kept_nodes_stay, nothing_is_invented, effects_stay, relations_stay)


def check(dag: Dag, stage: str, before: Dag | None = None) -> Dag:
    """The dag, if it is legal; `stage` is the pass that made it, of `before`.

    Raises
    ------
    CheckError
        Naming the stage, the law and the node.
    """
    for law in LAWS:
        for number, fault in law(dag):
            raise CheckError(_message(stage, law, number, fault, dag, before))
    if before is not None and before is not dag and current.debug:
        for change in PRESERVED:
            for number, fault in change(before, dag):
                raise CheckError(_message(stage, change, number, fault, dag, before))
    return dag


def _message(stage: str, law: Callable[..., Any], number: Any, fault: str, dag: Dag, before: Dag | None) -> str:
    text = f"after {stage}: %{number}: {fault} (law {law.__name__}: {law.__doc__})"
    if before is not None:
        text += f"\nbefore:\n{_shown(before)}"
    return f"{text}\nafter:\n{_shown(dag)}"


def _shown(dag: Dag) -> str:
    try:
        return to_text(dag)
    except Exception as error:  # an illegal dag may have no text
        return f"(no text: {error!r})"


def settled(passes: Callable[[Dag], Dag], dag: Dag, rounds: int, stage: str) -> Dag:
    """Applies a rewrite until it changes nothing.

    Raises
    ------
    CheckError
        With both graphs as text, if it still changes something after `rounds` rounds.
    """
    for _ in range(rounds):
        before, dag = dag, passes(dag)
        if dag is before:
            return dag
    raise CheckError(f"{stage} does not settle in {rounds} rounds\n"
                     f"before the last:\n{_shown(before)}\nafter:\n{_shown(dag)}")
