"""The interpreter of the table: runs a program's records on a captured graph. The reference for every other dispatcher.

What a plan says about memory is permission, not fact: before a step writes over an operand, reference counts must say
that this run alone holds it. After a failure everything that was done is settled, so what is left can be run again; a
value that the failing step was writing over is lost, and whoever needs it gets the failure as the cause.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..config import current
from ..errors import CheckError, loss
from ..hot import learn, native
from ..ir.capture import Graph
from ..ir.dag import exactly
from ..ir.node import Node, settle
from ..ir.operation import Operation
from ..lower.table import DIRECT1, DIRECT2, GENERAL, KERNEL, MAP1, MAP2, KernelRecord, Program, Record
from . import pool
from .blame import explained
from .interpreter import TAKEN, Floating, apply_view, compute, on_execute, value_of
from .kernels import run_kernel
from .taking import copied, take

_VIEW = Operation.VIEW


def run_program(program: Program, graph: Graph) -> list[tuple[Any, str]]:
    """Runs a program on a graph of the key that it was made for; gives the floating-point errors to warn of.

    Kept nodes get their values. The other nodes that ran forget their operands; they and the graph are of no more use.

    Raises
    ------
    BaseException
        What a step raises, with a note that names the operation and the user's line.
    """
    if program.guarded and not holds(program, graph):
        assert program.otherwise is not None
        program = program.otherwise
    watched = on_execute or current.debug
    if native is not None and program.alone is None and not watched:
        errors: list[tuple[Any, str]] = native.run_program(program, graph)
        return errors
    values = [x.buffer if type(x) is Node else x for x in graph.leaves]
    values += program.spare_slots
    if program.alone is not None and not watched and _run_alone(
            program, program.alone, graph, values):
        return []
    if native is not None and not watched:
        _give_back(graph, values)
        del values
        again: list[tuple[Any, str]] = native.run_program(program, graph)
        return again
    state = Floating()
    state.__enter__()
    try:
        _run_rows(program, graph, values, state)
    finally:
        state.__exit__()
    found: list[tuple[Any, str]] = state.errors
    return _reported(found, program, graph) if found else found


def _run_alone(program: Program, record: KernelRecord, graph: Graph, values: list[Any]) -> bool:
    """A program of one kernel and nothing else."""
    try:
        done = run_kernel(record, graph, values)
    except BaseException as error:
        _rescue(program, graph, values, -1, error)
        raise
    if done:
        made, count = values.pop(), len(graph.leaves)
        try:
            _settle(record, graph, values, count, made)
        except BaseException:
            _settle(record, graph, values, count, made)
            raise
    return done


def _give_back(graph: Graph, values: list[Any]) -> None:
    """Leaves have the memory again that a kernel took which then did not do its work: the operations take it anew."""
    for slot, item in enumerate(graph.leaves):
        if type(item) is Node and item.claim is TAKEN:
            item.buffer, item.claim = values[slot], None


def _run_rows(program: Program, graph: Graph, values: list[Any], state: Floating) -> None:
    """The loop over the records. A result goes straight into its slot: a name would count as a holder of its memory."""
    nodes, leaves, count = graph.nodes, graph.leaves, program.leaves
    hooks, debug = on_execute, current.debug
    node = capsule = None
    done = -1
    try:
        if program.needless:
            _forget_operands(program.needless, graph)
        rows = iter(program.rows)
        for position, code, fn, number, a, b, out, gauge, limit, kept, empties, switch, record in rows:
            node = nodes[number]
            if code == KERNEL:
                if not hooks and not debug and run_kernel(record, graph, values):
                    made = values.pop()
                    try:
                        _settle(record, graph, values, count, made)
                    except BaseException:  # an interrupt: once more, since half of it is worse than none
                        _settle(record, graph, values, count, made)
                        done = record.last
                        raise
                    done, made = record.last, None
                    if state.interrupt is not None:
                        raise state.interrupt
                    for _ in range(record.span):
                        next(rows)
                capsule = None if switch else capsule
                continue
            if node.errstate is not capsule or switch:
                capsule = _enter(state, node, switch)
            else:
                state.node = node
            if hooks:
                _tell(node)
            if code == MAP2 and values[gauge].nbytes < limit:
                values[out] = fn(values[a], values[b])
            elif code == MAP1 and values[gauge].nbytes < limit:
                values[out] = fn(values[a])
            elif code == DIRECT2:
                values[out] = fn(values[a], values[b])
            elif code == DIRECT1:
                values[out] = fn(values[a])
            else:
                values[out] = _general(record, node, graph, values)
            if debug:
                _verify(node, values[out])
            # From here to `done` nothing is called and nothing loops: no interrupt comes between.
            if kept:
                node.buffer = values[out]
                node.attrs = node.claim = None
                node.depth = 0
            node.a = node.b = None
            done = position
            if code == GENERAL:
                _forget(record, node, graph)
            for slot in empties:
                values[slot] = None
                if slot < count:
                    leaves[slot] = None
            if state.interrupt is not None:
                raise state.interrupt
    except BaseException as error:
        _rescue(program, graph, values, done, error)
        raise (error if node is None else explained(error, node)) from None


def _settle(record: KernelRecord, graph: Graph, values: list[Any], count: int, made: list[Any]) -> None:
    """After a kernel: the arrays made to those who hold them, operands forgotten. May be done twice."""
    nodes, leaves = graph.nodes, graph.leaves
    for number, index in record.results:
        node = nodes[number]
        node.buffer = made[index]
        node.attrs = node.claim = None
        node.depth = 0
    for number in record.fused.members:
        node = nodes[number]
        node.a = node.b = None
    for replaced in record.general:
        _forget(replaced, nodes[replaced.node], graph)
    for slot in record.empties:
        values[slot] = None
        if slot < count:
            leaves[slot] = None
    for slot, index in record.live:
        values[slot] = made[index]


def _enter(state: Floating, node: Node, switch: bool) -> Any:
    """Enters the node's error state; anew after an operation that warns by other means."""
    if switch:
        state.capsule = None
    state.at(node)
    return node.errstate


