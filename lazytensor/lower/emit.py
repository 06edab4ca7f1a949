"""From a kernel to LLVM text, for one class of layouts.

The code of a kernel is a loop nest: rows (the outer axes, any number, sizes and strides known at run time) of elements
along the innermost axis. Along that, each array is contiguous, the same element again, or strided; that is all the text
depends on, so one compiled kernel serves every shape. Elements go through vectors with a scalar tail; what NumPy's own
loops compute is called for a tile at a time, from and to small buffers.

A run hands over two blocks of memory: the arrays' addresses, and numbers (`Layout` says where each is).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import native, routines
from .division import Divisor, divisor, quotient
from .fidelity import clears_flags
from .flags import Flags
from .halves import HALF
from .inline import COMPLEX, FLOATS, QUICK, Code, alignment, element, first_lanes, masked, splat, stored, vector
from .kernel import NUMBER, Kernel, Step
from .loops import Loop
from .nest import ABREAST, CONTIGUOUS, MOST_AXES, REPEATED, STRIDED, Layout
from .pairs import cast, chosen, emitted
from .passes import Summands, left_of, passes_of, read_after, summands_of
from .phases import Plan, phases_of
from .twins import loop_of

TILE, LEAST_TILE = 512, 128
_TILE_BYTES = 28 << 10
"""What the tiles that a kernel has in hand may take, of 32 or 48 KB of a core's first cache."""
_VECTOR_BYTES = 64
_PAD = 192
"""Tile buffers are set apart by this many bytes, so that they do not fall on the same places of the cache."""


def row_bytes(kernel: Kernel) -> int:
    """The bytes for each element of a row that a kernel keeps while it works on the row."""
    return sum(np.dtype(kernel.char(value)).itemsize for _, saves, _ in passes_of(kernel, kernel.rowwise())
               for value in saves)


def one_loop(kernel: Kernel) -> bool:
    """Whether elements are read before any is written, and go through one loop: an output may be an input's memory."""
    return not kernel.reduces and not any(step.name in ("call", "where") for step in kernel.steps)


def _size(char: str) -> int:
    """The bytes of an element in registers: float16 is computed with as float32."""
    return max(np.dtype(char).itemsize, 4 if char == HALF else 1)


class Ahead(NamedTuple):
    """Memory that a loop asks for as it goes, before it is needed.

    Attributes
    ----------
    kind, pointer : str
        The type of elements, and where the one is that goes with the first element of the row.
    written : bool
        Whether it is for results.
    """

    kind: str
    pointer: str
    written: bool


class Text(NamedTuple):
    """The text of a kernel's module, and the addresses that it imports."""

    text: str
    imports: dict[str, int]


def imports_of(loop: Loop) -> dict[str, int]:
    """The names by which a kernel knows a loop of NumPy's and what it takes."""
    parts = (("loop", loop.loop), ("context", loop.context), ("auxdata", loop.auxdata))
    return {f"{part}_{loop.symbol}": address for part, address in parts if address}


def emit(kernel: Kernel, layouts: str, rows: bool, careful: bool = False) -> Text:
    """The module of a kernel whose arrays (inputs, then outputs) have these layouts along the innermost axis.

    It exports ``i32 kernel(ptr data, ptr block, i64 row0, i64 row1, i64 start, i64 stop)``, which computes the elements
    from `start` to `stop` of each of these rows and gives the floating-point flags noted on the way (see `Flags`).
    Without `rows` there is one row. A `careful` one takes LLVM longer.
    """
    made = Emitter(kernel, layouts, rows)
    made.short = careful
    return made.module("nounwind" if careful else QUICK)


