"""The same programs over large arrays: the operations as nodes, which the lazy engine fuses, plans and runs.

What a call costs besides its arithmetic does not matter there, and passes over memory do: generated code builds the
graph anew at every call, without the function's Python, and has what is needed computed together.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .branches import Branch
from .effects import Outcome, Spec
from .fast import native
from .places import Memory
from .source import Writer
from .text import literal
from .tracing import Operand, Record

LARGE = 1 << 20
"""The bytes that an operation of a tree makes or reads, on the average, from which on it runs as nodes."""


def is_large(tree: Branch, leaves: dict[str, tuple[Any, Any, Any]]) -> bool:
    """Whether a tree's arrays are so large that passes over memory are what it costs; `leaves` has shape, dtype and
    strides of those that are given."""
    sizes = {name: prod(shape) * dtype.itemsize for name, (shape, dtype, _) in leaves.items()}
    if native is not None and max(sizes.values(), default=0) < LARGE and not any(
            native.exceeds(branch.records, LARGE) for branch in tree.lines()):
        return False  # nothing is that large
    passes = []
    for record in [r for branch in tree.lines() for r in branch.records if r.kind == "operation"]:
        own = sizes[record.name] = prod(record.shape) * record.dtype.itemsize
        read = [sizes.get(x.name, 0) if x.laid is None else prod(x.laid[0]) * x.laid[1].itemsize
                for x in record.operands if x.name is not None]
        if record.shape or max(read, default=0) >= LARGE:
            passes.append(max(own, *read, 0))
    return bool(passes) and sum(passes) / len(passes) >= LARGE


class NodeWriter(Writer):
    """Writes operations as nodes; names stand for nodes, and are deleted after their last reader, so that the engine
    sees who needs which value."""

    def _stretches(self, records: list[Record]) -> list[tuple[int, int]]:
        return []

    def _constant(self, node: Any) -> str:
        return self.space.add(node, "c")

    def _value(self, x: Operand, memory: Memory, over: tuple[str, str] | None = None) -> str:
        if x.name is None:
            return super()._value(x, memory)
        text = memory.text[x.name]
        if not x.steps:
            return text
        shape, dtype, strides = x.laid
        path = self.space.add(x.steps)
        if text[0] == "m":  # that is a view itself: a view is one of what is none
            text, path = f"n{text[1:]}", f"t{text[1:]}._value.steps + {path}"
        return (f"make(VIEW, ({text},), {path}, {shape!r}, {self.space.add(dtype)}, {strides!r}, "
                f"None, {text}.depth)")

    def _asked(self, answer: Record, memory: Memory) -> str:
        text = f"valued({self._value(answer.operands[0], memory)})"
        return {"bool": f"bool({text})", "bytes": f"{text}.tobytes()", "shape": f"{text}.shape",
                "value": f"(type({text}), repr({text}))"}[answer.how]

    def _operation(self, record: Record, dies: set[str], memory: Memory, depth: int, capsule: Any) -> Any:
        self.asks = True
        operands = [self._value(x, memory) for x in record.operands]
        deepest = [f"{memory.text[x.name]}.depth" for x in record.operands if x.name is not None]
        behind = "0" if not deepest else deepest[0] if len(deepest) == 1 else f"max({', '.join(deepest)})"
        name, space = record.name, self.space
        attrs = self._attributes(record, memory, depth)
        self._say(depth, f"{name} = make({space.add(record.op)}, ({', '.join(operands)},), {attrs}, {record.shape!r}, "
                         f"{space.add(record.dtype)}, {record.strides!r}, {space.add(record.errstate)}, 1 + {behind})")
        if record.code is not None:
            self._say(depth, f"{name}.code = {space.add(record.code)}; {name}.lasti = {record.lasti}")
        memory.text[name] = name
        if name in dies:  # nobody reads it, but it may raise
            self._say(depth, f"realize([{name}])")
        else:
            self._say(depth, f"deep({name})")
        self._forget(dies, memory, depth)
        return capsule

    def _attributes(self, record: Record, memory: Memory, depth: int) -> str:
        options = dict(record.attrs) if record.attrs and record.op.kind == "call" else {}
        together = options.get("together")
        if together is None:
            return self.space.add(record.attrs) if record.attrs is not None else "None"
        key = f"together {id(together)}"
        if key not in memory.text:
            memory.text[key] = f"g{self._next()}"
            self._say(depth, f"{memory.text[key]} = {self.space.add(type(together))}()")
        pairs = ", ".join(f"({k!r}, {memory.text[key] if k == 'together' else literal(v, self.space)})"
                          for k, v in options.items())
        return f"({pairs},)"

    def _forget(self, dies: set[str], memory: Memory, depth: int) -> None:
        gone = sorted(name for name in dies if memory.text.get(name) == name and name[0] == "r")
        if gone:
            self._say(depth, f"del {', '.join(gone)}")
        for name in dies:
            memory.text.pop(name, None)

    def _call(self, record: Record, dies: set[str], memory: Memory, depth: int, capsule: Any) -> Any:
        capsule = super()._call(record, set(), memory, depth, capsule)
        for result in record.results:
            self._say(depth, f"{result.name} = leaf_of({result.name})")
        self._forget(dies, memory, depth)
        return capsule

    def _argument(self, value: Any, memory: Memory) -> str:
        text = super()._argument(value, memory)
        return f"valued({text})" if type(value) is Operand and value.name is not None else text

    # ---- the end ----

    def _end(self, end: Outcome, memory: Memory, depth: int) -> None:
        names = sorted({name for name in end.names() if memory.text[name] == name and "_" not in name
                        and name[0] != "e"})
        if names:
            self._say(depth, f"realize([{', '.join(names)}])")
        super()._end(end, memory, depth)

    def _own(self, name: str, memory: Memory, given: set[str], depth: int) -> str:
        text = memory.text[name]
        if text == name and name[0] == "r" and text not in given:
            given.add(text)
            return text if self.commits else f"valued({text})"
        copy = f"y{self._next()}"
        self._say(depth, f"{copy} = leaf_of(copied(valued({text})))")
        return copy if self.commits else f"valued({copy})"

    def _new_tensor(self, spec: Spec, memory: Memory, given: set[str], depth: int) -> str:
        own = self._own(spec.name, memory, given, depth)
        return f"tensor(leaf_of({own}))" if own.startswith("valued") else f"tensor({own})"

    def _made(self, spec: Spec, memory: Memory, given: set[str], depth: int) -> str:
        text = super()._made(spec, memory, given, depth)
        return f"valued({text})" if spec.kind == "number" else text

    def _made_new(self, spec: Spec, memory: Memory, given: set[str], depth: int) -> str:
        if spec.kind == "scalar":
            text = memory.text[spec.name]
            return f"item(valued({text}))" if spec.what == "real" else f"scalar({text})"
        return super()._made_new(spec, memory, given, depth)
