"""Writes runs of a compiled function as launches of kernels; what is none, record by record."""

from __future__ import annotations

import functools
from operator import getitem
from typing import Any

from ..run.launcher import HEADER
from ..run.parts import steps_to_part, surroundings
from ..schedule.fuse import STORES
from . import planning
from .fast import native
from .tracing import Operand, Record


def write(writer: Any, members: tuple[Record, ...], after: list[set[str]], memory: Any, depth: int,
          capsule: Any) -> Any:
    """Writes a run; gives the error state that is in force then. `after` are the values that die with each member."""
    begin, inner = 0, set()
    for i, record in enumerate(members):
        if any(x.name not in inner and x.name is not None and writer.geometry_of(x.name) is None
               for x in record.operands):  # what NumPy gave: nobody knows how it is laid out
            capsule = _write_run(writer, members[begin:i], after[begin:i], memory, depth, capsule)
            capsule = writer._record(record, after[i], memory, depth, capsule)
            begin = i + 1
        inner.add(record.name)
    return _write_run(writer, members[begin:], after[begin:], memory, depth, capsule)


def _write_run(writer: Any, records: tuple[Record, ...], after: list[set[str]], memory: Any, depth: int,
               capsule: Any) -> Any:
    if not records:
        return capsule
    dies = set().union(*after)
    live = frozenset(record.name for record in records if record.name not in dies)
    records = tuple([_with_numbers(writer, record, memory) for record in records])
    plan = planning.plan_of(records, writer.geometry_of, live)
    if isinstance(plan, int) and plan + 1 < len(records):  # at its end it may go to other memory
        capsule = _write_run(writer, records[:plan + 1], after[:plan + 1], memory, depth, capsule)
        return _write_run(writer, records[plan + 1:], after[plan + 1:], memory, depth, capsule)
    if isinstance(plan, int):
        capsule = _write_run(writer, records[:plan], after[:plan], memory, depth, capsule)
        return writer._record(records[plan], after[plan], memory, depth, capsule)
    if plan is None:
        for record, gone in zip(records, after, strict=True):
            capsule = writer._record(record, gone, memory, depth, capsule)
        return capsule
    for part, gone in zip(plan, last_uses(plan, records, dies), strict=True):
        if isinstance(part, planning.Kernel):
            _write_kernel(writer, part, records, gone, memory, depth)
        else:
            capsule = writer._record(records[part], gone, memory, depth, capsule)
    return capsule


def _with_numbers(writer: Any, record: Record, memory: Any) -> Record:
    """A record with the values of constants that are single numbers in their places."""
    known = {x.name: writer.space[memory.text[x.name]] for x in record.operands if x.name in writer._constants
             and not x.steps and writer._constants[x.name][0] == ()}
    if not known:
        return record
    return record.copy(record.name, tuple([
        x if x.name not in known else Operand(None, None, known[x.name][()]) for x in record.operands]))


def last_uses(plan: list[int | planning.Kernel], records: tuple[Record, ...], dies: set[str]) -> list[set[str]]:
    """Of the values that die in a run, those that die with each part of its plan."""
    found: list[set[str]] = []
    left = set(dies)
    for part in reversed(plan):
        inside = part.members if isinstance(part, planning.Kernel) else (part,)
        touched = {x.name for i in inside for x in records[i].operands} | {records[i].name for i in inside}
        found.append(left & touched)
        left -= touched
    return found[::-1]


def _write_kernel(writer: Any, kernel: planning.Kernel, records: tuple[Record, ...], dies: set[str], memory: Any,
                  depth: int) -> None:
    writer._indent = "    " * depth
    given = [writer._value(source.operand(records), memory) for source in kernel.arrays]
    members = [records[i] for i in kernel.members]
    for record in members:
        writer._shapes[record.name] = record.shape, record.dtype, record.strides
    made = [_renewed(writer, records[i], dies, memory, depth) if i == kernel.renews else
            _target(writer, records[i], dies, memory, depth) for i in kernel.outputs]
    mask = kernel.mask
    if kernel.address:
        _say_launch(writer, kernel.bound.call, [str(kernel.address), *given, *made], mask, depth)
    else:
        numbers = [writer._value(source.operand(records), memory) for source in kernel.numbers]
        bound = writer.space.add(kernel.bound, "kernel")
        writer._say(depth, f"if launched({bound}, [{', '.join([*given, *made])}], [{', '.join(numbers)}]) & {mask}: "
                           "raise Abandon")
    writer.space.add(kernel.keep, "block")
    writer.kernels += 1
    for i, text in zip(kernel.outputs, made, strict=True):
        if not records[i].shape:
            _write_number(writer, records[i], text, memory, depth)
    writer._bury({name for name in dies if name in memory.text}, memory)


def _say_launch(writer: Any, builtin: Any, arguments: list[str], mask: int, depth: int) -> None:
    made_known(builtin)
    writer._say(depth, f"if {writer.space.add(builtin, 'kernel')}({', '.join(arguments)}) & {mask}: raise Abandon")


@functools.cache
def made_known(builtin: Any) -> None:
    """Tells the extension of the builtin that launches kernels: loops of nothing else are one call (`_launches.c`)."""
    if native is not None:
        native.setup_launches(builtin, HEADER)


def _target(writer: Any, record: Record, dies: set[str], memory: Any, depth: int) -> str:
    """The array that a kernel writes a result into. That of a single number is in the workspace."""
    if record.op.step in STORES:
        target = writer._target(record, dies, memory, depth)
        return str(writer._view(target, steps_to_part(record), memory))
    if record.shape:
        return str(writer._place(record, set(), memory, depth))
    return str(writer.temporary(((), record.dtype, None), memory))


def _renewed(writer: Any, record: Record, dies: set[str], memory: Any, depth: int) -> str:
    """The part that a kernel writes of an array of which it reads other elements: in other memory, with what is around
    it. In a loop that goes to and fro: what is around is copied once, if nothing else writes to the array."""
    steps = steps_to_part(record)
    indices = tuple([args[0] for _, args in steps])
    source, target, alike = writer._other(record, dies, memory, depth, indices)
    for box in () if alike else surroundings(record.shape, indices) or ():
        whole = ((getitem, (box,)),)
        writer._say(depth, f"copyto({writer._view(target, whole, memory)}, {writer._view(source, whole, memory)})")
    return str(writer._view(target, steps, memory))


def _write_number(writer: Any, record: Record, text: str, memory: Any, depth: int) -> None:
    """Takes a number out of its array, which is free then."""
    name = memory.text[record.name] = memory.held[record.name] = writer._number(memory)
    writer.numbers.add(record.name)
    writer._say(depth, f"{name} = {text}[()]")
    writer.release(text, ((), record.dtype, None), memory)
