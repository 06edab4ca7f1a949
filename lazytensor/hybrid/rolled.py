"""A loop whose turns are generated, as one function of arrays, and as one record of a trace."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any

import numpy as np

from ..compile import realize
from ..ir.errstate import under
from ..ir.layout import canonical, dense
from ..ir.node import Node, leaf
from ..run import floating
from . import tapes
from .loopkernels import LoopKernels
from .loopsource import Body, Source
from .looptape import TapeOf
from .running import Abandon, abandoning, copied
from .tapes import Unknown
from .tracing import Record, Result, Trace
from .turns import SAMPLES

MOST_OTHERS = 64
"""Numbers of turns for which a loop is kept."""
ENDLESS = 1 << 58
"""Turns of a loop that a value ends."""


class Rolled:
    """A loop as one function of arrays: the state and what else it reads, to the state after its last turn. It is a
    tape where it can be, else Python source.

    Parameters
    ----------
    geometry : list of (shape, dtype, strides)
        Of its arguments.
    errstate : the error state in which it runs

    Attributes
    ----------
    loop : what bodies of one loop have in common (`counted.code_of`)
    asked : whether what follows is for the number of turns that it had
    ends : whether it is known to end where it does, so that more turns might do something else
    """

    def __init__(self, body: Body, numbers: list[int], count: int, geometry: list[Any], errstate: Any) -> None:
        self.body, self.count, self.numbers = body, count, numbers
        self._made = geometry, errstate
        self._others: dict[int, Rolled] = {}
        self._any: Any = None
        self._quick: Rolled | None = None
        self._plain: Rolled | None = None
        self.kernels = 0
        self.ends = self.asked = False
        self.tape: Any = None
        self._run: Any = None
        self.loop: Any = None
        self.text = ""
        if tapes.tape is not None:
            try:
                of = TapeOf(body, numbers, count, geometry)
                self.tape = of.made(floating.mask(errstate))
                self._strides = [strides for _, _, strides in of.laid]
            except (Unknown, ValueError):
                pass
        if self.tape is None:
            self._source()

    @property
    def operations(self) -> int:
        """How many calls of NumPy's it makes; 0 if it is a tape, or nobody knows, or it decides on values: then there
        are more ways, unless all but one leave the loop and the number of its turns is asked anyway."""
        alike = not self.body.decides or self.asked and sum(shape[0] == "goes" for shape in self.body.shapes) == 1
        known = self.tape is None and self.count < ENDLESS and self.body.loops == 1 and alike
        return self.count * len(self.body.shapes) if known else 0

    def is_as(self, other: Rolled) -> bool:
        """Whether another loop is the same."""
        (geometry, errstate), (geometry2, errstate2) = self._made, other._made
        return (self.count == other.count and self.numbers == other.numbers and self.body == other.body
                and floating.alike(errstate, errstate2) and self.loop == other.loop and self.ends == other.ends
                and [(x, y, y.char, z) for x, y, z in geometry] == [(x, y, y.char, z) for x, y, z in geometry2])

    @property
    def words(self) -> str:
        """What it is, in words, with its text."""
        turns = "while a value says so" if self.count >= ENDLESS else f"{self.count} turns"
        text = (self._quick or self).text
        how = " a tape, run by native code" if self.tape is not None else "".join([
            f"\n    {line}" for line in text.splitlines()])
        return f"a loop ({turns}) generated from {SAMPLES} of its turns:{how}"

    def named(self) -> Any:
        """It as a function, which generated source calls by its name."""
        def loop(*values: Any) -> tuple[Any, ...]:
            return self(*values)
        loop.__name__ = "loop_until" if self.count >= ENDLESS else f"loop_of_{self.count}_turns"
        loop.rolled = self  # type: ignore[attr-defined]
        return loop

    def with_kernels(self) -> Rolled:
        """The same with kernels; itself, if there would be none."""
        if self._quick is None:
            self._quick = self
            if self.tape is None and _fills_memory(self.body):
                quick = copy(self)
                quick._others, quick._any, quick._plain = {}, None, self
                quick._source()
                if quick.kernels:
                    self._quick = quick
        return self._quick

    def _written(self, named: str = "") -> Source:
        """Its text."""
        geometry, errstate = self._made
        kernels = None if self._plain is None else LoopKernels(geometry, len(self.body.cells), errstate)
        source = Source(self.body, self.numbers, self.count, named, kernels)
        self.kernels = 0 if kernels is None else kernels.count
        return source

    def _source(self) -> None:
        source = self._written()
        self.text, self._run = source.text, source.function()

    def of_turns(self, count: int) -> Rolled:
        """The same loop with another number of turns."""
        found = self._others.get(count)
        if found is None:
            if len(self._others) >= MOST_OTHERS:
                self._others.clear()
            if self.tape is not None:
                found = Rolled(self.body, self.numbers, count, *self._made)
            else:
                if self._any is None:
                    self._any = self._written("count").function()
                found = copy(self)
                found.count, found._run, found._quick = count, partial(self._any, count), None
                found._plain = None if self._plain is None else self._plain.of_turns(count)
            self._others[count] = found
        return found

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        values = tuple([x[()] if type(x) is np.ndarray and not x.shape else x for x in values])
        if self.tape is not None:
            arrays = [x for x in values if type(x) is np.ndarray]
            if [x.strides for x in arrays] == self._strides:
                return self._taped(values)
            if self._run is None:
                self._source()
        if self._plain is not None and not self._is_laid_so(values):
            return self._plain(*values)
        found = self._run(*values)
        return tuple([copied(x) if any(x is y for y in values) else x for x in found])

    def _is_laid_so(self, values: tuple[Any, ...]) -> bool:
        """Whether what it is given lies as its kernels take for granted."""
        for x, (shape, _, strides) in zip(values, self._made[0], strict=True):
            if type(x) is not np.ndarray:
                if shape:
                    return False
            elif x.shape != shape or canonical(x.strides, shape, x.itemsize) != strides:
                return False
        return True

    def _taped(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        cells = self.body.cells
        given = [copied(x) if k < len(cells) else x for k, x in enumerate(values)]
        outputs = self.tape(*[x for x in given if type(x) is np.ndarray], *[
            x for x in given if type(x) is not np.ndarray])
        if outputs is None:
            raise Abandon
        numbers = iter(outputs)
        return tuple([given[k] if cell[0] == "array" else next(numbers) for k, cell in enumerate(cells)])


def _fills_memory(body: Body) -> bool:
    """Whether what goes over from turn to turn keeps its strides when it is copied."""
    return all(kind != "array" or strides is None or dense(shape, strides, dtype.itemsize)
               for kind, shape, dtype, strides in body.cells) and all(
        _fills_memory(shape[2]) for shape in body.shapes if shape[0] == "loop")


def applied(trace: Trace, rolled: Rolled, nodes: list[Node]) -> list[Node] | None:
    """Runs a loop, and writes it down as a call; None if it raises, or NumPy would warn."""
    trace.record(nodes)
    operands = [trace.operand(node) for node in nodes]
    if trace.refusal is not None:
        return None
    realize([node for node in nodes if node.buffer is None])
    capsule = floating.in_force()
    try:
        found = under(abandoning(capsule), rolled, *[node.buffer for node in nodes])
    except KeyboardInterrupt:
        raise
    except BaseException:  # in the turn where it is due, it comes again
        return None
    record = Record("call", f"r{len(trace.book)}", fn=rolled.named(), args=tuple(operands), kwargs={}, results=[],
                    how="many", errstate=capsule)
    trace.book.append(record)
    results = []
    for k, (value, cell) in enumerate(zip(found, rolled.body.cells, strict=True)):
        name = f"{record.name}_{k}"
        is_array = cell[0] == "array"
        record.results.append(Result(name, value.dtype, value.shape if is_array else None))
        node = leaf(value, canonical(value.strides, value.shape, value.itemsize) if is_array else None)
        trace._know(node, name)
        if not is_array and rolled.body.is_element(k):
            trace.real.add(name)
        results.append(node)
    return results


