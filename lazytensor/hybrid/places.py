"""Where the values of a compiled function lie: in a workspace's arrays, in new ones, or in their operands' memory."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..run import pool
from .branches import in_order
from .guards import Namespace
from .tracing import Operand, Record

_NUMBERS = "numbers"
"""The key of their free names."""


class Memory:
    """Where values are: for each name its expression, the array that holds it, and that array's views (`met` has them
    by the id of steps, which are often the same ones in a loop, and with these, so that the id stays theirs).

    `others` has for some values memory of the same geometry that they may be written to next, and the part, by its
    indices, outside of which the same lies there; None if nothing is known."""

    def __init__(self) -> None:
        self.text: dict[str, str] = {}
        self.held: dict[str, str] = {}
        self.fresh: set[str] = set()
        self.free: dict[Any, list[str]] = {}
        self.views: dict[tuple[str, Any], str] = {}
        self.met: dict[tuple[str, int], tuple[Any, str]] = {}
        self.others: dict[str, tuple[str, Any]] = {}

    def copy(self) -> Memory:
        other = Memory()
        other.text, other.held, other.fresh = dict(self.text), dict(self.held), set(self.fresh)
        other.free = {k: list(v) for k, v in self.free.items()}
        other.views, other.met, other.others = dict(self.views), dict(self.met), dict(self.others)
        return other


class Places:
    """The part of a `Writer` that gives values their places."""

    space: Namespace
    temporaries: list[tuple[Any, Any, Any]]
    _shapes: dict[str, tuple[Any, Any, Any]]
    _escaping: set[str]
    _given: set[str]
    _named: int
    _say: Callable[[int, str], None]
    _value: Callable[[Operand, Memory], str]

    def _number(self, memory: Memory) -> str:
        """What a number is called; a loop's turns come to use the same names."""
        free = memory.free.get(_NUMBERS)
        if free:
            return free.pop()
        self._named += 1
        return f"s{self._named}_"

    def _target(self, record: Record, dies: set[str], memory: Memory, depth: int) -> str:
        """The memory that a write goes to: the old value's, if nobody else needs that, or a copy."""
        old = record.operands[0]
        assert old.name is not None
        own = self._owns(record, dies, memory)
        if own:
            target = memory.text[old.name]
        else:
            source = self._value(old, memory)
            target = self._place(record, set(), memory, depth, copies=True)
            self._say(depth, f"copyto({target}, {source})")
        self._written_to(record, dies, memory, target, own)
        return target

    def _owns(self, record: Record, dies: set[str], memory: Memory) -> bool:
        """Whether the memory of a write's old value may be written to: nobody else needs it."""
        old = record.operands[0]
        assert old.name is not None
        return old.steps is None and old.name in dies and (old.name in memory.fresh or memory.text[old.name].startswith(
            "b") and (record.name not in self._escaping or old.name in memory.others))

    def _written_to(self, record: Record, dies: set[str], memory: Memory, target: str, own: bool) -> None:
        """Notes that a write's value is in that memory now."""
        old, name = record.operands[0].name or "", record.name
        memory.text[name] = target
        memory.held[name] = memory.held.get(old, target) if own else target
        if own and old in memory.fresh:
            memory.fresh.add(name)
            memory.fresh.discard(old)
        if own:
            dies.discard(old)
            memory.text.pop(old, None)
            if old in memory.others:
                memory.others[name] = memory.others.pop(old)[0], None

    def _other(self, record: Record, dies: set[str], memory: Memory, depth: int, part: Any) -> tuple[str, str, bool]:
        """For a write of a part whose old value is read meanwhile: where that lies, other memory for the new one, and
        whether outside of the part the same lies there already. The old memory is the next one's, if it may be."""
        old, name = record.operands[0], record.name
        assert old.name is not None
        source = self._value(old, memory)
        fresh = old.name in memory.fresh
        target, same = memory.others.get(old.name, ("b", None))
        if old.steps is not None or old.name not in dies or not (fresh or source.startswith("b")) or (
                name in self._given and target.startswith("b")):
            return source, self._place(record, set(), memory, depth, copies=True), False
        if old.name not in memory.others:
            target = self.temporary((record.shape, record.dtype, record.strides), memory)
        memory.others.pop(old.name, None)
        memory.others[name] = source, part
        memory.text[name] = memory.held[name] = target
        memory.text.pop(old.name)
        memory.fresh.discard(old.name)
        if not target.startswith("b"):
            memory.fresh.add(name)
        dies.discard(old.name)
        return source, target, same is not None and bool(same == part)

    def _place(self, record: Record, dies: set[str], memory: Memory, depth: int, copies: bool = False) -> str:
        """The array that a result goes into: an operand's, a temporary, or a new one if it is given away."""
        name = record.name
        key = self._shapes.get(name) or (record.shape, record.dtype, record.strides)
        if name in self._escaping:
            shape, dtype, strides = key
            if strides is None and prod(shape) * dtype.itemsize < pool.LINED:
                self._say(depth, f"{name} = ndarray({shape!r}, {self.space.add(dtype)})")
            else:
                self._say(depth, f"{name} = empty({shape!r}, {self.space.add(dtype)}, {strides!r})")
            memory.text[name] = memory.held[name] = name
            memory.fresh.add(name)
            return name
        taken = None if copies else self._written_over(record, dies, memory)
        if taken is not None:
            memory.text[name] = memory.held[name] = memory.text.pop(taken)
            dies.discard(taken)
            self._give_up(taken, memory)
            return memory.text[name]
        out = memory.text[name] = memory.held[name] = self.temporary(key, memory)
        return out

    def temporary(self, geometry: tuple[Any, Any, Any], memory: Memory) -> str:
        """An array of the workspace that is free."""
        free = memory.free.get(_key(geometry)) if memory.free else None
        if free:
            return free.pop()
        self.temporaries.append(geometry)
        return f"b{len(self.temporaries) - 1}_"

    def release(self, text: str, geometry: tuple[Any, Any, Any], memory: Memory) -> None:
        """An array of the workspace is free again."""
        memory.free.setdefault(_key(geometry), []).append(text)

    def _written_over(self, record: Record, dies: set[str], memory: Memory) -> str | None:
        operands = record.operands
        if not dies or record.op.kind != "elementwise" or record.dtype.kind == "c" or len(operands) > 2 or any(
                [x[1] for x in operands]):
            return None
        for x in operands:
            name = x[0]
            if name in dies and name is not None and memory.text[name][0] == "b" and self._shapes.get(name) == (
                    record.shape, record.dtype, record.strides):
                return name
        return None

    def _bury(self, dies: set[str], memory: Memory) -> None:
        """Memory of temporaries that nobody reads any more is free."""
        for gone in in_order(dies):
            text = memory.text.pop(gone, "")
            first = text[:1]
            if first == "b" and gone in self._shapes:
                self.release(text, self._shapes[gone], memory)
            elif first == "s":
                memory.free.setdefault(_NUMBERS, []).append(text)
            if gone in memory.others:
                self._give_up(gone, memory)

    def _give_up(self, name: str, memory: Memory) -> None:
        """A value has no other memory any more."""
        text, _ = memory.others.pop(name, ("", None))
        if text.startswith("b"):
            self.release(text, self._shapes[name], memory)


_dtypes: dict[int, tuple[Any, Any]] = {}


def _key(key: tuple[Any, Any, Any]) -> Any:
    """What memory has in common that can be used one for another; equal dtypes may be different types."""
    shape, dtype, strides = key
    known = _dtypes.get(id(dtype))
    if known is None or known[0] is not dtype:
        if len(_dtypes) > 256:
            _dtypes.clear()
        known = _dtypes[id(dtype)] = dtype, (dtype.str, dtype.char)
    return shape, known[1], strides
