"""The text of kernels of many rows: a function of a few rows, which a routine that all share calls until all are done.

So the loop nest around the rows is compiled once, not with every kernel. Where rows are reduced, each pass goes over
all rows of a call before the next does: the additions of a sum wait for one another, and so does what is computed of
it; the CPU is busy with another row meanwhile. Passes but the last find rows in the cache, and the last asks for the
rows of the next call while it computes, and for the memory of results.
"""

from __future__ import annotations

import numpy as np

from .emit import Ahead, Emitter, Text
from .inline import QUICK, alignment, stored
from .kernel import Kernel
from .nest import CONTIGUOUS, POINTERS, ROOM, TOGETHER
from .pairwise import NEAR

_PAD = 192
_NEAR = 256
"""Bytes ahead of it that memory for results is asked for: what is asked for earlier drives out what is still read."""


def emit_row(kernel: Kernel, layouts: str) -> tuple[Text, tuple[str]]:
    """The module of a kernel that does a few rows, and its function, whose name says what is kept of a row: ``row8``
    for 8 bytes for each element.

    The function is ``i32 (ptr pointers, ptr block, i64 stop, ptr kept, i64 count)``, of the arrays' addresses in each
    row, and gives the floating-point flags noted on the way. If it reduces nothing it does one row.
    """
    made = _Row(kernel, layouts)
    text = made.module()
    return text, (made.name,)


def kept_of(name: str) -> int:
    """The bytes for each element of a row that the function of this name is to be given."""
    return int(name.removeprefix("row"))


