"""The text of kernels that reduce one row too long to be kept: by phases that workers share.

Each pass over the row is a phase. Its sums follow NumPy's tree, which depends on the row's length alone: the row is
halved (at multiples of 8) a few times, each part is a chunk for a worker, which goes on halving down to leaves that
fit into small buffers; a short phase then folds the parts' results in the tree's order and computes what the row has
one of.
So the result is NumPy's on any number of threads.

`max` and `min` are folded in the same way. That gives NumPy's value, but for the sign of a zero, which depends on the
order: where the result is zero, the flag `AMBIGUOUS` is raised.
"""

from __future__ import annotations

import numpy as np

from .emit import Emitter, Text
from .flags import Flags
from .inline import COMPLEX, FORMS, QUICK, stored
from .kernel import Kernel
from .nest import STRIDED
from .passes import dear, passes_of

LEAF = 1 << 13
"""About the bytes of a leaf of the tree."""
AMBIGUOUS = 64
_EXTENT = {np.add: 0, np.minimum: 1, np.maximum: 2}
"""Where `pairwise`'s ``extent`` puts what."""


def split_of(phase: str) -> str:
    """How the work of a phase, one of the functions of `emit_long`, is split: 'tree', 'elements' or 'once'."""
    return {"parts": "tree", "map": "elements", "fold": "once"}[phase.rstrip("0123456789")]


def possible(kernel: Kernel) -> bool:
    """Whether nothing dear has to be kept for the whole row, or computed twice; and what a row has one of has its place
    in 8 bytes."""
    if any(kernel.char(n) in COMPLEX for n in kernel.rowwise()):
        return False
    computed = [n for steps, _, _ in passes_of(kernel, kernel.rowwise(), False) for n in steps]
    return not any(dear(kernel, n) and computed.count(n) > 1 for n in set(computed))


def emit_long(kernel: Kernel, layouts: str) -> tuple[Text, tuple[str, ...]]:
    """The module of a kernel on one row, and its functions: the phases, in order.

    The functions take what `emit.emit`'s take; but that of a 'tree' phase is called by the routine ``over_parts``,
    which takes that, for each part: ``i32 (ptr data, ptr block, i64 start, i64 n, ptr results)``. After the kernel's
    arrays come two more: the parts' results (8 bytes for each part and reduction of the phase) and the row's values (8
    bytes for each value of the kernel). For a 'tree' phase the first word of the block is how often the row is halved,
    and the rows are the parts.
    """
    whole = Emitter(kernel, layouts, False)
    passes = passes_of(kernel, whole.rowwise, False)
    texts: list[str] = []
    phases: list[str] = []
    declared: dict[str, None] = {}
    imports: dict[str, int] = {}
    done: set[int] = set()
    for p, (steps, _, rows) in enumerate(passes):
        reduces = [n for n in rows if kernel.steps[n - len(kernel.inputs)].name == "reduce"]
        parts: list[_Part] = []
        if reduces:
            parts = [_Tree(kernel, layouts, p, steps, reduces, done), _Fold(kernel, layouts, p, rows, reduces)]
            phases += [f"parts{p}", f"fold{p}"]
        else:
            if steps:
                parts.append(_Map(kernel, layouts, p, steps, done))
                phases.append(f"map{p}")
            if rows:
                parts.append(_Fold(kernel, layouts, p, rows, reduces))
                phases.append(f"fold{p}")
        done |= set(steps)
        for part in parts:
            texts.append(part.text())
            declared.update(part.code.declared)
            imports.update(part.imports)
    text = "\n".join(declared) + "\n" + "\n".join(texts)
    return Text(text, imports), tuple(phases)


