"""`explain` tells what running some results would do, step by step; `report` what was done in this process."""

from __future__ import annotations

from typing import Any

from .. import compile as pipeline
from ..config import current
from ..ir.capture import Busy, Graph, capture, pending
from ..ir.dag import SAME
from ..ir.node import Node
from ..lower import make_program
from ..run import floating, pool
from ..run.table import holds
from ..schedule.memory import IN_PLACE_BYTES, nbytes_of, predicted_peak
from ..schedule.plan import Plan, Step
from .verify import node_of

WHY = "one step an operation: this engine makes NumPy's own calls and fuses none"


def explain(*tensors: Any) -> str:
    """The steps that computing these results would take, with the memory that they need. Runs nothing.

    Each line gives the operation, dtype and shape, where the result is put, and the place in the user's program.

    Parameters
    ----------
    *tensors : Tensor or lazy scalar
        Also nodes (`lazytensor.ir.node.Node`).

    Examples
    --------
    >>> import lazytensor as np
    >>> print(np.explain(np.arange(3) + 1).splitlines()[0])
    1 operation pending, 1 step to run on 2 inputs
    """
    try:
        waiting = pending([t if isinstance(t, Node) else node_of(t) for t in tensors])
    except Busy:
        return "another thread is computing this\n"
    if not waiting:
        return "computed already: nothing to run\n"
    if len(waiting) > current.plan_nodes:
        return (f"{len(waiting)} operations, run one by one in program order: more than config(plan_nodes=) "
                f"allows ({current.plan_nodes})\n")
    graph = capture(waiting)
    program = make_program(graph)
    plan: Plan = program.plan if not program.guarded or holds(program, graph) else program.otherwise.plan
    return "\n".join([_heading(plan, graph), *_step_lines(plan, graph), *_notes(plan, graph)]) + "\n"


def _heading(plan: Plan, graph: Graph) -> str:
    return (f"{_count(len(graph.nodes), 'operation')} pending, {_count(len(plan.steps), 'step')} to run "
            f"on {_count(len(plan.leaves), 'input')}")


def _step_lines(plan: Plan, graph: Graph) -> list[str]:
    """A table with a row for each step."""
    names = {number: f"input{number - plan.captured}" for number in plan.leaves}
    names |= {step.node: f"#{i}" for i, step in enumerate(plan.steps, 1)}
    rows = []
    for step in plan.steps:
        node = graph.nodes[step.node]
        operands = [_operand(number, viewed, names, plan, graph) for number, viewed in zip(step.reads, step.viewed)]
        called = step.op.label or step.op.name
        name = f"same as {operands[0]}" if step.op is SAME else f"{called}({', '.join(operands)})"
        array = f"{node.dtype}{list(node.shape)}"
        rows.append((names[step.node], name, array, _memory(step, node, names), floating.place(node)))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return ["  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, [*widths, 0])) for row in rows]


def _operand(number: int, viewed: bool, names: dict[int, str], plan: Plan, graph: Graph) -> str:
    if number >= plan.captured and plan.leaves[number].shape is None:
        return repr(graph.leaves[number - plan.captured])
    return f"a view of {names[number]}" if viewed else names[number]


def _memory(step: Step, node: Node, names: dict[int, str]) -> str:
    if not node.shape:
        return "a scalar"
    if step.over >= 0 and (step.op.kind != "elementwise" or node.nbytes >= IN_PLACE_BYTES):
        return f"in the memory of {names[step.over]}"
    return f"a new array, {_bytes(nbytes_of(node))}" + (", after a copy" if step.op.kind == "mutate" else "")


def _notes(plan: Plan, graph: Graph) -> list[str]:
    """What is not said step by step."""
    new = [node for step in plan.steps if (node := graph.nodes[step.node]).shape
           and not _memory(step, node, _Anything()).startswith("in")]
    kept = sum(step.value.kept for step in plan.steps)
    gone = len(graph.nodes) - len(plan.steps)
    lines = [f"arrays made: {len(new)} ({_bytes(sum(map(nbytes_of, new)))} in all), "
             f"predicted peak {_bytes(predicted_peak(plan, graph))} besides the inputs; "
             f"{_count(kept, 'result')} kept, since something holds them",
             f"boundaries: {WHY}"]
    if gone:
        lines.append(f"not run: {_count(gone, 'operation')} whose value another one has or that nobody needs")
    if [step.node for step in plan.steps] != sorted(step.node for step in plan.steps):
        lines.append("order: not the program's, since another needs less memory at once or copies less")
    return lines


class _Anything(dict[int, str]):
    def __missing__(self, number: int) -> str:
        return str(number)


def report() -> str:
    """What lazytensor has done in this process: runs, plans, memory."""
    counts: dict[str, Any] = dict(pipeline.cache_info())
    memory = pool.info()
    planned = counts["runs"] - counts["direct"]
    return (f"runs: {counts['runs']}, of {_count(counts['nodes'], 'operation')}; {counts['direct']} operation by "
            f"operation, {planned} by a plan\n"
            f"plans: {counts['plans']} made, found again {_times(counts['hits'])}, "
            f"{counts['entries']} structures known\n"
            f"memory: {_count(memory['made'], 'large buffer')} made, reused {_times(memory['reused'])}, "
            f"{_bytes(memory['held'])} held now\n")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def _bytes(n: float) -> str:
    """Bytes in words.

    >>> _bytes(80), _bytes(2_500_000)
    ('80 B', '2.5 MB')
    """
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"
