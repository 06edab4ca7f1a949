"""The text of kernels that reduce the first axes: a tile of columns at a time, all rows of it, in NumPy's order.

NumPy adds such rows one after the other to the row of results, so each result folds its elements in sequence and the
columns are independent: a worker takes some, keeps their results in small buffers, and goes over the rows once for each
pass. What the columns have one of (means, deviations) is computed on the tile between the passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from . import division, native
from .emit import TILE, Ahead, Emitter, Text
from .flags import Flags
from .halves import HALF
from .inline import FLOATS, QUICK, alignment, constant, stored, vector
from .kernel import NEUTRAL, Kernel, Step
from .long_rows import possible
from .nest import CONTIGUOUS, STRIDED
from .pairs import cast, emitted
from .passes import passes_of

TOGETHER = 4
"""Rows whose elements a result takes in one after the other before it goes back to memory."""

ROWS_AHEAD = 16
"""How many rows further on a kernel asks memory for what it will read, where it is to do so."""
COLUMNS_WORD = 2
"""The word of the block that says how many columns there are to what `emit_apart` makes: who runs it has some."""

_STARTS = {"add": "0", "multiply": "15360", "minimum": "31744", "maximum": "-1024"}
"""What reductions of float16 start from, as bits: 0, 1, and what is infinite."""

__all__ = ["emit_columns", "possible"]


def emit_columns(kernel: Kernel, layouts: str, ahead: bool = False) -> Text:
    """The module of a kernel, as `emit.emit` gives it: the elements from `start` to `stop` of all rows.

    There is one outer axis, the one that is reduced: the block has its length and the arrays' strides along it. With
    `ahead` memory is asked for elements before they are reduced.
    """
    whole = Columns(kernel, layouts, "kernel", 0, None, ahead)
    return module_of([whole])


def emit_apart(kernel: Kernel, layouts: str, ahead: bool = False) -> Text:
    """The same as two functions: ``reduced`` does all passes but the last one, which is ``rest``: that one takes all
    columns of the rows from `row0` to `row1`, so that workers share columns first and rows then.

    After the kernel's arrays come two more, of which the second keeps what the columns have one of: 8 bytes for each
    column and value of `shared_values`.
    """
    last = len(passes_over_columns(kernel)) - 1
    return module_of([Columns(kernel, layouts, "reduced", 0, last, ahead),
                      Columns(kernel, layouts, "rest", last, None, False)])


def shared_values(kernel: Kernel) -> list[int]:
    """What the columns have one of and the last pass reads, if that pass reduces nothing; else nothing."""
    steps, _, rows = passes_over_columns(kernel)[-1]
    computed = {n for n in kernel.rowwise() if n >= len(kernel.inputs)}
    return [] if rows or len(passes_over_columns(kernel)) == 1 else sorted(
        computed & {k for n in steps for k in kernel.steps[n - len(kernel.inputs)].operands})


@lru_cache(256)
def passes_over_columns(kernel: Kernel) -> list[tuple[list[int], list[int], list[int]]]:
    return passes_of(kernel, kernel.rowwise(), False)


def module_of(functions: list[Columns]) -> Text:
    bodies = [function.text() for function in functions]
    declared = {line: None for function in functions for line in function.code.declared}
    imports = {name: address for function in functions for name, address in function.imports.items()}
    return Text("\n".join([*declared, *bodies]), imports)


class Columns(Emitter):
    """One function: the passes from `first` to before `end`."""

    def __init__(self, kernel: Kernel, layouts: str, name: str, first: int, end: int | None, asks: bool) -> None:
        super().__init__(kernel, layouts, False)
        self.asks, self.some_rows = asks, first > 0
        self.name, self.first, self.here_passes = name, first, passes_over_columns(kernel)[first:end]
        self.before = [n for steps, _, _ in passes_over_columns(kernel)[:first] for n in steps]
        self.by_column = self.rowwise
        self.rowwise = frozenset()  # nothing is the same for a whole tile
        self.folding: list[int] = []
        self.known: dict[int, str] = {}
        self.results: dict[int, str] = {}
        self.columns = ""
        self.together: list[list[str]] = []
        self.reciprocals: dict[int, str] = {}
        self.bounds: dict[str, division.Bounds] = {}

    def text(self) -> str:
        """The text of the function."""
        code = self.code
        self.number_values = self.load_numbers()
        self.data = [code.let(f"load ptr, ptr {code.place('ptr', '%data', k)}") for k in range(self.arrays)]
        self.inner = [self.load_word(self.layout.stride(k)) for k in range(self.arrays)]
        self.outer = [self.load_word(self.layout.stride(k) + 1) for k in range(self.arrays)]
        self.pointers = self.data
        self.flags = Flags(code, self.calls)
        self.flags.clear()
        totals = {n for n in self.elements if self.step(n).name == "scan"}
        self.results = {} if self.first else {
            n: code.alloca(f"[{TILE} x i64]") for n in sorted(self.by_column | totals) if n >= self.inputs}
        code.loop("%start", "%stop", TILE, self.tile)
        code.add(f"ret i32 {self.flags.read()}")
        return code.function(
            f"i32 @{self.name}(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop)", QUICK)

    def tile(self, at: str) -> None:
        """The columns from `at` on."""
        code = self.code
        left = code.let(f"sub i64 %stop, {at}")
        short = code.let(f"icmp slt i64 {left}, {TILE}")
        self.columns = code.let(f"select i1 {short}, i64 {left}, i64 {TILE}")
        self.outputs_done, self.known, self.place = set(self.before), {}, at
        rows = ("%row0", "%row1") if self.some_rows else ("0", self.load_word(1))
        if self.first:
            self.known = {n: self.shared(n, at) for n in shared_values(self.kernel)}
        for steps, _, values in self.here_passes:
            self.one_over_rows(steps, values, at, rows)
        if self.first:
            return
        for array, value in enumerate(self.kernel.outputs, self.first_output):
            if value in self.by_column:
                self.write(value, array)
        for n in shared_values(self.kernel) if self.name == "reduced" else ():
            self.copied(n, self.known[n], self.shared(n, at))

    def one_over_rows(self, steps: list[int], values: list[int], at: str, rows: tuple[str, str]) -> None:
        """A pass, and what the columns have one of after it."""
        reduces = [n for n in values if self.step(n).name == "reduce"]
        self.place = at
        for n in (*reduces, *self.scans_of(steps)):
            self.fill(n, self.results[n])
        if steps or reduces:
            self.invert(steps)
            self.each_row(steps, reduces, at, rows)
        for n in reduces:
            self.known[n] = self.results[n]
        for n in values:
            if n not in reduces:
                self.column_value(n, self.results[n], at)

    def shared(self, value: int, at: str) -> str:
        """Where a value of the columns from `at` on is kept for the other function."""
        code = self.code
        base = code.let(f"load ptr, ptr {code.let(f'getelementptr ptr, ptr %data, i64 {self.arrays + 1}')}")
        number = shared_values(self.kernel).index(value)
        start = code.place("i64", base, code.let(f"mul i64 {self.load_word(COLUMNS_WORD)}, {number}"))
        return code.place(stored(self.chars[value]), start, at)

    def copied(self, value: int, source: str, target: str) -> None:
        """The columns' elements of a buffer to another place."""
        size = self.code.let(f"mul i64 {self.columns}, {np.dtype(self.chars[value]).itemsize}")
        self.code.declare("declare ptr @memcpy(ptr, ptr, i64)")
        self.code.let(f"call ptr @memcpy(ptr {target}, ptr {source}, i64 {size})")

    def each_row(self, steps: list[int], reduces: list[int], at: str, rows: tuple[str, str]) -> None:
        """A pass over the rows; several at a time where a result can stay in its register meanwhile."""
        code, done = self.code, frozenset(self.outputs_done)

        def several(rows: int) -> Callable[[str], None]:
            def some(i: str) -> None:
                self.outputs_done, self.in_memory = set(done), ("", "")
                self.folding = reduces
                self.together = self.rows_from(i, rows)
                self.pointers = self.together[0]
                self.one_tile(steps, at)
                self.folding = []
            return some
        start, stop = rows
        if (reduces or self.scans_of(steps)) and self.in_one_loop(steps) and not self.with_gaps(reduces):
            whole = code.let(f"and i64 {stop}, -{TOGETHER}")
            code.loop(start, whole, TOGETHER, several(TOGETHER))
            start = whole
        code.loop(start, stop, 1, several(1))
        self.pointers = self.data

    def rows_from(self, row: str, count: int) -> list[list[str]]:
        """The arrays' addresses at so many rows, each a step after the one before it."""
        code = self.code
        steps = [code.let(f"mul i64 {row}, {s}") for s in self.outer]
        found = [self.data]
        for _ in range(count):
            found.append([code.let(f"getelementptr i8, ptr {p}, i64 {s}")
                          for p, s in zip(found[-1], steps, strict=True)])
            steps = self.outer
        return found[1:]

    def is_one(self, value: int) -> bool:
        """Several rows go together, each with an element of its own of what is the same for all columns."""
        return value in self.number_values

    def scans_of(self, steps: list[int]) -> list[int]:
        """The running totals among steps, which go over from row to row as reductions do."""
        return [n for n in steps if self.step(n).name == "scan"]

    def with_gaps(self, reduces: list[int]) -> list[int]:
        """The inputs that are reduced as they are, and do not lie side by side."""
        operands = {n for value in reduces for n in self.step(value).operands}
        return [n for n in sorted(operands) if n in self.array_of and self.layouts[self.array_of[n]] == STRIDED]

    def in_one_loop(self, steps: list[int]) -> bool:
        """Whether a pass has no calls and needs no buffers."""
        before = set(self.outputs_done)
        plan = self.phases(steps)
        self.outputs_done = before
        return not plan.buffered and all(kind == "inline" for kind, _ in plan.phases)

    def inlined(self, steps: list[int], count: str, plan: Any, saved: dict[int, str],
                ahead: Sequence[Ahead] = ()) -> None:
        scans = self.scans_of(steps)
        if not self.folding and not scans:
            super().inlined(steps, count, plan, saved, ahead)
            return
        folding = self.folding
        self.divisors = self.divided_by(steps)
        needed = sorted(({n for value in steps for n in self.step(value).operands} | self.extra_operands()) - {*steps})
        rows = []
        for pointers in self.together:
            self.pointers = pointers
            rows.append(({n: self.source(n, saved) for n in needed}, self.targets(steps, plan, saved)))
        self.splat_all(needed)
        asked = self.rows_ahead(rows) if self.asks and len(rows) > 1 else []

        def one(i: str, width: int) -> None:
            for kind, pointer in asked if width > 1 else ():
                self.code.fetch(self.code.place(kind, pointer, i))
            totals = {n: self.some(self.chars[n], self.results[n], i, width) for n in (*folding, *scans)}
            for sources, targets in rows:
                values: dict[int, str] = {}

                def read(n: int, sources: dict[int, str] = sources, values: dict[int, str] = values) -> None:
                    if n not in values:  # when it is first needed: that takes fewer registers
                        values[n] = self.load(n, sources[n], i, width)
                for n in steps:
                    for k in self.step(n).operands:
                        read(k)
                    if n in scans:
                        totals[n] = self.folded(n, totals[n], values, width)
                    values[n] = totals[n] if n in scans else self.element(n, values, i, width)
                for n, pointer in targets:
                    self.store(n, values[n], pointer, i, width)
                for n in folding:
                    read(self.step(n).operands[0])
                    totals[n] = self.folded(n, totals[n], values, width)
            for n, total in totals.items():
                self.keep(self.chars[n], total, self.results[n], i, width)
        self.vectors(one)

    def rows_ahead(self, rows: list[tuple[dict[int, str], Any]]) -> list[tuple[str, str]]:
        """Where the same elements are so many rows after these, in arrays that lie without gaps; and their types."""
        found, code = [], self.code
        for sources, _ in rows:
            for n, source in sources.items():
                array = self.array_of.get(n, -1)
                if array >= 0 and n not in self.by_column and self.layouts[array] == CONTIGUOUS:
                    distance = code.let(f"mul i64 {self.outer[array]}, {ROWS_AHEAD}")
                    found.append((stored(self.chars[n]), code.let(f"getelementptr i8, ptr {source}, i64 {distance}")))
        return found

    def element(self, value: int, values: dict[int, str], i: str, width: int) -> str:
        step = self.step(value)
        if width == 1 or value not in self.reciprocals:
            return super().element(value, values, i, width)
        known = self.some(step.char, self.reciprocals[value], i, width)
        a, b = (values[n] for n in step.operands)
        return division.quotients(self.code, step.char, width, a, b, known, self.bounds[step.char])

    def some(self, char: str, place: str, i: str, width: int) -> str:
        """Elements of a buffer."""
        kind = stored(char)
        return self.code.let(f"load {vector(kind, width)}, ptr {self.code.place(kind, place, i)}, align "
                             f"{alignment(char)}")

    def keep(self, char: str, x: str, place: str, i: str, width: int) -> None:
        """The same elements put there."""
        kind = stored(char)
        self.code.add(f"store {vector(kind, width)} {x}, ptr {self.code.place(kind, place, i)}, align "
                      f"{alignment(char)}")

    def invert(self, steps: list[int]) -> None:
        """The reciprocals of what the columns have one of, by which their elements are divided."""
        self.reciprocals = {}
        for n in steps if native.fast_fma() else ():
            step = self.step(n)
            if step.name != "divide" or step.char not in FLOATS:
                continue
            if step.operands[1] in self.known and step.operands[0] not in self.known:
                if step.char not in self.bounds:
                    self.code.part()
                    self.bounds[step.char] = division.bounds(self.code, step.char, self.lanes)
                room = self.reciprocals[n] = self.code.alloca(f"[{TILE} x i64]")
                self.vectors(partial(self.inverted, step.char, self.known[step.operands[1]], room))

    def inverted(self, char: str, source: str, room: str, i: str, width: int) -> None:
        """Of some of them. (The last ones, which are no vector, are divided.)"""
        if width > 1:
            y = division.reciprocals(self.code, char, width, self.some(char, source, i, width), self.bounds[char])
            self.keep(char, y, room, i, width)

    def folded(self, value: int, total: str, values: dict[int, str], width: int) -> str:
        """A reduction's result with one row's elements more."""
        step = self.step(value)
        return emitted(self.code, step.loop[0].__name__, step.char, width, (total, values[step.operands[0]]))

    def fill(self, value: int, place: str) -> None:
        """What a reduction starts from: what changes nothing, or what any element replaces. Whole vectors, beyond the
        last column too."""
        char, name = self.step(value).char, self.step(value).loop[0].__name__
        if char == HALF:
            start = _STARTS[name]
            if self.step(value).name == "scan" and start == "0":
                start = "-32768"  # -0.0: the first element stays as it is
        elif name in NEUTRAL:
            start = NEUTRAL[name][char in FLOATS]
            if self.step(value).name == "scan" and start == "0.0":
                start = "-0.0"  # the first element stays as it is
        elif char in FLOATS:
            start = "0x7FF0000000000000" if name == "minimum" else "0xFFF0000000000000"
        else:
            start = str(np.iinfo(char).max if name == "minimum" else np.iinfo(char).min)
        x = constant(stored(char), start, self.lanes)
        self.code.loop("0", self.columns, self.lanes, lambda i: self.keep(char, x, place, i, self.lanes))

    def vectors(self, body: Callable[[str, int], None]) -> None:
        """The columns of the tile: vectors, then what is left one by one."""
        code = self.code
        whole = code.let(f"and i64 {self.columns}, -{self.lanes}")
        code.loop("0", whole, self.lanes, lambda i: body(i, self.lanes))
        code.loop(whole, self.columns, 1, lambda i: body(i, 1))

    def one_tile(self, steps: list[int], at: str) -> None:
        """The tile of one row: the steps, and the reductions that take them in."""
        plan = self.phases(steps)
        self.direct = plan.direct
        self.buffers = dict(self.known)
        for value in plan.buffered:
            self.buffers[value] = self.tile_buffer(value, len(self.tile_buffers))
        gaps = [n for n in self.with_gaps(self.folding) if n not in plan.packed]
        for value in gaps:
            self.buffers[value] = self.tile_buffer(value, len(self.tile_buffers))
        for value in (*plan.packed, *gaps):
            self.copy(value, self.columns, True)
        phases = list(plan.phases)
        if self.folding and (not phases or phases[-1][0] == "call"):
            phases.append(("inline", []))
        folding, self.folding = self.folding, []
        for k, (kind, inside) in enumerate(phases):
            if kind == "call":
                for value in inside:
                    self.call(value, self.columns, {})
            else:
                self.folding = folding if k == len(phases) - 1 else []
                self.inlined(inside, self.columns, plan, {})
        for array, value in enumerate(self.kernel.outputs, self.first_output):
            if self.layouts[array] == "s" and value in steps:
                self.copy(value, self.columns, False, array)

    def extra_operands(self) -> set[int]:
        return {n for value in self.folding for n in self.step(value).operands}

    def column_value(self, value: int, place: str, at: str) -> None:
        """What the columns of the tile have one of, from others of that kind."""
        step = self.step(value)
        self.buffers, self.direct, self.place, self.in_memory = dict(self.known), {}, at, ("", "")
        self.known[value] = place
        if step.name == "call":
            size = np.dtype(step.char).itemsize
            self.called(step, [*[self.call_operand(n, {}) for n in step.operands], (place, size)], self.columns)
            return
        for n in sorted(set(step.operands).difference(self.known)):
            if n in self.array_of and self.layouts[self.array_of[n]] == STRIDED:
                self.buffers[n] = self.tile_buffer(n, len(self.tile_buffers))
                self.copy(n, self.columns, True)
        sources = {n: self.source(n, {}) for n in step.operands}
        self.splat_all(sources)

        def one(i: str, width: int) -> None:
            operands = [self.load(n, sources[n], i, width) for n in step.operands]
            x = self.quotient(step, operands[0], width) if step.name == "per" else self.compute(step, operands, width)
            self.store(value, x, place, i, width)
        self.vectors(one)

    def quotient(self, step: Step, total: str, width: int) -> str:
        """Sums by the number of rows, in double precision."""
        code = self.code
        count = code.let(f"sitofp i64 {code.let(f'sub i64 {self.load_word(1)}, {step.loop}')} to double")
        kind = vector("double", width)
        if width > 1:
            one = code.let(f"insertelement {kind} poison, double {count}, i32 0")
            count = code.let(f"shufflevector {kind} {one}, {kind} poison, <{width} x i32> zeroinitializer")
        wide = cast(code, step.char, "d", width, total)
        return cast(code, "d", step.char, width, code.let(f"fdiv {kind} {wide}, {count}"))

    def write(self, value: int, array: int) -> None:
        """An output that has one element for each column."""
        self.buffers, self.direct = dict(self.known), {}
        if self.layouts[array] == "s":
            self.copy(value, self.columns, False, array)
            return
        self.copied(value, self.buffers[value], self.here(array))

