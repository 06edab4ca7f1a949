"""Kernels that write over one of their operands.

A kernel's result may be wanted for its warnings' sake alone: where a floating-point flag is raised, the operations run
again one by one, and need the operand. So a kernel writes a piece to a small buffer; if the piece raised nothing that
somebody is to be warned of, it is copied over the operand. Of the other pieces the operand is still there: for them the
operations run, piece by piece, and give the same values and the warnings.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..config import current
from ..ir.capture import Graph
from ..lower import native
from ..lower.emit import CHECKED
from ..lower.table import KernelRecord
from . import floating, launch, pool
from .interpreter import apply_view, written
from .taking import TAKEN, held_here

PIECE = 1 << 15
"""Bytes of the buffer: the first and second level of the cache hold them."""
_BUILTIN_TEXT = CHECKED + """
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyLong_FromLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @chunk(ptr %job, i64 %number) {
entry:
  %piece = alloca [PIECE x i8], align 64
  %moved = alloca [64 x ptr], align 16
  %header_at = getelementptr ptr, ptr %job, i64 1
  %flags_at = getelementptr ptr, ptr %job, i64 2
  %extra_at = getelementptr ptr, ptr %job, i64 3
  %data = load ptr, ptr %job
  %header = load ptr, ptr %header_at
  %extra = load ptr, ptr %extra_at
  %kernel = load ptr, ptr %header
  %rows_at = getelementptr i64, ptr %header, i64 1
  %rows = load i64, ptr %rows_at
  %length_at = getelementptr i64, ptr %header, i64 2
  %length = load i64, ptr %length_at
  %part_at = getelementptr i64, ptr %header, i64 4
  %part = load i64, ptr %part_at
  %block = getelementptr i64, ptr %header, i64 67
  %arrays = load i64, ptr %extra
  %unit_at = getelementptr i64, ptr %extra, i64 1
  %unit = load i64, ptr %unit_at
  %per_at = getelementptr i64, ptr %extra, i64 2
  %per = load i64, ptr %per_at
  %mask_at = getelementptr i64, ptr %extra, i64 3
  %mask = load i64, ptr %mask_at
  %marks_at = getelementptr i64, ptr %extra, i64 4
  %marks = load ptr, ptr %marks_at
  %out_at = getelementptr i64, ptr %extra, i64 5
  %out = load i64, ptr %out_at
  %target_at = getelementptr ptr, ptr %data, i64 %out
  %target = load ptr, ptr %target_at
  %bytes = mul i64 %arrays, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %moved, ptr %data, i64 %bytes, i1 false)
  %moved_at = getelementptr ptr, ptr %moved, i64 %out
  %first = mul i64 %number, %part
  %beyond = add i64 %first, %part
  %many = icmp sgt i64 %rows, 1
  %total = select i1 %many, i64 %rows, i64 %length
  %less = icmp slt i64 %beyond, %total
  %last = select i1 %less, i64 %beyond, i64 %total
  br label %head
head:
  %i = phi i64 [%first, %entry], [%j, %next]
  %more = icmp slt i64 %i, %last
  br i1 %more, label %one, label %done
one:
  %j = add i64 %i, %per
  %short = icmp slt i64 %j, %last
  %end = select i1 %short, i64 %j, i64 %last
  %offset = mul i64 %i, %unit
  %back = sub i64 0, %offset
  %place = getelementptr i8, ptr %piece, i64 %back
  store ptr %place, ptr %moved_at
  %row0 = select i1 %many, i64 %i, i64 0
  %row1 = select i1 %many, i64 %end, i64 1
  %start = select i1 %many, i64 0, i64 %i
  %stop = select i1 %many, i64 %length, i64 %end
  %flags = call i32 @checked(ptr %kernel, ptr %moved, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop)
  %wide = zext i32 %flags to i64
  %serious = and i64 %wide, %mask
  %clean = icmp eq i64 %serious, 0
  br i1 %clean, label %keep, label %mark
keep:
  %to = getelementptr i8, ptr %target, i64 %offset
  %count = sub i64 %end, %i
  %size = mul i64 %count, %unit
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %piece, i64 %size, i1 false)
  br label %next
