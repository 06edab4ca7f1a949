"""A kernel whose results replace what it reads, piece by piece, in one native call.

A piece of the results goes to a small buffer. If it raised no floating-point flag that somebody is to be warned of, it
is copied to where it belongs, which may be a part of an array, with gaps; else it is marked, and what was there stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from ..config import current
from ..lower import native, routines
from ..lower.flags import CHECKED
from ..lower.nest import MOST_AXES, Layout
from . import launch
from .launcher import HEADER, gathered

PIECE = 1 << 15
"""Bytes of the buffer: the first and second level of the cache hold them."""
MOST_TARGETS = 8
_ARRAYS, _TARGETS, _ROWS, _COLUMNS, _ACROSS, _MASK, _MARKS, _DESCRIBED = range(8)
_EACH = 5 + MOST_AXES
"""The words of the block besides a kernel's own: how many arrays and targets, how many rows and elements of each a
piece has, how many pieces a row has, the flags that matter, where pieces are marked; then for each target which array
it is, the size of its elements, where in the buffer its piece is, whether it has no gaps, its stride along the rows
and along the outer axes."""
_SIZES = (1, 2, 4, 8, 16)

_TEXT = CHECKED + """
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyLong_FromLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
""" + "".join(f"declare void @copy{8 * size}(ptr, i64, ptr, i64, i64)\n" for size in _SIZES) + f"""
define internal i64 @word(ptr %block, i64 %at) alwaysinline {{
  %place = getelementptr i64, ptr %block, i64 %at
  %value = load i64, ptr %place
  ret i64 %value
}}

define internal void @elements(ptr %to, i64 %step, ptr %from, i64 %size, i64 %n) {{
entry:
  %dense = icmp eq i64 %step, %size
  br i1 %dense, label %whole, label %gaps
whole:
  %bytes = mul i64 %size, %n
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %bytes, i1 false)
  ret void
gaps:
  switch i64 %size, label %size8 [{" ".join(f"i64 {size}, label %size{size}" for size in _SIZES)}]
""" + "".join(f"""size{size}:
  call void @copy{8 * size}(ptr %to, i64 %step, ptr %from, i64 {size}, i64 %n)
  ret void
""" for size in _SIZES) + """}

define internal void @put(ptr %base, ptr %from, ptr %block, ptr %target, i64 %row0, i64 %row1, i64 %column, i64 %n,
                          i64 %length) {
entry:
  %axes = load i64, ptr %block
  %size = call i64 @word(ptr %target, i64 1)
  %whole = call i64 @word(ptr %target, i64 3)
  %inner = call i64 @word(ptr %target, i64 4)
  %across = mul i64 %column, %inner
  %start = getelementptr i8, ptr %base, i64 %across
  %count = sub i64 %row1, %row0
  %bytes = mul i64 %length, %size
  %dense = icmp ne i64 %whole, 0
  br i1 %dense, label %once, label %one_row
once:
  %ahead = mul i64 %row0, %bytes
  %there = getelementptr i8, ptr %start, i64 %ahead
  %all = mul i64 %count, %n
  %all_bytes = mul i64 %all, %size
  call void @llvm.memcpy.p0.p0.i64(ptr %there, ptr %from, i64 %all_bytes, i1 false)
  ret void
one_row:
  %single = icmp eq i64 %axes, 0
  br i1 %single, label %flat, label %find
flat:
  call void @elements(ptr %start, i64 %inner, ptr %from, i64 %size, i64 %n)
  ret void
find:
  %row = phi i64 [%row0, %one_row], [%row_next, %rows_done]
  %source = phi ptr [%from, %one_row], [%source_next, %rows_done]
  %more = icmp slt i64 %row, %row1
  br i1 %more, label %turn_first, label %done
turn_first:
  br label %turn
turn:
  %above = phi i64 [%axes, %turn_first], [%axis, %turn]
  %rest = phi i64 [%row, %turn_first], [%left, %turn]
  %place = phi ptr [%start, %turn_first], [%moved, %turn]
  %axis = sub i64 %above, 1
  %extent = call i64 @word(ptr %block, i64 %above)
  %by = srem i64 %rest, %extent
  %left = sdiv i64 %rest, %extent
  %stride_at = add i64 %axis, 5
  %stride = call i64 @word(ptr %target, i64 %stride_at)
  %distance = mul i64 %by, %stride
  %moved = getelementptr i8, ptr %place, i64 %distance
  %last_axis = icmp eq i64 %above, %axes
  %again = icmp sgt i64 %axis, 0
  br i1 %again, label %turn, label %found
found:
  %innermost = call i64 @word(ptr %block, i64 %axes)
  %begun = srem i64 %row, %innermost
  %ahead_rows = sub i64 %innermost, %begun
  %left_rows = sub i64 %row1, %row
  %few = icmp slt i64 %ahead_rows, %left_rows
  %turns = select i1 %few, i64 %ahead_rows, i64 %left_rows
  %step_at = add i64 %axes, 4
  %step = call i64 @word(ptr %target, i64 %step_at)
  br label %one
one:
  %i = phi i64 [0, %found], [%j, %one]
  %to = phi ptr [%moved, %found], [%to_next, %one]
  %here = phi ptr [%source, %found], [%here_next, %one]
  call void @elements(ptr %to, i64 %inner, ptr %here, i64 %size, i64 %n)
  %to_next = getelementptr i8, ptr %to, i64 %step
  %here_next = getelementptr i8, ptr %here, i64 %bytes
  %j = add i64 %i, 1
  %further = icmp slt i64 %j, %turns
  br i1 %further, label %one, label %rows_done
rows_done:
  %row_next = add i64 %row, %turns
  %gone = mul i64 %turns, %bytes
  %source_next = getelementptr i8, ptr %source, i64 %gone
  br label %find
done:
  ret void
}

