"""The loop nest around a row: where the block of numbers has sizes and strides, and routines that go from row to row.

All kernels share the routines: a loop over the arrays, compiled once, in the place of text for each array.
"""

from __future__ import annotations

from typing import NamedTuple

CONTIGUOUS, REPEATED, STRIDED = "crs"
"""How an array runs along the innermost axis."""
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

ABOUT = 5
"""How many words ``over_rows`` and ``over_parts`` find right before the block: how many rows go together, the function
of rows or of a part, the number of arrays, the bytes that are kept for each element of a row or the number of results
of a part, and whether NumPy's loops are called."""
SLABS = 4
"""How many ``over_slabs`` finds there."""
ROOM = 8192
"""Bytes that are kept of a row besides."""
TOGETHER = 8
"""How many rows go together at most."""
ABREAST = 4
"""How many arrays' addresses go on as one vector. What one store of 64 bytes has written, loads of single addresses in
its upper half wait for, in each row: an eighth of the time of a stencil of nine arrays with rows of 38."""
POINTERS = 64
"""From the arrays' addresses in a row to those in the next, in words."""

OVER_ROWS = f"""
declare ptr @malloc(i64)
declare void @free(ptr)
declare i32 @feclearexcept(i32)
declare i32 @fetestexcept(i32)

define i32 @over_rows(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop) nounwind {{
entry:
  %pointers = alloca [{POINTERS} x i64], align 64
  %steps = alloca [{POINTERS} x i64], align 64
  %ahead = alloca [{(TOGETHER + 1) * POINTERS} x i64], align 64
  %group = getelementptr i64, ptr %ahead, i64 {POINTERS}
  %places = alloca [{MOST_AXES} x i64], align 8
  %together_at = getelementptr i64, ptr %block, i64 -5
  %code_at = getelementptr i64, ptr %block, i64 -4
  %arrays_at = getelementptr i64, ptr %block, i64 -3
  %kept_at = getelementptr i64, ptr %block, i64 -2
  %calls_at = getelementptr i64, ptr %block, i64 -1
  %together = load i64, ptr %together_at
  %code = load ptr, ptr %code_at
  %arrays = load i64, ptr %arrays_at
  %kept = load i64, ptr %kept_at
  %calls = load i64, ptr %calls_at
  %calling = icmp ne i64 %calls, 0
  br i1 %calling, label %clear, label %cleared
clear:
  %cl = call i32 @feclearexcept(i32 61)
  br label %cleared
cleared:
  %keeping = icmp ne i64 %kept, 0
  br i1 %keeping, label %keep, label %begin
keep:
  %elements = mul i64 %kept, %stop
  %bytes = add i64 %elements, {ROOM}
  %rooms = mul i64 %bytes, %together
  %fresh = call ptr @malloc(i64 %rooms)
  br label %begin
begin:
  %memory = phi ptr [null, %cleared], [%fresh, %keep]
  %left0 = call i64 @first_row(ptr %data, ptr %block, ptr %pointers, ptr %steps, ptr %places, i64 %arrays, i64 %row0)
  br label %far
far:
  %a = phi i64 [0, %begin], [%a1, %far]
  %near_at = getelementptr i64, ptr %steps, i64 %a
  %near = load i64, ptr %near_at
  %far_at = getelementptr i64, ptr %ahead, i64 %a
  %distance = mul i64 %near, %together
  store i64 %distance, ptr %far_at
  %a1 = add i64 %a, 1
  %farther = icmp slt i64 %a1, %arrays
  br i1 %farther, label %far, label %head
head:
  %row = phi i64 [%row0, %far], [%next, %further]
  %left = phi i64 [%left0, %far], [%rest, %further]
  %flags = phi i32 [0, %far], [%gathered, %further]
  %to_come = sub i64 %row1, %row
  %none = icmp sle i64 %to_come, 0
  br i1 %none, label %done, label %some
some:
  %near_end = icmp slt i64 %to_come, %left
  %most = select i1 %near_end, i64 %to_come, i64 %left
  %few = icmp slt i64 %most, %together
  %count = select i1 %few, i64 %most, i64 %together
  %next = add i64 %row, %count
  %end = icmp eq i64 %left, %count
  %less = sub i64 %left, %count
  br label %one
one:
  %r = phi i64 [0, %some], [%r1, %stepped]
  %first = mul i64 %r, {POINTERS}
  br label %step
step:
  %k = phi i64 [0, %one], [%k4, %step]
  %pointer_at = getelementptr i64, ptr %pointers, i64 %k
  %step_at = getelementptr i64, ptr %steps, i64 %k
  %place = add i64 %first, %k
  %place_at = getelementptr i64, ptr %group, i64 %place
  %old = load <4 x i64>, ptr %pointer_at, align 32
  %by = load <4 x i64>, ptr %step_at, align 32
  %new = add <4 x i64> %old, %by
  store <4 x i64> %old, ptr %place_at, align 32
  store <4 x i64> %new, ptr %pointer_at, align 32
  %k4 = add i64 %k, 4
  %again = icmp slt i64 %k4, %arrays
  br i1 %again, label %step, label %stepped
stepped:
  %r1 = add i64 %r, 1
  %more = icmp slt i64 %r1, %count
  br i1 %more, label %one, label %call
call:
  %raised = call i32 %code(ptr %group, ptr %block, i64 %stop, ptr %memory, i64 %count)
  %gathered = or i32 %flags, %raised
  br i1 %end, label %wind, label %further
wind:
  %length = call i64 @next_row(ptr %block, ptr %pointers, ptr %places, i64 %arrays)
  br label %further
further:
  %rest = phi i64 [%less, %call], [%length, %wind]
  br label %head
done:
  br i1 %keeping, label %release, label %released
release:
  call void @free(ptr %memory)
  br label %released
released:
  br i1 %calling, label %test, label %known
test:
  %tested = call i32 @fetestexcept(i32 61)
  %all = or i32 %flags, %tested
  ret i32 %all
known:
  ret i32 %flags
}}
"""
"""``over_rows`` takes what kernels take and calls, for so many rows at once as go together or are left of an axis,
``i32 (ptr pointers, ptr block, i64 stop, ptr kept, i64 count)``, which gives the floating-point flags that it noted.
Before the pointers it finds how far each array's next rows are, in bytes."""