class _Row(Emitter):
    def __init__(self, kernel: Kernel, layouts: str) -> None:
        super().__init__(kernel, layouts, True)
        self.name = "row0"
        self.kept_in: dict[int, int] = {}
        self.cells: dict[int, str] = {}
        self.later: set[int] = set()
        self.ever: set[int] = set()
        """What passes so far have kept of all rows' elements."""

    def module(self, attributes: str = QUICK) -> Text:
        code = self.code
        self.begin()
        if self.kernel.reduces:
            self.later = {n for steps, _, rows in self.passes for n in self.read_in(steps, rows)}
            self.later |= {n for _, _, rows in self.passes for n in self.read_in([], self.computed(rows))}
            asked = self.asked()
            self.near = NEAR if asked else ""
            for number, (steps, saved, rows) in enumerate(self.passes, 1):
                self.over_all(steps, list(saved), rows, asked if number == len(self.passes) else [])
        else:
            self.row([code.let(f"load ptr, ptr {code.place('ptr', '%data', k)}") for k in range(self.arrays)])
        code.add(f"ret i32 {self.flags.kept()}")
        body = code.function(f"i32 @{self.name}(ptr %data, ptr %block, i64 %stop, ptr %kept, i64 %count)", attributes)
        return Text("\n".join(code.declared) + "\n" + body, self.imports)

    def rooms(self, values: list[int]) -> dict[int, str]:
        """Says what is kept of a row: one after the other, the largest elements first, so that all are aligned."""
        whole = 0
        for value in sorted(values, key=lambda n: -np.dtype(self.chars[n]).itemsize):
            self.kept_in[value] = whole
            whole += np.dtype(self.chars[value]).itemsize
        assert _PAD * len(values) <= ROOM
        self.name = f"row{whole}"
        return {}

    def asked(self) -> list[int]:
        """The inputs whose next rows the last pass is to ask for, if it has a loop that does: those that the first pass
        over elements takes."""
        if not any(self.step(n).name != "call" for n in self.passes[-1][0]):
            return []
        for steps, _, rows in self.passes:
            found = [n for n in sorted(self.read_in(steps, rows)) if n in self.array_of and n not in self.rowwise]
            if found:
                return [n for n in found if self.layouts[self.array_of[n]] == CONTIGUOUS]
        return []

    def over_all(self, steps: list[int], saved: list[int], rows: list[int], asked: list[int]) -> None:
        """One pass over all rows, which asks for the next rows of some inputs. What is computed of reductions comes
        when all rows have theirs: a division and a root take long, but no row's waits for another's."""
        after = self.computed(rows)
        reduced = [n for n in rows if n not in after]

        def one(r: str) -> None:
            self.begin_row(r, self.read_in(steps, reduced), {*steps, *saved, *reduced}, asked)
            if steps:
                self.one_pass(steps, {value: self.room(value, r) for value in saved})
                self.ever.update(saved)
            self.keep_all(reduced, r)

        def one_more(r: str) -> None:
            self.begin_row(r, self.read_in([], after), {*after}, [])
            self.keep_all(after, r)
        if steps or reduced:
            self.code.loop("0", "%count", 1, one)
        if after:
            self.code.loop("0", "%count", 1, one_more)

    def computed(self, rows: list[int]) -> list[int]:
        """Those of a pass's row values that are no reductions."""
        return [n for n in rows if self.step(n).name != "reduce"]

    def keep_all(self, rows: list[int], r: str) -> None:
        """Computes values of a row."""
        for value in rows:
            self.row_value(value)
            self.keep(value, r)

    def read_in(self, steps: list[int], rows: list[int]) -> set[int]:
        """The values of former passes, and the inputs, that a pass reads."""
        read = {n for value in (*steps, *rows) for n in self.step(value).operands}
        for value in rows:
            if value in self.summands:
                found = self.summands[value]
                read |= {*found.arrays, *(() if found.mean is None else (found.mean,))}
        return read - {*steps, *rows}

    def begin_row(self, r: str, read: set[int], made: set[int], asked: list[int]) -> None:
        """Loads the addresses and the numbers of a row that a pass takes."""
        code = self.code
        arrays = {self.array_of[n] for n in (*read, *asked) if n in self.array_of}
        arrays |= {k for k, n in enumerate(self.kernel.outputs, self.first_output) if n in made or n in read}
        base = code.let(f"getelementptr [{POINTERS} x ptr], ptr %data, i64 {r}")
        self.pointers = [code.let(f"load ptr, ptr {code.place('ptr', base, k)}") if k in arrays else ""
                         for k in range(self.arrays)]
        self.ahead = [self.next_row(self.array_of[n], n) for n in asked]
        if asked:
            self.ahead += [self.ahead_of(k, n) for k, n in enumerate(self.kernel.outputs, self.first_output)
                           if k in arrays and n not in self.rowwise and self.layouts[k] == CONTIGUOUS]
        self.saved = {n: self.room(n, r) for n in sorted(read) if n in self.ever}
        self.row_values = {}
        for n in sorted(read.intersection(self.rowwise)):
            self.row_values[n] = self.load_row(self.array_of[n], n) if n < self.inputs else self.held(n, r)

    def next_row(self, array: int, value: int) -> Ahead:
        """The row of the next call that is in the place of this one."""
        code = self.code
        distance = code.let(f"load i64, ptr {code.place('i64', '%data', array - POINTERS)}")
        pointer = code.let(f"getelementptr i8, ptr {self.pointers[array]}, i64 {distance}")
        return Ahead(stored(self.chars[value]), pointer, False)

    def ahead_of(self, array: int, value: int) -> Ahead:
        """The memory that comes soon after what is written of an output."""
        pointer = self.code.let(f"getelementptr i8, ptr {self.pointers[array]}, i64 {_NEAR}")
        return Ahead(stored(self.chars[value]), pointer, True)

    def room(self, value: int, r: str) -> str:
        """Where the elements of a row are kept: in an output, or in what is given."""
        if value not in self.kept_in:
            return self.pointers[self.contiguous_output(value)]
        code, whole = self.code, int(self.name.removeprefix("row"))
        size = code.let(f"add i64 {code.let(f'mul i64 %stop, {whole}')}, {ROOM}")
        place = code.let(f"getelementptr i8, ptr %kept, i64 {code.let(f'mul i64 {r}, {size}')}")
        number = list(self.kept_in).index(value)
        if not number:
            return place
        before = code.let(f"add i64 {code.let(f'mul i64 %stop, {self.kept_in[value]}')}, {_PAD * number}")
        return code.let(f"getelementptr i8, ptr {place}, i64 {before}")

    def held(self, value: int, r: str) -> str:
        """A row's number that a former pass has found."""
        code, char = self.code, self.chars[value]
        x = code.let(f"load {stored(char)}, ptr {code.place(stored(char), self.cells[value], r)}, align "
                     f"{alignment(char)}")
        return code.let(f"icmp ne i8 {x}, 0") if char == "?" else x

    def keep(self, value: int, r: str) -> None:
        """Writes a row's number where later passes, or the caller, find it."""
        if value in self.later:
            self.cells[value] = self.code.alloca(f"[{TOGETHER} x {stored(self.chars[value])}]")
            self.store(value, self.row_values[value], self.cells[value], r, 1)
        for array, output in enumerate(self.kernel.outputs, self.first_output):
            if output == value:
                self.store(value, self.row_values[value], self.pointers[array], "0", 1)
