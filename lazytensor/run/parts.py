"""Parts of arrays that kernels write: where they are, what is left around them, how the extension finds them again; and
whole arrays that kernels write over."""

from __future__ import annotations

from operator import getitem
from typing import Any

import numpy as np

from ..config import current
from ..hot import learn
from ..ir.capture import Graph
from ..ir.layout import shadow
from ..lower.table import KernelRecord
from . import floating, in_place, launch, pool
from .interpreter import apply_view
from .pieces import Pieces

MOST_OUTPUTS = 8


def renewing(record: KernelRecord, graph: Graph) -> frozenset[int]:
    """The operations of which the kernel writes the result to new memory, for it reads another part of the old array
    that overlaps with what it writes, or somebody holds that."""
    found = set()
    for number, store in record.outputs:
        if store is None or number not in record.rereads:
            continue
        node, slot = graph.nodes[number], store.operands[0]
        old = shadow(node.shape, node.strides, node.dtype)
        written, views = part(node, old), [graph.views[member][k] for s, member, k in record.reads if s == slot]
        if store.over != slot or not record.fused.piecewise or not all(
                in_place.apart(old if view is None else apply_view(view.attrs, old), written) for view in views):
            found.add(number)
    return frozenset(found)


def part(node: Any, memory: Any) -> Any:
    """The part of an array that a store writes."""
    return apply_view(steps_to_part(node), memory)


def steps_to_part(node: Any) -> tuple[Any, ...]:
    """The steps of a view that lead from an array to the part that a node writes."""
    steps, extra = node.attrs
    return (*steps, (getitem, extra)) if node.op.step == "store" else steps


def renewed(node: Any, old: Any) -> Any:
    """New memory for an array of which a kernel reads the old value and writes a part: the rest is copied."""
    if not isinstance(old, np.ndarray):
        return np.array(old)
    memory = pool.empty_like(old)
    around = _around(node, memory)
    for rest in ((...,),) if around is None else around:
        np.copyto(memory[rest], old[rest])
    return memory


def _around(node: Any, memory: Any) -> tuple[Any, ...] | None:
    """What a node leaves of an array as it was, as boxes; None if it is not boxes."""
    indices = tuple([args[0] if fn is getitem and len(args) == 1 else None for fn, args in steps_to_part(node)])
    found = surroundings(memory.shape, indices) if memory.ndim else None
    return None if found is None else tuple(found)


def surroundings(shape: tuple[int, ...], indices: tuple[Any, ...]) -> list[tuple[slice, ...]] | None:
    """What indices, one after the other, leave of an array, as boxes; None where they are not numbers and slices
    without steps.

    >>> surroundings((5, 4), (slice(1, None), (slice(0, 3), Ellipsis)))
    [(slice(0, 1, None),), (slice(4, 5, None),)]
    """
    low, high, live = [0] * len(shape), list(shape), list(range(len(shape)))
    for index in indices:
        parts = index if type(index) is tuple else (index,)
        if parts and parts[-1] is Ellipsis:
            parts = parts[:-1]
        if len(parts) > len(live):
            return None
        kept = []
        for axis, given in zip(live, parts, strict=False):
            if type(given) is slice:
                start, stop, step = given.indices(high[axis] - low[axis])
                if step != 1:
                    return None
                kept.append(axis)
            elif type(given) is int:
                start = given if given >= 0 else given + high[axis] - low[axis]
                stop = start + 1
            else:
                return None
            low[axis], high[axis] = low[axis] + start, low[axis] + max(start, stop)
        live = kept + live[len(parts):]
    boxes: list[tuple[slice, ...]] = []
    for axis, length in enumerate(shape):
        inside = tuple(map(slice, low[:axis], high[:axis]))
        boxes += [(*inside, slice(a, b)) for a, b in ((0, low[axis]), (high[axis], length)) if a < b]
    return boxes


