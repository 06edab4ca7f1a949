"""The text of kernels on a matrix of few columns, which reduce its first axis or call loops: many rows as one tile.

Where rows are shorter than a few vectors, a row at a time leaves lanes unused, and a call of NumPy's loop for each row
takes longer than the elements. Rows without gaps lie one behind the other, so the elements of many are computed as if
they were one row. What the columns have one of is repeated as often in a buffer, and arrays that lie otherwise are
copied to one. Reductions then take the rows of the tile in one after the other, as NumPy does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .columns import TOGETHER, Columns, module_of, passes_over_columns
from .emit import TILE, Text
from .halves import HALF
from .inline import COMPLEX, alignment, stored
from .kernel import Kernel
from .nest import CONTIGUOUS, REPEATED, STRIDED


def pays(kernel: Kernel) -> bool:
    """Whether a pass gains by it: one that calls loops, or that reduces nothing. (A sum of few columns has to wait for
    each of its additions, whatever else there is.)"""
    return any(_pays(kernel, steps, [n for n in values if _step(kernel, n).name == "reduce"])
               for steps, _, values in passes_over_columns(kernel))


def _pays(kernel: Kernel, steps: list[int], reduces: list[int]) -> bool:
    return bool(steps) and (not reduces or any(_step(kernel, n).name == "call" for n in steps))


def _step(kernel: Kernel, value: int) -> Any:
    return kernel.steps[value - len(kernel.inputs)]


SAME, DENSE, OTHER = "sdo"
"""How an input lies: the same for all rows; its rows one behind the other; in any other way."""


class Form(NamedTuple):
    """How a kernel goes over few columns.

    Attributes
    ----------
    inputs : str
        How each lies; "" if no rows are taken as one.
    lanes : int
        Those of vectors that go along one row: such as are longer than it would leave it to be done one by one.
    """

    inputs: str
    lanes: int


def emit_few(kernel: Kernel, layouts: str, form: Form, apart: bool) -> Text:
    """The module of a kernel as `columns.emit_columns` gives it, or `emit_apart`, for columns that are all in one
    chunk. If rows are taken as one, outputs that have one element for each row and column are dense, and a tile has
    room for at least as many rows as a vector has lanes, unless the kernel reduces nothing: that goes from `row0` to
    `row1`."""
    last = len(passes_over_columns(kernel)) - 1
    if not apart:
        return module_of([_FewColumns(kernel, layouts, "kernel", 0, None, form)])
    return module_of([_FewColumns(kernel, layouts, "reduced", 0, last, form),
                      _FewColumns(kernel, layouts, "rest", last, None, form)])


def lanes_along(kernel: Kernel, columns: int, lanes: int) -> int:
    """How many lanes vectors along so many columns have, at most. Those of floats fill a register: what is beside them
    in one would raise flags."""
    chars = {kernel.char(n) for n in range(len(kernel.inputs) + len(kernel.steps))}
    fewer = 1 << columns.bit_length() - 1
    least = 4 if "f" in chars else 2
    return lanes if fewer >= lanes or fewer < least or HALF in chars or chars.intersection(COMPLEX) else fewer


class _FewColumns(Columns):
    def __init__(self, kernel: Kernel, layouts: str, name: str, first: int, end: int | None, form: Form) -> None:
        super().__init__(kernel, layouts, name, first, end, False)
        self.lie, self.most_lanes, self.lanes = form.inputs, self.lanes, form.lanes
        self.in_tiles = "".join(CONTIGUOUS if lies == OTHER or layout == STRIDED else layout for lies, layout in zip(
            form.inputs, layouts, strict=False)) + layouts[len(form.inputs):]
        if not kernel.reduces:
            self.some_rows, self.here_passes = True, [(self.elements, [], [])]

    def each_row(self, steps: list[int], reduces: list[int], at: str, rows: tuple[str, str]) -> None:
        if not (self.lie and _pays(self.kernel, steps, reduces)):
            super().each_row(steps, reduces, at, rows)
            return
        code, columns, known, layouts, lanes = self.code, self.columns, self.known, self.layouts, self.lanes
        self.lanes, self.bounds = self.most_lanes, {}
        most = code.let(f"udiv i64 {TILE}, {columns}")
        if known:  # the last vector of reciprocals is whole
            most = code.let(f"and i64 {most}, -{self.lanes}")
        operands = sorted({k for n in (*steps, *reduces) for k in self.step(n).operands}.difference(steps))
        repeated = {n: self.repeat(n, known[n] if n in known else self.data[self.array_of[n]], most)
                    for n in operands if n in known or self.repeats(n)}
        others = [n for n in operands if n in self.array_of and self.lie[self.array_of[n]] == OTHER]
        self.known = {n: place for n, place in repeated.items() if n in known}
        self.columns, self.place = code.let(f"mul i64 {most}, {columns}"), "0"
        self.invert(steps)
        self.layouts = self.in_tiles
        start, stop = rows

        def tile(row: str) -> None:
            left = code.let(f"sub i64 {stop}, {row}")
            short = code.let(f"icmp slt i64 {left}, {most}")
            here = code.let(f"select i1 {short}, i64 {left}, i64 {most}")
            self.columns, self.in_memory = code.let(f"mul i64 {here}, {columns}"), ("", "")
            self.pointers, self.buffers = self.rows_from(row, 1)[0], dict(repeated)
            for n in others:
                self.buffers[n] = self.brought(n, here, columns)
            self.elements_of_rows(steps, reduces)
            if reduces:
                self.columns, self.lanes = columns, lanes
                self.fold_rows(reduces, here)
        code.loop(start, stop, most, tile)
        self.columns, self.known, self.pointers, self.place = columns, known, self.data, at
        self.direct, self.reciprocals, self.layouts, self.lanes, self.bounds = {}, {}, layouts, lanes, {}

    def repeats(self, value: int) -> bool:
        """Whether it is an array that has one element for each column."""
        array = self.array_of.get(value)
        return array is not None and self.lie[array] == SAME and self.layouts[array] != REPEATED

    def repeat(self, value: int, source: str, times: str) -> str:
        """A row's elements, repeated in a buffer."""
        size = str(np.dtype(self.chars[value]).itemsize)
        along = size if value not in self.array_of else self.inner[self.array_of[value]]
        return self.rows_into_buffer(value, source, "0", along, times, self.columns)

    def brought(self, value: int, rows: str, columns: str) -> str:
        """The elements of an array that lies otherwise, row by row in a buffer."""
        array = self.array_of[value]
        return self.rows_into_buffer(value, self.pointers[array], self.outer[array], self.inner[array], rows, columns)

    def rows_into_buffer(self, value: int, source: str, down: str, along: str, rows: str, columns: str) -> str:
        """So many elements of so many rows, from a place with these strides."""
        code, char = self.code, self.chars[value]
        kind, align = stored(char), alignment(char)
        buffer = self.tile_buffer(value, len(self.tile_buffers))

        def row(i: str) -> None:
            begin = code.let(f"getelementptr i8, ptr {source}, i64 {code.let(f'mul i64 {i}, {down}')}")
            target = code.place(kind, buffer, code.let(f"mul i64 {i}, {columns}"))

            def one(j: str) -> None:
                place = code.let(f"getelementptr i8, ptr {begin}, i64 {code.let(f'mul i64 {j}, {along}')}")
                x = code.let(f"load {kind}, ptr {place}, align {align}")
                code.add(f"store {kind} {x}, ptr {code.place(kind, target, j)}, align {align}")
            code.loop("0", columns, 1, one)
        code.loop("0", rows, 1, row)
        return buffer

    def elements_of_rows(self, steps: list[int], reduces: list[int]) -> None:
        """The steps on the elements of the tile; what is reduced is kept."""
        plan = self.phases(steps)
        kept = [n for n in steps if any(n in self.step(value).operands for value in reduces)
                and n not in plan.buffered and n not in plan.direct]
        plan = plan._replace(buffered=[*plan.buffered, *kept])
        self.direct = plan.direct
        for value in plan.buffered:
            self.buffers[value] = self.tile_buffer(value, len(self.tile_buffers))
        for kind, inside in plan.phases:
            if kind == "call":
                for value in inside:
                    self.call(value, self.columns, {})
            else:
                self.inlined(inside, self.columns, plan, {})

    def fold_rows(self, reduces: list[int], count: str) -> None:
        """Takes the rows of the tile into the results, one after the other."""
        code = self.code
        sources = {n: self.source(n, {}) for value in reduces for n in self.step(value).operands}
        self.splat_all(sources)

        def several(rows: int) -> Any:
            def some(row: str) -> None:
                places = [{n: self.in_row(n, source, row, k) for n, source in sources.items()} for k in range(rows)]

                def one(i: str, width: int) -> None:
                    totals = {n: self.some(self.chars[n], self.results[n], i, width) for n in reduces}
                    for here in places:
                        values = {n: self.load(n, place, i, width) for n, place in here.items()}
                        totals = {n: self.folded(n, total, values, width) for n, total in totals.items()}
                    for n, total in totals.items():
                        self.keep(self.chars[n], total, self.results[n], i, width)
                self.vectors(one)
            return some
        whole = code.let(f"and i64 {count}, -{TOGETHER}")
        code.loop("0", whole, TOGETHER, several(TOGETHER))
        code.loop(whole, count, 1, several(1))

    def in_row(self, value: int, source: str, row: str, further: int) -> str:
        """Where the elements of a row of the tile begin, so many rows on."""
        code, array = self.code, self.array_of.get(value, -1)
        if not source or (array >= 0 and self.layouts[array] == REPEATED):
            return source
        at = code.let(f"mul i64 {code.let(f'add i64 {row}, {further}') if further else row}, {self.columns}")
        return code.place(stored(self.chars[value]), source, at)
