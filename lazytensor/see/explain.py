"""`explain` tells what running some results would do, step by step; `report` what was done in this process."""

from __future__ import annotations

from typing import Any, TypeAlias

from .. import compile as pipeline
from ..config import current, forget_lines
from ..ir.capture import Busy, Graph, capture, pending
from ..ir.dag import SAME
from ..ir.node import MADE, Node
from ..lower import fused, native
from ..lower.program import make_program
from ..lower.table import KernelRecord, Program
from ..run import floating, pool
from ..run.kernels import suits
from ..run.parts import renewing
from ..run.table import holds
from ..schedule.fuse import STORES
from ..schedule.memory import IN_PLACE_BYTES, nbytes_of, predicted_peak
from ..schedule.plan import Plan, Step
from .verify import node_of

WHY = "one step an operation: this engine makes NumPy's own calls and fuses none"
BOUNDARY = "why a step is not in the pass over memory that makes what it reads"
INSIDE = "no array"
MEMORY = "its memory"
"""What a result is called that is put together in memory made for it when it was written (`concatenate`, `pad`)."""


def explain(*tensors: Any, kernels: bool = False) -> str:
    """The steps that computing these results would take, with the memory that they need. Runs nothing.

    Each line gives the operation, dtype and shape, where the result is put, and the place in the user's program.

    Parameters
    ----------
    *tensors : Tensor or lazy scalar
        Also nodes (`lazytensor.ir.node.Node`).
    kernels : bool
        Whether the text of each kernel follows: what it reads, its steps on each element, and what it writes.

    Examples
    --------
    >>> import lazytensor as np
    >>> print(np.explain(np.arange(3) + 1).splitlines()[0])
    1 operation pending, 1 step to run on 2 inputs
    """
    forget_lines()
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
    program = program if not program.guarded or holds(program, graph) else program.otherwise
    lines = [_heading(program, graph), *_step_lines(program, graph), *_notes(program, graph)]
    return "\n".join([*lines, *(_kernel_lines(program, graph) if kernels else [])]) + "\n"


_Kernels: TypeAlias = dict[int, KernelRecord]


def _kernels(program: Program, graph: Graph) -> _Kernels:
    """The kernels by the first operation that each replaces, without those for which these arrays are too small."""
    return {at: kernel for at, kernel in program.kernels.items() if suits(kernel, graph)}


def _heading(program: Program, graph: Graph) -> str:
    plan, found, made = program.plan, _kernels(program, graph), _made(program.plan, graph)
    steps = len(plan.steps) - sum(kernel.span - 1 for kernel in found.values())
    kernels = f", {_count(len(found), 'kernel')} among them" if found else ""
    return (f"{_count(len(graph.nodes), 'operation')} pending, {_count(steps, 'step')} to run "
            f"on {_count(len(plan.leaves) - len(made), 'input')}{kernels}")


def _names(plan: Plan, graph: Graph) -> dict[int, str]:
    made, inputs = _made(plan, graph), sorted(plan.leaves)
    names = {number: MEMORY if number in made else f"input{number - plan.captured}" for number in inputs}
    return names | {step.node: f"#{i}" for i, step in enumerate(plan.steps, 1)}


def _made(plan: Plan, graph: Graph) -> dict[int, int]:
    """The leaves that are memory made for results, and their bytes."""
    leaves = {number: graph.leaves[number - plan.captured] for number in plan.leaves}
    return {number: nbytes_of(leaf) for number, leaf in leaves.items() if type(leaf) is Node and leaf.attrs == MADE}


def _within(kernels: _Kernels) -> dict[int, bool]:
    """The operations that run in kernels, and whether a kernel writes their results to memory."""
    return {n: n in kernel.fused.writes for kernel in kernels.values() for n in kernel.fused.members}


def _renewing(kernels: _Kernels, graph: Graph) -> frozenset[int]:
    """The operations that write into an array of which their kernel reads the old value beside."""
    return frozenset(n for kernel in kernels.values() for n in renewing(kernel, graph))


def _overs(kernels: _Kernels) -> dict[int, int]:
    """The operations whose kernel may write their result over what it reads, and over which value."""
    return {kernel.outputs[kernel.over[1]][0]: kernel.fused.reads[kernel.over[0]][0]
            for kernel in kernels.values() if kernel.over is not None}


def _step_lines(program: Program, graph: Graph) -> list[str]:
    """A table with a row for each operation, and a line before those that one kernel does."""
    plan, kernels = program.plan, _kernels(program, graph)
    within, renewed, overs = _within(kernels), _renewing(kernels, graph), _overs(kernels)
    names = _names(plan, graph)
    rows = []
    for step in plan.steps:
        node = graph.nodes[step.node]
        operands = [_operand(number, viewed, names, plan, graph) for number, viewed in zip(step.reads, step.viewed)]
        name = f"same as {operands[0]}" if step.op is SAME else f"{step.op.called}({', '.join(operands)})"
        array = f"{node.dtype}{list(node.shape)}"
        memory = _memory(step, node, names, within, renewed, overs)
        rows.append((names[step.node], name, array, memory, floating.place(node)))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    lines: list[str] = []
    for i, row in enumerate(rows):
        if i in kernels:
            kernel = kernels[i]
            lines.append(f"  one pass over memory for {names[plan.steps[i].node]} to "
                         f"{names[plan.steps[kernel.last].node]}, once it pays to compile it:")
        indent = "    " if plan.steps[i].node in within else "  "
        lines.append(indent + "  ".join(f"{cell:{width}}" for cell, width in zip(row, [*widths, 0])))
    return lines


