"""What of a compiled function may become kernels: one pass over memory, one native call.

A function that has proved to be called often is compiled once more with kernels. Its straight lines are cut into *runs*
of operations, which `planning` turns into kernels as the lazy engine would. A kernel that raises a floating-point flag
that somebody is to be warned of leaves the call to Python, as NumPy's own warnings do here.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from ..config import current
from ..lower import fused
from .planning import may_join
from .tracing import Record

MOST_RECORDS = 256
"""Records of a run: what planning takes grows faster than their number."""


def possible() -> bool:
    """Whether there are kernels here."""
    return current.engine == "llvm" and fused.available()


def parts(records: list[Record], apart: Container[int] = ()) -> Iterator[Record | tuple[Record, ...]]:
    """The records of a straight line, with runs in the places of those that may be kernels. None of these goes on at
    the places `apart`, where turns of a loop begin."""
    run: list[Record] = []
    for position, record in enumerate(records):
        joins = may_join(record)
        if run and (not joins or position in apart or len(run) == MOST_RECORDS
                    or run[-1].errstate is not record.errstate):
            yield tuple(run)
            run = []
        if joins:
            run.append(record)
        else:
            yield record
    if run:
        yield tuple(run)
