"""Runs the kernel of a group in the place of its operations, or says that they must run one by one.

They must where the kernel has not paid for its compilation yet, where memory is not laid out as it needs, and where a
floating-point flag was raised that somebody is to be warned of: then they run again, each under its own error state,
and give the same values and the warnings. No kernel writes over what it reads, so they can.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..config import current
from ..hot import learn, native
from ..ir.capture import Graph
from ..ir.layout import reduced_order
from ..lower.fused import sliced
from ..lower.gaps import fits
from ..lower.long_rows import AMBIGUOUS
from ..lower.table import KernelRecord, Record
from . import floating, in_place, launch, parts, pool
from .interpreter import apply_view
from .taking import copied, take

_CALL_NS = 400.0
_ELEMENT_NS = 0.4
_ROW_NS = 10.0
"""What NumPy takes for one operation: for the call, for an element, and for a row where rows are reduced or go with
what they have one of."""
_SERIOUS = ~(2 | 32)
"""The flags besides 'denormal' and 'inexact'; with REFUSED, all."""
_ndarray = np.ndarray
failures: list[Exception] = []
"""What went wrong when kernels were made; their operations run one by one."""


def run_kernel(record: KernelRecord, graph: Graph, values: list[Any]) -> bool:
    """Runs it and puts the arrays that it made at the end of `values`; False if the operations must run instead."""
    if current.engine != "llvm":
        return False
    if record.wait:
        record.wait -= 1
        return False
    for path in record.fused.paths.values():
        if not all(sliced(graph.views[member][k]) for member, k in path):
            return False
    if record.over is not None and in_place.possible(record, graph, values):
        if record.fused.least:
            return False
        done = _run_over(record, graph, values)
        if done is not None:
            return done
    if record.stores:
        return _run_storing(record, graph, values)
    bound = graph.bound.get(record)
    key: Any = record
    if type(bound) is parts.Ready:  # it wrote over an operand before
        key = (record, "beside")
        bound = graph.bound.get(key)
    if bound is None or (bound.threads != current.threads and bound is not _REFUSED):
        bound = _bind(record, graph, values, key)
    if bound is None or bound is _REFUSED:
        return False
    nodes = graph.nodes
    made = [pool.empty(shape, nodes[n].dtype, strides) if large else _ndarray(shape, nodes[n].dtype)
            for n, large, shape, strides in bound.outputs]
    arrays = [values[slot] for slot in record.slots] if record.plain else _inputs(record, graph, values)
    return _launched(bound, record, graph, values, arrays + made, made)


def _run_over(record: KernelRecord, graph: Graph, values: list[Any]) -> bool | None:
    """The same where the result takes the place of an operand; None if it is to have memory of its own."""
    assert record.over is not None
    slot, key = record.reads[record.over[0]][0], (record, "over")
    pieces: Any = graph.bound.get(key)
    if pieces is None or (pieces is not _REFUSED and pieces.threads != current.threads):
        # Other threads look for pieces by the key: what is bound has another.
        bound = _bind(record, graph, values, (record, "over", "bound"), _beside(record, graph, values[slot]))
        if bound is None:
            return False
        pieces = graph.bound[key] = _pieces_over(bound, record, graph, values) or _REFUSED
    if pieces is _REFUSED:
        return None
    arrays = [values[s] for s in record.slots] if record.plain else _inputs(record, graph, values)
    outputs = _beside(record, graph, values[slot])
    if native is not None:
        again = parts.ready_over(pieces, record, graph, outputs)
        if again is not None:
            graph.bound[record] = again
    return _noted(in_place.run(pieces, record, graph, values, arrays, outputs, (slot,)), record, values, outputs)


def _pieces_over(bound: Any, record: KernelRecord, graph: Graph, values: list[Any]) -> Any:
    assert record.over is not None
    if type(bound) is not launch.Launch or bound.work < launch.SMALL_WORK:
        return None
    outputs = _beside(record, graph, values[record.reads[record.over[0]][0]])
    return in_place.pieces_of(bound, _inputs(record, graph, values), outputs, {record.over[1]: outputs[record.over[1]]})


def _beside(record: KernelRecord, graph: Graph, array: Any) -> list[Any]:
    """The outputs: the operand for one of them, new arrays for the others."""
    assert record.over is not None
    nodes = [graph.nodes[number] for number, _ in record.outputs]
    return [array if i == record.over[1] else pool.empty(node.shape, node.dtype) for i, node in enumerate(nodes)]


def _run_storing(record: KernelRecord, graph: Graph, values: list[Any]) -> bool:
    """The same where results go into parts of arrays that are there. Their memory is taken when all else is ready."""
    if not _pays(record, graph):
        return False
    if record.rereads and record.fused.piecewise:
        done = _run_into(record, graph, values)
        if done is not None:
            return done
    made: list[Any] = []
    targets: list[Any] = []
    for number, store in record.outputs:
        node = graph.nodes[number]
        if store is not None and number in record.rereads:
            made.append(parts.renewed(node, values[store.operands[0]]))
        else:
            made.append(pool.empty(node.shape, node.dtype, node.strides) if store is None else (
                None if store.over == store.operands[0] else parts.renewed(node, values[store.operands[0]])))
        if store is None:
            targets.append(made[-1])
        else:
            targets.append(parts.part(node, values[store.operands[0]] if made[-1] is None else made[-1]))
            if targets[-1].dtype != node.dtype:  # a view of other elements
                return False
    key = (record, *[(t.shape, t.strides) for t, (_, store) in zip(targets, record.outputs, strict=True) if store])
    bound = graph.bound.get(key)
    if bound is None or (bound.threads != current.threads and bound is not _REFUSED):
        bound = _bind(record, graph, values, key, targets)
    if bound is _REFUSED:
        return False
    inputs = _inputs(record, graph, values)
    if not _taken(record, graph, values, made, targets):
        return False
    if native is not None:
        graph.bound[record] = parts.ready(bound, None, record, graph, inputs, targets, made)
    return _launched(bound, record, graph, values, inputs + targets, made)


def _run_into(record: KernelRecord, graph: Graph, values: list[Any]) -> bool | None:
    """The same where every part that the kernel writes of an array that it reads is written where it is, since nobody
    else holds the array, and the kernel reads the very part, or others. None if that is not so."""
    over = {i: store.operands[0] for i, (number, store) in enumerate(record.outputs)
            if store is not None and number in record.rereads}
    for i, slot in over.items():
        if record.outputs[i][1].over != slot or not in_place.may_take(slot, record, graph, values):  # type: ignore[union-attr]
            return None
    nodes = [graph.nodes[number] for number, _ in record.outputs]
    inputs = _inputs(record, graph, values)
    targets = [pool.empty(nodes[i].shape, nodes[i].dtype, nodes[i].strides) if store is None else
               parts.part(nodes[i], values[store.operands[0]]) for i, (_, store) in enumerate(record.outputs)]
    slots = [record.reads[i][0] for i in record.arrays]
    for i, slot in over.items():
        if targets[i].dtype != nodes[i].dtype:  # a view of other elements
            return False
        if not all(in_place.apart(x, targets[i]) for x, s in zip(inputs, slots, strict=True) if s == slot):
            return None
    stored = [t for t, (_, store) in zip(targets, record.outputs, strict=True) if store is not None]
    key = (record, "into", *[(t.shape, t.strides) for t in stored])
    pieces = graph.bound.get(key)
    if pieces is None or (pieces is not _REFUSED and pieces.threads != current.threads):
        pieces = graph.bound[key] = _pieces_into(record, graph, values, key, inputs, targets, over)
    if pieces is _REFUSED:
        return None
    made = [targets[i] if store is None else values[store.operands[0]] if i in over else None
            for i, (_, store) in enumerate(record.outputs)]
    if not _taken(record, graph, values, made, targets):
        return False
    if native is not None:
        graph.bound[record] = parts.ready(pieces.launch, pieces, record, graph, inputs, targets, made)
    flags = in_place.run(pieces, record, graph, values, inputs, targets, tuple(over.values()))
    return _noted(flags, record, values, made)


def _taken(record: KernelRecord, graph: Graph, values: list[Any], made: list[Any], targets: list[Any]) -> bool:
    """Takes the memory of the arrays into which the kernel writes and of which it reads nothing: `made` lacks them."""
    for i, (number, store) in enumerate(record.outputs):
        if made[i] is None and store is not None:
            strides, targets[i] = targets[i].strides, None
            made[i] = _memory(store, graph, values)
            targets[i] = parts.part(graph.nodes[number], made[i])
            if targets[i].strides != strides:
                return False
    return True


def _noted(flags: int, record: KernelRecord, values: list[Any], made: list[Any]) -> bool:
    """After a run over operands, whose flags are those of pieces in which the operations ran: whether it was done."""
    if flags < 0:
        return False
    record.penalty = min(2 * record.penalty + 1, in_place.PATIENCE) if flags else 0
    record.wait = record.penalty
    values.append(made)
    return True


def _pieces_into(record: KernelRecord, graph: Graph, values: list[Any], key: Any, inputs: list[Any],
                 targets: list[Any], over: dict[int, int]) -> Any:
    """The pieces for `_run_into`, which a kernel writes to a buffer that has no gaps."""
    space = _space(record, graph)
    if any(t.shape != space or in_place.overlaps_itself(t) for t in targets):
        return _REFUSED
    beside = [in_place.stand_in(space, t.dtype, targets[-1]) if i in over else t for i, t in enumerate(targets)]
    bound = _bind(record, graph, values, (*key, "bound"), beside)  # other threads look for pieces by the key
    return in_place.pieces_of(bound, inputs, beside, {i: targets[i] for i in over}) or _REFUSED


def _memory(store: Record, graph: Graph, values: list[Any]) -> Any:
    """The array that a store writes into: the old one if nobody else needs it, else a copy; in its slot from now on."""
    slot = store.operands[0]
    if not (store.over == slot and type(values[slot]) is np.ndarray and values[slot].flags.writeable
            and take(slot, store, graph, values)):
        return copied(values[slot])
    return values[slot]


def _inputs(record: KernelRecord, graph: Graph, values: list[Any]) -> list[Any]:
    views, arrays = graph.views, []
    for i in record.arrays:
        slot, member, k = record.reads[i]
        array = values[slot]
        view = views[member][k]
        array = array if view is None else apply_view(view.attrs, array)
        arrays.append(_along(record.fused.paths[i], graph, array) if i in record.fused.paths else array)
    return arrays


def _along(path: tuple[tuple[int, int], ...], graph: Graph, array: Any) -> Any:
    """What the views of results that are not made see of an operand of theirs. (Slices, so they fit any array.)"""
    for member, k in path:
        array = apply_view(graph.views[member][k].attrs, array)
    return array


def _launched(bound: launch.Launch | launch.Staged, record: KernelRecord, graph: Graph, values: list[Any],
              arrays: list[Any], made: list[Any]) -> bool:
    if record.numbers or not isinstance(bound, launch.Launch):
        flags = launch.run(bound, arrays, [values[record.reads[i][0]] for i in record.numbers])
    else:
        flags = bound.call(bound.address, *arrays)
    if flags & _SERIOUS and (flags < 0 or flags & AMBIGUOUS or flags_matter(flags, record, graph.nodes)):
        record.penalty = min(2 * record.penalty + 1, in_place.PATIENCE)
        record.wait = record.penalty
        return False
    record.penalty = 0
    if record.fused.row_writes:
        made = [array[()] if not array.shape else array for array in made]  # NumPy's scalars
    values.append(made)
    return True


def flags_matter(flags: int, record: KernelRecord, nodes: list[Any]) -> bool:
    """Whether somebody is to be warned of floating-point flags that a kernel raised."""
    return any(flags & floating.mask(errstate) for errstate in {nodes[n].errstate for n in record.members})


class _Refused(launch.Launch):
    """In the place of a launch: these shapes are not for the kernel."""

    __slots__ = ()


_REFUSED = _Refused(np.zeros(1, np.int64), (), 0)
learn(refused_launch=_REFUSED)


def _pays(record: KernelRecord, graph: Graph) -> bool:
    """Whether the operations have worked long enough by now."""
    space = _space(record, graph)
    account, steps = record.account, len(record.fused.kernel.steps)
    account.credit += steps * _CALL_NS + record.weight * _ELEMENT_NS * prod(space)
    if record.fused.axes:
        account.credit += steps * _ROW_NS * prod(space[:-1])
    return account.credit >= current.compile_after * 1e3


def suits(record: KernelRecord, graph: Graph) -> bool:
    """Whether there are as many elements as the kernel is for."""
    return record.fused.least <= prod(_space(record, graph))


def _space(record: KernelRecord, graph: Graph) -> tuple[int, ...]:
    """The shape of the elements computed."""
    number, position = record.fused.space
    node = graph.nodes[number]
    shape: tuple[int, ...] = node.shape if position < 0 else node.inputs[position].shape
    return shape


def _bind(record: KernelRecord, graph: Graph, values: list[Any], key: Any, targets: list[Any] | None = None) -> Any:
    """The kernel for these shapes and strides, once it pays."""
    if not suits(record, graph):
        graph.bound[key] = _REFUSED
        return _REFUSED
    if not record.stores and not _pays(record, graph):
        return None
    if targets is None:
        nodes = [graph.nodes[number] for number, _ in record.outputs]
        targets = [pool.empty(node.shape, node.dtype, node.strides) for node in nodes]
    found = bind_arrays(record, graph, _space(record, graph), _inputs(record, graph, values), targets)
    if found is None:
        found = _REFUSED
    else:
        nodes = graph.nodes
        found.outputs = [(i, nodes[i].strides is not None or nodes[i].nbytes >= pool.SMALL, nodes[i].shape,
                          nodes[i].strides) for i, _ in record.outputs]
    graph.bound[key] = found
    return found


def _order(record: KernelRecord, graph: Graph) -> tuple[int, ...] | None:
    """The order in which NumPy goes over the axes of what is reduced; None if it is not one."""
    sources = [graph.nodes[number].inputs[0] for number in record.fused.reduced]
    orders = {reduced_order(source.shape, source.strides) for source in sources}
    return orders.pop() if len(orders) == 1 else None


def bind_arrays(record: KernelRecord, graph: Graph, space: tuple[int, ...], inputs: list[Any], targets: list[Any],
                least: int | None = None) -> Any:
    """The kernel of a record bound to arrays of these shapes and strides, or None. `least` is for how many elements it
    is instead of what the record says."""
    fused, arrays = record.fused, inputs + targets
    least = fused.least if least is None else least
    if not launch.shares(least, space) or not all(isinstance(a, np.ndarray) for a in arrays) or not all(
            t.shape == space or i in fused.row_writes for i, t in enumerate(targets)):
        return None
    if any(stride < 0 for i in fused.forwards for stride in targets[i].strides):
        return None
    if fused.stores and any(map(in_place.overlaps_itself, targets)):  # which element is written last is NumPy's order
        return None
    for i, reach, viewed in fused.apart:
        a = arrays[record.arrays.index(i)]
        if not fits(a.shape, a.strides, a.itemsize, reach) and (viewed or not pool.is_dense(a)):
            return None
    order = _order(record, graph) if fused.axes else ()
    if order is None:
        return None
    by_row = {record.arrays.index(i) for i in fused.row_reads} | {len(inputs) + i for i in fused.row_writes}
    try:
        return launch.bind(fused.kernel, space, arrays, fused.axes, frozenset(by_row), order)
    except Exception as error:  # whatever the compiler may raise: NumPy's own calls do it, too
        failures.append(error)
        if current.debug:
            raise
        return None
