"""Runs a kernel on arrays: code for their layouts, a block of numbers that describes them, one native call.

`bind` looks at shapes and strides once and gives a `Launch`; calling that with arrays of the same shapes and strides at
other addresses is one call of a builtin, which reads the addresses itself, splits the work among the workers and gives
the floating-point flags that were raised.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import cycle
from math import prod
from operator import is_, setitem
from typing import Any

import numpy as np

from ..config import current
from ..hot import learn
from ..ir.errstate import silently
from ..lower import native, packed, routines
from ..lower.by_row import emit_row, kept_of
from ..lower.columns import COLUMNS_WORD, emit_apart, emit_columns, shared_values
from ..lower.compiled import compiled
from ..lower.emit import CHECKED, CONTIGUOUS, REPEATED, STRIDED, TILE, emit, row_bytes
from ..lower.few_columns import DENSE, OTHER, SAME, Form, emit_few, lanes_along, pays
from ..lower.kernel import NUMBER, Kernel
from ..lower.long_rows import AMBIGUOUS, emit_long, possible, reductions_of, split_of
from ..lower.nest import ABOUT, MOST_AXES, SLABS, TOGETHER, Layout
from ..lower.stages import blocks
from . import workers
from .sharing import Sharing, Sizes, share
from .stages import Staged, bind_stages

_KERNEL, _ROWS, _LENGTH, _CHUNKS, _PART, _PARALLEL, _NOGIL, _MASKS = range(8)
MOST_ARRAYS = 56
_NEXT, _RESULTS, _VALUES = range(_MASKS + MOST_ARRAYS, _MASKS + MOST_ARRAYS + 3)
HEADER = _VALUES + 1 + ABOUT
"""The words before the kernel's own block: its address, how many rows, their length, how many chunks, how many rows
(or elements of the only row) each has, the address of the workers' entry or 0, whether the GIL is released, and for
each array the bits that its address must not have; how many words further the header of the next phase is, 0 if there
is none, and how many words of results and of values phases share, which come after the arrays; then what `over_rows`
and `over_parts` take."""

REFUSED = -1
"""Instead of flags: nothing was done, an array is not aligned or a number does not fit."""

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
  %masks = getelementptr i64, ptr %header, i64 7
  br label %gather
gather:
  %i = phi i64 [1, %entry], [%j, %gather]
  %bits = phi i64 [0, %entry], [%more, %gather]
  %arg_at = getelementptr ptr, ptr %args, i64 %i
  %array = load ptr, ptr %arg_at
  %address_at = getelementptr i8, ptr %array, i64 16
  %address = load ptr, ptr %address_at
  %k = sub i64 %i, 1
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
""".replace("HEADER", str(HEADER)).replace("NEXT", str(_NEXT)).replace("RESULTS", str(_RESULTS)).replace(
    "VALUES", str(_VALUES))

SMALL_WORK = 1 << 13
"""Below this many elements times steps the GIL is kept and one thread does it all."""
PARALLEL_WORK = 5 << 14
"""From this many elements times steps on the workers help."""
PART = 1 << 15
"""About how many elements a chunk has, at least."""
CHUNK_WORK = 1 << 17
"""Elements times steps of a chunk at which a thread has more than one, up to four: cores are not equally fast, and who
is done takes from the others. What it takes is in another core's cache, which for less work costs more than waiting."""

LONG_ROW = 1 << 16
"""A single row of this many elements is shared among the workers."""
LEAST_PART = 1 << 14
"""About how many elements of such a row a worker takes, at least."""
KEPT_ROW = 1 << 13
"""A single row of this many elements is gone through by leaves if something has to be kept of it: those stay in L1."""
FEW_SCANNED = 128
"""Running totals of fewer columns are one thread's: they are written in pieces, side by side."""
SHORT_ROW = 32
FEW_ARRAYS = 10
"""Where rows are shorter or arrays are more, what is done besides the arithmetic counts: kernels for rows of such are
compiled with care."""
LONG_ENOUGH = 64
"""From this length on a call for each row does not count."""
LEAST_ROW = 16
"""Rows that are shorter cost more than their elements,"""
FEW_ROWS = 64
"""so that kernels take only so many of them: there the call counts."""
MOST_ROW = 1 << 20
"""Bytes that a kernel may keep of a row."""
NEAR = 1 << 13
"""Bytes of rows that go together: they are gone through several times, and stay in L1 meanwhile."""

