"""From a tree of traces to Python source: guard, calls of NumPy's functions into prepared memory, branches, results.

The text is the compiled program (``f.source``). Every value has a name of its own; temporaries live in a workspace,
which is made once and lent to one call at a time; what a call gives away is new at every call. A temporary's memory is
used again after its last reader, by the last reader itself where NumPy's loops keep their bits (`_may_write_over`).
"""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import numpy as np

from ..run import floating, pool
from ..run.interpreter import apply_view
from . import fast, fusing, stretches, tapes
from .branches import Branch, last_reads
from .effects import Outcome, Spec
from .guards import Namespace
from .rolling import Turns, roll
from .running import abandoning
from .text import elementwise_call, frozen, index_text, literal
from .tracing import Operand, Record

_getitem = operator.getitem
_END = "# what it leaves"
_NUMBERS = "numbers"
"""The key of their free names."""


class _Memory:
    """Where values are: for each name its expression, the array that holds it, and that array's views."""

    def __init__(self) -> None:
        self.text: dict[str, str] = {}
        self.held: dict[str, str] = {}
        self.fresh: set[str] = set()
        self.free: dict[Any, list[str]] = {}
        self.views: dict[tuple[str, Any], str] = {}

    def copy(self) -> _Memory:
        other = _Memory()
        other.text, other.held, other.fresh = dict(self.text), dict(self.held), set(self.fresh)
        other.free = {k: list(v) for k, v in self.free.items()}
        other.views = dict(self.views)
        return other