mark:
  %which = sdiv i64 %i, %per
  %mark_at = getelementptr i8, ptr %marks, i64 %which
  store i8 1, ptr %mark_at
  %old = atomicrmw or ptr %flags_at, i64 %serious monotonic
  br label %next
next:
  br label %head
done:
  ret void
}

define ptr @launch_over(ptr %self, ptr %args, i64 %count) {
entry:
  %data = alloca [64 x ptr], align 16
  %job = alloca [4 x ptr], align 16
  %number = load ptr, ptr %args
  %header = call ptr @PyLong_AsVoidPtr(ptr %number)
  %second_at = getelementptr ptr, ptr %args, i64 1
  %second = load ptr, ptr %second_at
  %extra = call ptr @PyLong_AsVoidPtr(ptr %second)
  %masks = getelementptr i64, ptr %header, i64 7
  br label %gather
gather:
  %i = phi i64 [2, %entry], [%j, %gather]
  %bits = phi i64 [0, %entry], [%more, %gather]
  %arg_at = getelementptr ptr, ptr %args, i64 %i
  %array = load ptr, ptr %arg_at
  %address_at = getelementptr i8, ptr %array, i64 16
  %address = load ptr, ptr %address_at
  %k = sub i64 %i, 2
  %data_at = getelementptr ptr, ptr %data, i64 %k
  store ptr %address, ptr %data_at
  %integer = ptrtoint ptr %address to i64
  %mask_at = getelementptr i64, ptr %masks, i64 %k
  %mask = load i64, ptr %mask_at
  %odd = and i64 %integer, %mask
  %more = or i64 %bits, %odd
  %j = add i64 %i, 1
  %again = icmp slt i64 %j, %count
  br i1 %again, label %gather, label %check
check:
  %aligned = icmp eq i64 %more, 0
  br i1 %aligned, label %run, label %refuse
refuse:
  %no = call ptr @PyLong_FromLong(i64 -1)
  ret ptr %no
run:
  store ptr %data, ptr %job
  %header_at = getelementptr ptr, ptr %job, i64 1
  store ptr %header, ptr %header_at
  %flags_at = getelementptr ptr, ptr %job, i64 2
  store i64 0, ptr %flags_at
  %extra_at = getelementptr ptr, ptr %job, i64 3
  store ptr %extra, ptr %extra_at
  %state = call ptr @PyEval_SaveThread()
  %chunks_at = getelementptr i64, ptr %header, i64 3
  %chunks = load i64, ptr %chunks_at
  %one = icmp eq i64 %chunks, 1
  br i1 %one, label %alone, label %together
alone:
  call void @chunk(ptr %job, i64 0)
  br label %back
together:
  %parallel_at = getelementptr i64, ptr %header, i64 5
  %parallel = load ptr, ptr %parallel_at
  call void %parallel(ptr @chunk, ptr %job, i64 %chunks)
  br label %back
back:
  call void @PyEval_RestoreThread(ptr %state)
  %raised = load i64, ptr %flags_at
  %result = call ptr @PyLong_FromLong(i64 %raised)
  ret ptr %result
}
""".replace("PIECE", str(PIECE))


@cache
def _launch_over() -> Any:
    return native.builtin("launch_over", native.load(_BUILTIN_TEXT, ("launch_over",))["launch_over"])


class Pieces:
    """How a bound kernel goes over an operand: `flat` over all elements, else over rows along the first axis; `per`
    of them at a time, of `unit` bytes each."""

    __slots__ = ("launch", "flat", "total", "unit", "per", "threads")

    def __init__(self, bound: launch.Launch, array: Any) -> None:
        self.launch, self.threads, self.flat = bound, current.threads, bound.rows == 1
        self.total = array.size if self.flat else bound.rows
        self.unit = array.nbytes // self.total
        self.per = max(1, PIECE // self.unit)
        if self.flat:
            self.per -= self.per % 512  # loops that are called see whole tiles
        bound.cut(self.total, self.per)


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


def pieces_of(bound: Any, array: Any) -> Pieces | None:
    """The pieces of a launch that was bound with the operand as its result; None if they are not to be had."""
    if type(bound) is not launch.Launch or bound.work < launch.SMALL_WORK:
        return None
    if bound.rows * bound.length != array.size or (bound.rows > 1 and (
            array.shape[0] != bound.rows or bound.length * array.itemsize > PIECE)):
        return None
    return Pieces(bound, array)


def run(pieces: Pieces, record: KernelRecord, graph: Graph, values: list[Any], arrays: list[Any],
        outputs: list[Any]) -> int:
    """Runs the kernel over the operand, which is one of the outputs; REFUSED if nothing was done, else the flags of
    pieces in which the operations ran."""
    assert record.over is not None
    slot = record.reads[record.over[0]][0]
    nodes = [graph.nodes[r.node] for r in record.records]
    mask = 0
    for node in nodes:
        mask |= floating.mask(node.errstate)
    described = launch.with_numbers(pieces.launch, [values[record.reads[i][0]] for i in record.numbers])
    if described is None:
        return launch.REFUSED
    marks = np.zeros(-(-pieces.total // pieces.per), np.uint8)
    count = len(arrays) + len(outputs)
    extra = np.array([count, pieces.unit, pieces.per, mask, marks.ctypes.data, len(arrays) + record.over[1]], np.int64)
    if slot < len(graph.leaves):
        graph.leaves[slot].buffer = None
        graph.leaves[slot].claim = TAKEN
    target, values[slot] = values[slot], None  # from here on what was there is lost, also for an interrupt
    flags = int(_launch_over()(described[0], extra.ctypes.data, *arrays, *outputs))
    if flags > 0:
        _again(pieces, record, graph, values, outputs, slot, marks)
    elif flags < 0:
        values[slot] = target
        if slot < len(graph.leaves):
            graph.leaves[slot].buffer, graph.leaves[slot].claim = target, None
    return flags


def _again(pieces: Pieces, record: KernelRecord, graph: Graph, values: list[Any], outputs: list[Any], slot: int,
           marks: Any) -> None:
    """The operations on the pieces that raised flags, each under its own error state. The order of what they warn of
    is that of the operations."""
    state = floating.noted.run
    before, start = state.node, len(state.errors)
    for k in np.flatnonzero(marks):
        piece = slice(int(k) * pieces.per, min(pieces.total, (int(k) + 1) * pieces.per))
        _operations(pieces, record, graph, values, outputs, slot, piece, state)
    position = {graph.nodes[r.node]: i for i, r in enumerate(record.records)}
    kinds = ("divide by zero", "overflow", "underflow", "invalid value")
    state.errors[start:] = sorted(dict.fromkeys(state.errors[start:]), key=lambda e: (
        position[e[0]], kinds.index(e[1]) if e[1] in kinds else len(kinds)))
    if before is not None:
        state.at(before)


def _operations(pieces: Pieces, record: KernelRecord, graph: Graph, values: list[Any], outputs: list[Any], slot: int,
                piece: slice, state: Any) -> None:
    assert record.over is not None
    target = outputs[record.over[1]]
    made: dict[int, Any] = {}
    wanted: dict[int, Any] = {}
    for r in record.records:
        node = graph.nodes[r.node]
        operands = []
        for k, s in enumerate(r.operands):
            if s in made:
                operands.append(made[s])
                continue
            view = graph.views[r.node][k]
            value = target if s == slot else values[s]
            operands.append(_cut(value if view is None else apply_view(view.attrs, value), node.shape, pieces, piece))
        fn: Any = node.op.fn
        state.at(node)
        if node.op.kind == "elementwise":
            out = np.empty(_cut(target, node.shape, pieces, piece).shape, node.dtype)
            made[r.out] = written(out, fn, operands, {"out": out, **dict(node.attrs or ())})
        else:
            made[r.out] = fn(*operands)
        wanted[r.node] = made[r.out]
    for (number, _), output in zip(record.outputs, outputs, strict=True):
        _cut(output, output.shape, pieces, piece)[...] = wanted[number]


def _cut(value: Any, shape: tuple[int, ...], pieces: Pieces, piece: slice) -> Any:
    """The part of an operand that belongs to a piece; what is the same for all elements or rows as it is."""
    if not isinstance(value, np.ndarray) or not value.shape:
        return value
    if pieces.flat:
        return value.reshape(-1)[piece] if value.shape == shape else value.reshape(1)
    return value[piece] if len(value.shape) == len(shape) and value.shape[0] == shape[0] else value