_lock = threading.Lock()
_launch: Any = None
_code: dict[Any, Any] = {}


def launcher() -> Any:
    """The builtin ``launch(header address, *arrays) -> flags``, or REFUSED."""
    global _launch
    if _launch is None:
        with _lock:
            if _launch is None:
                _launch = native.builtin("launch", native.load(_TEXT, ("launch",), {})["launch"])
    return _launch


def code(kernel: Kernel, layouts: str, rows: bool, careful: bool = False) -> int:
    """The address of a kernel's code for a class of layouts, compiled when first asked for."""
    key = kernel, layouts, rows, careful
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, f"{rows} {careful}", layouts,
                                      lambda: (emit(kernel, layouts, rows, careful), ("kernel",)))["kernel"]
    return int(found)


def _few_columns_code(kernel: Kernel, layouts: str, form: Form) -> int:
    """The address of a kernel's code for few columns."""
    key = kernel, layouts, f"few columns {form.inputs} {form.lanes}"
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, key[2], layouts, lambda: (
            emit_few(kernel, layouts, form, False), ("kernel",)))["kernel"]
    return int(found)


def _by_row(kernel: Kernel, layouts: str, block: Any, widest: int) -> None:
    """Makes a launch one of a function of rows."""
    key = kernel, layouts, "row"
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, "row", layouts, lambda: emit_row(kernel, layouts))
    (name, address), = found.items()
    kept = kept_of(name)
    together = NEAR // (int(block[_LENGTH]) * (widest + kept)) if kernel.reduces else 1
    _called_by("over_rows", block, kernel, address, len(layouts), kept, max(1, min(TOGETHER, together)))


def _called_by(routine: str, block: Any, kernel: Kernel, address: int, arrays: int, count: int,
               together: int = 1) -> None:
    """Makes a launch one of a routine that calls the function at an address."""
    block[_KERNEL] = routines.address(routine)
    calls = any(step.name == "call" for step in kernel.steps)
    block[HEADER - ABOUT:HEADER] = together, address, arrays, count, calls


