"""Runs of operations in a compiled function as the engine's kernels, reductions and rows among them.

A *run* is a straight line of elementwise operations, reductions and writes into parts of arrays. The pipeline
(`lower.program.make_program`) says which of them become kernels and in which order all go; the kernels are bound to the
layouts that the guard guarantees. A kernel may read the very elements that it writes: if something goes wrong, nobody
sees that memory.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from operator import getitem
from typing import Any, NamedTuple

import numpy as np

from ..api.indexing import gives_array
from ..config import current
from ..ir.capture import Graph, capture
from ..ir.layout import shadow
from ..ir.node import leaf, make
from ..ir.operation import Operation
from ..lower.emit import one_loop
from ..lower.fused import REDUCTIONS, SCANS, Fused, sliced
from ..lower.long_rows import AMBIGUOUS
from ..lower.program import make_program
from ..lower.table import KernelRecord
from ..run import floating, in_place, launch
from ..run.interpreter import apply_view
from ..run.kernels import bind_arrays, failures
from ..run.parts import part, steps_to_part, surroundings
from ..schedule.fuse import STORES
from .text import frozen
from .tracing import Operand, Record

REFUSED = 1 << 30
"""The bit, of the number that a launch gives when it did nothing, that no flag has."""
_HARMLESS = 2 | 32
"""The flags 'denormal' and 'inexact'."""
LEAST_WORK = 1 << 13
"""Elements times steps from which on a kernel pays that has to be given numbers, or is launched in several phases."""
SMALL = 1 << 13
"""Elements up to which one operation alone is a kernel: the way to NumPy's loop takes longer than to call a kernel."""
_STEPS = frozenset(("cast", "where", "masked"))
_known: dict[Any, Any] = {}
_MOST = 4096

Geometry = tuple[Any, Any, Any]
"""Shape, dtype and strides (None: C order)."""


class Source(NamedTuple):
    """What a kernel reads: an operand of a member of the run, through further views of results that are not made."""

    member: int
    position: int
    path: tuple[tuple[int, int], ...] = ()

    def operand(self, records: tuple[Record, ...]) -> Operand:
        """With all views in one."""
        found = records[self.member].operands[self.position]
        for member, position in self.path:
            found = found._replace(steps=(*(found.steps or ()), *(records[member].operands[position].steps or ())))
        return found


class Kernel(NamedTuple):
    """A bound kernel in the place of members of a run.

    Attributes
    ----------
    members, outputs : tuple of int
        The records it stands for, and those of them that it writes.
    arrays, numbers : tuple of Source
    bound : launch.Launch or launch.Staged
    address : int
        That of the block to which one call of a builtin gives the arrays; 0 if that does not do it.
    keep : object
        What owns the block.
    mask : int
        The flags of a launch with which the call is left to Python.
    renews : int
        The record whose part goes to other memory, for the kernel reads elements that it writes elsewhere; -1: none.
    """

    members: tuple[int, ...]
    outputs: tuple[int, ...]
    arrays: tuple[Source, ...]
    numbers: tuple[Source, ...]
    bound: Any
    address: int
    keep: Any
    mask: int
    renews: int = -1


def mask_of(errstate: Any) -> int:
    """The flags of a launch that leave a call to Python, for operations under an error state."""
    return floating.mask(errstate) & ~_HARMLESS | AMBIGUOUS | REFUSED


def may_join(record: Record) -> bool:
    """Whether a record may be part of a run."""
    if record.kind != "operation" or 0 in record.shape or not record.operands or not all(
            x.name is not None or type(x.value) in (int, float) or isinstance(x.value, np.generic)
            for x in record.operands):
        return False
    op = record.op
    if op.step in STORES:
        return _writes_part(record)
    return op.step in _STEPS or op.kind == "call" and (op.name in REDUCTIONS or op.name in SCANS) or (
        op.kind in ("elementwise", "scalar") and not record.attrs and isinstance(op.fn, np.ufunc))


def _writes_part(record: Record) -> bool:
    """Whether it writes a part of an array that numbers and slices give."""
    target = record.operands[0]
    if target.name is None or target.steps or not record.shape:
        return False
    found = shadow(record.shape, record.strides, record.dtype)
    for fn, args in steps_to_part(record):
        if fn is not getitem or not gives_array(args[0], found.shape):
            return False
        found = found[args[0]]
    return 0 not in found.shape


