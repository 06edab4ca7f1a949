"""In which order the operations run: the one with the least peak of memory, then the least copied, among a few.

Program order is always legal and wins where it is no worse. The sizes are not known when a plan is made, so every
unknown length counts the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from ..ir.dag import Dag, Value
from .fuse import Before, Group
from .liveness import liveness
from .memory import memory, peak
from .plan import Ordered

LENGTH = 1 << 10
"""What an unknown length counts."""
GREEDY_NODES = 256
"""The greedy order takes time that grows with the square of the graph; larger graphs go without it."""


def weight(value: Value) -> int:
    """Bytes of an array of this class of shapes, every unknown length counted as `LENGTH`."""
    if not value.shape:
        return 0
    return prod(n if n < 2 else LENGTH for n in value.shape) * int(value.dtype.itemsize)


def order(dag: Dag, groups: list[Group] | None = None, before: Before | None = None) -> Ordered:
    """The operations in the order in which they run; those of a group one after the other."""
    before = dependences(dag) if before is None else before
    candidates = [tuple(dag.operations()), _depth_first(dag, before)]
    if len(before) <= GREEDY_NODES:
        candidates.append(_greedy(dag, before))
    weights = {number: weight(value) for number, value in dag.values()}
    together = tuple(group.members for group in groups or () if len(group.members) > 1)
    if together:
        candidates = [_gathered(numbers, together, before) for numbers in candidates]

    def cost(numbers: tuple[int, ...]) -> tuple[int, int]:
        steps = memory(liveness(Ordered(dag, numbers))).steps
        copied = sum(weights[step.node] for step in steps if step.op.kind == "mutate" and step.over < 0)
        return peak(steps, weights.__getitem__, groups or ()), copied

    return Ordered(dag, min(dict.fromkeys(candidates), key=cost), tuple(groups or ()))


def _gathered(numbers: tuple[int, ...], together: tuple[tuple[int, ...], ...], before: Before) -> tuple[int, ...]:
    """The order with the members of each group next to each other: a group runs when all that it needs is there."""
    home = {number: group for group in together for number in group}
    done: dict[int, None] = {}
    for wanted in numbers:
        stack = [wanted]
        while stack:
            group = home.get(stack[-1], (stack[-1],))
            waiting = [n for m in group for n in before[m] if n not in done and n not in group]
            if group[0] in done or not waiting:
                stack.pop()
                if group[0] not in done:
                    done.update(dict.fromkeys(group))
            else:
                stack += waiting
    return tuple(done)


def dependences(dag: Dag) -> Before:
    """For each operation those that come before it: its operands; before a mutating one, the readers of the old value,
    so that it can be done in place; before one on Python objects, the one before it in the program, whose code may
    have effects."""
    before = {number: list(dict.fromkeys(n for n, _ in dag.operands(number) if n < dag.count))
              for number in dag.operations()}
    turned_back = False
    last_on_objects: int | None = None
    for number in dag.operations():
        value = dag.value(number)
        if value.kind == "mutate":
            for reader in dag.users(dag.operands(number)[0].number):
                if reader != number and (reader < number and not turned_back or not _needs(before, reader, number)):
                    before[number].append(reader)
                    turned_back |= reader > number
        if value.dtype.hasobject:
            if last_on_objects is not None and not (turned_back and _needs(before, last_on_objects, number)):
                before[number].append(last_on_objects)
            last_on_objects = number
    return before


def _needs(before: dict[int, list[int]], number: int, other: int) -> bool:
    """Whether an operation comes after another already."""
    seen, stack = {number}, [number]
    while stack:
        at = stack.pop()
        if at == other:
            return True
        fresh = [n for n in before[at] if n not in seen]
        seen.update(fresh)
        stack += fresh
    return False


def _depth_first(dag: Dag, before: dict[int, list[int]]) -> tuple[int, ...]:
    """Each result with all that it needs, before the next; the heavier operand first."""
    weights = {number: weight(dag.value(number)) for number in before}
    done: set[int] = set()
    numbers: list[int] = []
    for result in before:
        if all(user in done for user in dag.users(result)) or dag.value(result).kept:
            stack = [result]
            while stack:
                number = stack[-1]
                waiting = [n for n in before[number] if n not in done]
                if number in done or not waiting:
                    stack.pop()
                    if number not in done:
                        done.add(number)
                        numbers.append(number)
                else:
                    stack += sorted(waiting, key=lambda n: (weights[n], -n))
    return tuple(numbers)


def _greedy(dag: Dag, before: dict[int, list[int]]) -> tuple[int, ...]:
    """Always the operation that adds least to the memory held, in program order where several do."""
    weights = {number: weight(value) for number, value in dag.values()}
    readers = {number: set(dag.users(number)) for number, _ in dag.values()}
    stays = {number for number, value in dag.values()
             if value.kept or value.shape is None or (number >= dag.count and not value.spare)}
    operands = {number: {n for n, _ in dag.operands(number)} for number in before}
    missing = {number: len(set(needed)) for number, needed in before.items()}
    after: dict[int, list[int]] = {}
    for number, needed in before.items():
        for n in set(needed):
            after.setdefault(n, []).append(number)

    def added(number: int) -> int:
        freed = sum(weights[n] for n in operands[number] if n not in stays and readers[n] == {number})
        return weights[number] - freed

    ready = {number for number, n in missing.items() if not n}
    numbers: list[int] = []
    while ready:
        number = min(sorted(ready), key=added)
        ready.discard(number)
        numbers.append(number)
        for operand in operands[number]:
            readers[operand].discard(number)
        _count_down(after.get(number, ()), missing, ready)
    return tuple(numbers)


def _count_down(numbers: Iterable[int], missing: dict[int, int], ready: set[int]) -> None:
    for number in numbers:
        missing[number] -= 1
        if not missing[number]:
            ready.add(number)
