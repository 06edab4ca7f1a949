"""Reductions over axes in two places, such as the first and the last: as kernels that run one after the other.

NumPy goes over an array in C order as it lies. Where the last axis is reduced, it adds the sum of each run along it to
the result whose turn it is (a run's sum being that of a row), so the results take in their runs' sums one after the
other. That is what a sum over the last axes does, and then one over the others: zeros included, for what begins with
+0.0 never becomes -0.0. Sums, extremes and what else is reduced are therefore two stages, *runs* and *fold*; what is
computed from them for all elements is a stage with the next runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .inline import FLOATS
from .kernel import ARRAY, NUMBER, ROW, Input, Kernel, Step
from .passes import passes_of

RUNS, FOLD, MAP = "runs", "fold", "map"


class Read(NamedTuple):
    """What a stage reads: an input of the whole kernel, the partial results of a reduction, what each row has one of,
    or how many elements a row has, less so many.

    Attributes
    ----------
    kind : str
        'input', 'partial', 'row' or 'count'.
    value : int
        The value's number in the whole kernel; for 'count' what is subtracted.
    """

    kind: str
    value: int


class Stage(NamedTuple):
    """A kernel of its own.

    Attributes
    ----------
    space : str
        `RUNS` of all elements, reduced over the last axes; a `FOLD` of their results over the other axes; or a `MAP`,
        of all elements, or of what each row has one of if it is `by_row`.
    kernel : Kernel
    reads : tuple of Read
        For each input.
    writes : tuple of (str, int)
        For each output what it is, as in `Read` ('output' for one of the whole kernel), and of which value.
    by_row : bool
    """

    space: str
    kernel: Kernel
    reads: tuple[Read, ...]
    writes: tuple[tuple[str, int], ...]
    by_row: bool = False


def blocks(ndim: int, axes: Iterable[int]) -> list[tuple[bool, int, int]]:
    """Neighbouring axes that are all reduced, or all kept: whether they are reduced, the first, and the one after."""
    found: list[tuple[bool, int, int]] = []
    inside = set(axes)
    for i in range(ndim):
        if found and found[-1][0] is (i in inside):
            found[-1] = (*found[-1][:2], i + 1)
        else:
            found.append((i in inside, i, i + 1))
    return found


def reducible(ndim: int, axes: tuple[int, ...], in_sequence: bool = False) -> bool:
    """Whether kernels can reduce such axes: they lie in one place, or in two of which one is the end, unless each
    element has to be taken in after the one before it."""
    reduced = [block for block in blocks(ndim, axes) if block[0]]
    return len(reduced) == 1 or len(reduced) == 2 and reduced[-1][2] == ndim and not in_sequence


def stages_of(kernel: Kernel) -> list[Stage]:
    """The stages of a kernel that reduces axes in two places, in order."""
    return _Stages(kernel).found


class _Stages:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.inputs = kernel, len(kernel.inputs)
        self.found: list[Stage] = []
        self.written: set[int] = set()
        for steps, _, rows in passes_of(kernel, kernel.rowwise(), False):
            reduces = [n for n in rows if self.step(n).name == "reduce"]
            if steps or reduces:
                self.elements(steps, reduces)
            if rows:
                self.rows(rows, reduces)

    def step(self, value: int) -> Step:
        return self.kernel.steps[value - self.inputs]

    def elements(self, steps: list[int], reduces: list[int]) -> None:
        """A pass over all elements."""
        made = _Part(self.kernel, ROW if reduces else ARRAY)
        for n in steps:
            made.copy(n)
        outputs = [n for n in steps if n in self.kernel.outputs and n not in self.written]
        self.written.update(outputs)
        for n in reduces:
            made.copy(n)
        writes = [*[("output", n) for n in outputs], *[("partial", n) for n in reduces]]
        self.found.append(made.stage(RUNS if reduces else MAP, writes, False))

    def rows(self, rows: list[int], reduces: list[int]) -> None:
        """What each row has one of, after a pass."""
        made = _Part(self.kernel, ROW if reduces else ARRAY)
        for n in rows:
            step = self.step(n)
            if n in reduces:
                made.add(n, Step("reduce", step.char, (made.read(Read("partial", n), ARRAY, step.char),), step.loop))
            elif step.name == "per":
                made.quotient(n, step)
            else:
                made.copy(n)
        later = {k for n, step in enumerate(self.kernel.steps, self.inputs) if n not in rows for k in step.operands}
        writes = [("output", n) for n in rows if n in self.kernel.outputs]
        writes += [("row", n) for n in rows if n in later]
        self.found.append(made.stage(FOLD if reduces else MAP, writes, True))


class _Part:
    """A kernel in the making, of steps of another."""

    def __init__(self, whole: Kernel, rowwise_kind: str) -> None:
        self.whole, self.rowwise_kind = whole, rowwise_kind
        self.sources: dict[Read, int] = {}
        self.read_as: list[Input] = []
        self.steps: list[Step] = []
        self.values: dict[int, int] = {}

    def read(self, source: Read, kind: str, char: str) -> int:
        """The number of an input; those of steps are counted from -1 down until all inputs are known."""
        if source not in self.sources:
            self.sources[source] = len(self.read_as)
            self.read_as.append(Input(kind, char))
        return self.sources[source]

    def operand(self, value: int) -> int:
        if value in self.values:
            return self.values[value]
        inputs = len(self.whole.inputs)
        if value >= inputs:
            return self.read(Read("row", value), self.rowwise_kind, self.whole.char(value))
        kind = self.whole.inputs[value].kind
        return self.read(Read("input", value), self.rowwise_kind if kind == ROW else kind, self.whole.char(value))

    def copy(self, value: int) -> None:
        """A step as it is."""
        step = self.whole.steps[value - len(self.whole.inputs)]
        self.add(value, step._replace(operands=tuple([self.operand(n) for n in step.operands])))

    def quotient(self, value: int, step: Step) -> None:
        """A sum by how many elements a row has, in double precision."""
        total = self.operand(step.operands[0])
        count = self.read(Read("count", step.loop), NUMBER, "d")
        if step.char == "d":
            self.add(value, Step("divide", "d", (total, count)))
            return
        wide = self.append(Step("cast", "d", (total,)))
        self.add(value, Step("cast", step.char, (self.append(Step("divide", "d", (wide, count))),)))

    def add(self, value: int, step: Step) -> None:
        self.values[value] = self.append(step)

    def append(self, step: Step) -> int:
        self.steps.append(step)
        return -len(self.steps)

    def stage(self, space: str, writes: list[tuple[str, int]], by_row: bool) -> Stage:
        """The stage, whose steps come after all inputs. What is written twice is a step of its own the second time."""
        first = len(self.read_as)

        def number(n: int) -> int:
            return n if n >= 0 else first - 1 - n
        steps = [step._replace(operands=tuple(map(number, step.operands))) for step in self.steps]
        outputs: list[int] = []
        for _, value in writes:
            n = number(self.values[value])
            if n in outputs:
                steps.append(Step("cast", self.whole.char(value), (n,)))
                n = first + len(steps) - 1
            outputs.append(n)
        kernel = Kernel(tuple(self.read_as), tuple(steps), tuple(outputs))
        return Stage(space, kernel, tuple(self.sources), tuple(writes), by_row)


def unsure_of_zeros(kernel: Kernel) -> tuple[int, ...]:
    """The reductions for which NumPy's choice among zeros of both signs is not known: extremes of floats."""
    return tuple(n for n, step in enumerate(kernel.steps, len(kernel.inputs)) if step.name == "reduce"
                 and step.char in FLOATS and step.loop[0].__name__ in ("maximum", "minimum"))