class _Part(Emitter):
    """One function of the module."""

    def __init__(self, kernel: Kernel, layouts: str, number: int) -> None:
        super().__init__(kernel, layouts, False)
        self.number = number

    def begin(self) -> None:
        """Addresses, numbers, and what earlier phases found out about the row."""
        code = self.code
        self.number_values = self.load_numbers()
        self.data = [self.address(k) for k in range(self.arrays)]
        self.inner = [self.load_word(self.layout.stride(k)) if self.layouts[k] == STRIDED else ""
                      for k in range(self.arrays)]
        self.pointers = self.data
        values = self.address(self.arrays + 1)
        for value in sorted(self.rowwise):
            if value < self.inputs:
                self.row_values[value] = self.load_row(self.array_of[value], value)
            else:
                char = self.chars[value]
                place = code.let(f"getelementptr i64, ptr {values}, i64 {value}")
                x = code.let(f"load {stored(char)}, ptr {place}")
                self.row_values[value] = code.let(f"icmp ne i8 {x}, 0") if char == "?" else x

    def gather(self, flags: str, place: str) -> None:
        """Adds flags to those in memory."""
        old = self.code.let(f"load i32, ptr {place}")
        self.code.add(f"store i32 {self.code.let(f'or i32 {flags}, {old}')}, ptr {place}")

    def address(self, array: int) -> str:
        return self.code.let(f"load ptr, ptr {self.code.place('ptr', '%data', array)}")

    def combine(self, value: int, j: int, left: str, right: str, out: str) -> None:
        """Two halves' results as one."""
        char, kind = self.chars[value], stored(self.chars[value])
        a, b, target = (self.code.place("i64", p, j) for p in (left, right, out))
        x = [self.code.let(f"load {kind}, ptr {p}") for p in (a, b)]
        name = self.step(value).loop[0].__name__
        self.code.add(f"store {kind} {FORMS[name].emit(self.code, char, 1, tuple(x))}, ptr {target}")

    def text(self) -> str:
        """The text of the function."""
        raise NotImplementedError

    def framed(self, name: str) -> str:
        """The function with flags cleared at its start and given back at its end; the body has been written."""
        self.code.add(f"ret i32 {self.flags.read()}")
        return self.code.function(f"i32 @{name}(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, i64 %stop)",
                                  QUICK)


class _Map(_Part):
    """A pass that reduces nothing: a range of elements."""

    def __init__(self, kernel: Kernel, layouts: str, number: int, steps: list[int], done: set[int]) -> None:
        super().__init__(kernel, layouts, number)
        self.steps = steps
        self.outputs_done = set(done)

    def text(self) -> str:
        self.flags = Flags(self.code, self.calls)
        self.begin()
        self.flags.clear()
        self.one_pass(self.steps, {})
        return self.framed(f"map{self.number}")


