"""The loop nest around a row: where the block of numbers has sizes and strides, and routines that go from row to row.

All kernels share the routines: a loop over the arrays, compiled once, in the place of text for each array.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_AXES = 8


class Layout(NamedTuple):
    """Where the numbers are in the block, in words of 8 bytes: how many outer axes, their sizes from the outermost in,
    then for each array its stride along the innermost axis and along the outer ones, then the NUMBER inputs, two words
    each."""

    arrays: int

    def stride(self, array: int) -> int:
        return 1 + MOST_AXES + array * (MOST_AXES + 1)

    def number(self, index: int) -> int:
        return self.stride(self.arrays) + 2 * index

    def words(self, numbers: int) -> int:
        return self.number(numbers)


_AXIS = f"""
  %size_at = getelementptr i64, ptr %block, i64 %axis
  %size_after = getelementptr i64, ptr %size_at, i64 1
  %size = load i64, ptr %size_after
  %strides = getelementptr i64, ptr %size_at, i64 {Layout(0).stride(0) + 1}
  %place_at = getelementptr i64, ptr %places, i64 %axis"""

_MOVE = f"""
move:
  %k = phi i64 [0, %START], [%k1, %move]
  %stride_word = mul i64 %k, {MOST_AXES + 1}
  %stride_at = getelementptr i64, ptr %strides, i64 %stride_word
  %stride = load i64, ptr %stride_at
  %pointer_at = getelementptr ptr, ptr %pointers, i64 %k
  %old = load ptr, ptr %pointer_at
  %distance = mul i64 %stride, %by
  %new = getelementptr i8, ptr %old, i64 %distance
  store ptr %new, ptr %pointer_at
  %k1 = add i64 %k, 1
  %again = icmp slt i64 %k1, %arrays
  br i1 %again, label %move, label %moved
moved:"""

ROWS = f"""
define i64 @first_row(ptr %data, ptr %block, ptr %pointers, ptr %steps, ptr %places, i64 %arrays, i64 %row) {{
entry:
  %axes = load i64, ptr %block
  %innermost = getelementptr i64, ptr %block, i64 %axes
  br label %copy
copy:
  %i = phi i64 [0, %entry], [%i1, %copy]
  %base_at = getelementptr ptr, ptr %data, i64 %i
  %base = load ptr, ptr %base_at
  %base_to = getelementptr ptr, ptr %pointers, i64 %i
  store ptr %base, ptr %base_to
  %step_word = mul i64 %i, {MOST_AXES + 1}
  %step_at = getelementptr i64, ptr %innermost, i64 %step_word
  %step_after = getelementptr i64, ptr %step_at, i64 {Layout(0).stride(0)}
  %step = load i64, ptr %step_after
  %step_to = getelementptr i64, ptr %steps, i64 %i
  store i64 %step, ptr %step_to
  %i1 = add i64 %i, 1
  %uncopied = icmp slt i64 %i1, %arrays
  br i1 %uncopied, label %copy, label %head
head:
  %above = phi i64 [%axes, %copy], [%axis, %moved]
  %rest = phi i64 [%row, %copy], [%left, %moved]
  %axis = sub i64 %above, 1
  %more = icmp sge i64 %axis, 0
  br i1 %more, label %turn, label %done
turn:{_AXIS}
  %by = srem i64 %rest, %size
  %left = sdiv i64 %rest, %size
  store i64 %by, ptr %place_at
  br label %move{_MOVE.replace("START", "turn")}
  br label %head
done:
  %none = icmp eq i64 %axes, 0
  br i1 %none, label %only, label %count
only:
  ret i64 1
count:
  %length = load i64, ptr %innermost
  %last = sub i64 %axes, 1
  %begun_at = getelementptr i64, ptr %places, i64 %last
  %begun = load i64, ptr %begun_at
  %turns = sub i64 %length, %begun
  ret i64 %turns
}}
define i64 @next_row(ptr %block, ptr %pointers, ptr %places, i64 %arrays) {{
entry:
  %axes = load i64, ptr %block
  %innermost = getelementptr i64, ptr %block, i64 %axes
  %length = load i64, ptr %innermost
  br label %head
head:
  %above = phi i64 [%axes, %entry], [%axis, %moved]
  %axis = sub i64 %above, 1
  %more = icmp sge i64 %axis, 0
  br i1 %more, label %turn, label %done
turn:{_AXIS}
  %inner = icmp eq i64 %above, %axes
  %before = load i64, ptr %place_at
  %after = add i64 %before, 1
  %end = icmp eq i64 %after, %size
  %full = or i1 %inner, %end
  %place = select i1 %full, i64 0, i64 %after
  store i64 %place, ptr %place_at
  %gone = select i1 %inner, i64 0, i64 1
  %back = sub i64 %gone, %size
  %by = select i1 %full, i64 %back, i64 1
  br label %move{_MOVE.replace("START", "turn")}
  br i1 %full, label %head, label %done
done:
  ret i64 %length
}}
"""
"""The arrays' pointers follow the outer axes like the wheels of a counter. ``first_row`` sets them for a row, gives how
many rows there are up to the end of the innermost of the outer axes, and the arrays' steps along that. A kernel goes
those steps; there ``next_row`` winds that axis back, turns the others, and gives its length."""