OVER_SLABS = f"""
define i32 @over_slabs(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop) nounwind {{
entry:
  %pointers = alloca [{POINTERS} x i64], align 64
  %steps = alloca [{POINTERS} x i64], align 64
  %places = alloca [{MOST_AXES} x i64], align 8
  %code_at = getelementptr i64, ptr %block, i64 -4
  %arrays_at = getelementptr i64, ptr %block, i64 -3
  %offset_at = getelementptr i64, ptr %block, i64 -2
  %width_at = getelementptr i64, ptr %block, i64 -1
  %code = load ptr, ptr %code_at
  %arrays = load i64, ptr %arrays_at
  %offset = load i64, ptr %offset_at
  %width = load i64, ptr %width_at
  %inner = getelementptr i64, ptr %block, i64 %offset
  %axes = load i64, ptr %block
  %parts_at = getelementptr i64, ptr %block, i64 %axes
  %parts = load i64, ptr %parts_at
  %left0 = call i64 @first_row(ptr %data, ptr %block, ptr %pointers, ptr %steps, ptr %places, i64 %arrays, i64 %row0)
  br label %head
head:
  %row = phi i64 [%row0, %entry], [%next, %further]
  %left = phi i64 [%left0, %entry], [%rest, %further]
  %flags = phi i32 [0, %entry], [%gathered, %further]
  %more = icmp slt i64 %row, %row1
  br i1 %more, label %one, label %done
one:
  %part = sub i64 %parts, %left
  %begun = mul i64 %part, %width
  %beyond = sub i64 %stop, %begun
  %short = icmp slt i64 %beyond, %width
  %columns = select i1 %short, i64 %beyond, i64 %width
  %raised = call i32 %code(ptr %pointers, ptr %inner, i64 0, i64 1, i64 0, i64 %columns)
  %gathered = or i32 %flags, %raised
  %next = add i64 %row, 1
  br label %step
step:
  %k = phi i64 [0, %one], [%k4, %step]
  %pointer_at = getelementptr i64, ptr %pointers, i64 %k
  %step_at = getelementptr i64, ptr %steps, i64 %k
  %old = load <4 x i64>, ptr %pointer_at, align 32
  %by = load <4 x i64>, ptr %step_at, align 32
  %new = add <4 x i64> %old, %by
  store <4 x i64> %new, ptr %pointer_at, align 32
  %k4 = add i64 %k, 4
  %again = icmp slt i64 %k4, %arrays
  br i1 %again, label %step, label %stepped
stepped:
  %less = sub i64 %left, 1
  %end = icmp eq i64 %less, 0
  br i1 %end, label %wind, label %further
wind:
  %length = call i64 @next_row(ptr %block, ptr %pointers, ptr %places, i64 %arrays)
  br label %further
further:
  %rest = phi i64 [%less, %stepped], [%length, %wind]
  br label %head
done:
  ret i32 %flags
}}
"""
"""``over_slabs`` takes what kernels take, too: what `columns` reduces is here one of many slabs. It calls such a kernel
for the slabs from row0 to row1, each cut in parts of some columns: the innermost of the outer axes goes over these. The
four words before the block are the kernel's address, the number of arrays, how many words further the kernel's own
block is, and the columns of a part."""

