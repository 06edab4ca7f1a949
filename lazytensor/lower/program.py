"""The whole way from a captured graph to a program, stage by stage.

``STAGES`` lists the stages in order; `make_program` runs them, with a check after each that has something to check.
"""

from __future__ import annotations

from typing import Any

from ..config import current
from ..ir import check as dag_check
from ..ir.capture import Graph
from ..ir.dag import Dag, build
from ..optimise import PASSES
from ..schedule import check as plan_check
from ..schedule.fuse import fuse
from ..schedule.liveness import liveness
from ..schedule.memory import memory
from ..schedule.order import dependences, order
from ..schedule.plan import Plan
from . import fused
from .table import table

__all__ = ["STAGES", "make_program"]

STAGES: tuple[str, ...] = ("dag", *(name for name, _ in PASSES), "fuse", "order", "liveness", "memory",
                           "table")
"""The names of the stages, each of which `make_program` can stop at."""


def make_program(graph: Graph, stop_at: str = "table", rewrite: bool = True) -> Any:
    """The program of a captured graph, good for every graph of its key; or what the stage `stop_at` makes.

    Without `rewrite` every captured operation runs; such a program takes nothing for granted.

    Raises
    ------
    CheckError
        If a stage made something illegal.
    ValueError
        If there is no such stage.
    """
    if stop_at not in STAGES:
        raise ValueError(f"no stage is called {stop_at!r}; the stages are {', '.join(STAGES)}")
    dag = dag_check.check(build(graph), "dag")
    if stop_at == "dag":
        return dag
    for name, change in PASSES if rewrite else ():
        before, dag = dag, change(dag)
        dag_check.check(dag, name, before)
        if stop_at == name:
            return dag
    return _scheduled(dag, graph, stop_at)


def _scheduled(dag: Dag, graph: Graph, stop_at: str) -> Any:
    before = dependences(dag)
    kernels = fused.Kernels(dag, graph) if current.engine == "llvm" and fused.available() else None
    groups = fuse(dag, before, kernels or fused.NoKernels())
    if stop_at == "fuse":
        return groups
    ordered = order(dag, groups, before)
    if stop_at == "order":
        return ordered
    live = liveness(ordered)
    if stop_at == "liveness":
        return live
    plan: Plan = plan_check.check(memory(live), dag)
    if stop_at == "memory":
        return plan
    program = table(plan, len(graph.leaves), kernels.kernels(plan) if kernels else {})
    if program.guarded:
        program.otherwise = make_program(graph, rewrite=False)
    return program