def plan_of(records: tuple[Record, ...], geometry: Callable[[str], Geometry | None],
            live: frozenset[str]) -> list[int | Kernel] | int | None:
    """The kernels and records, by number, in the place of a run whose values `live` are wanted later; None if there is
    no kernel among them. The number of a record that writes a part is given where the run has to end with it, or, if it
    does, where the others have to be planned without it. Remembered by structure."""
    structure = _structure(records, geometry, live)
    if structure is None:
        return None
    key = *structure, mask_of(records[0].errstate), current.threads
    if key not in _known:
        if len(_known) >= _MOST:
            _known.clear()
        try:
            _known[key] = _planned(records, *structure, tuple([record.name in live for record in records]))
        except Exception as error:  # whatever the pipeline may raise: the records can be written one by one
            failures.append(error)
            if current.debug:
                raise
            _known[key] = None
    found: list[int | Kernel] | int | None = _known[key]
    return found


def _structure(records: tuple[Record, ...], geometry: Callable[[str], Geometry | None],
               live: frozenset[str]) -> tuple[tuple[Any, ...], tuple[Geometry, ...]] | None:
    """For each record a row: its operation and geometry, whether it is live, and what it reads (records by number,
    values from outside by the complement of theirs); and the geometry of these values. None if something is not
    known."""
    inner = {record.name: i for i, record in enumerate(records)}
    given: dict[str, int] = {}
    laid: list[Geometry] = []
    rows: list[Any] = []
    for record in records:
        attrs = frozen(((None, record.attrs or ()),))
        row: list[Any] = [record.op, record.shape, record.dtype, record.strides, attrs, record.name in live]
        for x in record.operands:
            if x.name is None:
                row.append((type(x.value), repr(x.value)))
                continue
            number = inner.get(x.name)
            if number is None:
                number = given.get(x.name)
            if number is None:
                found = geometry(x.name)
                if found is None or found[1].hasobject:
                    return None
                number = given[x.name] = ~len(laid)
                laid.append(found)
            steps = frozen(x.steps) if x.steps else ()
            if steps is None or x.steps and x.laid is None:
                return None
            row.append((number, steps, x.laid if x.steps else None))
        if attrs is None:
            return None
        rows.append(tuple(row))
    return tuple(rows), tuple(laid)


def _planned(records: tuple[Record, ...], rows: tuple[Any, ...], laid: tuple[Geometry, ...],
             live: tuple[bool, ...]) -> list[int | Kernel] | int | None:
    """What the pipeline makes of a run, as `plan_of` gives it."""
    graph = _graph(records, rows, laid)
    flat, kinds, _ = graph.exact
    graph.exact = flat, kinds, (*live, *([True] * len(graph.leaves)))
    program = make_program(graph, rewrite=False)
    plan: list[int | Kernel] = []
    position = 0
    while position < len(program.records):
        kernel = program.kernels.get(position)
        store = None if kernel is None else _hindered(kernel, records)
        if store is not None and len(kernel.members) > 1 and not _may_renew(kernel, store, records):
            return store
        alone = store is not None and len(kernel.members) == 1
        bound = None if kernel is None or alone else _bound(kernel, graph, records)
        if store is not None and bound is not None:
            bound = bound._replace(renews=store)
        elif store is not None and not alone:
            return store
        if bound is None:
            plan.append(program.records[position].node)
            position += 1
        else:
            plan.append(bound)
            position += kernel.span
    return plan if any(isinstance(part, Kernel) for part in plan) else None


def _graph(records: tuple[Record, ...], rows: tuple[Any, ...], laid: tuple[Geometry, ...]) -> Graph:
    """The records as pending nodes over zeros."""
    leaves = [leaf(array_of(*of) if of[0] else np.zeros((), of[1])[()], of[2]) for of in laid]
    nodes: list[Any] = []
    for record, row in zip(records, rows, strict=True):
        operands = []
        for x, own in zip(row[6:], record.operands, strict=True):
            if own.name is None:
                operands.append(leaf(own.value, None) if isinstance(own.value, np.generic) else own.value)
                continue
            node = nodes[x[0]] if x[0] >= 0 else leaves[~x[0]]
            if own.steps:
                shape, dtype, strides = own.laid
                node = make(Operation.VIEW, (node,), own.steps, shape, dtype, strides, None, 0)
            operands.append(node)
        nodes.append(make(record.op, tuple(operands), record.attrs, record.shape, record.dtype, record.strides,
                          record.errstate, 1))
    return capture(nodes)


