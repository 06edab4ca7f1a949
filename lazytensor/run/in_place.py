"""Kernels that write over what they read: over a whole operand, or into a part of an array of which they read that.

A kernel's result may be wanted for its warnings' sake alone: where a floating-point flag is raised, the operations run
again one by one, and need the operand. So it runs piece by piece (`run.pieces`), and of a piece that raised a flag that
somebody is to be warned of the operand is still there: on the elements of those the operations run, and give the same
values and the warnings.
"""

from __future__ import annotations

from itertools import starmap
from typing import Any

import numpy as np

from ..hot import learn
from ..ir.capture import Graph
from ..lower.table import KernelRecord
from . import floating, launch, pool
from .geometry import along, coalesced
from .interpreter import TAKEN, apply_view, written
from .launcher import REFUSED
from .pieces import MOST_TARGETS, Pieces
from .taking import held_here

PATIENCE = 1 << 10
"""How many runs a kernel that keeps raising flags is passed by at most."""
_OVERLAPS = 1 << 10
"""How hard it may be to find out whether parts of an array overlap."""


def possible(record: KernelRecord, graph: Graph, values: list[Any]) -> bool:
    """Whether the kernel may write over its operand in this run: large, laid out as the result, nobody else's."""
    assert record.over is not None
    slot = record.reads[record.over[0]][0]
    array, nodes = values[slot], [graph.nodes[number] for number, _ in record.outputs]
    if (type(array) is not np.ndarray or array.nbytes < pool.SMALL or array.dtype is not nodes[record.over[1]].dtype
            or not array.flags.carray
            or any(node.strides is not None or node.shape != array.shape for node in nodes)):
        return False
    array = None  # else it would count
    return held_here(slot, record.records, graph, values)


def may_take(slot: int, record: KernelRecord, graph: Graph, values: list[Any]) -> bool:
    """Whether the kernel may write into a part of an array of which it reads something, too: nobody else holds it."""
    return type(values[slot]) is np.ndarray and values[slot].flags.writeable and held_here(
        slot, record.records, graph, values)


def apart(read: Any, part: Any) -> bool:
    """Whether a kernel that writes elements one by one may read an array beside the part that it writes: they are the
    same elements, or none of them are."""
    if read.shape == part.shape and read.strides == part.strides and (
            read.__array_interface__["data"] == part.__array_interface__["data"]):
        return True
    try:
        return not np.shares_memory(read, part, max_work=_OVERLAPS)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return False


