"""Runs a kernel on arrays: code for their layouts, a block of numbers that describes them, one native call.

`bind` looks at shapes and strides once and gives a `Launch`; calling that with arrays of the same shapes and strides at
other addresses is one call of a builtin, which reads the addresses itself, splits the work among the workers and gives
the floating-point flags that were raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from math import prod
from operator import is_, setitem
from typing import Any

import numpy as np

from ..config import current
from ..hot import learn
from ..ir.errstate import silently
from ..lower import packed, routines
from ..lower.by_row import emit_row, kept_of
from ..lower.columns import COLUMNS_WORD, emit_apart, emit_columns, shared_values
from ..lower.compiled import compiled
from ..lower.emit import emit, row_bytes
from ..lower.kernel import NUMBER, Kernel
from ..lower.long_rows import AMBIGUOUS, emit_long, possible, reductions_of, split_of
from ..lower.nest import ABOUT, CONTIGUOUS, MOST_AXES, REPEATED, SLABS, STRIDED, TOGETHER, Layout
from ..lower.stages import blocks
from . import workers
from .geometry import along, coalesced, in_order, in_rows, merged
from .launcher import (
    CHUNKS_WORD,
    HEADER,
    KERNEL_WORD,
    LENGTH_WORD,
    MASKS_WORD,
    MOST_ARRAYS,
    NEXT_WORD,
    NOGIL_WORD,
    PARALLEL_WORD,
    PART_WORD,
    REFUSED,
    RESULTS_WORD,
    ROWS_WORD,
    VALUES_WORD,
    launcher,
)
from .sharing import Sharing, Sizes, share
from .stages import Staged, bind_stages

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

_code: dict[Any, Any] = {}


def code(kernel: Kernel, layouts: str, rows: bool, careful: bool = False) -> int:
    """The address of a kernel's code for a class of layouts, compiled when first asked for."""
    key = kernel, layouts, rows, careful
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, f"{rows} {careful}", layouts,
                                      lambda: (emit(kernel, layouts, rows, careful), ("kernel",)))["kernel"]
    return int(found)


def _by_row(kernel: Kernel, layouts: str, block: Any, widest: int) -> None:
    """Makes a launch one of a function of rows."""
    key = kernel, layouts, "row"
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, "row", layouts, lambda: emit_row(kernel, layouts))
    (name, address), = found.items()
    kept = kept_of(name)
    together = NEAR // (int(block[LENGTH_WORD]) * (widest + kept)) if kernel.reduces else 1
    _called_by("over_rows", block, kernel, address, len(layouts), kept, max(1, min(TOGETHER, together)))


