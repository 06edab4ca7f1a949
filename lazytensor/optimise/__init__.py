"""Passes from dag to dag that keep every bit, each a function, in the order in which they run.

A plan is made once for all graphs of a key, so a pass decides from structure alone. Python numbers and NumPy scalars
among the leaves are arguments of a run: two of them are never taken for equal, and there is nothing to fold before the
run; an operation on numbers alone is one scalar operation of each run. What is believed of a graph beyond its key
(equal attributes, equal layouts) is noted in the dag and asked again at each run; where the answer is no, a plan
without rewrites runs instead.
"""

from __future__ import annotations

from collections.abc import Callable

from ..ir.check import check
from ..ir.dag import Dag
from .common import common_subexpressions
from .dead import dead_code
from .identities import identities

PASSES: tuple[tuple[str, Callable[[Dag], Dag]], ...] = (
    ("identities", identities),
    ("common_subexpressions", common_subexpressions),
    ("dead_code", dead_code),
)


def optimise(dag: Dag, passes: tuple[tuple[str, Callable[[Dag], Dag]], ...] = PASSES) -> Dag:
    """The dag after all passes, checked after each."""
    for name, rewrite in passes:
        before, dag = dag, rewrite(dag)
        check(dag, name, before)
    return dag
