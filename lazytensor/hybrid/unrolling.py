"""Loops of a few elementwise operations with several turns as one: one kernel then goes over all of them, in registers.

What is called often has kernels (`fusing`), and a kernel ends where a turn of a loop does. Turns that were traced are
records like any others: so many of them may be called one turn as a kernel has steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..schedule.fuse import MOST_STEPS
from .planning import may_join
from .repeating import LEAST, Found
from .tracing import Record

TOGETHER = 32
"""Records of the turns that become one: what is done for each launch and for each element's way from and to memory is
little beside them then."""


def unrolled(records: Sequence[Record], loops: list[Found]) -> list[Found]:
    """The loops, with fewer and longer turns; without those that are written out, as one kernel has room for them."""
    found = []
    for loop in loops:
        start, period, turns = loop
        if period > TOGETHER or not _is_one_map(records[start + period:start + 2 * period]):
            found.append(loop)
        elif period * turns > MOST_STEPS:
            together = max(1, min(TOGETHER // period, turns // LEAST))
            found.append(Found(start, period * together, turns // together))
    return found


def _is_one_map(turn: Sequence[Record]) -> bool:
    """Whether a turn is elementwise operations on arrays of one shape."""
    return all([record.shape and record.shape == turn[0].shape and record.op.kind == "elementwise" and may_join(record)
                for record in turn])