def _tell(node: Node) -> None:
    for hook in on_execute:
        hook(node)


def _verify(node: Node, value: Any) -> None:
    """Under `config(debug=True)`: a result is what was promised when the operation was written."""
    if not isinstance(value, (np.ndarray, np.generic)):  # an element of an array of objects
        return
    dtype, shape = value.dtype, value.shape
    promised = pool.empty(node.shape, node.dtype, node.strides).strides
    laid = 0 in shape or all(s == p or n == 1 for n, s, p in zip(shape, np.asarray(value).strides, promised))
    if shape != node.shape or dtype != node.dtype or not laid:
        raise CheckError(f"{node!r} gave {dtype}{list(shape)} with strides {np.asarray(value).strides}; "
                         f"promised were {node.dtype}{list(node.shape)} with {promised}")


def _general(record: Record, node: Node, graph: Graph, values: list[Any]) -> Any:
    """The value of a record's node, whatever its kind."""
    kind = record.kind
    if kind == "leaf" or isinstance(node.claim, BaseException):
        value_of(node)
    if kind == "mutate":
        return _mutated(record, node, graph, values)
    if kind == "same":
        return _moved_or_copied(record, node, graph, values)
    slot = record.over
    memory = None
    if slot >= 0 and _fits(values, slot, node) and take(slot, record, graph, values):
        memory, values[slot] = values[slot], None
    operands = [memory if s == slot and memory is not None else values[s] for s in record.operands]
    if record.viewed:
        for k, view in enumerate(graph.views[record.node]):
            if view is not None:
                operands[k] = apply_view(view.attrs, operands[k])
    return compute(node, operands, memory)


def _mutated(record: Record, node: Node, graph: Graph, values: list[Any]) -> Any:
    """The memory of the old value, or a copy of it, after the write.

    Operands that read the old value read the memory being written, so that NumPy sees the program's overlap.
    """
    slot = record.operands[0]
    views = graph.views[record.node]
    if (record.over == slot and type(values[slot]) is np.ndarray and values[slot].flags.writeable
            and take(slot, record, graph, values)):
        memory, values[slot] = values[slot], None
    else:
        memory = copied(values[slot])
    operands = [memory]
    for k, s in enumerate(record.operands):
        if k:
            value, view = memory if s == slot else values[s], views[k]
            operands.append(value if view is None else apply_view(view.attrs, value))
    return compute(node, operands)


def _moved_or_copied(record: Record, node: Node, graph: Graph, values: list[Any]) -> Any:
    """The value of another node: its memory if nobody else needs that, else a copy; a scalar as it is."""
    slot = record.operands[0]
    if not isinstance(values[slot], np.ndarray):
        return values[slot]
    if record.over == slot and take(slot, record, graph, values):
        memory, values[slot] = values[slot], None
        return memory
    memory = pool.empty(node.shape, node.dtype, node.strides)
    np.copyto(memory, values[slot])
    return memory


