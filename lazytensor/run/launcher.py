"""The builtin that launches a kernel, as LLVM text, and the header of the block of numbers that it reads."""

from __future__ import annotations

import threading
from typing import Any

from ..lower import native
from ..lower.flags import CHECKED
from ..lower.nest import ABOUT

KERNEL_WORD, ROWS_WORD, LENGTH_WORD, CHUNKS_WORD, PART_WORD, PARALLEL_WORD, NOGIL_WORD, MASKS_WORD = range(8)
MOST_ARRAYS = 56
NEXT_WORD, RESULTS_WORD, VALUES_WORD = range(MASKS_WORD + MOST_ARRAYS, MASKS_WORD + MOST_ARRAYS + 3)
HEADER = VALUES_WORD + 1 + ABOUT
"""The words before the kernel's own block: its address, how many rows, their length, how many chunks, how many rows
(or elements of the only row) each has, the address of the workers' entry or 0, whether the GIL is released, and for
each array the bits that its address must not have; how many words further the header of the next phase is, 0 if there
is none, and how many words of results and of values phases share, which come after the arrays; then what `over_rows`
and `over_parts` take."""

REFUSED = -1
"""Instead of flags: nothing was done, an array is not aligned or a number does not fit."""

_GATHERED = """\
  %masks = getelementptr i64, ptr %header, i64 7
  br label %gather
gather:
  %i = phi i64 [FIRST, %entry], [%j, %gather]
  %bits = phi i64 [0, %entry], [%more, %gather]
  %arg_at = getelementptr ptr, ptr %args, i64 %i
  %array = load ptr, ptr %arg_at
  %address_at = getelementptr i8, ptr %array, i64 16
  %address = load ptr, ptr %address_at
  %k = sub i64 %i, FIRST
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
"""


def gathered(first: int) -> str:
    """LLVM text for a builtin: puts the addresses of the arrays that it is given from the `first` argument on to
    ``%data`` and goes on to ``run``; refuses where one has bits that the header at ``%header`` forbids."""
    return _GATHERED.replace("FIRST", str(first))


_TEXT = CHECKED + """
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyLong_FromLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(ptr)

define i32 @chunk(ptr %job, i64 %number) {
  %header_at = getelementptr ptr, ptr %job, i64 1
  %data = load ptr, ptr %job
  %header = load ptr, ptr %header_at
  %kernel = load ptr, ptr %header
  %rows_at = getelementptr i64, ptr %header, i64 1
  %rows = load i64, ptr %rows_at
  %length_at = getelementptr i64, ptr %header, i64 2
  %length = load i64, ptr %length_at
  %part_at = getelementptr i64, ptr %header, i64 4
  %part = load i64, ptr %part_at
  %block = getelementptr i64, ptr %header, i64 HEADER
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
  %flags = call i32 @checked(ptr %kernel, ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop)
  ret i32 %flags
}

define ptr @launch(ptr %self, ptr %args, i64 %count) {
entry:
  %job = alloca [72 x ptr], align 64  ; a worker that comes to it finds the addresses in the next cache line
  %data = getelementptr ptr, ptr %job, i64 8
  %number = load ptr, ptr %args
  %header = call ptr @PyLong_AsVoidPtr(ptr %number)
GATHEREDrun:
  store ptr %data, ptr %job
  %header_at = getelementptr ptr, ptr %job, i64 1
  %nogil_at = getelementptr i64, ptr %header, i64 6
  %nogil = load i64, ptr %nogil_at
  %release = icmp ne i64 %nogil, 0
  %next_at = getelementptr i64, ptr %header, i64 NEXT
  %next = load i64, ptr %next_at
  %several = icmp ne i64 %next, 0
  br i1 %several, label %share, label %begin
share:
  %results_at = getelementptr i64, ptr %header, i64 RESULTS
  %values_at = getelementptr i64, ptr %header, i64 VALUES
  %results = load i64, ptr %results_at
  %values = load i64, ptr %values_at
  %words_shared = add i64 %results, %values
  %bytes_shared = mul i64 %words_shared, 8
  %bytes = add i64 %bytes_shared, 128  ; each begins at a cache line
  %own_memory = call ptr @PyMem_RawMalloc(i64 %bytes)
  %none = icmp eq ptr %own_memory, null
  br i1 %none, label %refuse, label %lay
lay:
  %own_at = ptrtoint ptr %own_memory to i64
  %result_beyond = add i64 %own_at, 63
  %result_at = and i64 %result_beyond, -64
  %result_memory = inttoptr i64 %result_at to ptr
  %result_bytes = mul i64 %results, 8
  %value_beyond = add i64 %result_beyond, %result_bytes
  %value_raised = add i64 %value_beyond, 63
  %value_line = and i64 %value_raised, -64
  %value_memory = inttoptr i64 %value_line to ptr
  %arrays = sub i64 %count, 1
  %first_at = getelementptr ptr, ptr %data, i64 %arrays
  %second_at = getelementptr ptr, ptr %data, i64 %count
  store ptr %result_memory, ptr %first_at
  store ptr %value_memory, ptr %second_at
  br label %begin
begin:
  %memory = phi ptr [null, %run], [%own_memory, %lay]
  br i1 %release, label %free, label %phase
free:
  %freed = call ptr @PyEval_SaveThread()
  br label %phase
phase:
  %state = phi ptr [null, %begin], [%freed, %free], [%state, %further]
  %here = phi ptr [%header, %begin], [%header, %free], [%following, %further]
  %before = phi i32 [0, %begin], [0, %free], [%flags, %further]
  store ptr %here, ptr %header_at
  %chunks_at = getelementptr i64, ptr %here, i64 3
  %chunks = load i64, ptr %chunks_at
  %parallel_at = getelementptr i64, ptr %here, i64 5
  %parallel = load ptr, ptr %parallel_at
  %one = icmp eq i64 %chunks, 1
  br i1 %one, label %alone, label %together
alone:
  %own = call i32 @chunk(ptr %job, i64 0)
  br label %ran
together:
  %all = call i32 %parallel(ptr @chunk, ptr %job, i64 %chunks)
  br label %ran
ran:
  %noted = phi i32 [%own, %alone], [%all, %together]
  %flags = or i32 %before, %noted
  %further_at = getelementptr i64, ptr %here, i64 NEXT
  %words = load i64, ptr %further_at
  %more_phases = icmp ne i64 %words, 0
  br i1 %more_phases, label %further, label %ready
further:
  %following = getelementptr i64, ptr %here, i64 %words
  br label %phase
ready:
  br i1 %release, label %back, label %done
back:
  call void @PyEval_RestoreThread(ptr %state)
  br label %done
done:
  call void @PyMem_RawFree(ptr %memory)
  %wide = zext i32 %flags to i64
  %result = call ptr @PyLong_FromLong(i64 %wide)
  ret ptr %result
}
""".replace("GATHERED", gathered(1)).replace("HEADER", str(HEADER)).replace("NEXT", str(NEXT_WORD)).replace(
    "RESULTS", str(RESULTS_WORD)).replace("VALUES", str(VALUES_WORD))

_lock = threading.Lock()
_launch: Any = None


def launcher() -> Any:
    """The builtin ``launch(header address, *arrays) -> flags``, or REFUSED."""
    global _launch
    if _launch is None:
        with _lock:
            if _launch is None:
                _launch = native.builtin("launch", native.load(_TEXT, ("launch",), {})["launch"])
    return _launch