class Launch:
    """A kernel bound to shapes and strides: a header and block in memory of its own."""

    __slots__ = ("address", "block", "numbers", "work", "threads", "outputs", "last", "call")
    outputs: list[tuple[Any, ...]]
    last: tuple[tuple[Any, ...], Any, int]

    def __init__(self, block: np.ndarray[Any, Any], numbers: tuple[tuple[int, np.dtype[Any]], ...], work: int) -> None:
        self.block, self.numbers, self.work = block, numbers, work
        self.address, self.threads = block.ctypes.data, current.threads
        self.last = (), block, 0
        self.call: Any = None
        self.outputs = []

    @property
    def rows(self) -> int:
        """How many rows of elements."""
        return int(self.block[_ROWS])

    @property
    def length(self) -> int:
        """How many elements a row has."""
        return int(self.block[_LENGTH])

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of the axes that it goes over, from the outermost in."""
        words = self.block[HEADER:]
        return (*[int(n) for n in words[1:1 + int(words[0])]], self.length)

    def cut(self, whole: int, per: int) -> None:
        """Makes the chunks, of `whole` rows or elements in all, multiples of `per`."""
        part = min(whole, -(-int(self.block[_PART]) // per) * per)
        self.block[_PART], self.block[_CHUNKS] = part, -(-whole // part)


class LongRow(Launch):
    """A kernel bound to one long row: its phases one after the other, and how many words of memory they share."""

    __slots__ = ()

    def __init__(self, phases: list[Launch], results: int, values: int) -> None:
        numbers, words = [], 0
        for phase in phases:
            phase.block[_NEXT] = len(phase.block) if phase is not phases[-1] else 0
            numbers += [(words + place, dtype) for place, dtype in phase.numbers]
            words += len(phase.block)
        super().__init__(np.concatenate([phase.block for phase in phases]), tuple(numbers), phases[0].work)
        self.block[_RESULTS], self.block[_VALUES] = results, values
        self.call = launcher()


def bind(kernel: Kernel, shape: tuple[int, ...], arrays: Sequence[Any], axes: tuple[int, ...] = (),
         by_row: frozenset[int] = frozenset(), order: tuple[int, ...] | None = None) -> Launch | Staged | None:
    """A launch for arrays of these shapes and strides (inputs that are arrays, then outputs), or None.

    `axes` are those that a kernel reduces; `by_row` are the arrays with one element a row. `order` has the axes that
    are longer than 1 as NumPy goes over them, outermost first; without it they are in C order. None means that a kernel
    is not the way: too many axes or arrays, no elements, rows that are too short or too long for it.
    """
    if not prod(shape) or len(arrays) > MOST_ARRAYS:
        return None
    steps = [along(shape, a, axes if k in by_row else ()) for k, a in enumerate(arrays)]
    if axes:
        left = tuple(i for i, n in enumerate(shape) if n > 1) if order is None else order
        shape, steps, axes = _in_order(shape, steps, axes, left)
    return bind_along(kernel, shape, steps, arrays, axes)


def bind_along(kernel: Kernel, shape: tuple[int, ...], steps: list[tuple[int, ...]], arrays: Sequence[Any],
               axes: tuple[int, ...]) -> Launch | Staged | None:
    """The same for arrays with these strides along the axes of the space."""
    if kernel.reduces:
        found = blocks(len(shape), axes)
        reduced = [block for block in found if block[0]]
        if len(reduced) > 1 or not found[-1][0]:
            in_stages = len(reduced) == 2 and found[-1][0] and not kernel.scans  # of a transposed array it may be else
            if kernel.finds_places or len(reduced) > 1 and not in_stages:
                return None
            return (_bind_columns(kernel, shape, steps, arrays, *reduced[0][1:]) if len(reduced) == 1 else
                    bind_stages(bind_along, kernel, shape, steps, arrays, axes))
        rows = _in_rows(shape, steps, len(axes))
        if rows is None or kernel.scans:
            return None
        sizes, strides = rows
        side_by_side = _bind_packed(kernel, sizes, strides, arrays)
        if side_by_side is not None:
            return side_by_side
        if kernel.finds_places or (sizes[-1] < LEAST_ROW and prod(sizes[:-1]) > FEW_ROWS):
            return None
        kept = row_bytes(kernel)
        if sizes[-1] > MOST_ROW // max(1, kept) or (not kernel.in_sequence and len(sizes) == 1 and sizes[0] >= (
                KEPT_ROW if kept and possible(kernel) else LONG_ROW)):
            return _bind_long(kernel, sizes, strides, arrays)
    else:
        sizes, strides = coalesced(shape, steps)
    if len(sizes) - 1 > MOST_AXES:
        return None
    length = sizes[-1]
    layouts = "".join(_class(s[-1], a.itemsize, length) for s, a in zip(strides, arrays, strict=True))
    if kernel.reduces and not _reduces_contiguous(kernel, layouts):
        return None
    launch = _described(kernel, sizes, strides, arrays)
    rows_in_nest = len(sizes) > 1
    lie = _rows_as_one(kernel, sizes, strides, arrays) if len(sizes) == 2 and not kernel.reduces else ""
    if lie:
        launch.block[_KERNEL] = _few_columns_code(kernel, layouts, Form(lie, packed.lanes_of(kernel)))
    elif rows_in_nest and length >= LONG_ENOUGH and len(arrays) <= FEW_ARRAYS:
        _by_row(kernel, layouts, launch.block, max(a.itemsize for a in arrays))
    else:
        careful = rows_in_nest and (length < SHORT_ROW or len(arrays) > FEW_ARRAYS)
        launch.block[_KERNEL] = code(kernel, layouts, rows_in_nest, careful)
    count = prod(sizes[:-1])
    _split(launch.block, count, length, 0 if kernel.reduces and count == 1 else launch.work)
    return launch


def _described(kernel: Kernel, sizes: list[int], strides: list[tuple[int, ...]], arrays: Sequence[Any]) -> Launch:
    """A launch whose block describes the arrays; which code runs, and in which chunks, is still to be said."""
    outer, length = sizes[:-1], sizes[-1]
    count = prod(outer)
    layout = Layout(len(arrays))
    numbers = [i for i in kernel.inputs if i.kind == NUMBER]
    block = np.zeros(HEADER + layout.words(len(numbers)), np.int64)
    words = block[HEADER:]
    words[0] = len(outer)
    words[1:1 + len(outer)] = outer
    for k, s in enumerate(strides):
        at = layout.stride(k)
        words[at] = s[-1]
        words[at + 1:at + 1 + len(outer)] = s[:-1]
    work = count * length * (len(kernel.steps) + 8 * sum(step.name == "call" for step in kernel.steps))
    block[_ROWS], block[_LENGTH] = count, length
    block[_NOGIL] = work >= SMALL_WORK
    block[_MASKS:_MASKS + len(arrays)] = [a.dtype.alignment - 1 for a in arrays]
    places = tuple((HEADER + layout.number(i), np.dtype(n.char)) for i, n in enumerate(numbers))
    launch = Launch(block, places, work)
    launch.call = launcher()
    return launch


def _bind_columns(kernel: Kernel, shape: tuple[int, ...], along: list[tuple[int, ...]], arrays: Sequence[Any],
                  first: int, end: int) -> Launch | None:
    """A launch for a kernel that reduces the axes from one to before another, not the last, or None."""
    row_sizes, row = _merged(shape[first:end], [s[first:end] for s in along])
    inner_sizes, inner = _merged(shape[end:], [s[end:] for s in along])
    if len(row_sizes) > 1 or not possible(kernel):
        return None
    sizes = [row_sizes[0], inner_sizes[-1]]
    strides: list[tuple[int, ...]] = [(a[0], b[-1]) for a, b in zip(row, inner, strict=True)]
    outer_shape = (*shape[:first], *inner_sizes[:-1])
    layouts = "".join(_class(s[-1], a.itemsize, sizes[-1]) for s, a in zip(strides, arrays, strict=True))
    threads = threads_in_use()
    launch = _described(kernel, sizes, strides, arrays)
    separable = not outer_shape and not kernel.scans and bool(shared_values(kernel))
    alone = launch.work < PARALLEL_WORK or threads == 1 or (kernel.scans and sizes[-1] < FEW_SCANNED)
    sharing = Sharing(sizes[-1], False) if alone or outer_shape else share(
        _sizes(kernel, sizes, strides, arrays), threads, separable)
    few = _few_columns(kernel, sizes, strides, arrays, bool(outer_shape)) if sharing.part == sizes[-1] else None
    if sharing.apart:
        return _bind_apart(kernel, layouts, sizes, strides, arrays, sharing, few)
    way = "columns ahead" if sharing.ahead else "columns"
    key = kernel, layouts, way
    found = _few_columns_code(kernel, layouts, few) if few else _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, way, layouts, lambda: (
            emit_columns(kernel, layouts, sharing.ahead), ("kernel",)))["kernel"]
    if outer_shape:
        outer = [(*a[:first], *b[:-1]) for a, b in zip(along, inner, strict=True)]
        return _bind_slabs(kernel, found, launch, *_merged(outer_shape, outer), strides, arrays)
    launch.block[_KERNEL] = found
    _columns_split(launch, sharing.part)
    return launch


def _sizes(kernel: Kernel, sizes: list[int], strides: list[tuple[int, ...]], arrays: Sequence[Any]) -> Sizes:
    """What a kernel of columns goes over."""
    each = [a.itemsize if all(s) else 0 for s, a in zip(strides, arrays, strict=True)]
    outputs, (rows, columns) = len(kernel.outputs), sizes
    return Sizes(rows, columns, sum(each[:-outputs]), sum(each[-outputs:]), max(a.itemsize for a in arrays),
                 min(filter(None, each), default=1))


def _few_columns(kernel: Kernel, sizes: list[int], strides: list[tuple[int, ...]], arrays: Sequence[Any],
                 slabs: bool) -> Form | None:
    """How a kernel that reduces columns goes over few of them, if in another way than over many."""
    most = packed.lanes_of(kernel)
    lie, lanes = "" if slabs else _rows_as_one(kernel, sizes, strides, arrays), lanes_along(kernel, sizes[-1], most)
    return Form(lie, lanes) if lie or lanes < most else None


def _rows_as_one(kernel: Kernel, sizes: list[int], strides: list[tuple[int, ...]], arrays: Sequence[Any]) -> str:
    """How inputs lie in a matrix of few columns, if many of its rows are to be as one; else, or if that gains nothing,
    "". Measured: to copy an input takes as long as a call for each row of 16."""
    columns, inputs, rowwise = sizes[-1], len(arrays) - len(kernel.outputs), kernel.rowwise() if kernel.reduces else ()
    calls = any(step.name == "call" for step in kernel.steps)
    if not 1 < columns <= SHORT_ROW or kernel.scans or not (calls or kernel.reduces and pays(kernel)) or (
            kernel.reduces and columns * packed.lanes_of(kernel) > TILE):
        return ""
    found = ""
    for k, ((row, column), array) in enumerate(zip(strides, arrays, strict=True)):
        dense = (row, column) == (columns * array.itemsize, array.itemsize)
        if k < inputs:
            found += SAME if row == 0 else DENSE if dense else OTHER
        elif not dense and kernel.outputs[k - inputs] not in rowwise:
            return ""
    return found if OTHER not in found or (calls and columns < LEAST_ROW) else ""


def _columns_split(launch: Launch, part: int) -> None:
    """Into chunks of so many columns."""
    block, columns = launch.block, launch.length
    block[_ROWS], block[_CHUNKS], block[_PART] = 1, -(-columns // part), part
    if part < columns:
        block[_PARALLEL] = workers.entry(threads_in_use())


def _bind_slabs(kernel: Kernel, code: int, slab: Launch, sizes: list[int], outer: list[tuple[int, ...]],
                strides: list[tuple[int, ...]], arrays: Sequence[Any]) -> Launch | None:
    """A launch of a kernel of columns for many slabs, of which one is bound."""
    if len(sizes) >= MOST_AXES:
        return None
    count, threads, columns = prod(sizes), threads_in_use(), slab.length
    width, work = columns, slab.work * count
    if work >= PARALLEL_WORK and count < 4 * threads:
        width = min(columns, -(-columns // -(-4 * threads // count)) + 63 & -64)
    parts = -(-columns // width)
    inner = [(*a, width * b[-1], b[-1]) for a, b in zip(outer, strides, strict=True)]
    block = _described(kernel, [*sizes, parts, columns], inner, arrays).block
    own, further = slab.block[HEADER:], len(block)
    numbers = tuple((place + further - HEADER, dtype) for place, dtype in slab.numbers)
    launch = Launch(np.concatenate([block, own]), numbers, work)
    block, launch.call = launch.block, launcher()
    block[_KERNEL], block[_NOGIL] = routines.address("over_slabs"), work >= SMALL_WORK
    block[HEADER - SLABS:HEADER] = code, len(arrays), further - HEADER, width
    _split(block, count * parts, slab.rows * width, work)
    block[_PART] = block[_PART] if count * parts > 1 else columns
    return launch


def _bind_apart(kernel: Kernel, layouts: str, sizes: list[int], strides: list[tuple[int, ...]],
                arrays: Sequence[Any], sharing: Sharing, few: Form | None) -> LongRow:
    """Columns, some of which each thread reduces, and rows, which all then go over."""
    way = "apart ahead" if sharing.ahead else "apart"
    if few:
        way = f"few columns apart {few.inputs} {few.lanes}"
    key = kernel, layouts, way
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, way, layouts, lambda: (
            emit_few(kernel, layouts, few, True) if few else emit_apart(kernel, layouts, sharing.ahead),
            ("reduced", "rest")))
    first, second = (_described(kernel, sizes, strides, arrays) for _ in range(2))
    for launch, name in ((first, "reduced"), (second, "rest")):
        launch.block[_KERNEL], launch.block[HEADER + COLUMNS_WORD] = found[name], sizes[-1]
    _columns_split(first, sharing.part)
    _split(second.block, sizes[0], sizes[-1], second.work)
    return LongRow([first, second], 1, sizes[-1] * len(shared_values(kernel)))


def _bind_packed(kernel: Kernel, sizes: list[int], strides: list[tuple[int, ...]], arrays: Sequence[Any]) -> Any:
    """A launch for short rows, many side by side, or None."""
    *outer, length = sizes
    lanes = packed.lanes_of(kernel)
    along = "".join(_class(s[-1], a.itemsize, length) for s, a in zip(strides, arrays, strict=True))
    if length > packed.LONGEST or len(outer) > packed.ROWS_WORD or max(outer, default=0) < lanes or not (
            packed.possible(kernel) and _reduces_contiguous(kernel, along)):
        return None
    # Along the innermost axis results lie side by side; where that is too short, the longest.
    axis = len(outer) - 1 if outer[-1] >= lanes else max(range(len(outer)), key=outer.__getitem__)
    lane = [s[axis] for s in strides]
    layouts = "".join(_class(s, a.itemsize, outer[axis]) for s, a in zip(lane, arrays, strict=True))
    if length >= LONG_ENOUGH and len(arrays) <= FEW_ARRAYS and packed.transposes_back(kernel, layouts):
        return None
    rest = [(*s[:axis], *s[axis + 1:]) for s in strides]
    launch = _described(kernel, [*outer[:axis], *outer[axis + 1:], length], rest, arrays)
    few = length < packed.FEW
    way = "packed few" if few else "packed"
    key = kernel, layouts, way
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, way, layouts, lambda: (
            packed.emit_packed(kernel, layouts, few), ("kernel",)))["kernel"]
    block, layout = launch.block, Layout(len(arrays))
    words, widest = block[HEADER:], max(a.itemsize for a in arrays)
    words[packed.LENGTH_WORD] = length
    words[packed.TILE_WORD] = max(lanes, min(packed.TILE, packed.BUFFER // (length * widest)) // lanes * lanes)
    for k, stride in enumerate(lane):
        words[layout.stride(k) + MOST_AXES] = stride
    launch.work *= outer[axis]
    block[_KERNEL], block[_LENGTH], block[_NOGIL] = found, outer[axis], launch.work >= SMALL_WORK
    if outer[axis] >= 4 * packed.TILE * threads_in_use():  # chunks of lanes: each transposes its own
        words[packed.ROWS_WORD], block[_ROWS] = block[_ROWS], 1
    _split(block, int(block[_ROWS]), outer[axis], launch.work)
    return launch


def _bind_long(kernel: Kernel, sizes: list[int], strides: list[tuple[int, ...]], arrays: Sequence[Any]) -> Any:
    """The phases for one row that is too long to be kept, or None."""
    layouts = "".join(_class(s[-1], a.itemsize, sizes[-1]) for s, a in zip(strides, arrays, strict=True))
    if len(sizes) > 1 or not possible(kernel) or kernel.in_sequence or not _reduces_contiguous(kernel, layouts):
        return None
    key = kernel, layouts, None
    addresses = _code.get(key)
    if addresses is None:
        addresses = _code[key] = compiled(kernel, "long", layouts, lambda: emit_long(kernel, layouts))
    length, depth = sizes[0], 0
    while depth < 6 and length >> (depth + 1) >= LEAST_PART:
        depth += 1
    phases = []
    for name, address in addresses.items():
        split = split_of(name)
        launch = _described(kernel, sizes, strides, arrays)
        launch.block[_KERNEL] = address
        if split == "tree":
            _called_by("over_parts", launch.block, kernel, address, len(arrays), reductions_of(kernel, name))
            launch.block[_ROWS], launch.block[HEADER] = 1 << depth, depth
            launch.block[_CHUNKS], launch.block[_PART] = 1 << depth, 1 if depth else length
            launch.block[_PARALLEL] = workers.entry(threads_in_use())
        elif split == "elements":
            _split(launch.block, 1, length, launch.work)
        else:
            launch.block[HEADER] = depth
            launch.block[_CHUNKS], launch.block[_PART] = 1, length
        phases.append(launch)
    reductions = sum(step.name == "reduce" for step in kernel.steps)
    return LongRow(phases, reductions << depth, len(kernel.inputs) + len(kernel.steps))


def _split(block: Any, rows: int, length: int, work: int) -> None:
    """Into how many chunks."""
    total = rows if rows > 1 else length
    threads = threads_in_use()
    if work < PARALLEL_WORK or threads == 1:
        block[_CHUNKS], block[_PART] = 1, total
        return
    part = max(1, PART // length) if rows > 1 else PART
    each = max(1, min(4, work // (threads * CHUNK_WORK)))
    chunks = max(each * threads, min(-(-total // part), 16 * threads))
    part = -(-total // chunks)
    if rows == 1:
        part = -(-part // 512) * 512
    block[_CHUNKS], block[_PART] = -(-total // part), part
    block[_PARALLEL] = workers.entry(threads)


def threads_in_use() -> int:
    """How many threads kernels use."""
    return workers.count()


def shares(least: int, shape: tuple[int, ...]) -> bool:
    """Whether threads share that many elements of which a kernel wants `least`; any kernel may run that wants none."""
    return not least or prod(shape) >= least and threads_in_use() > 1


def _reduces_contiguous(kernel: Kernel, layouts: str) -> bool:
    """Whether the inputs that are reduced as they are lie in memory without gaps."""
    arrays = [i for i, source in enumerate(kernel.inputs) if source.kind != NUMBER]
    return all(layouts[arrays.index(n)] == CONTIGUOUS for step in kernel.steps if step.name == "reduce"
               for n in step.operands if n < len(kernel.inputs))


def _in_rows(shape: tuple[int, ...], strides: list[tuple[int, ...]], rows: int) -> Any:
    """The space as rows: its last axes as one, the others in C order with as few axes as possible. None if they do not
    become one."""
    first = len(shape) - rows
    inner_sizes, inner = _merged(shape[first:], [s[first:] for s in strides])
    if len(inner_sizes) != 1:
        return None
    sizes, outer = _merged(shape[:first], [s[:first] for s in strides])
    if len(sizes) == 1 and sizes[0] == 1:
        sizes, outer = [], [()] * len(strides)
    return [*sizes, *inner_sizes], [(*a, *b) for a, b in zip(outer, inner, strict=True)]


def along(shape: tuple[int, ...], array: Any, axes: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The strides of an array along the axes of the space, 0 where it is broadcast or one long.

    An array with one element a row lacks these axes, or has them with length 1.
    """
    own = tuple(0 if n == 1 else s for n, s in zip(array.shape, array.strides, strict=True))
    if axes and len(own) == len(shape) - len(axes):
        given = iter(own)
        return tuple(0 if i in axes else next(given) for i in range(len(shape)))
    return (0,) * (len(shape) - len(own)) + own


