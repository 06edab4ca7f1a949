"""What of a compiled function becomes kernels: one pass over memory, one native call.

A function that has proved to be called often is compiled once more with kernels. Its straight lines are cut into *runs*
of elementwise operations and reductions, which `planning` turns into kernels as the lazy engine would, and *chains*: a
run of one shape whose last value is stored into a part of an array, or is the operand of an operator on such a part
(``a[1:] += value``). A chain may read the very elements that it writes: if something goes wrong, nobody sees that
memory. A kernel that raises a floating-point flag that
somebody is to be warned of leaves the call to Python, as NumPy's own warnings do here.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
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
from ..run import launch
from ..run.in_place import apart
from ..run.interpreter import apply_view
from ..schedule.fuse import MOST_STEPS
from .planning import Geometry, array_of, mask_of, may_join
from .tracing import Operand, Record

_known: dict[Any, Any] = {}
_MOST = 4096
MOST_RECORDS = 256
"""Records of a run: what planning takes grows faster than their number."""


class Run(NamedTuple):
    """Records that may be kernels, in any number."""

    records: tuple[Record, ...]


class Chain(NamedTuple):
    """Records that may be one kernel; `store` is the record that puts the last one's value into a part of an array. If
    it also computes that, the last one is made for it (`computes`)."""

    records: tuple[Record, ...]
    store: Record
    computes: bool = False

    @property
    def members(self) -> tuple[Record, ...]:
        """The records of the trace that it is."""
        return (*(self.records[:-1] if self.computes else self.records), self.store)

    @property
    def rereads(self) -> bool:
        """Whether it reads the array into which it writes."""
        target = self.store.operands[0].name
        return target is not None and any(x.name == target for r in self.records for x in r.operands)


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


def parts(records: list[Record], apart: Container[int] = ()) -> Iterator[Record | Run | Chain]:
    """The records of a straight line, with runs and chains in the places of those that may be kernels. None of these
    goes on at the places `apart`, where turns of a loop begin."""
    run: list[Record] = []
    for position, record in enumerate(records):
        chain = _chained(record, run) if position not in apart else None
        joins = chain is None and may_join(record)
        if run and (not joins or position in apart or len(run) == MOST_RECORDS
                    or run[-1].errstate is not record.errstate):
            before = run[:len(run) + 1 - (1 if chain is None else len(chain.members))]
            if before:
                yield Run(tuple(before))
            if chain is not None:
                yield chain
            run = []
        if joins:
            run.append(record)
        elif chain is None:
            yield record
    if run:
        yield Run(tuple(run))


def _chained(store: Record, run: list[Record]) -> Chain | None:
    """The chain of a record with those at the end of the run before it, or None."""
    count, target = 0, store.operands[0].name if store.operands else None
    while count < min(len(run), MOST_STEPS) and _is_map(run[~count]) and run[~count].shape == run[-1].shape and (
            run[~count].name != target):  # an array has to be there before a part of it is written
        count += 1
    last = run[len(run) - count:]
    if not last:
        return None
    if _is_store_of(store, last):
        return Chain(tuple(last), store)
    return Chain((*last, _computed(store)), store, True) if _is_part_of(store, last) else None


def _is_map(record: Record) -> bool:
    return (record.kind == "operation" and record.op.kind == "elementwise" and bool(record.shape)
            and not record.attrs and isinstance(record.op.fn, np.ufunc) and 0 not in record.shape
            and all(x.name is not None or type(x.value) in (int, float) for x in record.operands))


def _is_store_of(record: Record, run: list[Record]) -> bool:
    """Whether a record stores the last value of a run, of its own dtype, into an array of which the run reads no other
    elements that are written."""
    if record.kind != "operation" or record.op.step != "store" or record.attrs[0]:
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


def call_of(chain: Chain, inputs: Inputs, live: tuple[int, ...], part: Geometry) -> Call | None:
    """The kernel of a chain whose records number `live` are wanted later; `part` is the geometry of what its store
    writes in the place of the last value. None if it is no kernel."""
    if not inputs.whole:
        return None
    mask = mask_of(chain.records[0].errstate)
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


def _made(chain: Chain, inputs: Inputs, live: tuple[int, ...], part: Geometry, mask: int) -> Call | None:
    leaves = [leaf(array_of(*laid), laid[2]) for laid in inputs.geometry]
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
    if record is None or record.fused.axes or record.stores or set(record.fused.writes) != set(live) or (
            chain.rereads and not one_loop(record.fused.kernel)):
        return None
    geometry = {n: (nodes[n].shape, nodes[n].dtype, nodes[n].strides) for n in live}
    geometry[len(nodes) - 1] = part
    outputs = tuple(n for n, _ in record.outputs)
    chosen = tuple(number.get(id(graph.leaves[record.reads[i][0]]), -1) for i in record.arrays)
    if -1 in chosen:
        return None
    arrays = [leaves[i].buffer for i in chosen] + [array_of(*geometry[n]) for n in outputs]
    if any(a.shape != chain.records[0].shape for a in arrays[len(chosen):]):
        return None
    bound = launch.bind(record.fused.kernel, chain.records[0].shape, arrays)
    if not isinstance(bound, launch.Launch):
        return None
    described = launch.with_numbers(bound, [graph.leaves[record.reads[i][0]] for i in record.numbers])
    if described is None:
        return None
    address, keep = described
    return Call(bound.call, address, chosen, outputs, mask, keep)

