"""Chains of elementwise operations in a compiled function as kernels: one pass over memory, one native call.

A function that has proved to be called often is compiled once more with kernels. A *chain* is a run of records with one
shape, perhaps with a store of its last value into a part of an array, or an operator on a part (``a[1:] += value``), of
which it may read the very elements that it writes: if something goes wrong, nobody sees that memory. The pipeline
(`lower.make_program`) says whether it is one kernel, which then is bound to the layouts that the guard guarantees. A
kernel that raises a floating-point flag that somebody is to be warned of leaves the call to Python, as NumPy's own
warnings do here.
"""

from __future__ import annotations

from collections.abc import Container
from operator import getitem
from typing import Any, NamedTuple

import numpy as np

from ..api.indexing import gives_array
from ..config import current
from ..ir.capture import capture
from ..ir.dtypes import record_of
from ..ir.layout import shadow
from ..ir.node import leaf, make
from ..lower import fused, make_program
from ..lower.emit import one_loop
from ..run import floating, launch
from ..run.in_place import apart
from ..run.interpreter import apply_view
from ..schedule.fuse import MOST_STEPS
from .tracing import Operand, Record

REFUSED = 1 << 30
"""The bit, of the number that a launch gives when it did nothing, that no flag has."""
_ALL = ~(2 | 32)
_known: dict[Any, Any] = {}
_MOST = 4096


class Chain(NamedTuple):
    """Records that may be one kernel; `store` is the record that puts the last one's value into a part of an array. If
    it also computes that, the last one is made for it (`computes`)."""

    records: tuple[Record, ...]
    store: Record | None
    computes: bool = False

    @property
    def span(self) -> int:
        """How many records of the trace it is."""
        return len(self.records) + (self.store is not None and not self.computes)

    @property
    def tries(self) -> tuple[Chain, ...]:
        """It, and the same without the store."""
        if self.store is None:
            return (self,)
        return self, Chain(self.records[:-1] if self.computes else self.records, None)

    @property
    def rereads(self) -> bool:
        """Whether it reads the array into which it writes."""
        target = self.store.operands[0].name if self.store is not None else None
        return target is not None and any(x.name == target for r in self.records for x in r.operands)

    @property
    def last(self) -> Record:
        """The last of all."""
        return self.records[-1] if self.store is None else self.store


class Call(NamedTuple):
    """A kernel, bound: the builtin, its block's address, inputs by number, outputs by record, the flags that matter."""

    builtin: Any
    address: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    mask: int
    keep: Any


def possible() -> bool:
    """Whether there are kernels here."""
    return current.engine == "llvm" and fused.available()


def chains(records: list[Record], apart: Container[int] = ()) -> list[Record | Chain]:
    """The records of a straight line with chains in the places of those that may be kernels. No chain goes on at the
    places `apart`, where turns of a loop begin, nor is longer than a kernel may be."""
    found: list[Record | Chain] = []
    run: list[Record] = []

    def close(store: Record | None = None, computes: bool = False) -> None:
        if run:
            found.append(Chain(tuple(run), store, computes))
        run.clear()
    for position, record in enumerate(records):
        if position in apart:
            close()
        if _is_store_of(record, run):
            close(record)
        elif _is_part_of(record, run):
            run.append(_computed(record))
            close(record, True)
        elif not _is_map(record):
            close()
            found.append(record)
        else:
            if run and (len(run) == MOST_STEPS or run[-1].shape != record.shape
                        or run[-1].errstate is not record.errstate):
                close()
            run.append(record)
    close()
    return found


def _is_map(record: Record) -> bool:
    return (record.kind == "operation" and record.op.kind == "elementwise" and bool(record.shape)
            and not record.attrs and isinstance(record.op.fn, np.ufunc) and 0 not in record.shape
            and all(x.name is not None or type(x.value) in (int, float) for x in record.operands))


def _is_store_of(record: Record, run: list[Record]) -> bool:
    """Whether a record stores the last value of a run, of its own dtype, into an array of which the run reads no other
    elements that are written."""
    if record.kind != "operation" or record.op.step != "store" or not run or record.attrs[0]:
        return False
    value = record.operands[1]
    return (value.name == run[-1].name and not value.steps and record.dtype == run[-1].dtype
            and record.errstate is run[-1].errstate and _may_read(run, record))


def _is_part_of(record: Record, run: list[Record]) -> bool:
    """The same for an operator on a part whose other operand is the last value of a run."""
    if record.kind != "operation" or record.op.step != "part" or not run or len(run) >= MOST_STEPS:
        return False
    own = _computed(record)
    return (own.shape == run[-1].shape and record.errstate is run[-1].errstate and _is_map(own)
            and any(x.name == run[-1].name and not x.steps for x in own.operands) and _may_read([*run, own], record))


def _computed(record: Record) -> Record:
    """What an operator on a part computes, as a record of its own."""
    part = written(record)
    return Record("operation", f"{record.name}'", record.operands[1:], op=record_of(record.op.ufunc).op,
                  shape=() if part is None else part.shape, dtype=record.dtype, errstate=record.errstate)


def written(record: Record) -> Any:
    """The part that a record writes, as an array over no memory; None if it is none that indices give."""
    steps, extra = record.attrs
    part = shadow(record.shape, record.strides, record.dtype)
    for fn, args in (*steps, (getitem, extra)) if record.op.step == "store" else steps:
        if fn is not getitem or not gives_array(args[0], part.shape):
            return None
        part = part[args[0]]
    return part