def _bound(kernel: KernelRecord, graph: Graph, records: tuple[Record, ...]) -> Kernel | None:
    """A kernel of the program, bound; None if its operations are to run one by one."""
    fused = kernel.fused
    if not all(sliced(graph.views[m][k]) for path in fused.paths.values() for m, k in path):
        return None
    sources = _sources(fused)
    arrays = [_seen(sources[i], graph, records) for i in kernel.arrays]
    targets = [array_of(records[n].shape, records[n].dtype, records[n].strides) for n in fused.writes]
    targets = [part(records[n], a) if n in fused.stores else a for n, a in zip(fused.writes, targets, strict=True)]
    if any(array is None for array in arrays):
        return None
    number, position = fused.space
    space = records[number].shape if position < 0 else graph.nodes[number].inputs[position].shape
    found = bind_arrays(kernel, graph, space, arrays, targets, 0 if prod(space) <= SMALL else fused.least)
    if found is None:
        return None
    numbers = tuple(sources[i] for i in kernel.numbers)
    operands = [n.operand(records) for n in numbers]
    address, keep = 0, None
    if isinstance(found, launch.Launch) and all(x.name is None for x in operands):
        described = launch.with_numbers(found, [x.value for x in operands])
        if described is None:
            return None
        address, keep = described
    elif found.work < LEAST_WORK:
        return None
    return Kernel(fused.members, fused.writes, tuple(sources[i] for i in kernel.arrays), numbers, found, address, keep,
                  mask_of(records[0].errstate))


def _sources(fused: Fused) -> list[Source]:
    """What it reads."""
    return [Source(m, k, fused.paths.get(i, ())) for i, (_, m, k) in enumerate(fused.reads)]


def _hindered(kernel: KernelRecord, records: tuple[Record, ...]) -> int | None:
    """The record of a kernel that writes elements of an array of which the kernel reads others that it writes, too."""
    sources = _sources(kernel.fused)
    for number in kernel.fused.stores:
        record = records[number]
        reads = [x for x in (sources[i].operand(records) for i in kernel.arrays) if x.name == record.operands[0].name]
        whole = shadow(record.shape, record.strides, record.dtype)
        if reads and not (one_loop(kernel.fused.kernel) and all(
                in_place.apart(apply_view(x.steps or (), whole), part(record, whole)) for x in reads)):
            return number
    return None


def _may_renew(kernel: KernelRecord, store: int, records: tuple[Record, ...]) -> bool:
    """Whether what a kernel writes a part of may be made anew, the rest copied: it ends the run, so that the turns of a
    loop are planned alike, it is in memory when the kernel begins, and the part is a box."""
    record = records[store]
    if store + 1 < len(records):
        return False
    indices = tuple([args[0] for _, args in steps_to_part(record)])
    return len(kernel.fused.stores) == 1 and record.operands[0].name not in {
        records[i].name for i in kernel.fused.members} and surroundings(record.shape, indices) is not None


def _seen(source: Source, graph: Graph, records: tuple[Record, ...]) -> Any:
    """An array laid out like what a kernel reads; None if that is no array."""
    number = graph.reads[source.member][source.position]
    if number < len(records):
        record = records[number]
        array = array_of(record.shape, record.dtype, record.strides) if record.shape else None
    else:
        array = graph.leaves[number - len(records)].buffer
    for member, position in ((source.member, source.position), *source.path):
        view = graph.views[member][position]
        if view is not None and isinstance(array, np.ndarray):
            array = apply_view(view.attrs, array)
    return array if isinstance(array, np.ndarray) else None


def array_of(shape: tuple[int, ...], dtype: Any, strides: Any) -> Any:
    """An array of that geometry, of zeros."""
    if strides is None:
        return np.zeros(shape, dtype)
    low = sum(min(0, s * (n - 1)) for s, n in zip(strides, shape, strict=True))
    high = sum(max(0, s * (n - 1)) for s, n in zip(strides, shape, strict=True))
    memory = np.zeros(high - low + dtype.itemsize, np.uint8)
    return np.ndarray(shape, dtype, memory, -low, strides)
