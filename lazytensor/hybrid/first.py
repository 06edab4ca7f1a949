"""The traced call itself is computed by the program that was made of it, if it was long.

While a call is traced its operations are only written; a long chain of them waits on (`Trace.postpones`). If nothing
asked for a value until the end, what the call leaves is computed by the compiled program, with its loops, from the
values that the leaves had at the beginning, and the nodes get these as if they had been run. A flag that is raised, or
anything else that is unusual, and all is pending as before and runs as any lazy program does, which is always right.
"""

from __future__ import annotations

from ..config import current
from ..ir.node import settle
from ..run import claims
from ..run.interpreter import on_execute
from .compiled import Compiled
from .effects import Outcome
from .tracing import Trace

FEWEST = 256
"""Operations from which on that pays."""


def compute_first(compiled: Compiled, trace: Trace, outcome: Outcome) -> bool:
    """Gives the nodes that a traced call leaves their values; False, with nothing done, if they are to run."""
    left = {name: node for name, node in trace.left.items() if name[:1] == "r" and node.buffer is None}
    if (not trace.waits or len(trace.book) < FEWEST and compiled.few is None or not left or on_execute or current.debug
            or sum(compiled.counts.values()) != compiled.counts["operation"]):
        return False
    leaves = {name: node.buffer for name, node in trace.entry.items()}
    if trace.lift is not None:
        leaves |= trace.lift.values(leaves)
    leaves |= {name: s._node.buffer for name, s in {**compiled.given.scalars, **compiled.captured.scalars}.items()}
    run, nodes = claims.Run(), list(left.values())
    try:
        found = compiled.values(outcome, leaves, list(left)) if claims.take(run, nodes) else None
        if found is not None:
            for node, value in zip(left.values(), found, strict=True):
                settle(node, value)
            trace.forget_chains()
    finally:
        run.ended = True
        claims.release(run, nodes)
    return found is not None
