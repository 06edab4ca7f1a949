"""Kernels in loops whose turns are generated: of a turn's steps, those that may run as one pass over memory.

A function that has proved to be called often has its loops written once more (`Rolled.with_kernels`), with stretches of
steps handed to `planning` as the records of a straight line are (`launching`). Only steps take part whose numbers are
the same in every turn. A number that a turn makes and uses beside arrays lies in an array of one element, for kernels
read arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import getitem
from typing import Any

import numpy as np

from ..api.indexing import ELEMENT, gives_array
from ..ir.layout import canonical
from ..run import floating
from ..run.interpreter import apply_view
from . import planning, tapes
from .branches import in_order
from .fusing import MOST_RECORDS
from .launching import last_uses, made_known
from .steps import index_of
from .tracing import BESIDE, Operand, Record

_KINDS = "biufc"
_POWERS = (np.power, np.float_power)
"""What NumPy does otherwise with a single number than with an array of one."""


class LoopKernels:
    """Writes kernels into the loops of one source.

    Attributes
    ----------
    errstate : the error state of the steps
    count : int
        How many kernels there are.
    laid : dict
        Of the values of the outermost loop, before its first turn: shape, dtype, strides.
    """

    def __init__(self, geometry: list[Any], cells: int, errstate: Any) -> None:
        self.errstate, self.count, self.numbers = errstate, 0, 0
        self.laid = {f"s{k}" if k < cells else f"w{k - cells}": of for k, of in enumerate(geometry)}
        self.mask = planning.mask_of(errstate)

    def write(self, loop: Any, steps: list[Any], deaths: list[set[str]], escaping: set[str]) -> int:
        """Writes the first steps, if there are kernels among them; gives how many."""
        records: list[Record] = []
        made: set[str | None] = set()
        for shape, numbers in steps[:MOST_RECORDS]:
            record = self._record(loop, shape, numbers, made)
            if record is None or not planning.may_join(record):
                break
            loop.note_geometry(shape, numbers)
            records.append(record)
            made.add(record.name)
        if not records:
            return int(bool(steps) and self._product(loop, steps[0], deaths[0], escaping))
        dies = set().union(*deaths[:len(records)])
        live = frozenset(made - dies)
        own = tuple(records)
        plan = planning.plan_of(own, lambda name: self._geometry(loop, name), live)  # type: ignore[arg-type]
        if plan is None or isinstance(plan, int):  # the latter is of writes into parts, which are none of these
            plan = list(range(len(own)))
        for part, gone in zip(plan, last_uses(plan, own, dies), strict=True):
            if isinstance(part, planning.Kernel):
                self._launch(loop, part, own, gone, escaping)
            else:
                loop.step(*steps[part], gone, escaping)
            for name in in_order(gone):
                loop.release(name)
        return len(own)

    # ---- steps as records ----

    def _geometry(self, loop: Any, name: str) -> Any:
        if name.endswith(BESIDE):
            return (1,), loop.laid[name.removesuffix(BESIDE)][1], None
        return loop.laid.get(name)

    def _record(self, loop: Any, shape: Any, numbers: list[Any], made: set[str | None]) -> Record | None:
        """A step as a record that may follow those that were `made`; None if it is none."""
        if type(shape[0]) is str or shape[0] is ELEMENT or shape[0].kind == "mutate" or any(x.moves for x in numbers):
            return None
        op, name, operands, attrs, size, dtype, strides = shape
        given = iter([x.constant for x in numbers])
        found = []
        for x in operands:
            operand = self._operand(loop, x, given)
            if operand is None:
                return None
            of: Any = ((1,), None) if operand.name is None else loop.laid[operand.name]
            if size and not of[0]:
                if op.kind != "elementwise" or operand.name in made or op.fn in _POWERS or of[1].kind not in _KINDS:
                    return None
                operand = Operand(f"{operand.name}{BESIDE}")
            found.append(operand)
        sizes = tuple([next(given) for _ in size])
        return Record("operation", name, tuple(found), op=op, attrs=attrs.value, shape=sizes, dtype=dtype,
                      strides=strides, errstate=self.errstate)

    def _operand(self, loop: Any, x: Any, given: Iterator[int]) -> Operand | None:
        kind, value, *rest = x
        if kind == "number":
            return Operand(None, None, next(given))
        if kind == "constant":
            return Operand(None, None, value.value)
        if kind != "value" or value not in loop.laid:
            return None
        of = loop.laid[value]
        steps = _steps(rest[0], given)
        if not steps:
            constant = loop.constants.get(value)
            return Operand(value) if constant is None or of[0] else Operand(None, None, constant[()])
        array = planning.array_of(*of)
        for fn, args in steps:
            if fn is getitem and not gives_array(args[0], array.shape):
                return None
            array = apply_view(((fn, args),), array)
        return Operand(value, steps, None, (array.shape, array.dtype, canonical(
            array.strides, array.shape, array.itemsize)))

    # ---- lines ----

    def _launch(self, loop: Any, kernel: planning.Kernel, records: tuple[Record, ...], gone: set[str],
                escaping: set[str]) -> None:
        space = loop.source.space
        given = [self._array(loop, source.operand(records)) for source in kernel.arrays]
        made, numbers = [], []
        for record in [records[i] for i in kernel.outputs]:
            key, text = loop.place(record.name, record.shape, record.dtype, record.strides, escaping)
            made.append(text)
            if not record.shape:
                numbers.append((record.name, key, text))
        if kernel.address:
            made_known(kernel.bound.call)
            call = f"{space.add(kernel.bound.call, 'kernel')}({', '.join([str(kernel.address), *given, *made])})"
        else:
            plain = [source.operand(records) for source in kernel.numbers]
            shown = [space.add(x.value) if x.name is None else loop.text[x.name] for x in plain]
            call = (f"launched({space.add(kernel.bound, 'kernel')}, [{', '.join([*given, *made])}], "
                    f"[{', '.join(shown)}])")
        loop.say(f"if {call} & {kernel.mask}: raise Abandon")
        space.add(kernel.keep, "block")
        self.count += 1
        for name, key, text in numbers:
            loop.take_number(name, key, text)

    def _array(self, loop: Any, x: Operand) -> str:
        """An array that a kernel reads, by name."""
        name = x.name or ""
        if name.endswith(BESIDE):
            return self._beside(loop, name)
        return str(loop.viewed(name, x.steps) if x.steps else loop.text[name])

    def _beside(self, loop: Any, name: str) -> str:
        """A number's array of one element."""
        own = loop.lasting.get(name) or loop.text.get(name)
        if own is None:
            plain = name.removesuffix(BESIDE)
            own, self.numbers = f"n{self.numbers}", self.numbers + 1
            loop.source.prepare(f"{own} = ndarray((1,), {loop.source.space.add(loop.laid[plain][1])})")
            fill = f"{own}[0] = {loop.text[plain]}"
            if loop.stays(plain):
                loop.source.prepare(fill)
                loop.lasting[name] = own
            else:
                loop.say(fill)
                loop.text[name] = own
        return str(own)

    def _product(self, loop: Any, step: Any, dies: set[str], escaping: set[str]) -> bool:
        """Writes a product of matrices as NumPy's own loop, without the way to it."""
        shape, numbers = step
        record = self._record(loop, shape, numbers, set())
        if record is None or record.op.kind != "call" or record.op.fn is not np.matmul or (
                record.strides is not None or record.attrs or any(x.name is None for x in record.operands)):
            return False
        a, b = [x.laid if x.steps else loop.laid[x.name] for x in record.operands]
        product = tapes.product(a, b, (record.shape, record.dtype, None), floating.mask(self.errstate), True)
        if product is None:
            return False
        loop.note_geometry(shape, numbers)
        texts = [self._array(loop, x) for x in record.operands]
        key, out = loop.place(record.name, record.shape, record.dtype, None, escaping)
        loop.say(f"if {loop.source.space.add(product, 'matmul')}({', '.join([*texts, out])}): raise Abandon")
        self.count += 1
        if not record.shape:
            loop.take_number(record.name, key, out)
        for name in in_order(dies):
            loop.release(name)
        return True


def _steps(split: Any, given: Iterator[int]) -> Any:
    """The steps of a view, with their numbers."""
    return None if split is None else tuple([
        (fn, (index_of(args, given),)) if fn is getitem else (fn, args.value) for fn, args in split])