class Emitter:
    def __init__(self, kernel: Kernel, layouts: str, rows: bool) -> None:
        self.kernel, self.layouts, self.rows = kernel, layouts, rows
        self.code = Code()
        self.imports: dict[str, int] = {}
        self.inputs = len(kernel.inputs)
        self.array_of: dict[int, int] = {}
        for i, source in enumerate(kernel.inputs):
            if source.kind != NUMBER:
                self.array_of[i] = len(self.array_of)
        self.first_output = len(self.array_of)
        self.arrays = self.first_output + len(kernel.outputs)
        self.layout = Layout(self.arrays)
        chars = [kernel.char(n) for n in range(self.inputs + len(kernel.steps))]
        self.chars = chars
        widest = max((_size(c) for c in chars if c not in COMPLEX or c in self.inlined_chars()), default=8)
        self.lanes = _VECTOR_BYTES // max(widest, 2)
        self.buffers: dict[int, str] = {}
        self.tile_buffers: dict[int, str] = {}
        self.direct: dict[int, int] = {}
        self.rowwise = kernel.rowwise() if kernel.reduces else frozenset()
        self.elements = [n for n in range(self.inputs, self.inputs + len(kernel.steps)) if n not in self.rowwise]
        self.row_values: dict[int, str] = {}
        self.saved: dict[int, str] = {}
        self.summands: dict[int, Summands] = {}
        self.outputs_done: set[int] = set()
        self.number_values: dict[int, str] = {}
        self.divisors: dict[int, Divisor] = {}
        self.calls = any(step.name == "call" for step in kernel.steps)
        self.memory: list[str] = []
        self.short = False
        """Whether rows are so short that what is done for each of them counts."""
        self.start = "0" if rows else "%start"  # a row of many is done whole
        self.in_memory = "", ""
        self.splats: dict[int, str] = {}
        self.near = ""
        self.ahead: list[Ahead] = []

    def inlined_chars(self) -> set[str]:
        """The dtypes of what inlined steps take and give."""
        steps = [(n, step) for n, step in enumerate(self.kernel.steps, self.inputs) if step.name != "call"]
        return {self.chars[n] for value, step in steps for n in (value, *step.operands)}

    # ---- the frame ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """What is loaded before the first row."""
        self.number_values = self.load_numbers()
        self.inner = [self.load_word(self.layout.stride(k)) if self.layouts[k] == STRIDED else ""
                      for k in range(self.arrays)]
        self.passes = self.with_memory() if self.kernel.reduces else []
        self.flags = Flags(self.code, self.calls)

    def module(self, attributes: str = QUICK) -> Text:
        code = self.code
        self.begin()
        self.flags.clear()
        if self.rows:
            self.odometer()
        else:
            self.row([code.let(f"load ptr, ptr {code.place('ptr', '%data', k)}") for k in range(self.arrays)])
        for place in self.memory:
            code.declare("declare void @free(ptr)")
            code.add(f"call void @free(ptr {place})")
        code.add(f"ret i32 {self.flags.read()}")
        body = code.function("i32 @kernel(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop)",
                             attributes)
        return Text("\n".join(code.declared) + "\n" + body, self.imports)

    def load_numbers(self) -> dict[int, str]:
        """The numbers among the inputs."""
        code = self.code
        values: dict[int, str] = {}
        for i, source in enumerate(self.kernel.inputs):
            if source.kind == NUMBER:
                kind = stored(source.char)
                value = code.let(f"load {kind}, ptr {self.word(self.layout.number(len(values)))}, align "
                                 f"{alignment(source.char)}")
                values[i] = code.let(f"icmp ne i8 {value}, 0") if source.char == "?" else value
        return values

    def with_memory(self) -> list[tuple[list[int], dict[int, str], list[int]]]:
        """The passes, with memory for what is kept of a whole row: its place in the output if it has one there."""
        passes, found = [], passes_of(self.kernel, self.rowwise)
        for number, (every, saves, rows) in enumerate(found):
            steps = self.without_summands(every, rows, read_after(self.kernel, found, number))
            passes.append((steps, sorted(set(saves).intersection(steps)), rows))
        rooms = self.rooms([n for _, saves, _ in passes for n in saves if self.contiguous_output(n) < 0])
        return [(steps, {n: rooms.get(n, "") for n in saves}, rows) for steps, saves, rows in passes]

    def rooms(self, values: list[int]) -> dict[int, str]:
        """Memory for values of a whole row."""
        code, found = self.code, {}
        for value in values:
            size = code.let(f"mul i64 %stop, {np.dtype(self.chars[value]).itemsize}")
            code.declare("declare ptr @malloc(i64)")
            found[value] = code.let(f"call ptr @malloc(i64 {code.let(f'add i64 {size}, {_PAD}')})")
            self.memory.append(found[value])
        return found

    def contiguous_output(self, value: int) -> int:
        """The array of an output that lies without gaps in each row, or -1."""
        if value in self.kernel.outputs:
            array = self.first_output + self.kernel.outputs.index(value)
            return array if self.layouts[array] == CONTIGUOUS else -1
        return -1

    def word(self, index: int) -> str:
        return self.code.place("i64", "%block", index)

    def load_word(self, index: int) -> str:
        return self.code.let(f"load i64, ptr {self.word(index)}")

    def odometer(self) -> None:
        """Rows from %row0 to %row1: the pointers go on by a step each, up to the end of an axis."""
        code, count = self.code, self.arrays
        whole = f"[{-(-count // ABREAST) * ABREAST} x i64]"
        memory, by, some = code.alloca(whole), code.alloca(whole), vector("i64", ABREAST)
        places, left = code.alloca(f"[{MOST_AXES} x i64]", 8), code.alloca("i64", 8)
        first = self.routine("i64 @first_row", f"ptr %data, ptr %block, ptr {memory}, ptr {by}, ptr {places}, "
                             f"i64 {count}, i64 %row0")
        code.add(f"store i64 {first}, ptr {left}")

        def wind_on() -> None:
            length = self.routine("i64 @next_row", f"ptr %block, ptr {memory}, ptr {places}, i64 {count}")
            code.add(f"store i64 {length}, ptr {left}")

        def one(_: str) -> None:
            self.row([code.let(f"load ptr, ptr {code.place('ptr', memory, k)}") for k in range(count)])
            for k in range(0, count, ABREAST):
                at, step = (code.place("i64", place, k) for place in (memory, by))
                old, step = (code.let(f"load {some}, ptr {place}") for place in (at, step))
                code.add(f"store {some} {code.let(f'add {some} {old}, {step}')}, ptr {at}")
            rest = code.let(f"sub i64 {code.let(f'load i64, ptr {left}')}, 1")
            code.add(f"store i64 {rest}, ptr {left}")
            code.when(code.let(f"icmp eq i64 {rest}, 0"), wind_on)
        code.loop("%row0", "%row1", 1, one)

    def routine(self, function: str, arguments: str) -> str:
        """A call of a routine, as ``i64 @next_row`` or ``void @transpose8``; what it gives back."""
        kind, name = function.split(" @")
        self.imports[name] = routines.address(name)
        kinds = ", ".join(argument.split()[0] for argument in arguments.split(", "))
        self.code.declare(f"declare {kind} @{name}({kinds})")
        call = f"call {kind} @{name}({arguments})"
        if kind != "void":
            return self.code.let(call)
        self.code.add(call)
        return ""

    # ---- a row -------------------------------------------------------------------------------------------------------

    def row(self, pointers: list[str]) -> None:
        """One row: in one pass, or where values of the whole row are needed, in as many as it takes."""
        self.pointers = pointers
        if not self.kernel.reduces:
            self.one_pass(self.elements, {})
            return
        self.row_values = {}
        for value in sorted(self.rowwise):
            if value < self.inputs:
                self.row_values[value] = self.load_row(self.array_of[value], value)
        for steps, saved, rows in self.passes:
            if steps:
                self.one_pass(steps, {value: place or self.pointers[self.contiguous_output(value)]
                                      for value, place in saved.items()})
            for value in rows:
                self.row_value(value)
        for array, value in enumerate(self.kernel.outputs, self.first_output):
            if value in self.rowwise:
                self.store(value, self.row_values[value], self.pointers[array], "0", 1)

    def load_row(self, array: int, value: int) -> str:
        char = self.chars[value]
        x = self.code.let(f"load {stored(char)}, ptr {self.pointers[array]}, align {alignment(char)}")
        return self.code.let(f"icmp ne i8 {x}, 0") if char == "?" else x

    def row_value(self, value: int) -> None:
        """What a row has one of: a reduction of its elements, or arithmetic on such."""
        code, step = self.code, self.step(value)
        if step.name == "reduce":
            total = self.sum_on_the_way(value, "0", "%stop")
            self.row_values[value] = self.reduced(step) if not total else code.let(
                f"fadd {stored(step.char)} {total}, 0.0")
        elif step.name == "per":
            self.row_values[value] = self.divided(step)
        elif step.name == "call":
            char = step.char
            places = []
            for n in step.operands:
                place = code.alloca(stored(self.chars[n]), 16)
                self.store(n, self.uniform(n), place, "0", 1)
                places.append((place, 0))
            result = code.alloca(stored(char), 16)
            self.called(step, [*places, (result, 0)], "1")
            x = code.let(f"load {stored(char)}, ptr {result}")
            self.row_values[value] = code.let(f"icmp ne i8 {x}, 0") if char == "?" else x
        else:
            self.row_values[value] = self.compute(step, [self.uniform(n) for n in step.operands], 1)

    def uniform(self, value: int) -> str:
        return self.number_values[value] if value in self.number_values else self.row_values[value]

    def reduced(self, step: Step) -> str:
        """The reduction of a row that lies in memory: NumPy's own tree for sums, else NumPy's own loop."""
        code, char = self.code, step.char
        kind, operand = stored(char), step.operands[0]
        source = self.saved.get(operand) or self.pointers[self.array_of[operand]]
        ufunc, dtypes, *halves = step.loop
        if ufunc is np.add and char in "fd":
            total = self.sum(char, source, "%stop")
            return code.let(f"fadd {kind} {total}, 0.0")
        size = np.dtype(char).itemsize
        place = code.alloca(kind, 16)

        def by_numpy() -> None:
            first = code.let(f"load {kind}, ptr {source}, align {size}")
            code.add(f"store {kind} {first}, ptr {place}")
            following = code.let(f"getelementptr {kind}, ptr {source}, i64 1")
            self.called(step, [(place, 0), (following, size), (place, 0)], code.let("sub i64 %stop, 1"))
        if ufunc in (np.maximum, np.minimum) and char in FLOATS:
            which = "greatest" if ufunc is np.maximum else "least"
            known = self.routine(f"{kind} @{which}_{char}", f"ptr {source}, i64 %stop")
            code.add(f"store {kind} {known}, ptr {place}")
            code.when(code.let(f"fcmp ueq {kind} {known}, 0.0"), by_numpy)
        else:
            by_numpy()
        x = code.let(f"load {kind}, ptr {place}")
        return self.routine("float @first_zero", f"float {x}, ptr {source}") if halves else x

    def sum_on_the_way(self, value: int, start: str, count: str) -> str:
        """The sum of a row's elements from one on whose terms are computed on the way; "" if it has none of those."""
        found = self.summands.get(value)
        if found is None:
            return ""
        code, kind = self.code, stored(self.chars[value])
        places = [self.pointers[self.array_of[n]] for n in found.arrays]
        source = places[0] if start == "0" else code.let(f"getelementptr {kind}, ptr {places[0]}, i64 {start}")
        if found.mean is not None:
            further = f"{kind} {self.uniform(found.mean)}"
        else:
            first, second = (code.let(f"ptrtoint ptr {place} to i64") for place in places)
            further = f"i64 {code.let(f'sub i64 {second}, {first}')}"
        return self.routine(f"{kind} @{self.near}{found.routine}", f"ptr {source}, i64 {count}, {further}")

    def without_summands(self, steps: list[int], rows: list[int], later: Collection[int] = ()) -> list[int]:
        """The steps of a pass that are left when its sums compute their terms."""
        contiguous = {i for i, array in self.array_of.items()
                      if self.layouts[array] == CONTIGUOUS and i not in self.rowwise}
        found = summands_of(self.kernel, contiguous, self.rowwise, steps, rows, later)
        self.summands.update(found)
        return left_of(self.kernel, steps, rows, found)

    def sum(self, char: str, source: str, count: str) -> str:
        """The sum of so many floats, in NumPy's order."""
        return self.routine(f"{stored(char)} @{self.near}sum_{char}", f"ptr {source}, i64 {count}")

    def divided(self, step: Step) -> str:
        """A sum by the number of elements, in double precision whatever its own."""
        code, (total,) = self.code, step.operands
        length = code.let(f"sub i64 %stop, {step.loop}") if step.loop else "%stop"
        count = code.let(f"sitofp i64 {length} to double")
        x = cast(code, step.char, "d", 1, self.row_values[total])
        return cast(code, "d", step.char, 1, code.let(f"fdiv double {x}, {count}"))

    def one_pass(self, steps: list[int], saved: dict[int, str]) -> None:
        """The elements of one row, whole or by tiles; `saved` are those to be kept for the whole row, and where."""
        code = self.code
        plan = self.phases(steps, saved)
        self.direct, self.buffers = plan.direct, {}
        written = set(steps)
        strided = any(self.layouts[array] == STRIDED and value in written
                      for array, value in enumerate(self.kernel.outputs, self.first_output))
        if not plan.buffered and not strided and all(kind == "inline" for kind, _ in plan.phases):
            self.place, count = self.start, "%stop" if self.start == "0" else code.let(f"sub i64 %stop, {self.start}")
            for _, inside in plan.phases:
                self.inlined(inside, count, plan, saved)
            self.saved.update(saved)
            return
        tile = self.tile_size(steps, plan)
        for value in plan.buffered:
            self.buffers[value] = self.tile_buffer(value, len(self.buffers))
        ahead = self.next_tiles(steps, plan, tile)

        def one(at: str) -> None:
            self.in_memory = "", ""
            left = code.let(f"sub i64 %stop, {at}")
            short = code.let(f"icmp slt i64 {left}, {tile}")
            count = code.let(f"select i1 {short}, i64 {left}, i64 {tile}")
            self.place = at
            for value in plan.packed:
                self.copy(value, count, True)
            for number, (kind, inside) in enumerate(plan.phases):
                if kind == "call":
                    for value in inside:
                        self.call(value, count, saved)
                else:
                    self.inlined(inside, count, plan, saved, ahead.get(number, ()))
            for array, value in enumerate(self.kernel.outputs, self.first_output):
                if self.layouts[array] == STRIDED and value in written:
                    self.copy(value, count, False, array, saved)
        code.loop(self.start, "%stop", tile, one)
        self.saved.update(saved)

    def tile_size(self, steps: list[int], plan: Plan) -> int:
        """How many elements are done at once: what they take in buffers and arrays stays in the first cache."""
        size = sum(np.dtype(self.chars[n]).itemsize for n in plan.buffered)
        size += sum(np.dtype(self.array_char(k)).itemsize for k in self.arrays_of(steps))
        tile = TILE
        while tile > LEAST_TILE and tile * size > _TILE_BYTES:
            tile //= 2
        return tile

    def arrays_of(self, steps: list[int]) -> list[int]:
        """The arrays from which steps read elements, and those to which they write them."""
        inside = set(steps)
        arrays = {self.array_of[n] for m in steps for n in self.step(m).operands if n in self.array_of
                  and n not in self.rowwise}
        return sorted(arrays | {k for k, n in enumerate(self.kernel.outputs, self.first_output) if n in inside})

    def tile_buffer(self, value: int, index: int) -> str:
        """Memory for a tile of a value; the same in every pass."""
        if value not in self.tile_buffers:
            self.tile_buffers[value] = self.code.alloca(
                f"[{TILE * np.dtype(self.chars[value]).itemsize + _PAD * (1 + index % 4)} x i8]")
        return self.tile_buffers[value]

    def here(self, array: int) -> str:
        """Where the tile of an array begins."""
        if self.layouts[array] == REPEATED or self.place == "0":
            return self.pointers[array]
        code = self.code
        if self.layouts[array] == CONTIGUOUS:
            return code.let(f"getelementptr {stored(self.array_char(array))}, ptr {self.pointers[array]}, "
                            f"i64 {self.place}")
        step = code.let(f"mul i64 {self.place}, {self.inner[array]}")
        return code.let(f"getelementptr i8, ptr {self.pointers[array]}, i64 {step}")

    def saved_here(self, value: int, base: str) -> str:
        """Where the tile begins in what is kept of a whole row."""
        if self.place == "0":
            return base
        return self.code.let(f"getelementptr {stored(self.chars[value])}, ptr {base}, i64 {self.place}")

    def array_char(self, array: int) -> str:
        if array >= self.first_output:
            return self.chars[self.kernel.outputs[array - self.first_output]]
        return next(self.chars[i] for i, k in self.array_of.items() if k == array)

    def copy(self, value: int, count: str, into_buffer: bool, array: int = -1,
             saved: dict[int, str] | None = None) -> None:
        """From a strided array to a tile buffer, or back."""
        array = self.array_of[value] if into_buffer else array
        base, step = self.here(array), self.inner[array]
        buffer = self.buffers[value] if value in self.buffers else self.saved_here(value, (saved or {})[value])

        size = np.dtype(self.chars[value]).itemsize
        far, near = f"ptr {base}, i64 {step}", f"ptr {buffer}, i64 {size}"
        places = (near, far) if into_buffer else (far, near)
        self.routine(f"void @copy{8 * size}", f"{places[0]}, {places[1]}, i64 {count}")

    def next_tiles(self, steps: list[int], plan: Plan, tile: int) -> dict[int, list[Ahead]]:
        """For the phases that are loops, by number, the next tiles of arrays that they are to ask for. Each array has
        its phase, so that memory is asked while there is much to compute, and not for all at once."""
        loops = [number for number, (kind, _) in enumerate(plan.phases) if kind == "inline"]
        found: dict[int, list[Ahead]] = {}
        contiguous = [k for k in self.arrays_of(steps) if self.layouts[k] == CONTIGUOUS]
        for turn, array in enumerate(contiguous if loops else ()):
            kind = stored(self.array_char(array))
            pointer = self.code.place(kind, self.pointers[array], tile)
            found.setdefault(loops[turn % len(loops)], []).append(Ahead(kind, pointer, array >= self.first_output))
        return found

    def inlined(self, steps: list[int], count: str, plan: Plan, saved: dict[int, str],
                ahead: Sequence[Ahead] = ()) -> None:
        """The steps on all elements of the tile: vectors, then what is left one by one."""
        code, lanes = self.code, self.lanes
        inside = set(steps)
        needed = sorted({n for value in steps for n in self.step(value).operands} - inside)
        sources = {n: self.source(n, saved) for n in needed}
        targets = self.targets(steps, plan, saved)
        self.divisors = self.divided_by(steps)
        asked = [(x.kind, code.place(x.kind, x.pointer, self.place), x.written) for x in (*self.ahead, *ahead)]

        def body(width: int, mask: str = "") -> Any:
            def one(i: str) -> None:
                values: dict[int, str] = {}
                for kind, pointer, written in asked if width > 1 and not mask else ():
                    code.fetch(code.place(kind, pointer, i), written)  # first: LLVM makes one instruction of it there

                def read(n: int) -> str:
                    if n not in values:  # when it is first needed: that takes fewer registers
                        values[n] = self.load(n, sources[n], i, width, mask)
                    return values[n]
                for n in steps:
                    for k in self.step(n).operands:
                        read(k)
                    values[n] = self.element(n, values, i, width)
                for n, pointer in targets:
                    self.store(n, values[n], pointer, i, width, mask)
            return one
        self.splat_all(sources)
        whole = code.let(f"and i64 {count}, -{lanes}")
        code.loop("0", whole, lanes, body(lanes))
        if self.may_mask({self.chars[n] for n in (*steps, *needed)}):
            rest = code.let(f"sub i64 {count}, {whole}")
            code.when(code.let(f"icmp ne i64 {rest}, 0"), lambda: body(lanes, first_lanes(code, rest, lanes))(whole))
        else:
            code.loop(whole, count, 1, body(1))

    def may_mask(self, chars: set[str]) -> bool:
        """Whether what is left of a row after its last whole vector is done as one vector of which a mask says what is
        there. That takes LLVM somewhat longer than a loop; it pays where there are many rows, in one pass."""
        return self.rows and not self.kernel.reduces and chars.isdisjoint(COMPLEX) and (
            native.features().issuperset(("avx512f", "avx512bw", "avx512vl")))

    def element(self, value: int, values: dict[int, str], i: str, width: int) -> str:
        """One step on the elements from `i` of the tile on."""
        step = self.step(value)
        if value in self.divisors and width > 1:
            return quotient(self.code, step.char, width, values[step.operands[0]], self.divisors[value])
        return self.compute(step, [values[k] for k in step.operands], width)

    def divided_by(self, steps: list[int]) -> dict[int, Divisor]:
        """What the divisions among the steps divide by, where that is one number for all elements."""
        found = {}
        for n in steps if native.fast_fma() else ():
            step = self.step(n)
            if step.name != "divide" or step.char not in FLOATS or self.is_one(step.operands[0]):
                continue
            by = step.operands[1]
            few = self.short and self.lanes > 8 and by not in self.number_values and by not in self.rowwise
            if self.is_one(by) and not few:  # a row of one vector is divided as fast
                found[n] = divisor(self.code, step.char, self.lanes, self.only(by))
        return found

    def is_one(self, value: int) -> bool:
        """Whether it is the same for all elements of a row."""
        return value in self.number_values or value in self.rowwise or (
            value in self.array_of and self.layouts[self.array_of[value]] == REPEATED)

    def only(self, value: int) -> str:
        """That number."""
        if value in self.number_values or value in self.rowwise:
            return self.uniform(value)
        return self.load(value, self.here(self.array_of[value]), "0", 1)

    def splat_all(self, values: Iterable[int]) -> None:
        """Makes vectors of those that are the same everywhere, before a loop."""
        known = {self.step(n).operands[1]: by.value for n, by in self.divisors.items()}
        needed = [n for n in values if n in self.number_values or n in self.rowwise or n in known]
        if not known.keys() >= set(needed):
            self.code.part()
        self.splats = {n: known.get(n) or splat(self.code, self.uniform(n), element(self.chars[n]), self.lanes)
                       for n in needed}

    def extra_operands(self) -> set[int]:
        """What the last loop of a pass takes besides."""
        return set()

    def phases(self, steps: list[int], saved: Collection[int] = ()) -> Plan:
        """How steps on a tile are cut into phases; their outputs are written from then on."""
        plan = phases_of(self.kernel, self.layouts, self.array_of, steps, saved, frozenset(self.outputs_done),
                         self.extra_operands())
        self.outputs_done.update(steps)
        return plan

    def targets(self, steps: list[int], plan: Plan, saved: dict[int, str]) -> list[tuple[int, str]]:
        """Where the values computed here go: outputs, what is kept of the row, and buffers for what comes after."""
        found = [(n, self.buffers[n]) for n in steps if n in plan.buffered]
        found += [(n, self.saved_here(n, saved[n])) for n in steps if n in saved]
        for array, value in enumerate(self.kernel.outputs, self.first_output):
            if (self.layouts[array] != STRIDED and value in steps and value not in plan.written_before
                    and value not in saved):
                found.append((value, self.here(array)))
        return found

    def step(self, value: int) -> Step:
        return self.kernel.steps[value - self.inputs]

    def source(self, value: int, saved: dict[int, str]) -> str:
        """Where a value is read from, "" for one that is the same everywhere."""
        if value in self.number_values or value in self.rowwise:
            return ""
        if value in self.buffers:
            return self.buffers[value]
        if value in saved or value in self.saved:
            return self.saved_here(value, saved.get(value) or self.saved[value])
        return self.here(self.direct[value] if value in self.direct else self.array_of[value])

    def load(self, value: int, source: str, i: str, width: int, mask: str = "") -> str:
        """Elements from `i` on; in lanes that a `mask` leaves out the first of them again, so that what is computed of
        them raises no flags of its own."""
        code, char = self.code, self.chars[value]
        if width > 1 and value in self.splats:
            return self.splats[value]
        if value in self.number_values or value in self.rowwise:
            return self.splats[value] if width > 1 else self.uniform(value)
        kind = stored(char)
        align = alignment(char)
        if self.layouts[self.array_of.get(value, -1)] == REPEATED and value in self.array_of:
            x = code.let(f"load {kind}, ptr {source}, align {align}")
            if char == "?":
                x = code.let(f"icmp ne i8 {x}, 0")
            return splat(code, x, element(char), width)
        v, place = vector(kind, width), code.place(kind, source, i)
        if mask:
            first = splat(code, code.let(f"load {kind}, ptr {place}, align {align}"), kind, width)
            x = masked(code, "load", v, place, mask, align, first)
        else:
            x = code.let(f"load {v}, ptr {place}, align {align}")
        if char == "?":
            x = code.let(f"icmp ne {v} {x}, {'zeroinitializer' if width > 1 else '0'}")
        return x

    def store(self, value: int, x: str, pointer: str, i: str, width: int, mask: str = "") -> None:
        code, char = self.code, self.chars[value]
        kind = stored(char)
        v = vector(kind, width)
        if char == "?":
            x = code.let(f"zext {vector('i1', width)} {x} to {v}")
        place = code.place(kind, pointer, i)
        if mask:
            masked(code, "store", v, place, mask, alignment(char), x)
        else:
            code.add(f"store {v} {x}, ptr {place}, align {alignment(char)}")

    def compute(self, step: Step, operands: list[str], width: int) -> str:
        code = self.code
        chars = [self.chars[n] for n in step.operands]
        if step.name == "cast":
            return cast(code, chars[0], step.char, width, operands[0])
        if step.name == "where":
            return chosen(code, step.char, width, *operands)
        return emitted(code, step.name, chars[0], width, tuple(operands))

    def call(self, value: int, count: str, saved: dict[int, str]) -> None:
        """NumPy's loop on a tile."""
        step = self.step(value)
        places = [self.call_operand(n, saved) for n in step.operands]
        size = np.dtype(self.chars[value]).itemsize
        if value in saved:
            result = self.saved_here(value, saved[value])
        else:
            result = self.here(self.direct[value]) if value in self.direct else self.buffers[value]
        self.called(step, [*places, (result, size)], count)

    def called(self, step: Step, places: list[tuple[str, int]], count: str) -> None:
        """A call of NumPy's loop of a step, on memory at these places with these strides."""
        code = self.code
        ufunc, dtypes = step.loop[:2]
        if step.name == "call" and step.loop[2:]:
            places = self.from_their_ends(places, count)
        loop = loop_of(ufunc, dtypes)
        assert loop is not None
        for name, address in imports_of(loop).items():
            self.imports[name] = address
            code.declare(f"declare i32 @{name}(ptr, ptr, ptr, ptr, ptr)" if name.startswith("loop_")
                         else f"@{name} = external global i8")
        auxdata = f"@auxdata_{loop.symbol}" if loop.auxdata else "null"
        if clears_flags(ufunc, dtypes):
            self.flags.note()
        data = code.alloca(f"[{len(places)} x ptr]")
        for k, (pointer, _) in enumerate(places):
            code.add(f"store ptr {pointer}, ptr {code.place('ptr', data, k)}")
        words = ", ".join(f"i64 {stride}" for _, stride in places)
        strides = "@strides_" + "_".join(str(stride) for _, stride in places).replace("-", "back")
        code.declare(f"{strides} = internal constant [{len(places)} x i64] [{words}]")
        code.let(f"call i32 @loop_{loop.symbol}(ptr @context_{loop.symbol}, ptr {data}, ptr {self.counted(count)}, "
                 f"ptr {strides}, ptr {auxdata})")

    def from_their_ends(self, places: list[tuple[str, int]], count: str) -> list[tuple[str, int]]:
        """The same elements for a loop that goes over them backwards."""
        last = self.code.let(f"sub i64 {count}, 1")
        return [(self.code.let(f"getelementptr i8, ptr {pointer}, i64 {self.code.let(f'mul i64 {last}, {stride}')}"),
                 -stride) for pointer, stride in places]

    def counted(self, count: str) -> str:
        """Where a number of elements is in memory."""
        if count != self.in_memory[0]:
            self.in_memory = count, self.code.alloca("i64", 8)
            self.code.add(f"store i64 {count}, ptr {self.in_memory[1]}")
        return self.in_memory[1]

    def call_operand(self, value: int, saved: dict[int, str]) -> tuple[str, int]:
        code, char = self.code, self.chars[value]
        size = np.dtype(char).itemsize
        if value in self.number_values or value in self.rowwise:
            place = code.alloca(stored(char), 16)
            self.store(value, self.uniform(value), place, "0", 1)
            return place, 0
        if value in self.array_of and self.layouts[self.array_of[value]] == REPEATED:
            return self.here(self.array_of[value]), 0
        return self.source(value, saved), size