class _Tree(_Part):
    """The part of the row from %start on with %n elements, halved down to leaves."""

    def __init__(self, kernel: Kernel, layouts: str, number: int, steps: list[int], reduces: list[int],
                 done: set[int]) -> None:
        super().__init__(kernel, layouts, number)
        self.steps, self.reduces = self.without_summands(steps, reduces), reduces
        self.outputs_done = set(done)

    def text(self) -> str:
        code, name = self.code, f"parts{self.number}"
        kept = [code.alloca(f"[{len(self.reduces)} x i64]") for _ in range(2)]
        small, large = code.fresh("small"), code.fresh("large")
        self.flags = Flags(code, self.calls)
        values = {*self.steps, *self.reduces, *[n for value in self.reduces for n in self.step(value).operands]}
        most = LEAF // max(np.dtype(self.chars[n]).itemsize for n in values)
        few = code.let(f"icmp sle i64 %n, {most}")
        code.add(f"br i1 {few}, label %{small}, label %{large}")
        code.label(large)
        half = code.let(f"and i64 {code.let('lshr i64 %n, 1')}, -8")
        rest, middle = code.let(f"sub i64 %n, {half}"), code.let(f"add i64 %start, {half}")
        a = code.let(f"call i32 @{name}(ptr %data, ptr %block, i64 %start, i64 {half}, ptr {kept[0]})")
        b = code.let(f"call i32 @{name}(ptr %data, ptr %block, i64 {middle}, i64 {rest}, ptr {kept[1]})")
        for j, value in enumerate(self.reduces):
            self.combine(value, j, kept[0], kept[1], "%out")
        code.add(f"ret i32 {code.let(f'or i32 {a}, {b}')}")
        code.label(small)
        self.begin()
        code.add("%stop = add i64 %start, %n")
        inside = set(self.steps)
        saved = {}
        for value in self.reduces:
            operand, = self.step(value).operands
            if operand in inside and operand not in saved:
                output = self.contiguous_output(operand)
                if output >= 0:  # written to memory anyway, and read from there
                    saved[operand] = self.pointers[output]
                    continue
                size = np.dtype(self.chars[operand]).itemsize
                room = code.alloca(f"[{most * size} x i8]")
                back = code.let(f"sub i64 0, {code.let(f'mul i64 %start, {size}')}")
                saved[operand] = code.let(f"getelementptr i8, ptr {room}, i64 {back}")
        if self.steps:
            self.one_pass(self.steps, saved)
        leaves = dict(enumerate(self.reduces))
        for group in self.extents():
            self.extent([(j, leaves.pop(j)) for j in group], saved)
        for j, value in leaves.items():
            self.leaf(value, j, saved)
        code.add(f"ret i32 {self.flags.kept()}")
        return code.function(f"i32 @{name}(ptr %data, ptr %block, i64 %start, i64 %n, ptr %out)", QUICK)

    def extents(self) -> list[list[int]]:
        """Sums and extremes of the same floats, by their positions among the reductions: each list is found at once."""
        found: dict[int, list[int]] = {}
        for j, value in enumerate(self.reduces):
            step = self.step(value)
            if step.char in "fd" and value not in self.summands and step.loop[0] in _EXTENT:
                found.setdefault(step.operands[0], []).append(j)
        return [group for group in found.values() if len(group) > 1 and any(
            self.step(self.reduces[j]).loop[0] is np.add for j in group)]

    def extent(self, group: list[tuple[int, int]], saved: dict[int, str]) -> None:
        """One way through a leaf for several reductions; where there are NaNs, one for each after all."""
        code, step = self.code, self.step(group[0][1])
        kind, operand = stored(step.char), step.operands[0]
        base = saved.get(operand) or self.pointers[self.array_of[operand]]
        source = code.let(f"getelementptr {kind}, ptr {base}, i64 %start")
        room = code.alloca("[3 x i64]", 8)
        known = self.routine(f"i32 @extent_{step.char}", f"ptr {source}, i64 %n, ptr {room}")

        def found() -> None:
            for j, value in group:
                at = _EXTENT[self.step(value).loop[0]]
                x = code.let(f"load {kind}, ptr {code.let(f'getelementptr i64, ptr {room}, i64 {at}')}")
                code.add(f"store {kind} {x}, ptr {code.let(f'getelementptr i64, ptr %out, i64 {j}')}")

        def unknown() -> None:
            for j, value in group:
                self.leaf(value, j, saved)
        code.when(code.let(f"icmp ne i32 {known}, 0"), found)
        code.when(code.let(f"icmp eq i32 {known}, 0"), unknown)

    def leaf(self, value: int, j: int, saved: dict[int, str]) -> None:
        code, step = self.code, self.step(value)
        char, kind, (operand,) = step.char, stored(step.char), step.operands
        total = self.sum_on_the_way(value, "%start", "%n")
        if total:
            code.add(f"store {kind} {total}, ptr {code.place('i64', '%out', j)}")
            return
        base = saved.get(operand) or self.pointers[self.array_of[operand]]
        source = code.let(f"getelementptr {kind}, ptr {base}, i64 %start")
        target = code.place("i64", "%out", j)
        if step.loop[0] is np.add and char in "fd":
            total = self.sum(char, source, "%n")
        else:
            place = code.alloca(kind, 16)
            first = code.let(f"load {kind}, ptr {source}, align {np.dtype(char).itemsize}")
            code.add(f"store {kind} {first}, ptr {place}")
            following = code.let(f"getelementptr {kind}, ptr {source}, i64 1")
            size = np.dtype(char).itemsize
            self.called(step, [(place, 0), (following, size), (place, 0)], code.let("sub i64 %n, 1"))
            total = code.let(f"load {kind}, ptr {place}")
        code.add(f"store {kind} {total}, ptr {target}")