def _may_read(run: list[Record], record: Record) -> bool:
    """Whether all that a run reads of an array are the elements that a record writes there, or others."""
    target = record.operands[0].name
    reads = [x for r in run for x in r.operands if x.name == target]
    if not reads:
        return True
    whole, part = shadow(record.shape, record.strides, record.dtype), written(record)
    return part is not None and all(apart(apply_view(x.steps or (), whole), part) for x in reads)


class Inputs:
    """What a chain reads from outside, each once, with its geometry."""

    def __init__(self, chain: Chain, shapes: dict[str, tuple[Any, Any, Any]]) -> None:
        self.operands: list[Operand] = []
        self.geometry: list[tuple[Any, Any, Any]] = []
        self.rows: list[tuple[Any, ...]] = []
        inner = {record.name: i for i, record in enumerate(chain.records)}
        self.whole = True
        for record in chain.records:
            row: list[Any] = [record.op, record.dtype, record.strides]
            for x in record.operands:
                if x.name is None:
                    row.append(("number", type(x.value), repr(x.value)))
                elif x.name in inner:
                    row.append(inner[x.name])
                    self.whole &= not x.steps
                else:
                    row.append(("input", self._number(x, shapes)))
            self.rows.append(tuple(row))

    def _number(self, x: Operand, shapes: dict[str, tuple[Any, Any, Any]]) -> int:
        for i, known in enumerate(self.operands):
            if known == x:
                return i
        laid = x.laid if x.steps else shapes.get(x.name or "")
        if laid is None or not laid[0] or laid[1].hasobject:
            self.whole = False
            laid = (), None, None
        self.operands.append(x)
        self.geometry.append(laid)
        return len(self.operands) - 1


def call_of(chain: Chain, inputs: Inputs, live: tuple[int, ...], part: Any) -> Call | None:
    """The kernel of a chain whose records number `live` are wanted later; `part` is the geometry of what a store writes
    in the place of the last value, or None. None if it is no kernel."""
    if not inputs.whole:
        return None
    mask = floating.mask(chain.records[0].errstate) & _ALL | REFUSED
    key = (tuple(inputs.rows), tuple(inputs.geometry), chain.records[0].shape, live, part, mask, current.threads,
           chain.rereads)
    try:
        return _known[key]
    except KeyError:
        pass
    if len(_known) >= _MOST:
        _known.clear()
    found = _known[key] = _made(chain, inputs, live, part, mask)
    return found


def _made(chain: Chain, inputs: Inputs, live: tuple[int, ...], part: Any, mask: int) -> Call | None:
    leaves = [leaf(_array(*laid), laid[2]) for laid in inputs.geometry]
    number = {id(node): i for i, node in enumerate(leaves)}
    nodes: list[Any] = []
    for record, row in zip(chain.records, inputs.rows, strict=True):
        operands = [nodes[x] if type(x) is int else leaves[x[1]] if x[0] == "input" else own.value
                    for x, own in zip(row[3:], record.operands, strict=True)]
        nodes.append(make(record.op, tuple(operands), record.attrs, record.shape, record.dtype, record.strides,
                          record.errstate, 1))
    graph = capture(nodes)
    flat, kinds, _ = graph.exact
    graph.exact = flat, kinds, tuple([i in live for i in range(len(nodes))] + [True] * len(graph.leaves))
    program = make_program(graph, rewrite=False)
    record = program.alone
    if record is None or record.fused.rows or record.stores or set(record.fused.writes) != set(live) or (
            chain.rereads and not one_loop(record.fused.kernel)):
        return None
    geometry = {n: (nodes[n].shape, nodes[n].dtype, nodes[n].strides) for n in live}
    if part is not None:
        geometry[len(nodes) - 1] = part
    outputs = tuple(n for n, _ in record.outputs)
    chosen = tuple(number.get(id(graph.leaves[record.reads[i][0]]), -1) for i in record.arrays)
    if -1 in chosen:
        return None
    arrays = [leaves[i].buffer for i in chosen] + [_array(*geometry[n]) for n in outputs]
    if any(a.shape != chain.records[0].shape for a in arrays[len(chosen):]):
        return None
    bound = launch.bind(record.fused.kernel, chain.records[0].shape, arrays)
    if not isinstance(bound, launch.Launch):
        return None
    keep: Any = bound
    address = bound.address
    if record.numbers:
        filled = launch._filled(bound, [graph.leaves[record.reads[i][0]] for i in record.numbers])
        if filled is None:
            return None
        keep, address = (bound, filled), filled.ctypes.data
    return Call(bound.call, address, chosen, outputs, mask, keep)


def _array(shape: tuple[int, ...], dtype: Any, strides: Any) -> Any:
    """An array of that geometry, of zeros."""
    if strides is None:
        return np.zeros(shape, dtype)
    low = sum(min(0, s * (n - 1)) for s, n in zip(strides, shape, strict=True))
    high = sum(max(0, s * (n - 1)) for s, n in zip(strides, shape, strict=True))
    memory = np.zeros(high - low + dtype.itemsize, np.uint8)
    return np.ndarray(shape, dtype, memory, -low, strides)