def overlaps_itself(array: Any) -> bool:
    """Whether elements of an array may share memory."""
    size = array.itemsize
    for stride, n in sorted([(abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1]):
        if stride < size:
            return True
        size += stride * (n - 1)
    return False


def stand_in(shape: tuple[int, ...], dtype: np.dtype[Any], last: Any) -> Any:
    """An array without gaps, its axes in the order of another's: what a kernel is bound to that writes to a buffer."""
    strides, step = [0] * len(shape), dtype.itemsize
    for i in reversed(_axes(shape, last)):
        strides[i] = step
        step *= shape[i]
    return np.ndarray(shape, dtype, pool.empty((step,), np.dtype(np.uint8)), 0, strides)


def _axes(shape: tuple[int, ...], last: Any) -> tuple[int, ...]:
    """The axes of a space from the outermost in, as `geometry.coalesced` has them."""
    steps = [0 if n == 1 else abs(s) for n, s in zip(shape, last.strides, strict=True)]
    return tuple(sorted(range(len(shape)), key=lambda i: -steps[i]))


def pieces_of(bound: Any, inputs: list[Any], outputs: list[Any], over: dict[int, Any]) -> Pieces | None:
    """The pieces of a launch that was bound to these arrays, `over` being what some of the outputs stand for, by their
    positions; None if they are not to be had."""
    if type(bound) is not launch.Launch or len(over) > MOST_TARGETS:
        return None
    shape, real = outputs[-1].shape, list(over.values())
    arrays = [*real, *inputs, *outputs]
    sizes, strides = coalesced(shape, [along(shape, a) for a in arrays])
    if tuple(sizes) != bound.sizes:
        return None
    targets = [(len(inputs) + i, part.itemsize, s) for (i, part), s in zip(over.items(), strides, strict=False)]
    return Pieces(bound, shape, _axes(shape, outputs[-1]), len(inputs) + len(outputs), targets)


def run(pieces: Pieces, record: KernelRecord, graph: Graph, values: list[Any], arrays: list[Any],
        outputs: list[Any], slots: tuple[int, ...]) -> int:
    """Runs the kernel over what it reads: outputs are, or are parts of, the arrays in these slots. REFUSED if nothing
    was done, else the flags of pieces in which the operations ran."""
    mask = 0
    for r in record.records:
        mask |= floating.mask(graph.nodes[r.node].errstate)
    ready = pieces.ready([values[record.reads[i][0]] for i in record.numbers], mask)
    if ready is None:
        return REFUSED
    header, block, marks = ready
    memory: dict[int, Any] = {}
    done: list[int] = []  # filled by the call itself, since Python lets an interrupt in when a call has ended
    call, arguments = pieces.call, [(header[0], block.ctypes.data, *arrays, *outputs)]
    try:
        for slot in slots:  # what was there is lost when the kernel has begun
            if slot < len(graph.leaves):
                graph.leaves[slot].buffer = None
                graph.leaves[slot].claim = TAKEN
            memory[slot], values[slot] = values[slot], None
        done.extend(starmap(call, arguments))
    except BaseException as error:
        if not done or floating.noted.run is None:
            if not done:
                _give_back(graph, values, memory)
            raise
        floating.noted.run.interrupt = error  # to be raised when the result is where it belongs
    flags = done[0]
    if flags > 0:
        _again(pieces, record, graph, values, outputs, memory, marks)
    elif flags < 0:
        _give_back(graph, values, memory)
    return flags


def _give_back(graph: Graph, values: list[Any], memory: dict[int, Any]) -> None:
    """What was taken for a kernel that then wrote nothing."""
    for slot, array in memory.items():
        values[slot] = array
        if slot < len(graph.leaves):
            graph.leaves[slot].buffer, graph.leaves[slot].claim = array, None


def repaired(pieces: Pieces, record: KernelRecord, graph: Graph, values: list[Any], outputs: list[Any],
             marks: Any) -> None:
    """After a run by the extension that raised flags in the pieces that are marked (None: in the only one)."""
    slots = [store.operands[0] for _, store in record.outputs if store is not None]
    if record.over is not None:
        slots.append(record.reads[record.over[0]][0])
    memory = {slot: values[slot] for slot in slots}
    for slot in slots:
        values[slot] = None
    _again(pieces, record, graph, values, outputs, memory, np.ones(1, np.uint8) if marks is None else marks)
    for slot in slots:
        values[slot] = memory[slot]
    record.wait = record.penalty = min(2 * record.penalty + 1, PATIENCE)


def _again(pieces: Pieces, record: KernelRecord, graph: Graph, values: list[Any], outputs: list[Any],
           memory: dict[int, Any], marks: Any) -> None:
    """The operations on the pieces that raised flags, each under its own error state. The order of what they warn of
    is that of the operations."""
    state = floating.noted.run
    before, start = state.node, len(state.errors)
    for places in pieces.elements(marks):
        _operations(pieces, record, graph, values, outputs, memory, places, state)
    position = {graph.nodes[r.node]: i for i, r in enumerate(record.records)}
    kinds = ("divide by zero", "overflow", "underflow", "invalid value")
    state.errors[start:] = sorted(dict.fromkeys(state.errors[start:]), key=lambda e: (
        position[e[0]], kinds.index(e[1]) if e[1] in kinds else len(kinds)))
    if before is not None:
        state.at(before)


def _operations(pieces: Pieces, record: KernelRecord, graph: Graph, values: list[Any], outputs: list[Any],
                memory: dict[int, Any], places: Any, state: Any) -> None:
    made: dict[int, Any] = {}
    wanted: dict[int, Any] = {}
    for r in record.records:
        node = graph.nodes[r.node]
        operands = []
        for k, s in enumerate(r.operands):
            if s in made or (not k and r.kind == "mutate"):
                operands.append(made.get(s))
                continue
            view = graph.views[r.node][k]
            value = memory[s] if s in memory else values[s]
            operands.append(_picked(value if view is None else apply_view(view.attrs, value), pieces, places))
        state.at(node)
        made[r.out] = wanted[r.node] = _elements(node, operands, len(places[0]))
    for (number, _), output in zip(record.outputs, outputs, strict=True):
        output.transpose(pieces.axes)[places] = wanted[number]


def _elements(node: Any, operands: list[Any], count: int) -> Any:
    """An operation on so many elements."""
    op: Any = node.op
    if op.kind not in ("elementwise", "mutate"):
        return op.fn(*operands)
    out = np.empty(count, node.dtype)
    if op.kind == "elementwise":
        return written(out, op.fn, operands, {"out": out, **dict(node.attrs or ())})
    return written(out, op.ufunc, operands[1:], {"out": out}) if op.step == "part" else written(
        out, np.copyto, (out, operands[1], "unsafe"), {})


def _picked(value: Any, pieces: Pieces, places: Any) -> Any:
    """The elements of an operand at places of the space; what is the same for all as it is."""
    if not isinstance(value, np.ndarray) or not value.shape:
        return value
    return np.broadcast_to(value, pieces.shape).transpose(pieces.axes)[places]


learn(repaired=repaired)
