"""The kernel: what one pass over memory computes, for any device. A list of steps on the elements of tiles.

A kernel names values by number: first its inputs, then its steps, in order. It knows dtypes and nothing of shapes and
strides: those come with each run, and `lower.emit` makes code for the classes of them that turn up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

ARRAY, NUMBER, ROW = "array", "number", "row"
NEUTRAL = {"add": ("0", "0.0"), "multiply": ("1", "1.0")}
"""What reductions by these ufuncs start from, of integers and of floats."""


class Input(NamedTuple):
    """What a kernel reads: an array, broadcast to the kernel's space, a number that is the same for all elements, or an
    array that has one element for each row.

    Attributes
    ----------
    kind : str
        `ARRAY`, `NUMBER` or `ROW`.
    char : str
        The dtype's character. A number is converted to it before the run.
    """

    kind: str
    char: str


class Step(NamedTuple):
    """One operation on every element.

    Attributes
    ----------
    name : str
        The inlined operation (a key of `lower.inline.FORMS`), 'cast', 'where', 'call'; 'reduce', which makes one value
        of each row; 'scan', which makes a running total along it; or 'per', which divides a sum by the row's length as
        NumPy's `mean` does.
    char : str
        The dtype's character of the result.
    operands : tuple of int
        The numbers of the values that it takes; they have the dtypes that the operation wants.
    loop : tuple or None
        For 'call': the ufunc and the dtypes of its loop, and "backwards" if it goes over the elements so. For 'reduce'
        and 'scan': the same of the ufunc that reduces; and float16's character, if these are its extremes: NumPy's loop
        for that gives the first of equal zeros. For 'per': what is subtracted from the length (``ddof``).
    """

    name: str
    char: str
    operands: tuple[int, ...]
    loop: Any = None


class Kernel(NamedTuple):
    """A kernel: inputs, steps, and the numbers of the values that are written to memory.

    Attributes
    ----------
    inputs : tuple of Input
    steps : tuple of Step
    outputs : tuple of int
    """

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    def char(self, value: int) -> str:
        """The dtype's character of a value."""
        count = len(self.inputs)
        return self.inputs[value].char if value < count else self.steps[value - count].char

    @property
    def reduces(self) -> bool:
        """Whether it makes something of whole rows."""
        return any(step.name in ("reduce", "scan") for step in self.steps)

    @property
    def scans(self) -> bool:
        """Whether it has running totals: results of elements that need those before them in the row."""
        return any(step.name == "scan" for step in self.steps)

    @property
    def in_sequence(self) -> bool:
        """Whether a row is to be gone along from its start to its end: NumPy multiplies floats one after the other."""
        return any(step.name == "reduce" and step.loop[0] is np.multiply and step.char in "fd" for step in self.steps)

    @property
    def finds_places(self) -> bool:
        """Whether it says where in its row an element is."""
        return any(step.name == "reduce" and step.loop[0].__name__.startswith("arg") for step in self.steps)

    def rowwise(self) -> frozenset[int]:
        """The values of which each row has one."""
        count = len(self.inputs)
        found = {i for i, source in enumerate(self.inputs) if source.kind == ROW}
        numbers = {i for i, source in enumerate(self.inputs) if source.kind == NUMBER}
        for i, step in enumerate(self.steps, count):
            if step.name == "reduce" or (found | numbers).issuperset(step.operands):
                found.add(i)
        return frozenset(found)

    def __str__(self) -> str:
        return kernel_text(self)


def _loop_text(step: Step) -> str:
    return str(step.loop) if step.name == "per" else " ".join([step.loop[0].__name__, *step.loop[2:]])


def kernel_text(kernel: Kernel) -> str:
    """A kernel as text, a line a value."""
    lines = [f"%{i} = {kind} {char}" for i, (kind, char) in enumerate(kernel.inputs)]
    for i, step in enumerate(kernel.steps, len(kernel.inputs)):
        name = step.name if step.loop is None else f"{step.name} {_loop_text(step)}"
        lines.append(f"%{i} = {name} {step.char} {' '.join(f'%{n}' for n in step.operands)}")
    lines.append("write " + " ".join(f"%{n}" for n in kernel.outputs))
    return "\n".join(lines) + "\n"
