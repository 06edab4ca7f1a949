"""The text of kernels that reduce short rows: many rows side by side, each in NumPy's own order.

A vector holds one element of each of `lanes` neighbouring rows, so a row is reduced by going along it once: sums with
the eight accumulators of NumPy's pairwise sum of up to 128 elements. Arrays whose neighbours in a row lie together are
transposed into small buffers, a tile of rows at a time; those that are the same for all outer rows once for a tile.

Along the lanes an array is the same element again (REPEATED), contiguous, or neither (STRIDED): that is all that the
text depends on. There are at least as many rows as lanes; the last vector overlaps the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from . import native
from .division import Divisor, divisors, quotient
from .emit import Emitter, Text
from .flags import Flags
from .inline import COMPLEX, FLOATS, FORMS, QUICK, constant, element, splat, stored, vector
from .kernel import NEUTRAL, NUMBER, ROW, Kernel
from .long_rows import AMBIGUOUS
from .nest import CONTIGUOUS, MOST_AXES, REPEATED, STRIDED
from .pairs import cast, emitted
from .passes import passes_of, read_after

LONGEST = 128
"""The longest row for which NumPy's sum does not split."""
FEW = 8
"""From which length on NumPy's sum has eight accumulators."""
BUFFER = 1 << 14
"""Bytes for each transposed array."""
TILE = 256
"""Lanes that are transposed at a time, at most."""
ROWS_WORD, LENGTH_WORD, TILE_WORD = MOST_AXES - 2, MOST_AXES - 1, MOST_AXES
"""Where the block has the number of outer rows, if chunks are lanes, the length of a row, and the lanes in a tile:
there are no more outer axes than lie before them."""
_MOST_ARRAYS = 8
_SPLATTED = 2
"""Of how many arrays eight elements are made vectors before anything is computed: more would not stay in registers."""
_UNROLLED_STEPS = 8
"""Sums of longer expressions are kept before they are added up, so that their text stands there once."""


def possible(kernel: Kernel) -> bool:
    """Whether the kernel can be done this way: sums of floats, extremes, nothing complex; and no `where` in one loop
    with what it chooses from, for LLVM would not compute what is not chosen, and raise no flags."""
    inputs = len(kernel.inputs)
    if sum(source.kind != NUMBER for source in kernel.inputs) > _MOST_ARRAYS or any(
            kernel.char(n) in COMPLEX for n in range(inputs + len(kernel.steps))):
        return False
    for step in kernel.steps:
        if step.name == "where" and any(n >= inputs for n in step.operands[1:]):
            return False
    return True


def transposes_back(kernel: Kernel, layouts: str) -> bool:
    """Whether results for all elements are to be brought back to their rows, which takes longer than long rows do one
    by one."""
    rowwise, first = kernel.rowwise(), len(layouts) - len(kernel.outputs)
    return any(value not in rowwise and layouts[array] != CONTIGUOUS
               for array, value in enumerate(kernel.outputs, first))


def lanes_of(kernel: Kernel) -> int:
    """How many rows lie side by side."""
    return Emitter(kernel, CONTIGUOUS * 64, False).lanes


def emit_packed(kernel: Kernel, layouts: str, few: bool = False) -> Text:
    """The module of a kernel, as `emit.emit` gives it: of each outer row the lanes from `start` to `stop`. Rows have
    `few` elements, less than `FEW`, or none has.

    The block has outer axes without that of the lanes, whose stride is the last word of each array's.
    """
    return _Packed(kernel, layouts, few).module()