def reductions_of(kernel: Kernel, phase: str) -> int:
    """How many reductions the pass of a phase has."""
    number = int(phase.lstrip("abcdefghijklmnopqrstuvwxyz"))
    inputs = len(kernel.inputs)
    rows = passes_of(kernel, kernel.rowwise(), False)[number][2]
    return sum(kernel.steps[n - inputs].name == "reduce" for n in rows)


class _Fold(_Part):
    """Folds the parts' results and computes the row's values of one pass; writes those that are outputs."""

    def __init__(self, kernel: Kernel, layouts: str, number: int, rows: list[int], reduces: list[int]) -> None:
        super().__init__(kernel, layouts, number)
        self.here_rows, self.reduces = rows, reduces

    def text(self) -> str:
        code = self.code
        self.flags = Flags(code, self.calls)
        self.begin()
        self.flags.clear()
        results, values = self.address(self.arrays), self.address(self.arrays + 1)
        depth = self.load_word(0)
        count = len(self.reduces)
        ambiguous = code.alloca("i32", 8)
        code.add(f"store i32 0, ptr {ambiguous}")

        def level(k: str) -> None:
            deepest = code.let(f"sub i64 {depth}, 1")
            width = code.let(f"shl i64 1, {code.let(f'sub i64 {deepest}, {k}')}")

            def pair(i: str) -> None:
                at = code.let(f"mul i64 {i}, {count}") if count > 1 else i
                left = code.let(f"getelementptr i64, ptr {results}, i64 {code.let(f'mul i64 {at}, 2')}")
                right = code.let(f"getelementptr i64, ptr {left}, i64 {count}")
                target = code.let(f"getelementptr i64, ptr {results}, i64 {at}")
                for j, value in enumerate(self.reduces):
                    self.combine(value, j, left, right, target)
            code.loop("0", width, 1, pair)
        if self.reduces:
            code.loop("0", depth, 1, level)
        for value in self.here_rows:
            char, kind = self.chars[value], stored(self.chars[value])
            if value in self.reduces:
                place = code.place("i64", results, self.reduces.index(value))
                x = code.let(f"load {kind}, ptr {place}")
                if self.step(value).loop[0] is np.add and char in "fd":
                    x = code.let(f"fadd {kind} {x}, 0.0")
                elif char in "fd":
                    zero = code.let(f"zext i1 {code.let(f'fcmp oeq {kind} {x}, 0.0')} to i32")
                    self.gather(code.let(f"mul i32 {zero}, {AMBIGUOUS}"), ambiguous)
                self.row_values[value] = x
            else:
                self.row_value(value)
            self.store(value, self.row_values[value], code.let(f"getelementptr i64, ptr {values}, i64 {value}"), "0", 1)
        for array, value in enumerate(self.kernel.outputs, self.first_output):
            if value in self.here_rows:
                self.store(value, self.row_values[value], self.pointers[array], "0", 1)
        self.gather(self.flags.read(), ambiguous)
        code.add(f"ret i32 {code.let(f'load i32, ptr {ambiguous}')}")
        return code.function(f"i32 @fold{self.number}(ptr %data, ptr %block, i64 %row0, i64 %row1, i64 %start, "
                             "i64 %stop)", QUICK)