OVER_PARTS = """
declare i32 @feclearexcept(i32)
declare i32 @fetestexcept(i32)

define i32 @over_parts(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop) nounwind {
entry:
  %code_at = getelementptr i64, ptr %block, i64 -4
  %arrays_at = getelementptr i64, ptr %block, i64 -3
  %count_at = getelementptr i64, ptr %block, i64 -2
  %calls_at = getelementptr i64, ptr %block, i64 -1
  %code = load ptr, ptr %code_at
  %arrays = load i64, ptr %arrays_at
  %count = load i64, ptr %count_at
  %calls = load i64, ptr %calls_at
  %depth = load i64, ptr %block
  %deepest = sub i64 %depth, 1
  %results_at = getelementptr ptr, ptr %data, i64 %arrays
  %results = load ptr, ptr %results_at
  %calling = icmp ne i64 %calls, 0
  br i1 %calling, label %clear, label %head
clear:
  %cl = call i32 @feclearexcept(i32 61)
  br label %head
head:
  %row = phi i64 [%row0, %entry], [%row0, %clear], [%next, %found]
  %flags = phi i32 [0, %entry], [0, %clear], [%gathered, %found]
  %more = icmp slt i64 %row, %row1
  br i1 %more, label %halve, label %done
halve:
  %k = phi i64 [0, %head], [%k1, %half]
  %at = phi i64 [0, %head], [%begin, %half]
  %n = phi i64 [%stop, %head], [%length, %half]
  %deeper = icmp slt i64 %k, %depth
  br i1 %deeper, label %half, label %found
half:
  %first = lshr i64 %n, 1
  %left = and i64 %first, -8
  %right = sub i64 %n, %left
  %middle = add i64 %at, %left
  %bit = sub i64 %deepest, %k
  %turns = lshr i64 %row, %bit
  %turn = trunc i64 %turns to i1
  %length = select i1 %turn, i64 %right, i64 %left
  %begin = select i1 %turn, i64 %middle, i64 %at
  %k1 = add i64 %k, 1
  br label %halve
found:
  %word = mul i64 %row, %count
  %out = getelementptr i64, ptr %results, i64 %word
  %raised = call i32 %code(ptr %data, ptr %block, i64 %at, i64 %n, ptr %out)
  %gathered = or i32 %flags, %raised
  %next = add i64 %row, 1
  br label %head
done:
  br i1 %calling, label %test, label %known
test:
  %tested = call i32 @fetestexcept(i32 61)
  %all = or i32 %flags, %tested
  ret i32 %all
known:
  ret i32 %flags
}
"""
"""``over_parts`` takes what kernels take, too: the rows are the parts into which a long row is halved, as often as the
block says first; it calls ``i32 (ptr data, ptr block, i64 start, i64 n, ptr results)`` for each."""