def _in_order(shape: tuple[int, ...], steps: list[tuple[int, ...]], axes: tuple[int, ...], left: tuple[int, ...]) -> (
        tuple[tuple[int, ...], list[tuple[int, ...]], tuple[int, ...]]):
    """The space as NumPy goes over it: without axes of length 1, but for one of them if there is no other to
    reduce."""
    if not any(i in axes for i in left):
        left = *left, axes[-1]
    return (tuple(shape[i] for i in left), [tuple(s[i] for i in left) for s in steps],
            tuple(k for k, i in enumerate(left) if i in axes))


def coalesced(shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """The space with as few axes as possible, in the order in which the last array (an output) lies in memory.

    Returns sizes and, for each array, strides, outermost first; there is always one axis at least.
    """
    axes = sorted(range(len(shape)), key=lambda i: -abs(strides[-1][i]))
    return _merged([shape[i] for i in axes], [tuple(s[i] for i in axes) for s in strides])


def _merged(shape: Sequence[int], strides: Sequence[tuple[int, ...]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """The same axes in the same order, neighbours as one where all arrays run through them with one stride."""
    axes = [i for i in range(len(shape)) if shape[i] != 1]
    sizes: list[int] = []
    steps: list[list[int]] = []
    for i in axes:
        here = [s[i] for s in strides]
        if sizes and all(old == new * shape[i] for old, new in zip(steps[-1], here, strict=True)):
            sizes[-1] *= shape[i]
            steps[-1] = here
        else:
            sizes.append(shape[i])
            steps.append(here)
    if not sizes:
        sizes, steps = [1], [[0] * len(strides)]
    return sizes, [tuple(step[k] for step in steps) for k in range(len(strides))]


def _class(stride: int, itemsize: int, length: int) -> str:
    if length == 1:
        return CONTIGUOUS
    return CONTIGUOUS if stride == itemsize else REPEATED if stride == 0 else STRIDED


def run(launch: Launch | Staged, arrays: Sequence[Any], numbers: Sequence[Any]) -> int:
    """Runs it; gives the floating-point flags raised (the bits of MXCSR), or REFUSED.

    The numbers are converted to what the kernel reads.
    """
    if isinstance(launch, Staged):
        flags = launch.run(run, arrays, numbers)
        return REFUSED if flags < 0 or flags & AMBIGUOUS else flags
    described = with_numbers(launch, numbers)
    flags = REFUSED if described is None else int(launcher()(described[0], *arrays))
    return REFUSED if flags & AMBIGUOUS else flags


def with_numbers(launch: Launch, numbers: Sequence[Any]) -> tuple[int, Any] | None:
    """The address of the header with these numbers, and what keeps it; None if one does not fit."""
    if not numbers:
        return launch.address, launch.block
    known, block, address = launch.last  # read at once: another thread may change it
    if len(known) != len(numbers) or not all(map(is_, known, numbers)):
        filled = _filled(launch, numbers)
        if filled is None:
            return None
        block, address = filled, filled.ctypes.data
        if not any(isinstance(number, np.ndarray) for number in numbers):  # an array may get another value
            launch.last = tuple(numbers), block, address
    return address, block


def _filled(launch: Launch, numbers: Sequence[Any]) -> Any:
    """A copy of the block with these numbers; None if one does not fit."""
    block = launch.block.copy()
    memory = block.view(np.uint8)
    for (place, dtype), number in zip(launch.numbers, cycle(numbers)):  # again for each phase
        cell = memory[place * 8:place * 8 + dtype.itemsize].view(dtype)
        try:
            silently(setitem, cell, 0, number)
        except OverflowError:  # a Python int, which `where` takes modulo the dtype's range
            return None
        if dtype.kind in "fc" and np.isinf(cell[0]) and not np.isinf(number):  # NumPy warns of that
            return None
    return block


learn(Launch=Launch, LongRow=LongRow, launch_run=run, with_numbers=with_numbers)