class Ready:
    """How a kernel that writes into parts of arrays, or over one that it reads, ran, for the extension to run it again
    where all is as it was.

    Attributes
    ----------
    launch : Launch
    threads : int
        How many were in use.
    call : builtin
    pieces : Pieces or None
    extra, count : numpy.ndarray or None, int
        Their block, and how many there are.
    errstate, mask : the error state of its operations, if they have one, and the flags that they warn of, as an int
    targets : tuple of tuple
        For each output the operation, the slot of the array of which it is a part (-1: of none), whether the operation
        has an index (None: it is the whole array), and if the array's memory is new, the boxes to be copied and where
        in it the part begins.
    templates : tuple of numpy.ndarray
        Arrays of the outputs' shapes and strides.
    relations : tuple of int
        By threes an input, an output, and how many bytes the first lies behind the second.
    """

    __slots__ = ("launch", "threads", "call", "pieces", "extra", "count", "errstate", "mask", "targets",
                 "templates", "relations")

    targets: tuple[tuple[Any, ...], ...]
    templates: tuple[Any, ...]
    relations: tuple[int, ...]

    def __init__(self, bound: launch.Launch, pieces: Pieces | None, errstates: list[Any]) -> None:
        self.launch, self.threads, self.pieces = bound, current.threads, pieces
        self.call, self.count, self.extra = bound.call, 1, None
        self.errstate, self.mask = errstates[0] if len(set(errstates)) == 1 else None, 0
        for errstate in set(errstates):
            self.mask |= floating.mask(errstate)
        if pieces is not None:
            self.call, self.count, self.extra = pieces.call, pieces.count, pieces.described(self.mask)


learn(Ready=Ready)


def ready(bound: Any, pieces: Pieces | None, record: KernelRecord, graph: Graph, inputs: list[Any],
          outputs: list[Any], wholes: list[Any]) -> Ready | None:
    """What the extension needs to run the kernel again; None if it does not run such."""
    if not _can_run_again(bound, record, outputs):
        return None
    found = Ready(bound, pieces, [graph.nodes[n].errstate for n in record.members])
    targets: list[tuple[Any, ...]] = []
    relations: list[int] = []
    for i, (number, store) in enumerate(record.outputs):
        if store is None:
            targets.append((number, -1, False, None, 0))
            continue
        node, slot = graph.nodes[number], store.operands[0]
        indexed, boxes, offset = node.op.step == "store", None, 0
        if store.over != slot or (number in record.rereads and pieces is None):
            boxes, offset = _around(node, wholes[i]), _address(outputs[i]) - _address(wholes[i])
            if boxes is None:
                return None
        else:
            for k, j in enumerate(record.arrays):
                if record.reads[j][0] == slot:
                    relations += (k, i, _address(inputs[k]) - _address(outputs[i]))
        targets.append((number, slot, indexed, boxes, offset))
    found.targets, found.relations = tuple(targets), tuple(relations)
    found.templates = tuple([shadow(x.shape, x.strides, x.dtype) for x in outputs])
    return found


def ready_over(pieces: Pieces, record: KernelRecord, graph: Graph, outputs: list[Any]) -> Ready | None:
    """The same for a kernel that writes a result over one of its operands."""
    assert record.over is not None
    if not _can_run_again(pieces.launch, record, outputs):
        return None
    found = Ready(pieces.launch, pieces, [graph.nodes[n].errstate for n in record.members])
    source, result = record.over
    slot = record.reads[source][0]
    found.targets = tuple([(number, slot, None, None, 0) if i == result else (number, -1, False, None, 0)
                           for i, (number, _) in enumerate(record.outputs)])
    found.templates = tuple([shadow(x.shape, x.strides, x.dtype) for x in outputs])
    found.relations = record.arrays.index(source), result, 0
    return found


def _can_run_again(bound: Any, record: KernelRecord, outputs: list[Any]) -> bool:
    """Whether the extension runs such kernels."""
    return type(bound) is launch.Launch and not record.fused.row_writes and (
        len(outputs) <= MOST_OUTPUTS and not any(r.twins for r in record.records))


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])
