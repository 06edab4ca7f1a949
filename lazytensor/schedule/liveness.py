"""How long each value is needed."""

from __future__ import annotations

from .plan import NEVER, Live, Ordered


def liveness(ordered: Ordered) -> Live:
    """The last use of every node, as a position in the order.

    What is kept, what others hold and numbers are needed for ever; a result that nobody reads ends where it begins.
    """
    dag, numbers, groups = ordered
    last: dict[int, int] = {}
    for position, number in enumerate(numbers):
        last[number] = position
        for operand, _ in dag.operands(number):
            last[operand] = position
    for number, value in dag.values():
        if value.kept or value.shape is None or (number >= dag.count and not value.spare):
            last[number] = NEVER
    return Live(dag, numbers, last, groups)