def _fits(values: list[Any], slot: int, node: Node) -> bool:
    """Whether the array in a slot is large enough to care and has the node's dtype and strides. (Its shape is the
    node's: their classes are equal.)"""
    array = values[slot]
    if type(array) is not np.ndarray or array.nbytes < pool.SMALL or array.dtype is not node.dtype:
        return False
    flags = array.flags
    return bool(flags.behaved and (flags.c_contiguous if node.strides is None else array.strides == node.strides))


def _forget(record: Record, node: Node, graph: Graph) -> None:
    """What a node held besides its first two operands; and the operands of those that it stands for."""
    node.rest = ()
    if record.viewed:
        graph.views.pop(record.node, None)
    if record.twins:
        _forget_operands(record.twins, graph)


def _forget_operands(numbers: tuple[int, ...], graph: Graph) -> None:
    for number in numbers:
        node = graph.nodes[number]
        node.a = node.b = None
        node.rest = ()
        graph.views.pop(number, None)


# ---- what was taken for granted --------------------------------------------------------------------------------------


def holds(program: Program, graph: Graph) -> bool:
    """Whether what the program's rewrites took for granted is so in this graph."""
    nodes = graph.nodes
    for i, j in program.alike:
        a, b = nodes[i], nodes[j]
        if not (a.errstate is b.errstate and a.strides == b.strides and exactly(a.dtype, b.dtype)
                and exactly(a.attrs, b.attrs) and _same_views(graph.views[i], graph.views[j])):
            return False
    for i, j in program.laid_alike:
        a, b = nodes[i], nodes[j] if j < len(nodes) else graph.leaves[j - len(nodes)]
        if not (a.strides == b.strides and exactly(a.dtype, b.dtype)):
            return False
        if b.buffer is not None and not (type(b.buffer) is np.ndarray and b.buffer.flags.aligned):
            return False
    return True


def _same_views(one: Any, other: Any) -> bool:
    """Whether operands are seen through the same views. (What stands for no views at all is long.)"""
    return one is other or all(v is w for v, w in zip(one, other))


def _reported(errors: list[tuple[Any, str]], program: Program, graph: Graph) -> list[tuple[Any, str]]:
    """The errors in the order of the program, those of an operation that stands for others for each of them."""
    twins: dict[Node, list[Node]] = {}
    for number, _ in program.alike:
        if number in program.same:
            twins.setdefault(graph.nodes[program.same[number]], []).append(graph.nodes[number])
    for node, error in list(errors):
        errors += [(twin, error) for twin in twins.get(node, ())]
    if twins or not program.in_program_order:
        errors.sort(key=lambda noted: noted[0].seq)
    return errors


# ---- after a failure -------------------------------------------------------------------------------------------------


def _rescue(program: Program, graph: Graph, values: list[Any], done: int, error: BaseException) -> None:
    """Gives every node that ran its value if something may still need it, and marks what the failing step destroyed."""
    owner: dict[int, int] = {}
    for record in program.records[:done + 1]:
        owner[record.out] = record.node
        for slot in record.empties:
            owner.pop(slot, None)
    nodes = graph.nodes
    for slot, number in owner.items():
        _keep(nodes[number], values[slot], error)
    for number, other in program.same.items():
        node = nodes[number]
        if node.buffer is None and (other >= len(nodes) or other in owner.values()):
            value = values[other - len(nodes)] if other >= len(nodes) else nodes[other].buffer
            _keep(node, copied(value) if isinstance(value, np.ndarray) else value, error)
    for slot, item in enumerate(graph.leaves):
        if type(item) is Node and item.buffer is None and item.claim is TAKEN:
            item.buffer = values[slot]  # None if the failing step had begun to write there
            item.claim = loss(error) if item.buffer is None else None
    values.clear()


def _keep(node: Node, value: Any, error: BaseException) -> None:
    if node.buffer is None:
        if value is None:
            node.claim = loss(error)
        else:
            settle(node, value)


learn(Program=Program, KernelRecord=KernelRecord, run_kernel=run_kernel, settle_kernel=_settle, general=_general,
      forget_operands=_forget_operands, rescue=_rescue, reported=_reported)
