"""The text of kernels that reduce the first axes: a tile of columns at a time, all rows of it, in NumPy's order.

NumPy adds such rows one after the other to the row of results, so each result folds its elements in sequence and the
columns are independent: a worker takes some, keeps their results in small buffers, and goes over the rows once for each
pass. What the columns have one of (means, deviations) is computed on the tile between the passes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .emit import TILE, Emitter, Flags, Text, passes_of
from .inline import FLOATS, FORMS, QUICK, cast, constant, stored, vector
from .kernel import Kernel, Step
from .long_rows import possible

__all__ = ["emit_columns", "possible"]


def emit_columns(kernel: Kernel, layouts: str) -> Text:
    """The module of a kernel, as `emit.emit` gives it: the elements from `start` to `stop` of all rows.

    There is one outer axis, the one that is reduced: the block has its length and the arrays' strides along it.
    """
    return _Columns(kernel, layouts).module()


class _Columns(Emitter):
    def __init__(self, kernel: Kernel, layouts: str) -> None:
        super().__init__(kernel, layouts, False)
        self.by_column = self.rowwise
        self.rowwise = frozenset()  # nothing is the same for a whole tile
        self.folding: list[int] = []
        self.known: dict[int, str] = {}
        self.results: dict[int, str] = {}
        self.columns = ""

    def module(self, attributes: str = QUICK) -> Text:
        code = self.code
        self.number_values = self.load_numbers()
        self.data = [code.let(f"load ptr, ptr {code.let(f'getelementptr ptr, ptr %data, i64 {k}')}")
                     for k in range(self.arrays)]
        self.inner = [self.load_word(self.layout.stride(k)) for k in range(self.arrays)]
        self.outer = [self.load_word(self.layout.stride(k) + 1) for k in range(self.arrays)]
        self.pointers = self.data
        count = self.load_word(1)
        self.flags = Flags(code, self.calls)
        self.flags.clear()
        results = {n: code.alloca(f"[{TILE} x i64]") for n in sorted(self.by_column) if n >= self.inputs}

        def tile(at: str) -> None:
            left = code.let(f"sub i64 %stop, {at}")
            short = code.let(f"icmp slt i64 {left}, {TILE}")
            self.columns = code.let(f"select i1 {short}, i64 {left}, i64 {TILE}")
            self.outputs_done = set()
            self.known = {}
            for steps, _, rows in passes_of(self.kernel, self.by_column, False):
                reduces = [n for n in rows if self.step(n).name == "reduce"]
                self.place = at
                for n in reduces:
                    self.fill(n, results[n])
                if steps or reduces:
                    def row(i: str, steps: list[int] = steps, reduces: list[int] = reduces,
                            done: frozenset[int] = frozenset(self.outputs_done)) -> None:
                        self.outputs_done, self.in_memory = set(done), ("", "")
                        self.folding = reduces
                        self.pointers = [code.let(f"getelementptr i8, ptr {p}, i64 {code.let(f'mul i64 {i}, {s}')}")
                                         for p, s in zip(self.data, self.outer, strict=True)]
                        self.one_tile(steps, at)
                        self.folding = []
                    self.results = results
                    code.loop("0", count, 1, row)
                    self.pointers = self.data
                for n in reduces:
                    self.known[n] = results[n]
                for n in rows:
                    if n not in reduces:
                        self.column_value(n, results[n], at)
            for array, value in enumerate(self.kernel.outputs, self.first_output):
                if value in self.by_column:
                    self.write(value, array)
        code.loop("%start", "%stop", TILE, tile)
        code.add(f"ret i32 {self.flags.read()}")
        body = code.function("i32 @kernel(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop)",
                             attributes)
        return Text("\n".join(code.declared) + "\n" + body, self.imports)

    def fill(self, value: int, place: str) -> None:
        """What a reduction starts from: zero, or what any element replaces."""
        char, name = self.step(value).char, self.step(value).loop[0].__name__
        if char in FLOATS:
            largest = "0x7FF0000000000000" if name == "minimum" else "0xFFF0000000000000"
            start = "0.0" if name == "add" else largest
        else:
            info = np.iinfo(char)
            start = "0" if name == "add" else str(info.max if name == "minimum" else info.min)
        kind = stored(char)
        self.vectors(lambda i, width: self.code.add(
            f"store {vector(kind, width)} {constant(kind, start, width)}, ptr "
            f"{self.code.let(f'getelementptr {kind}, ptr {place}, i64 {i}')}, align {np.dtype(char).itemsize}"))

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
        for value in plan.packed:
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

    def after(self, values: dict[int, str], i: str, width: int) -> None:
        """Takes the elements into the reductions."""
        code = self.code
        for value in self.folding:
            step = self.step(value)
            kind, (operand,) = stored(step.char), step.operands
            place = code.let(f"getelementptr {kind}, ptr {self.results[value]}, i64 {i}")
            align = np.dtype(step.char).itemsize
            old = code.let(f"load {vector(kind, width)}, ptr {place}, align {align}")
            new = FORMS[step.loop[0].__name__].emit(code, step.char, width, (old, values[operand]))
            code.add(f"store {vector(kind, width)} {new}, ptr {place}, align {align}")

    def column_value(self, value: int, place: str, at: str) -> None:
        """What the columns of the tile have one of, from others of that kind."""
        step = self.step(value)
        self.buffers, self.direct, self.place, self.in_memory = dict(self.known), {}, at, ("", "")
        self.known[value] = place
        if step.name == "call":
            size = np.dtype(step.char).itemsize
            self.called(step, [*[self.call_operand(n, {}) for n in step.operands], (place, size)], self.columns)
            return
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
        target = self.here(array)
        self.vectors(lambda i, width: self.store(
            value, self.load(value, self.buffers[value], i, width), target, i, width))