define i32 @chunk(ptr %job, i64 %number) {
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
  %rows = call i64 @word(ptr %header, i64 1)
  %length = call i64 @word(ptr %header, i64 2)
  %part = call i64 @word(ptr %header, i64 4)
  %block = getelementptr i64, ptr %header, i64 HEADER
  %arrays = call i64 @word(ptr %extra, i64 0)
  %targets = call i64 @word(ptr %extra, i64 1)
  %rows_each = call i64 @word(ptr %extra, i64 2)
  %columns_each = call i64 @word(ptr %extra, i64 3)
  %pieces_across = call i64 @word(ptr %extra, i64 4)
  %mask = call i64 @word(ptr %extra, i64 5)
  %marks_at = getelementptr i64, ptr %extra, i64 6
  %marks = load ptr, ptr %marks_at
  %described = getelementptr i64, ptr %extra, i64 7
  %first = mul i64 %number, %part
  %beyond = add i64 %first, %part
  %many = icmp sgt i64 %rows, 1
  %total = select i1 %many, i64 %rows, i64 %length
  %less = icmp slt i64 %beyond, %total
  %last = select i1 %less, i64 %beyond, i64 %total
  %row0 = select i1 %many, i64 %first, i64 0
  %row1 = select i1 %many, i64 %last, i64 1
  %start = select i1 %many, i64 0, i64 %first
  %stop = select i1 %many, i64 %length, i64 %last
  br label %down
down:
  %i = phi i64 [%row0, %entry], [%e, %down_next]
  %more_rows = icmp slt i64 %i, %row1
  br i1 %more_rows, label %rows_here, label %done
rows_here:
  %i_end = add i64 %i, %rows_each
  %rows_short = icmp slt i64 %i_end, %row1
  %e = select i1 %rows_short, i64 %i_end, i64 %row1
  br label %along
along:
  %s = phi i64 [%start, %rows_here], [%t, %along_next]
  %more_columns = icmp slt i64 %s, %stop
  br i1 %more_columns, label %one, label %down_next
one:
  %s_end = add i64 %s, %columns_each
  %columns_short = icmp slt i64 %s_end, %stop
  %t = select i1 %columns_short, i64 %s_end, i64 %stop
  %n = sub i64 %t, %s
  br label %move
move:
  %k = phi i64 [0, %one], [%k1, %move]
  %stride_word = mul i64 %k, EACH_ARRAY
  %stride_at = add i64 %stride_word, FIRST_STRIDE
  %stride = call i64 @word(ptr %block, i64 %stride_at)
  %distance = mul i64 %stride, %s
  %old_at = getelementptr ptr, ptr %data, i64 %k
  %old = load ptr, ptr %old_at
  %new = getelementptr i8, ptr %old, i64 %distance
  %new_at = getelementptr ptr, ptr %moved, i64 %k
  store ptr %new, ptr %new_at
  %k1 = add i64 %k, 1
  %unmoved = icmp slt i64 %k1, %arrays
  br i1 %unmoved, label %move, label %redirect
redirect:
  %q = phi i64 [0, %move], [%q1, %redirect]
  %words = mul i64 %q, EACH_TARGET
  %target = getelementptr i64, ptr %described, i64 %words
  %which = call i64 @word(ptr %target, i64 0)
  %size = call i64 @word(ptr %target, i64 1)
  %place = call i64 @word(ptr %target, i64 2)
  %before = mul i64 %i, %length
  %before_bytes = mul i64 %before, %size
  %offset = sub i64 %place, %before_bytes
  %to = getelementptr i8, ptr %piece, i64 %offset
  %to_at = getelementptr ptr, ptr %moved, i64 %which
  store ptr %to, ptr %to_at
  %q1 = add i64 %q, 1
  %unplaced = icmp slt i64 %q1, %targets
  br i1 %unplaced, label %redirect, label %compute
compute:
  %flags = call i32 @checked(ptr %kernel, ptr %moved, ptr %block, i64 %i, i64 %e, i64 0, i64 %n)
  %wide = zext i32 %flags to i64
  %serious = and i64 %wide, %mask
  %clean = icmp eq i64 %serious, 0
  br i1 %clean, label %keep, label %mark
keep:
  %r = phi i64 [0, %compute], [%r1, %keep]
  %kept_words = mul i64 %r, EACH_TARGET
  %kept = getelementptr i64, ptr %described, i64 %kept_words
  %kept_which = call i64 @word(ptr %kept, i64 0)
  %kept_place = call i64 @word(ptr %kept, i64 2)
  %from = getelementptr i8, ptr %piece, i64 %kept_place
  %base_at = getelementptr ptr, ptr %data, i64 %kept_which
  %base = load ptr, ptr %base_at
  call void @put(ptr %base, ptr %from, ptr %block, ptr %kept, i64 %i, i64 %e, i64 %s, i64 %n, i64 %length)
  %r1 = add i64 %r, 1
  %unkept = icmp slt i64 %r1, %targets
  br i1 %unkept, label %keep, label %along_next
mark:
  %down_pieces = sdiv i64 %i, %rows_each
  %across_pieces = sdiv i64 %s, %columns_each
  %row_first = mul i64 %down_pieces, %pieces_across
  %piece_number = add i64 %row_first, %across_pieces
  %mark_at = getelementptr i8, ptr %marks, i64 %piece_number
  store i8 1, ptr %mark_at
  %noted = atomicrmw or ptr %flags_at, i64 %serious monotonic
  br label %along_next
along_next:
  br label %along
down_next:
  br label %down
done:
  ret i32 0
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
GATHEREDrun:
  store ptr %data, ptr %job
  %header_at = getelementptr ptr, ptr %job, i64 1
  store ptr %header, ptr %header_at
  %flags_at = getelementptr ptr, ptr %job, i64 2
  store i64 0, ptr %flags_at
  %extra_at = getelementptr ptr, ptr %job, i64 3
  store ptr %extra, ptr %extra_at
  %nogil = call i64 @word(ptr %header, i64 6)
  %release = icmp ne i64 %nogil, 0
  br i1 %release, label %free, label %small
small:
  call i32 @chunk(ptr %job, i64 0)
  br label %done
free:
  %state = call ptr @PyEval_SaveThread()
  %chunks = call i64 @word(ptr %header, i64 3)
  %one = icmp eq i64 %chunks, 1
  br i1 %one, label %alone, label %together
alone:
  call i32 @chunk(ptr %job, i64 0)
  br label %back
together:
  %parallel_at = getelementptr i64, ptr %header, i64 5
  %parallel = load ptr, ptr %parallel_at
  call i32 %parallel(ptr @chunk, ptr %job, i64 %chunks)
  br label %back
back:
  call void @PyEval_RestoreThread(ptr %state)
  br label %done
done:
  %raised = load i64, ptr %flags_at
  %result = call ptr @PyLong_FromLong(i64 %raised)
  ret ptr %result
}
""".replace("GATHERED", gathered(2)).replace("PIECE", str(PIECE)).replace("EACH_ARRAY", str(MOST_AXES + 1)).replace(
    "FIRST_STRIDE", str(Layout(0).stride(0))).replace("EACH_TARGET", str(_EACH)).replace("HEADER", str(HEADER))


@cache
def _launch_over() -> Any:
    imports = {f"copy{8 * size}": routines.address(f"copy{8 * size}") for size in _SIZES}
    return native.builtin("launch_over", native.load(_TEXT, ("launch_over",), imports)["launch_over"])


class Pieces:
    """How a bound kernel goes over what it replaces: by how many rows, or elements of one row, at a time.

    Attributes
    ----------
    launch : Launch
    threads : int
        How many were in use when it was made.
    shape, axes : tuple of int
        The space, and its axes from the outermost in: in that order pieces follow each other.
    count : int
        How many pieces there are.
    call : builtin
        ``launch_over(header address, block address, *arrays) -> flags``, or REFUSED.
    """

    __slots__ = ("launch", "threads", "shape", "axes", "count", "call", "_rows", "_columns", "_across", "_block",
                 "_mark")

    def __init__(self, bound: launch.Launch, shape: tuple[int, ...], axes: tuple[int, ...], arrays: int,
                 targets: Sequence[tuple[int, int, tuple[int, ...]]]) -> None:
        self.launch, self.threads, self.shape, self.axes = bound, current.threads, shape, axes
        rows, length = bound.rows, bound.length
        widths = [size for _, size, _ in targets]
        room = PIECE - 64 * len(targets)
        self._columns = min(length, room // sum(widths))
        if self._columns < length and self._columns > 512:
            self._columns -= self._columns % 512  # loops that are called see whole tiles
        self._rows = min(rows, max(1, room // (length * sum(widths)))) if self._columns == length else 1
        self._across = -(-length // self._columns)
        self.count = -(-rows // self._rows) * self._across
        bound.cut(rows if rows > 1 else length, self._rows if rows > 1 else self._columns)
        block = np.zeros(_DESCRIBED + _EACH * len(targets), np.int64)
        block[:_MARKS] = arrays, len(targets), self._rows, self._columns, self._across, -1
        place, sizes = 0, bound.sizes
        for k, (array, size, strides) in enumerate(targets):
            at = _DESCRIBED + k * _EACH
            dense = all(s == size * prod(sizes[i + 1:]) for i, s in enumerate(strides))
            block[at:at + 5] = array, size, place, dense, strides[-1]
            block[at + 5:at + 4 + len(strides)] = strides[:-1]
            place += -(-self._rows * self._columns * size // 64) * 64
        self.call = _launch_over()
        self._mark = np.ones(1, np.uint8)
        block[_MARKS] = self._mark.ctypes.data
        self._block = block

    def described(self, mask: int) -> Any:
        """The block of numbers that describes the pieces, where these flags matter."""
        block = self._block
        if block[_MASK] != mask:
            block = block.copy()
            block[_MASK] = mask
            self._block = block
        return block

    def ready(self, numbers: Sequence[Any], mask: int) -> tuple[tuple[int, Any], Any, Any] | None:
        """What `call` is called with before the arrays: the address of the header and what keeps it, and the block,
        where these flags matter; and an array that will say in which pieces they were raised. None if a number does
        not fit."""
        described = launch.with_numbers(self.launch, numbers)
        if described is None:
            return None
        block, marks = self.described(mask), self._mark
        if self.count > 1:
            block, marks = block.copy(), np.zeros(self.count, np.uint8)
            block[_MARKS] = marks.ctypes.data
        return described, block, marks

    def elements(self, marks: Any) -> Iterator[Any]:
        """For each piece that is marked the places of its elements along the axes of the space."""
        length, rows = self.launch.length, self.launch.rows
        sizes = tuple([self.shape[i] for i in self.axes])
        for k in np.flatnonzero(marks):
            row, column = divmod(int(k), self._across)
            row, column = row * self._rows, column * self._columns
            lines = np.arange(row, min(rows, row + self._rows)) * length
            along = np.arange(column, min(length, column + self._columns))
            yield np.unravel_index((lines[:, None] + along).ravel(), sizes)