class _Packed(Emitter):
    def __init__(self, kernel: Kernel, layouts: str, few: bool) -> None:
        super().__init__(kernel, layouts, True)
        self.few = few
        self.places: dict[int, str] = {}
        self.kept: dict[int, str] = {}
        self.walks: dict[int, str] = {}
        self.steps_on: dict[int, str] = {}
        self.odd: dict[tuple[int, int], str] = {}
        self.ahead_by = 0
        self.splatted: list[int] = []
        self.splats_ahead: dict[tuple[int, int], str] = {}
        self.ambiguous = ""

    def module(self, attributes: str = QUICK) -> Text:
        code = self.code
        self.number_values = {n: splat(code, x, element(self.chars[n]), self.lanes)
                              for n, x in self.load_numbers().items()}
        self.tile = self.load_word(TILE_WORD)
        self.flags = Flags(code, self.calls)
        self.flags.clear()
        self.ambiguous = code.alloca("i32", 8)
        code.add(f"store i32 0, ptr {self.ambiguous}")
        packed = [n for n, array in self.array_of.items()
                  if self.layouts[array] == STRIDED and self.kernel.inputs[n].kind != ROW]
        buffers = {n: code.alloca(f"[{BUFFER + 64 * (1 + k % 4)} x i8]") for k, n in enumerate(packed)}
        still = {n: self.is_still(self.array_of[n]) for n in packed}

        def tile(at: str) -> None:
            least = code.let(f"sub i64 %stop, {self.lanes}")
            late = code.let(f"icmp sgt i64 {at}, {least}")
            begin = code.let(f"select i1 {late}, i64 {least}, i64 {at}")
            early = code.let(f"icmp slt i64 {begin}, 0")
            self.place = code.let(f"select i1 {early}, i64 0, i64 {begin}")
            left = code.let(f"sub i64 %stop, {self.place}")
            short = code.let(f"icmp slt i64 {left}, {self.tile}")
            fits = code.let(f"select i1 {short}, i64 {left}, i64 {self.tile}")
            few = code.let(f"icmp slt i64 {fits}, {self.lanes}")
            self.count = code.let(f"select i1 {few}, i64 {self.lanes}, i64 {fits}")
            for n in packed:
                code.when(still[n], lambda n=n: self.pack(n, self.data(n), buffers[n]))  # type: ignore[misc]
            self.buffers, self.moving = buffers, still
            self.odometer()
        every = self.load_word(ROWS_WORD)
        whole = code.let(f"icmp ne i64 {every}, 0")
        code.add(f"%row0 = select i1 {whole}, i64 0, i64 %first")
        code.add(f"%row1 = select i1 {whole}, i64 {every}, i64 %last")
        code.loop("%start", "%stop", self.tile, tile)
        raised = code.let(f"load i32, ptr {self.ambiguous}")
        code.add(f"ret i32 {code.let(f'or i32 {raised}, {self.flags.read()}')}")
        body = code.function("i32 @kernel(ptr %data, ptr %block, i64 %first, i64 %last, i64 %start, i64 %stop)",
                             attributes)
        return Text("\n".join(code.declared) + "\n" + body, self.imports)

    # Words of the block are loaded where they are used: LLVM takes long to find registers for what is kept throughout.

    def data(self, value: int) -> str:
        """Where an array begins."""
        return self.code.let(f"load ptr, ptr {self.code.place('ptr', '%data', self.array_of[value])}")

    def across(self, array: int) -> str:
        """The stride from lane to lane."""
        return self.load_word(self.layout.stride(array) + MOST_AXES)

    def inner_of(self, array: int) -> str:
        """The stride along a row."""
        return self.load_word(self.layout.stride(array))

    def is_still(self, array: int) -> str:
        """Whether an array is the same for all outer rows."""
        code = self.code
        bits = self.load_word(self.layout.stride(array) + 1)
        for axis in range(1, ROWS_WORD - 1):
            bits = code.let(f"or i64 {bits}, {self.load_word(self.layout.stride(array) + 1 + axis)}")
        return code.let(f"icmp eq i64 {bits}, 0")

    def pack(self, value: int, base: str, buffer: str) -> None:
        """Transposes the tile of an array into its buffer."""
        array = self.array_of[value]
        across = self.across(array)
        source = self.strided(base, self.place, across)
        self.transpose(np.dtype(self.chars[value]).itemsize, source, across, self.inner_of(array), buffer,
                       self.load_word(TILE_WORD), self.count, self.load_word(LENGTH_WORD))

    # ---- an outer row ------------------------------------------------------------------------------------------------

    def row(self, pointers: list[str]) -> None:
        code = self.code
        self.pointers = pointers
        for n, buffer in self.buffers.items():
            moving = code.let(f"xor i1 {self.moving[n]}, true")
            code.when(moving, lambda n=n, b=buffer: self.pack(n, pointers[self.array_of[n]], b))  # type: ignore[misc]
        last = code.let(f"sub i64 {self.count}, {self.lanes}")

        def some(i: str) -> None:
            over = code.let(f"icmp sgt i64 {i}, {last}")
            self.some_lanes(code.let(f"select i1 {over}, i64 {last}, i64 {i}"))
        code.loop("0", self.count, self.lanes, some)

    def some_lanes(self, i: str) -> None:
        """As many rows as a vector has lanes, from lane i of the tile on."""
        code = self.code
        self.lane = i
        self.at_lane = code.let(f"add i64 {self.place}, {i}")
        self.places = {n: self.located(n, array) for n, array in self.array_of.items()}
        self.row_values = {n: self.row_input(n) for n in sorted(self.rowwise) if n < self.inputs
                           and n not in self.number_values}
        scattered = self.scattered()
        passes = passes_of(self.kernel, self.rowwise)
        for number, (steps, saves, rows) in enumerate(passes):
            later = read_after(self.kernel, passes, number)
            self.one_packed_pass(steps, [n for n in saves if n in later], rows, scattered)
        for array, value in enumerate(self.kernel.outputs, self.first_output):
            if value in self.rowwise:
                self.write_row_value(value, array)
            elif array in scattered:
                self.scatter(value, array, scattered[array])

    def located(self, value: int, array: int) -> str:
        """Where the lanes' first elements are."""
        code = self.code
        if value in self.buffers:
            return code.let(f"getelementptr {stored(self.chars[value])}, ptr {self.buffers[value]}, i64 {self.lane}")
        return self.at_lanes(array)

    def at_lanes(self, array: int) -> str:
        code = self.code
        step = code.let(f"mul i64 {self.at_lane}, {self.across(array)}")
        return code.let(f"getelementptr i8, ptr {self.pointers[array]}, i64 {step}")

    def row_input(self, value: int) -> str:
        """One element of each row."""
        array, char = self.array_of[value], self.chars[value]
        if self.layouts[array] != STRIDED:
            return self.loaded(value, self.places[value], self.layouts[array] == REPEATED)
        place = self.code.alloca(f"[{self.lanes} x {stored(char)}]")
        across = self.across(array)
        self.each_lane(lambda j: self.move(char, self.strided(self.places[value], j, across),
                                           self.nth(char, place, j)))
        return self.loaded(value, place, False)

    def each_lane(self, body: Callable[[str], None]) -> None:
        self.code.loop("0", str(self.lanes), 1, body)

    def nth(self, char: str, base: str, i: str) -> str:
        return self.code.let(f"getelementptr {stored(char)}, ptr {base}, i64 {i}")

    def strided(self, base: str, i: str, stride: str) -> str:
        return self.code.let(f"getelementptr i8, ptr {base}, i64 {self.code.let(f'mul i64 {i}, {stride}')}")

    def move(self, char: str, source: str, target: str) -> None:
        kind, align = stored(char), np.dtype(char).itemsize
        x = self.code.let(f"load {kind}, ptr {source}, align {align}")
        self.code.add(f"store {kind} {x}, ptr {target}, align {align}")

    def loaded(self, value: int, place: str, repeated: bool) -> str:
        code, char = self.code, self.chars[value]
        width = 1 if repeated else self.lanes
        v = vector(stored(char), width)
        x = code.let(f"load {v}, ptr {place}, align {np.dtype(char).itemsize}")
        if char == "?":
            x = code.let(f"icmp ne {v} {x}, {'zeroinitializer' if width > 1 else '0'}")
        return splat(code, x, element(char), self.lanes) if repeated else x

    def put(self, value: int, x: str, place: str) -> None:
        self.store(value, x, place, "0", self.lanes)

    def scattered(self) -> dict[int, str]:
        """Buffers for outputs of elements that do not lie side by side along the lanes."""
        return {array: self.row_buffer(value) for array, value in enumerate(self.kernel.outputs, self.first_output)
                if value not in self.rowwise and self.layouts[array] != CONTIGUOUS}

    def row_buffer(self, value: int) -> str:
        """Memory for a value of all elements of these rows; the same each time."""
        if value not in self.kept:
            room = LONGEST * self.lanes * np.dtype(self.chars[value]).itemsize + 64 * (1 + len(self.kept) % 8)
            self.kept[value] = self.code.alloca(f"[{room} x i8]")  # not at the same places of the cache
        return self.kept[value]

    def in_buffer(self, value: int, k: str) -> str:
        return self.nth(self.chars[value], self.row_buffer(value), self.code.let(f"mul i64 {k}, {self.lanes}"))

    def scatter(self, value: int, array: int, buffer: str) -> None:
        """Writes what lies in a row buffer to where it belongs: transposed where an output's rows have no gaps."""
        code, char, target = self.code, self.chars[value], self.at_lanes(array)
        size, across, inner = np.dtype(char).itemsize, self.across(array), self.inner_of(array)
        left = code.let(f"or i64 {code.let(f'sub i64 {inner}, {size}')}, {code.let(f'srem i64 {across}, {size}')}")
        dense = code.let(f"icmp eq i64 {left}, 0")

        def lane(j: str) -> None:
            source = self.nth(char, buffer, j)
            self.routine(f"void @copy{8 * size}", f"ptr {self.strided(target, j, across)}, i64 {inner}, ptr {source}, "
                         f"i64 {self.lanes * size}, i64 {self.load_word(LENGTH_WORD)}")
        code.when(dense, lambda: self.transpose(
            size, buffer, str(self.lanes * size), str(size), target, code.let(f"sdiv i64 {across}, {size}"),
            self.load_word(LENGTH_WORD), str(self.lanes)))
        code.when(code.let(f"xor i1 {dense}, true"), lambda: self.each_lane(lane))

    def transpose(self, size: int, source: str, across: str, inner: str, target: str, tile: str, rows: str,
                  columns: str) -> None:
        """Rows of elements become columns."""
        self.routine(f"void @transpose{8 * size}", f"ptr {source}, i64 {across}, i64 {inner}, ptr {target}, "
                     f"i64 {tile}, i64 {rows}, i64 {columns}")

    def write_row_value(self, value: int, array: int) -> None:
        char, target = self.chars[value], self.at_lanes(array)
        if self.layouts[array] == CONTIGUOUS:
            self.put(value, self.row_values[value], target)
            return
        place = self.code.alloca(f"[{self.lanes} x {stored(char)}]")
        self.put(value, self.row_values[value], place)
        across = self.across(array)
        self.each_lane(lambda j: self.move(char, self.nth(char, place, j), self.strided(target, j, across)))

    # ---- a pass along the rows ---------------------------------------------------------------------------------------

    def one_packed_pass(self, steps: list[int], saves: list[int], rows: list[int], scattered: dict[int, str]) -> None:
        """The elements of the rows, then what the rows have one of."""
        reduces = [n for n in rows if self.step(n).name == "reduce"]
        adds = [n for n in reduces if self.adds(n)]
        called = [n for n in steps if self.step(n).name == "call"]
        if called:
            steps, saves = self.call_all(steps, saves, reduces, scattered)
        if adds and len(steps) > _UNROLLED_STEPS:
            saves = sorted({*saves, *(k for n in reduces for k in self.step(n).operands if k in steps)})
            self.along(steps, saves, [], scattered, called)
            steps, saves, called = [], [], []
        if reduces or steps or called:
            self.row_values.update(self.along(steps, saves, reduces, scattered, called))
        for n in rows:
            if n not in reduces:
                self.row_values[n] = self.of_rows(n)

    def call_all(self, steps: list[int], saves: list[int], reduces: list[int],
                 scattered: dict[int, str]) -> tuple[list[int], list[int]]:
        """Calls loops for all elements of these rows, each after what it takes is there; gives the steps that are left
        and what is to be kept of them."""
        calls_before: dict[int, int] = {}
        for n in steps:
            calls_before[n] = max((calls_before[m] + (self.step(m).name == "call") for m in self.step(n).operands
                                   if m in calls_before), default=0)
        last = 1 + max(calls_before[n] for n in steps if self.step(n).name == "call")
        for phase in range(last):
            here = [n for n in steps if calls_before[n] == phase and self.step(n).name != "call"]
            calls = [n for n in steps if calls_before[n] == phase and self.step(n).name == "call"]
            others = [m for n in (*steps, *reduces) if n not in here for m in self.step(n).operands]
            taken = [m for n in calls for m in self.step(n).operands if m not in steps and m not in self.number_values
                     and (m not in self.kept or m in self.rowwise)]
            self.along(here, sorted({*taken, *(n for n in here if n in saves or n in others)}), [], scattered)
            for n in calls:
                self.call_lanes(n)
        left = [n for n in steps if calls_before[n] == last]
        return left, [n for n in saves if n in left]

    def call_lanes(self, value: int) -> None:
        """A loop on all elements of these rows, which lie in row buffers."""
        count = self.code.let(f"mul i64 {self.load_word(LENGTH_WORD)}, {self.lanes}")
        places = [self.vector_of(m, self.number_values[m], 0) if m in self.number_values else
                  (self.row_buffer(m), np.dtype(self.chars[m]).itemsize) for m in self.step(value).operands]
        self.called(self.step(value), [*places, (self.row_buffer(value), np.dtype(self.chars[value]).itemsize)], count)

    def vector_of(self, value: int, x: str, stride: int) -> tuple[str, int]:
        """Memory with a vector of a value, for a loop that goes on by so many bytes."""
        place = self.code.alloca(f"[{self.lanes} x {stored(self.chars[value])}]")
        self.put(value, x, place)
        return place, stride

    def adds(self, value: int) -> bool:
        step = self.step(value)
        return step.loop[0] is np.add and step.char in FLOATS

    def of_rows(self, value: int) -> str:
        step = self.step(value)
        if step.name == "per":
            code = self.code
            count = code.let(f"sitofp i64 {code.let(f'sub i64 {self.load_word(LENGTH_WORD)}, {step.loop}')} to double")
            v = vector("double", self.lanes)
            wide = cast(code, step.char, "d", self.lanes, self.row_values[step.operands[0]])
            return cast(code, "d", step.char, self.lanes,
                        code.let(f"fdiv {v} {wide}, {splat(code, count, 'double', self.lanes)}"))
        if step.name == "call":
            places = [self.vector_of(n, self.uniform(n), np.dtype(self.chars[n]).itemsize) for n in step.operands]
            result, size = self.code.alloca(f"[{self.lanes} x {stored(step.char)}]"), np.dtype(step.char).itemsize
            self.called(step, [*places, (result, size)], str(self.lanes))
            return self.loaded(value, result, False)
        return self.compute(step, [self.uniform(n) for n in step.operands], self.lanes)

    def along(self, steps: list[int], saves: list[int], reduces: list[int], scattered: dict[int, str],
              called: Sequence[int] = ()) -> dict[int, str]:
        """Goes along the rows: computes `steps`, keeps and writes what is to be, also of what loops were `called` for,
        and reduces."""
        targets = [(value, array) for array, value in enumerate(self.kernel.outputs, self.first_output)
                   if value not in self.rowwise and (value in steps or value in called and array not in scattered)]
        if not (steps or saves or reduces or targets):
            return {}
        self.length, self.tile = self.load_word(LENGTH_WORD), self.load_word(TILE_WORD)
        read = {m for n in (*steps, *reduces) for m in self.step(n).operands}.union(saves)
        read = {m for m in read if m in self.array_of and m not in self.rowwise}
        self.splatted = [n for n in sorted(read) if self.layouts[self.array_of[n]] == REPEATED][:_SPLATTED]
        self.set_out(sorted(read), sorted({k for _, k in targets}.difference(scattered)))

        unrolled = not self.few and any(map(self.adds, reduces))
        by = {} if unrolled else self.divided_by(steps)

        def at(k: str) -> dict[int, str]:
            values: dict[int, str] = {}
            for n in steps:
                step = self.step(n)
                operands = [self.operand(m, k, values) for m in step.operands]
                values[n] = (quotient(self.code, step.char, self.lanes, operands[0], by[n]) if n in by else
                             self.compute(step, operands, self.lanes))
            for n in saves:
                self.put(n, self.operand(n, k, values), self.in_buffer(n, k))
            for value, array in targets:
                if array in scattered and value not in saves:
                    self.put(value, values[value], self.in_buffer(value, k))
                elif array not in scattered:
                    self.put(value, self.operand(value, k, values), self.walk(array))
            return values
        if not unrolled:
            found = self.folded("0", self.length, reduces, {n: self.neutral(n) for n in reduces}, at)
        else:
            found = self.summed(reduces, at)
        for n in filter(self.adds, reduces):
            (kind,), zero = self.held(n), constant(element(self.step(n).char), "0.0", self.lanes)
            found[n] = self.code.let(f"fadd {kind} {found[n]}, {zero}")
        return found

    def divided_by(self, steps: list[int]) -> dict[int, Divisor]:
        """What the divisions among the steps divide by, where each row has one divisor."""
        if self.few or not native.fast_fma():  # a few elements are divided as fast
            return {}
        found = {}
        for n in steps:
            step = self.step(n)
            if step.name == "divide" and step.char in FLOATS and step.operands[0] not in self.rowwise and (
                    step.operands[1] in self.rowwise or step.operands[1] in self.number_values):
                found[n] = divisors(self.code, step.char, self.lanes, self.uniform(step.operands[1]))
        return found

    def set_out(self, values: list[int], outputs: list[int]) -> None:
        """Pointers to the first element of the rows in the arrays of these values and in these outputs, and by how many
        bytes they go on with each element: a multiplication for each address would take as long as the arithmetic."""
        code, self.walks, self.steps_on = self.code, {}, {}
        for value in values:
            array, size = self.array_of[value], np.dtype(self.chars[value]).itemsize
            self.walks[array] = self.places[value]
            self.steps_on[array] = code.let(f"mul i64 {self.tile}, {size}") if value in self.buffers else (
                self.inner_of(array))
        for array in outputs:
            self.walks[array], self.steps_on[array] = self.at_lanes(array), self.inner_of(array)

    def go_on(self, eight: bool = False) -> None:
        """To the next element of the rows, or the eighth from here."""
        for array, step in self.steps_on.items():
            kind = "i64" if eight else "i8"
            self.walks[array] = self.code.let(f"getelementptr {kind}, ptr {self.walks[array]}, i64 {step}")

    def prepare_eight(self) -> None:
        """Odd multiples of the steps: each of eight elements is at a pointer and one of them times 1, 2 or 4, which is
        part of the instruction that loads it."""
        for array, step in self.steps_on.items():
            self.odd[array, 1] = step
            for k in (3, 5, 7):
                self.odd[array, k] = self.code.let(f"mul i64 {step}, {k}")

    def walk(self, array: int) -> str:
        """Where the present element is, at most seven from where the pointer is."""
        if not self.ahead_by:
            return self.walks[array]
        unit = self.ahead_by & -self.ahead_by
        return self.code.let(f"getelementptr i{8 * unit}, ptr {self.walks[array]}, i64 "
                             f"{self.odd[array, self.ahead_by // unit]}")

    def summed(self, reduces: list[int], at: Callable[[str], dict[int, str]]) -> dict[int, str]:
        """NumPy's pairwise sum of 8 to 128: eight accumulators, which begin as the first eight terms, then what is left
        one by one."""
        code, whole = self.code, self.code.let(f"and i64 {self.length}, -8")
        self.prepare_eight()
        kinds = [kind for n in reduces for kind in (self.held(n) * 8 if self.adds(n) else self.held(n))]
        starts = [x for n in reduces for x in (self.neutral(n) * 8 if self.adds(n) else self.neutral(n))]

        def eight(k: str, held: list[str], first: bool = False) -> list[str]:
            held = list(held)
            for self.ahead_by in range(8):  # what LLVM translates slowly comes before all that it does not
                self.splats_ahead.update({(n, self.ahead_by): self.operand(n, "", {}) for n in self.splatted})
            for j in range(8):
                here = str(j) if first else code.let(f"add i64 {k}, {j}") if j else k
                self.ahead_by = j
                values = at(here)
                place = 0
                for n in reduces:
                    many = 8 if self.adds(n) else len(self.held(n))
                    start = place + (j if self.adds(n) else 0)
                    slots = slice(start, start + len(self.held(n)))
                    if first and self.adds(n):
                        held[start] = self.operand(self.step(n).operands[0], here, values)
                    else:
                        held[slots] = self.taken_in(n, held[slots], here, values)
                    place += many
            self.ahead_by = 0
            self.splats_ahead = {}
            self.go_on(True)
            return held

        code.part()
        held = self.carried("8", whole, 8, kinds, eight("0", starts, True), eight)
        begun: dict[int, list[str]] = {}
        for n in reduces:
            if self.adds(n):
                (kind,), eights, held = self.held(n), held[:8], held[8:]
                while len(eights) > 1:
                    eights = [code.let(f"fadd {kind} {a}, {b}") for a, b in zip(eights[::2], eights[1::2], strict=True)]
                begun[n] = eights
            else:
                begun[n], held = held[:len(self.held(n))], held[len(self.held(n)):]
        return self.folded(whole, self.length, reduces, begun, at)

    def folded(self, start: str, stop: str, reduces: list[int], begun: dict[int, list[str]],
               at: Callable[[str], dict[int, str]]) -> dict[int, str]:
        """The elements from `start` to `stop` of each row, one after the other."""
        def one(k: str, held: list[str]) -> list[str]:
            values, new = at(k), []
            for n in reduces:
                many = len(self.held(n))
                new += self.taken_in(n, held[:many], k, values)
                held = held[many:]
            self.go_on()
            return new
        found = self.carried(start, stop, 1, [kind for n in reduces for kind in self.held(n)],
                             [x for n in reduces for x in begun[n]], one)
        results = {}
        for n in reduces:
            many = len(self.held(n))
            results[n], found = found[many - 1], found[many:]
        return results

    def finds_place(self, value: int) -> bool:
        return self.step(value).loop[0].__name__.startswith("arg")

    def reduced_char(self, value: int) -> str:
        """The dtype of the elements that are reduced."""
        return self.chars[self.step(value).operands[0]]

    def held(self, value: int) -> list[str]:
        """The types of what a reduction carries along the rows: its result last."""
        kind = vector(element(self.reduced_char(value)), self.lanes)
        return [kind, vector("i64", self.lanes)] if self.finds_place(value) else [kind]

    def neutral(self, value: int) -> list[str]:
        """What a reduction starts from: what changes no element."""
        name, char = self.step(value).loop[0].__name__, self.reduced_char(value)
        smallest = name in ("minimum", "argmin")
        if name in NEUTRAL:
            start = "-0.0" if char in FLOATS and name == "add" else NEUTRAL[name][char in FLOATS]
        elif char in FLOATS:
            start = "0x7FF0000000000000" if smallest else "0xFFF0000000000000"
        else:
            start = str(np.iinfo(char).max if smallest else np.iinfo(char).min)
        found = [constant(element(char), start, self.lanes)]
        return [*found, constant("i64", "0", self.lanes)] if self.finds_place(value) else found

    def taken_in(self, value: int, held: list[str], k: str, values: dict[int, str]) -> list[str]:
        """Element k of each row into a reduction."""
        step, char = self.step(value), self.reduced_char(value)
        x, name = self.operand(step.operands[0], k, values), step.loop[0].__name__
        if self.finds_place(value):
            return self.nearer(name, char, held, x, k)
        if char in FLOATS and name not in NEUTRAL:
            self.note_zeros(char, held[0], x)
        return [emitted(self.code, name, char, self.lanes, (held[0], x))]

    def nearer(self, name: str, char: str, held: list[str], x: str, k: str) -> list[str]:
        """The extreme so far and its place: the first one, and the first NaN before all."""
        code, kind, bits = self.code, vector(element(char), self.lanes), vector("i1", self.lanes)
        best, place = held
        better = FORMS["less" if name == "argmin" else "greater"].emit(code, char, self.lanes, (x, best))
        if char in FLOATS:
            odd, even = code.let(f"fcmp uno {kind} {x}, {x}"), code.let(f"fcmp ord {kind} {best}, {best}")
            better = code.let(f"or {bits} {better}, {code.let(f'and {bits} {odd}, {even}')}")
        places = vector("i64", self.lanes)
        return [code.let(f"select {bits} {better}, {kind} {x}, {kind} {best}"),
                code.let(f"select {bits} {better}, {places} {splat(code, k, 'i64', self.lanes)}, {places} {place}")]

    def note_zeros(self, char: str, held: str, x: str) -> None:
        """Which of two zeros NumPy's extreme is depends on its vectors."""
        code, kind, bits = self.code, vector(element(char), self.lanes), vector("i1", self.lanes)
        integer = vector("i32" if char == "f" else "i64", self.lanes)
        differ = code.let(f"icmp ne {integer} {code.let(f'bitcast {kind} {held} to {integer}')}, "
                          f"{code.let(f'bitcast {kind} {x} to {integer}')}")
        both = code.let(f"and {bits} {differ}, {code.let(f'fcmp oeq {kind} {held}, {x}')}")
        some = code.let(f"bitcast {bits} {both} to i{self.lanes}")
        flag = code.let(f"select i1 {code.let(f'icmp ne i{self.lanes} {some}, 0')}, i32 {AMBIGUOUS}, i32 0")
        old = code.let(f"load i32, ptr {self.ambiguous}")
        code.add(f"store i32 {code.let(f'or i32 {old}, {flag}')}, ptr {self.ambiguous}")

    def operand(self, value: int, k: str, values: dict[int, str]) -> str:
        """A value at element k of the rows."""
        if value in values:
            return values[value]
        if value in self.number_values:
            return self.number_values[value]
        if value in self.rowwise:
            return self.row_values[value]
        if value not in self.array_of:
            return self.loaded(value, self.in_buffer(value, k), False)
        if (value, self.ahead_by) in self.splats_ahead:
            return self.splats_ahead[value, self.ahead_by]
        array = self.array_of[value]
        return self.loaded(value, self.walk(array), self.layouts[array] == REPEATED)

    def uniform(self, value: int) -> str:
        return self.number_values[value] if value in self.number_values else self.row_values[value]

    def carried(self, start: str, stop: str, step: int, kinds: Sequence[str], begun: Sequence[str],
                body: Callable[[str, list[str]], list[str]]) -> list[str]:
        """``for k in range(start, stop, step): held = body(k, held)``; gives what is held at the end. The pointers that
        go along are held, too."""
        code, walking, many = self.code, list(self.walks), len(kinds)
        kinds, begun = [*kinds, *["ptr"] * len(walking)], [*begun, *self.walks.values()]
        if any(x[0] != "%" for x in begun):
            code.part()  # constants that are handed over are not translated quickly
        head, inside, after = (code.fresh(x) for x in ("along", "element", "end"))
        k, held, before = code.fresh("%k"), [code.fresh("%h") for _ in kinds], code.here
        code.add(f"br label %{head}")
        code.label(head)
        phis = len(code.lines)
        code.lines += [""] * (1 + len(held))  # written when it is known what they become
        code.add(f"br i1 {code.let(f'icmp slt i64 {k}, {stop}')}, label %{inside}, label %{after}")
        code.label(inside)
        self.walks = dict(zip(walking, held[many:], strict=True))
        found = [*body(k, held[:many]), *self.walks.values()]
        following = code.let(f"add nsw i64 {k}, {step}")
        carried = zip(["i64", *kinds], [k, *held], [start, *begun], [following, *found], strict=True)
        for j, (kind, name, x, new) in enumerate(carried):
            code.lines[phis + j] = f"  {name} = phi {kind} [{x}, %{before}], [{new}, %{code.here}]"
        code.add(f"br label %{head}")
        code.label(after)
        self.walks = dict(zip(walking, held[many:], strict=True))
        return held[:many]