class Writer:
    """Writes the body of one tree.

    Attributes
    ----------
    lines : list of str
    temporaries : list of (shape, dtype, strides)
        The arrays of a workspace; and of views over them, `prepared`: (array, steps).
    body, values : list of str, and dict
        Of a tree without branches, the lines before the end, and for each value that it leaves an expression for memory
        that nobody else has; None of another.
    switches : the error states that it enters
    runs : whether NumPy functions are called that ask which operation is running
    """

    def __init__(self, space: Namespace, tree: Branch, leaves: dict[str, str],
                 roots: dict[str, tuple[str, str]],
                 commits: bool, capsule: Any,
                 geometry: dict[str, tuple[Any, Any, Any]], fuses: bool = False,
                 live: dict[int, list[set[str]]] | None = None) -> None:
        self.space, self.commits, self.roots = space, commits, roots
        self.lines: list[str] = []
        self.temporaries: list[tuple[Any, Any, Any]] = []
        self.prepared: list[tuple[str, Any]] = []
        self._prepared: dict[Any, int] = {}
        self.runs = False
        kinds = {record.kind for branch in tree.lines() for record in branch.records}
        self.prints, self.draws = "print" in kinds, "draw" in kinds
        self.unseen, self.again = ("restored(states, UNSEEN)", "restored(states, AGAIN)") if self.draws else (
            "UNSEEN", "AGAIN")
        self._indent = ""
        self._shapes: dict[str, tuple[Any, Any, Any]] = {}
        self._leaves = geometry
        self._constants: dict[str, tuple[Any, Any, Any]] = {}
        self.fuses = fuses
        self.kernels = self.steps = self.looped = 0
        self.numbers: set[str] = set()
        self.values: dict[str, str] = {}
        self._live = last_reads(tree)[0] if live is None else live
        self._escaping: set[str] = set()
        for branch in tree.lines():
            self._note_escapes(branch)
        memory = _Memory()
        memory.text = dict(leaves)
        self._count = self._named = 0
        self._branch(tree, memory, 1, capsule)
        self.lines, self.rolled = roll(self.lines)
        self.rolled += self.looped
        ends = [i for i, line in enumerate(self.lines) if line.endswith(_END)]
        self.body = self.lines[:ends[0]] if tree.answer is None and not self.prints and not self.draws else None
        for i in reversed(ends):
            del self.lines[i]

    # ---- what must be new at every call ----

    def _note_escapes(self, branch: Branch) -> None:
        if branch.end is not None:
            self._escaping |= set(branch.end.names())
        for record in reversed(branch.records):
            if record.kind == "operation" and record.op.kind == "mutate" and record.name in self._escaping:
                old = record.operands[0]
                if old.name is not None and old.steps is None:
                    self._escaping.add(old.name)

    # ---- lines ----

    def _say(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def _branch(self, branch: Branch, memory: _Memory, depth: int, capsule: Any) -> None:
        while True:
            for name, node in branch.constants.items():
                memory.text[name] = self._constant(node)
                self._constants[name] = node.shape, node.dtype, node.strides
            after = self._live[id(branch)]
            position = 0
            self._turns = Turns(branch.cuts, branch.records)
            for start, end in self._stretches(branch.records):
                self._turns.at = position
                capsule = self._straight(branch.records[position:start], after[position:start], memory, depth, capsule)
                memory, capsule = self._taped(branch.records[start:end], after[start:end], memory, depth, capsule)
                position = end
            self._turns.at = position
            capsule = self._straight(branch.records[position:], after[position:], memory, depth, capsule)
            self._turns.note(len(branch.records) - position, self, memory, capsule)
            self.looped += self._turns.close(self.lines)
            if branch.end is not None:
                self._end(branch.end, memory, depth)
                return
            answer = branch.answer
            assert answer is not None
            self._indent = "    " * depth
            seen = f"q{self._next()}"
            self._say(depth, f"{seen} = {self._asked(answer, memory)}")
            (first, following), *others = branch.paths.items()
            for outcome, path in others:
                self._say(depth, f"if {self._is(seen, answer.how, outcome)}:")
                self._branch(path, memory.copy(), depth + 1, capsule)
            self._say(depth, f"if not ({self._is(seen, answer.how, first)}):")
            self._say(depth + 1, f"return {self.unseen}")
            branch = following

    def _straight(self, records: list[Record], after: list[set[str]], memory: _Memory, depth: int, capsule: Any) -> Any:
        """Writes records as calls and kernels; gives the error state that is in force then."""
        position = 0
        turns = self._turns
        for part in fusing.chains(records, turns.begins()) if self.fuses else records:
            if turns.cuts:
                turns.note(position, self, memory, capsule)
            end = position + (part.span if isinstance(part, fusing.Chain) else 1)
            for chain in part.tries if isinstance(part, fusing.Chain) else ():
                last = position + chain.span
                if last > position and self._fused(chain, after[position:last], memory, depth):
                    position = last
                    break
            for record in records[position:end]:
                capsule = getattr(self, "_" + record.kind)(record, after[position], memory, depth, capsule)
                position += 1
        return capsule

    def _stretches(self, records: list[Record]) -> list[tuple[int, int]]:
        """Which records may be tapes."""
        return stretches.stretches(records)

    def _taped(self, records: list[Record], after: list[set[str]], memory: _Memory, depth: int,
               capsule: Any) -> tuple[_Memory, Any]:
        """Writes records as a tape, as many of them as can be."""
        while len(records) >= stretches.LEAST:
            undo = len(self.lines), len(self.temporaries), self._count, dict(self._shapes), set(self.numbers)
            own = memory.copy()
            stretch = stretches.Stretch(self, own, depth)
            try:
                stretch.take_all(records, after)
                made, outputs = stretch.finished(records[0].errstate)
            except (stretches.Unknown, ValueError) as error:
                del self.lines[undo[0]:]
                del self.temporaries[undo[1]:]
                self._count, self._shapes, self.numbers = undo[2:]
                if isinstance(error, ValueError):
                    break
                done = stretch.done
                if done < stretches.LEAST:  # what is not known, and what is before it
                    done += 1
                    capsule = self._straight(records[:done], after[:done], memory, depth, capsule)
                    records, after = records[done:], after[done:]
                else:
                    memory, capsule = self._taped(records[:done], after[:done], memory, depth, capsule)
                    records, after = records[done:], after[done:]
                continue
            arguments = ", ".join([*stretch.arrays, *stretch.given])
            call = f"{self.space.add(made, 'tape')}({arguments})"
            self._say(depth, f"{', '.join(outputs)}, = {call}" if outputs else f"if {call} is None: raise Abandon")
            self.steps += len(records)
            return own, capsule
        return memory, self._straight(records, after, memory, depth, capsule)

    def geometry_of(self, name: str) -> Any:
        """Shape, dtype and strides of a value, if they are known."""
        return self._shapes.get(name) or self._leaves.get(name) or self._constants.get(name)

    def _constant(self, node: Any) -> str:
        return self.space.add(node.buffer, "c")

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _asked(self, answer: Record, memory: _Memory) -> str:
        text = self._value(answer.operands[0], memory)
        return {"bool": f"bool({text})", "bytes": f"{text}.tobytes()", "shape": f"{text}.shape",
                "value": f"(type({text}), repr({text}))"}[answer.how]

    def _is(self, seen: str, how: str, outcome: Any) -> str:
        if how == "bool":
            return seen if outcome else f"not {seen}"
        return f"{seen} == {outcome!r}" if how in ("bytes", "shape") else f"{seen} == {self.space.add(outcome)}"

    # ---- operands ----

    def _value(self, x: Operand, memory: _Memory, over: tuple[str, str] | None = None) -> str:
        """The expression of an operand; `over` says which name is read from other memory."""
        if x.name is None:
            if type(x.value) in (int, bool) or type(x.value) is float and np.isfinite(x.value):
                return repr(x.value)
            return self.space.add(x.value)
        text = memory.text[x.name] if over is None or over[0] != x.name else over[1]
        return text if not x.steps else self._view(text, x.steps, memory)

    def _view(self, text: str, steps: Any, memory: _Memory) -> str:
        """The name of a view, made once for each array; those of a workspace's arrays are made with them."""
        key = (text, frozen(steps))
        known = memory.views.get(key)
        if known is not None:
            return known
        if text.startswith("c"):
            name = memory.views[key] = self.space.add(apply_view(steps, self.space[text]), "c")
            return name
        if text.startswith("b"):
            number = self._prepared.setdefault(key, len(self.prepared)) if key[1] is not None else len(self.prepared)
            if number == len(self.prepared):
                self.prepared.append((text, steps))
            return f"d{number}_"
        expression = self._stepped(text, steps)
        if key[1] is None:
            return expression
        name = f"x{self._next()}"
        self.lines.append(f"{self._indent}{name} = {expression}")
        memory.views[key] = name
        return name

    def _stepped(self, text: str, steps: Any) -> str:
        for fn, args in steps:
            if fn is _getitem:
                text = f"{text}[{index_text(args[0], self.space)}]"
            else:
                text = f"{self.space.add(fn)}({text}, *{self.space.add(args)})" if args else (
                    f"{self.space.add(fn)}({text})")
        return text

    # ---- operations ----

    def _operation(self, record: Record, dies: set[str], memory: _Memory, depth: int, capsule: Any) -> Any:
        self._indent = "    " * depth
        capsule = self._state(record, depth, capsule)
        self._shapes[record.name] = record.shape, record.dtype, record.strides
        kind, op = record.op.kind, record.op
        name = record.name
        if kind == "mutate":
            self._mutate(record, dies, memory, depth)
            self._bury(dies, memory)
            return capsule
        operands = [self._value(x, memory) for x in record.operands]
        options = dict(record.attrs) if record.attrs else {}
        if not record.shape and not options.get("out") and (
                kind == "scalar" or op.name == "element" or isinstance(op.fn, np.ufunc)):
            self.numbers.add(name)
        if kind == "elementwise" and (record.shape or record.attrs is not None):
            out = self._place(record, dies, memory, depth)
            self._say(depth, elementwise_call(op, operands, out, options, self.space))
        elif kind == "call" and op.fn in (np.matmul, np.dot) and record.shape and record.strides is None and (
                not options):
            out = self._place(record, set(), memory, depth)
            shown = f"({', '.join(operands)}, {out})"
            product = self._product(record) if op.fn is np.matmul else None
            if product is None:
                self._say(depth, f"{self.space.add(op.fn)}{shown}")
            else:
                self._say(depth, f"if {self.space.add(product, 'matmul')}{shown}: raise Abandon")
        else:
            if kind == "scalar":
                operands = [self._scalar_text(x, text) for x, text in zip(record.operands, operands, strict=True)]
            text = self._call_text(record, operands, options, memory, depth)
            out = name if record.shape else self._number(memory)
            self._say(depth, f"{out} = {text}")
            memory.text[name] = memory.held[name] = out
            if record.shape:
                memory.fresh.add(name)
        self._bury(dies, memory)
        return capsule

    def _product(self, record: Record) -> Any:
        """A product of matrices as NumPy's own loop, if their geometry is known."""
        a, b = [x.laid if x.steps else self.geometry_of(x.name or "") for x in record.operands]
        return tapes.product(a, b, (record.shape, record.dtype, record.strides), floating.mask(record.errstate))

    def _number(self, memory: _Memory) -> str:
        """What a number is called; a loop's turns come to use the same names."""
        free = memory.free.get(_NUMBERS)
        if free:
            return free.pop()
        self._named += 1
        return f"s{self._named}_"

    def _fused(self, chain: fusing.Chain, after: list[set[str]], memory: _Memory, depth: int) -> bool:
        """Writes a chain as one kernel, if it is one."""
        self._indent = "    " * depth
        inputs = fusing.Inputs(chain, {**self._leaves, **self._shapes})
        dies = set().union(*after)
        members = chain.records
        live = [i for i, r in enumerate(members) if r.name not in dies and not (chain.computes and r is members[-1])]
        part, over = None, None
        if chain.store is not None:
            if len(members) - 1 in live or chain.store.name in dies:
                return False
            seen = fusing.written(chain.store)
            if seen is None or seen.shape != members[-1].shape:
                return False
            part = seen.shape, seen.dtype, seen.strides
            live.append(len(members) - 1)
        call = fusing.call_of(chain, inputs, tuple(live), part) if live else None
        if call is None:
            return False
        texts = {}
        if chain.store is not None:
            target = self._target(chain.store, after[-1], memory, depth)
            steps, extra = chain.store.attrs
            steps = steps if chain.computes else (*steps, (_getitem, extra))
            texts[len(members) - 1] = self._view(target, steps, memory) if steps else target
            over = chain.store.operands[0].name or "", target
            self._shapes[chain.store.name] = chain.store.shape, chain.store.dtype, chain.store.strides
        given = [self._value(inputs.operands[i], memory, over) for i in call.inputs]
        for i, record in enumerate(members):
            self._shapes[record.name] = record.shape, record.dtype, record.strides
            if i in live and i not in texts:
                texts[i] = self._place(record, set(), memory, depth)
        arguments = ", ".join([str(call.address), *given, *(texts[i] for i in call.outputs)])
        self._say(depth, f"if {self.space.add(call.builtin, 'kernel')}({arguments}) & {call.mask}: raise Abandon")
        self.space.add(call.keep, "block")
        self.kernels += 1
        inner = {record.name for record in members}
        self._bury({name for name in dies if name not in inner and (
            chain.store is None or name != chain.store.operands[0].name)}, memory)
        return True

    def _scalar_text(self, x: Operand, text: str) -> str:
        record_shape = self._shapes.get(x.name or "")
        return text if x.name is None or record_shape is not None and not x.steps else f"item({text})"

    def _call_text(self, record: Record, operands: list[str], options: dict[str, Any], memory: _Memory,
                   depth: int) -> str:
        fn = record.op.fn
        if record.op.name == "element":
            return f"{operands[0]}[{index_text(options['index'], self.space)}]"
        if "form" in options:
            self.runs = True
            self._say(depth, f"run.node = {self.space.add(record)}")
        together = options.get("together")
        if together is not None:
            key = f"together {id(together)}"
            if key not in memory.text:
                memory.text[key] = f"g{self._next()}"
                self._say(depth, f"{memory.text[key]} = {self.space.add(type(together))}()")
            shown = [f"{k}={memory.text[key] if k == 'together' else literal(v, self.space)}"
                     for k, v in options.items()]
            return f"{self.space.add(fn)}({', '.join([*operands, *shown])})"
        shown = [*operands, *(f"{k}={literal(v, self.space)}" for k, v in options.items())]
        return f"{self.space.add(fn)}({', '.join(shown)})"

    def _mutate(self, record: Record, dies: set[str], memory: _Memory, depth: int) -> None:
        old = record.operands[0]
        target = self._target(record, dies, memory, depth)
        steps, extra = record.attrs
        view = self._view(target, steps, memory) if steps else target
        if any(fn is not _getitem for fn, _ in steps):
            view = f"writable({view})"
        over = (old.name or "", target)
        values = [self._value(x, memory, over) for x in record.operands[1:]]
        fn = record.op.fn
        if record.op.step == "store":
            index = extra[0]
            if self._is_part(record, view, index):
                part = self._view(target, (*steps, (_getitem, (index,))), memory)
                self._say(depth, f"copyto({part}, {values[0]}, 'unsafe')")
            else:
                self._say(depth, f"{view}[{index_text(index, self.space)}] = {values[0]}")
        else:
            shown = [view, *values, *(literal(x, self.space) for x in extra)]
            self._say(depth, f"{self.space.add(fn)}({', '.join(shown)})")

    def _target(self, record: Record, dies: set[str], memory: _Memory, depth: int) -> str:
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

    def _owns(self, record: Record, dies: set[str], memory: _Memory) -> bool:
        """Whether the memory of a write's old value may be written to: nobody else needs it."""
        old = record.operands[0]
        assert old.name is not None
        return old.steps is None and old.name in dies and (
            memory.text[old.name].startswith("b") and record.name not in self._escaping or old.name in memory.fresh)

    def _written_to(self, record: Record, dies: set[str], memory: _Memory, target: str, own: bool) -> None:
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

    def _is_part(self, record: Record, view: str, index: Any) -> bool:
        """Whether a store goes into a view of an array, from an array: it may then be written as `copyto`."""
        value = record.operands[1]
        return value.name is not None and not view.startswith("writable") and (
            any(type(x) is slice or x is Ellipsis for x in (index if type(index) is tuple else (index,)))
            or type(index) is int and len(record.shape) > 1) and bool(
            value.laid[0] if value.steps else self._shapes.get(value.name, ((),))[0])

    def _place(self, record: Record, dies: set[str], memory: _Memory, depth: int, copies: bool = False) -> str:
        """The array that a result goes into: an operand's, a temporary, or a new one if it is given away."""
        name = record.name
        key = record.shape, record.dtype, record.strides
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
            return memory.text[name]
        free = memory.free.get(_key(key))
        if free:
            out = free.pop()
        else:
            out = f"b{len(self.temporaries)}_"
            self.temporaries.append(key)
        memory.text[name] = memory.held[name] = out
        return out

    def _written_over(self, record: Record, dies: set[str], memory: _Memory) -> str | None:
        if record.op.kind != "elementwise" or record.dtype.kind == "c" or len(record.operands) > 2 or any(
                x.steps for x in record.operands):
            return None
        for x in record.operands:
            if x.name in dies and memory.text[x.name].startswith("b") and self._shapes.get(x.name) == (
                    record.shape, record.dtype, record.strides):
                return x.name
        return None

    def _bury(self, dies: set[str], memory: _Memory) -> None:
        """Memory of temporaries that nobody reads any more is free."""
        for gone in dies:
            text = memory.text.pop(gone, "")
            if text.startswith("b") and gone in self._shapes:
                memory.free.setdefault(_key(self._shapes[gone]), []).append(text)
            elif text.startswith("s"):
                memory.free.setdefault(_NUMBERS, []).append(text)

    def _state(self, record: Record, depth: int, capsule: Any) -> Any:
        if record.errstate is None or record.errstate is capsule:
            return capsule
        self._say(depth, f"leave(token); token = enter({self.space.add(abandoning(record.errstate))})")
        return record.errstate

    # ---- calls, draws, prints ----

    def _call(self, record: Record, dies: set[str], memory: _Memory, depth: int, capsule: Any) -> Any:
        self._indent = "    " * depth
        capsule = self._state(record, depth, capsule)
        args = [self._argument(x, memory) for x in record.args]
        args += [f"{k}={self._argument(v, memory)}" for k, v in record.kwargs.items()]
        targets = [r.name for r in record.results]
        text = f"{self.space.add(record.fn)}({', '.join(args)})"
        if len(targets) == 1 and record.how != "many":
            self._say(depth, f"{targets[0]} = {text}")
            if record.results[0].shape is not None:
                self._say(depth, f"if type({targets[0]}) is not ndarray: raise Abandon")
        else:
            self._say(depth, f"{', '.join(targets)}, = {text}" if targets else text)
        for result in record.results:
            memory.text[result.name] = memory.held[result.name] = result.name
            if result.shape is not None:
                memory.fresh.add(result.name)
        return capsule

    def _draw(self, record: Record, dies: set[str], memory: _Memory, depth: int, capsule: Any) -> Any:
        return self._call(record, dies, memory, depth, capsule)

    def _argument(self, value: Any, memory: _Memory) -> str:
        kind = type(value)
        if kind is Operand:
            return self._value(value, memory)
        if kind is list or kind is tuple:
            parts = ", ".join(self._argument(x, memory) for x in value)
            return f"[{parts}]" if kind is list else f"({parts}{',' * (len(value) == 1)})"
        if kind is dict:
            return "{" + ", ".join(f"{literal(k, self.space)}: {self._argument(v, memory)}"
                                   for k, v in value.items()) + "}"
        return literal(value, self.space)

    def _print(self, record: Record, dies: set[str], memory: _Memory, depth: int, capsule: Any) -> Any:
        self._indent = "    " * depth
        args = "".join(f"copied({self._argument(x, memory)}), " for x in record.args)
        self._say(depth, f"prints.append((({args}), {self.space.add(record.kwargs)}))")
        return capsule

    # ---- the end ----

    def _end(self, end: Outcome, memory: _Memory, depth: int) -> None:
        self._indent = "    " * depth
        self._say(depth, _END)
        self.values = _left(end, memory)
        given: set[str] = set()
        writes = []
        for root, name in end.writes.items():
            own = self._own(name, memory, given, depth)
            node = self.roots[root]
            writes.append((root, node, own, self._shapes.get(name, (None, None, None))[2]))
        self._memo: dict[int, str] = {}
        result = self._made(end.result, memory, given, depth)
        shown = ", ".join(f"({owner}, {node}, {own}, {strides!r})" for _, (owner, node), own, strides in writes)
        shown = f"({shown}{',' * bool(writes)})"
        if not self.commits:
            known = "".join(f"({owner}, {node}), " for owner, node in self.roots.values())
            self._say(depth, f"return {result}, {shown}, ({known}), {'states' if self.draws else None}")
            return
        if writes:
            self._say(depth, f"if not commit({shown}): return {self.again}")
        if self.prints:
            self._say(depth, "tell(prints)")
        self._say(depth, f"return {result}")

    def _own(self, name: str, memory: _Memory, given: set[str], depth: int) -> str:
        """A value as memory that nobody else has."""
        text = memory.text[name]
        if name in memory.fresh and text not in given:
            given.add(text)
            return text
        copy = f"y{self._next()}"
        self._say(depth, f"{copy} = copied({text})")
        return copy

    def _made(self, spec: Spec, memory: _Memory, given: set[str], depth: int) -> str:
        if spec.kind == "same":
            return spec.name
        if spec.kind == "constant":
            return literal(spec.what, self.space)
        known = self._memo.get(spec.identity)
        if known is not None:
            return known
        name = text = self._made_new(spec, memory, given, depth)
        if not text.isidentifier():
            name = f"z{self._next()}"
            self._say(depth, f"{name} = {text}")
        self._memo[spec.identity] = name
        return name

    def _new_tensor(self, spec: Spec, memory: _Memory, given: set[str], depth: int) -> str:
        """A Tensor of new memory, with every slot of its node written out, as the hot paths of `api` have it."""
        own = self._own(spec.name, memory, given, depth)
        known = self._shapes.get(spec.name)
        shape, dtype = (repr(known[0]), self.space.add(known[1])) if known is not None else (
            f"{own}.shape", f"{own}.dtype")
        n, t = f"n{self._next()}_", f"z{self._next()}"
        if fast.native is not None:
            return f"made({own}, {shape}, {dtype}, {spec.what!r})"
        for line in (f"{n} = new(Node); {t} = new(Tensor)", f"{n}.op = LEAF; {n}.rest = (); {n}.seq = tick()",
                     f"{n}.a = {n}.b = {n}.attrs = {n}.code = {n}.errstate = {n}.claim = {t}._state = None",
                     f"{n}.shape = {shape}; {n}.dtype = {dtype}; {n}.strides = {spec.what!r}",
                     f"{n}.lasti = -1; {n}.depth = 0; {n}.buffer = {own}; {t}._value = {n}"):
            self._say(depth, line)
        return t

    def _made_new(self, spec: Spec, memory: _Memory, given: set[str], depth: int) -> str:
        space = self.space
        if spec.kind == "array":
            return self._new_tensor(spec, memory, given, depth)
        if spec.kind == "scalar":
            text = memory.text[spec.name]
            return f"item({text})" if spec.what == "real" else f"made_scalar({text})"
        if spec.kind == "view":
            root, steps, writeable, locked = spec.what
            return (f"view_of({self._made(root, memory, given, depth)}, {space.add(steps)}, {writeable!r}, {locked!r})")
        parts = [self._made(x, memory, given, depth) for x in spec.what[-1]]
        if spec.kind == "dict":
            return "{" + ", ".join(f"{literal(k, space)}: {p}" for k, p in zip(
                spec.what[0], parts, strict=True)) + "}"
        if spec.kind == "dataclass":
            kind, names, _ = spec.what
            return f"rebuilt({space.add(kind)}, {names!r}, [{', '.join(parts)}])"
        kind = spec.what[0]
        if kind is list:
            return f"[{', '.join(parts)}]"
        plain = f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        return plain if kind is tuple else f"{space.add(kind)}._make({plain})"


def _left(end: Outcome, memory: _Memory) -> dict[str, str]:
    """An expression for each value of a call's records that it leaves."""
    found: dict[str, str] = {}
    for name in end.names():
        if name[0] == "r" and name not in found:
            text = memory.text[name]
            found[name] = text if name in memory.fresh and text not in found.values() else f"copied({text})"
    return found


def _key(key: tuple[Any, Any, Any]) -> Any:
    shape, dtype, strides = key
    return shape, dtype.str, dtype.char, strides