def _called_by(routine: str, block: Any, kernel: Kernel, address: int, arrays: int, count: int,
               together: int = 1) -> None:
    """Makes a launch one of a routine that calls the function at an address."""
    block[KERNEL_WORD] = routines.address(routine)
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
        return int(self.block[ROWS_WORD])

    @property
    def length(self) -> int:
        """How many elements a row has."""
        return int(self.block[LENGTH_WORD])

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of the axes that it goes over, from the outermost in."""
        words = self.block[HEADER:]
        return (*[int(n) for n in words[1:1 + int(words[0])]], self.length)

    def cut(self, whole: int, per: int) -> None:
        """Makes the chunks, of `whole` rows or elements in all, multiples of `per`."""
        part = min(whole, -(-int(self.block[PART_WORD]) // per) * per)
        self.block[PART_WORD], self.block[CHUNKS_WORD] = part, -(-whole // part)


class LongRow(Launch):
    """A kernel bound to one long row: its phases one after the other, and how many words of memory they share."""

    __slots__ = ()

    def __init__(self, phases: list[Launch], results: int, values: int) -> None:
        numbers, words = [], 0
        for phase in phases:
            phase.block[NEXT_WORD] = len(phase.block) if phase is not phases[-1] else 0
            numbers += [(words + place, dtype) for place, dtype in phase.numbers]
            words += len(phase.block)
        super().__init__(np.concatenate([phase.block for phase in phases]), tuple(numbers), phases[0].work)
        self.block[RESULTS_WORD], self.block[VALUES_WORD] = results, values
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
        shape, steps, axes = in_order(shape, steps, axes, left)
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
        rows = in_rows(shape, steps, len(axes))
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
    if rows_in_nest and length >= LONG_ENOUGH and len(arrays) <= FEW_ARRAYS:
        _by_row(kernel, layouts, launch.block, max(a.itemsize for a in arrays))
    else:
        careful = rows_in_nest and (length < SHORT_ROW or len(arrays) > FEW_ARRAYS)
        launch.block[KERNEL_WORD] = code(kernel, layouts, rows_in_nest, careful)
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
    block[ROWS_WORD], block[LENGTH_WORD] = count, length
    block[NOGIL_WORD] = work >= SMALL_WORK
    block[MASKS_WORD:MASKS_WORD + len(arrays)] = [a.dtype.alignment - 1 for a in arrays]
    places = tuple((HEADER + layout.number(i), np.dtype(n.char)) for i, n in enumerate(numbers))
    launch = Launch(block, places, work)
    launch.call = launcher()
    return launch


def _bind_columns(kernel: Kernel, shape: tuple[int, ...], along: list[tuple[int, ...]], arrays: Sequence[Any],
                  first: int, end: int) -> Launch | None:
    """A launch for a kernel that reduces the axes from one to before another, not the last, or None."""
    row_sizes, row = merged(shape[first:end], [s[first:end] for s in along])
    inner_sizes, inner = merged(shape[end:], [s[end:] for s in along])
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
    if sharing.apart:
        return _bind_apart(kernel, layouts, sizes, strides, arrays, sharing)
    way = "columns ahead" if sharing.ahead else "columns"
    key = kernel, layouts, way
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, way, layouts, lambda: (
            emit_columns(kernel, layouts, sharing.ahead), ("kernel",)))["kernel"]
    if outer_shape:
        outer = [(*a[:first], *b[:-1]) for a, b in zip(along, inner, strict=True)]
        return _bind_slabs(kernel, found, launch, *merged(outer_shape, outer), strides, arrays)
    launch.block[KERNEL_WORD] = found
    _columns_split(launch, sharing.part)
    return launch


def _sizes(kernel: Kernel, sizes: list[int], strides: list[tuple[int, ...]], arrays: Sequence[Any]) -> Sizes:
    """What a kernel of columns goes over."""
    each = [a.itemsize if all(s) else 0 for s, a in zip(strides, arrays, strict=True)]
    outputs, (rows, columns) = len(kernel.outputs), sizes
    return Sizes(rows, columns, sum(each[:-outputs]), sum(each[-outputs:]), max(a.itemsize for a in arrays),
                 min(filter(None, each), default=1))


def _columns_split(launch: Launch, part: int) -> None:
    """Into chunks of so many columns."""
    block, columns = launch.block, launch.length
    block[ROWS_WORD], block[CHUNKS_WORD], block[PART_WORD] = 1, -(-columns // part), part
    if part < columns:
        block[PARALLEL_WORD] = workers.entry(threads_in_use())


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
    block[KERNEL_WORD], block[NOGIL_WORD] = routines.address("over_slabs"), work >= SMALL_WORK
    block[HEADER - SLABS:HEADER] = code, len(arrays), further - HEADER, width
    _split(block, count * parts, slab.rows * width, work)
    block[PART_WORD] = block[PART_WORD] if count * parts > 1 else columns
    return launch


def _bind_apart(kernel: Kernel, layouts: str, sizes: list[int], strides: list[tuple[int, ...]],
                arrays: Sequence[Any], sharing: Sharing) -> LongRow:
    """Columns, some of which each thread reduces, and rows, which all then go over."""
    way = "apart ahead" if sharing.ahead else "apart"
    key = kernel, layouts, way
    found = _code.get(key)
    if found is None:
        found = _code[key] = compiled(kernel, way, layouts, lambda: (
            emit_apart(kernel, layouts, sharing.ahead), ("reduced", "rest")))
    first, second = (_described(kernel, sizes, strides, arrays) for _ in range(2))
    for launch, name in ((first, "reduced"), (second, "rest")):
        launch.block[KERNEL_WORD], launch.block[HEADER + COLUMNS_WORD] = found[name], sizes[-1]
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
    block[KERNEL_WORD], block[LENGTH_WORD], block[NOGIL_WORD] = found, outer[axis], launch.work >= SMALL_WORK
    if outer[axis] >= 4 * packed.TILE * threads_in_use():  # chunks of lanes: each transposes its own
        words[packed.ROWS_WORD], block[ROWS_WORD] = block[ROWS_WORD], 1
    _split(block, int(block[ROWS_WORD]), outer[axis], launch.work)
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
        launch.block[KERNEL_WORD] = address
        if split == "tree":
            _called_by("over_parts", launch.block, kernel, address, len(arrays), reductions_of(kernel, name))
            launch.block[ROWS_WORD], launch.block[HEADER] = 1 << depth, depth
            launch.block[CHUNKS_WORD], launch.block[PART_WORD] = 1 << depth, 1 if depth else length
            launch.block[PARALLEL_WORD] = workers.entry(threads_in_use())
        elif split == "elements":
            _split(launch.block, 1, length, launch.work)
        else:
            launch.block[HEADER] = depth
            launch.block[CHUNKS_WORD], launch.block[PART_WORD] = 1, length
        phases.append(launch)
    reductions = sum(step.name == "reduce" for step in kernel.steps)
    return LongRow(phases, reductions << depth, len(kernel.inputs) + len(kernel.steps))


def _split(block: Any, rows: int, length: int, work: int) -> None:
    """Into how many chunks."""
    total = rows if rows > 1 else length
    threads = threads_in_use()
    if work < PARALLEL_WORK or threads == 1:
        block[CHUNKS_WORD], block[PART_WORD] = 1, total
        return
    part = max(1, PART // length) if rows > 1 else PART
    each = max(1, min(4, work // (threads * CHUNK_WORK)))
    chunks = max(each * threads, min(-(-total // part), 16 * threads))
    part = -(-total // chunks)
    if rows == 1:
        part = -(-part // 512) * 512
    block[CHUNKS_WORD], block[PART_WORD] = -(-total // part), part
    block[PARALLEL_WORD] = workers.entry(threads)


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