def _operand(number: int, viewed: bool, names: dict[int, str], plan: Plan, graph: Graph) -> str:
    if number >= plan.captured and plan.leaves[number].shape is None:
        return repr(graph.leaves[number - plan.captured])
    return f"a view of {names[number]}" if viewed else names[number]


def _memory(step: Step, node: Node, names: dict[int, str], within: dict[int, bool], renewed: frozenset[int],
            overs: dict[int, int]) -> str:
    if step.node in renewed:
        return f"a new array, {_bytes(nbytes_of(node))}, for the old one is read beside"
    if step.node in overs:
        return f"in the memory of {names[overs[step.node]]}, if nothing else holds it"
    if not within.get(step.node, True):
        return INSIDE
    if not node.shape:
        return "a scalar"
    over = step.over >= 0 and (step.node not in within or step.op.step in STORES)
    if over and names[step.over] == MEMORY:
        return f"in {MEMORY}, {_bytes(nbytes_of(node))}, made when it was written"
    if over and (step.op.kind != "elementwise" or node.nbytes >= IN_PLACE_BYTES):
        return f"in the memory of {names[step.over]}"
    return f"a new array, {_bytes(nbytes_of(node))}" + (
        ", after a copy" if step.op.kind == "mutate" and step.op.step != "masked" else "")


def _notes(program: Program, graph: Graph) -> list[str]:
    """What is not said step by step."""
    plan, kernels = program.plan, _kernels(program, graph)
    within, renewed, overs = _within(kernels), _renewing(kernels, graph), _overs(kernels)
    new = [node for step in plan.steps if (node := graph.nodes[step.node]).shape
           and _memory(step, node, _Anything(), within, renewed, overs).startswith("a new")]
    kept = sum(step.value.kept for step in plan.steps)
    gone = len(graph.nodes) - len(plan.steps)
    made = _made(plan, graph)
    there = sum(made.values())
    lines = [f"arrays made: {len(new) + len(made)} ({_bytes(sum(map(nbytes_of, new)) + there)} in all), "
             f"predicted peak {_bytes(predicted_peak(plan, graph, renewed) + there)} besides the inputs; "
             f"{_count(kept, 'result')} kept, since something holds them",
             *_boundaries(program, graph)]
    if gone:
        lines.append(f"not run: {_count(gone, 'operation')} whose value another one has or that nobody needs")
    if [step.node for step in plan.steps] != sorted(step.node for step in plan.steps):
        lines.append("order: not the program's, since another needs less memory at once or copies less")
    return lines


def _boundaries(program: Program, graph: Graph) -> list[str]:
    """Why the kernels end where they do, and why some operations are in none."""
    if current.engine == "numpy":
        return [f"boundaries: {WHY}"]
    if not fused.available():
        return [f"boundaries: no kernels here, each operation is NumPy's own call: "
                f"{native.why_not() or 'not on this machine'}"]
    names = _names(program.plan, graph)
    lines, told = [], set()
    for group in program.plan.groups:
        for reason in group.reasons:
            text, _, why = reason.partition(": ")
            number = int(text[1:])
            if number in names:
                told.add((number, why))
                lines.append(f"  {names.get(group.members[-1], '?')} | {names[number]}: {why}")
    lines += [f"  {names[number]}, in no kernel: {group.refusal}" for group in program.plan.groups
              if group.refusal and (number := group.members[0]) in names and (number, group.refusal) not in told]
    return [f"boundaries: {BOUNDARY}", *dict.fromkeys(lines)] if lines else []


def _kernel_lines(program: Program, graph: Graph) -> list[str]:
    """The kernels' own text, each value of which has a number: first what it reads, then its steps."""
    plan = program.plan
    names, lines = _names(plan, graph), []
    for i, kernel in _kernels(program, graph).items():
        first, last = plan.steps[i].node, plan.steps[kernel.last].node
        reads = [_operand(number, graph.views[reader][position] is not None, names, plan, graph)
                 for number, reader, position in kernel.fused.reads]
        lines.append(f"kernel of {names[first]} to {names[last]}, which reads "
                     + ", ".join(f"{name} as %{k}" for k, name in enumerate(reads)) + ":")
        lines += [f"  {line}" for line in str(kernel.fused.kernel).splitlines()]
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
            f"{_count(counts['entries'], 'structure')} known\n"
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
