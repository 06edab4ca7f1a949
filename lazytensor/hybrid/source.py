"""From a tree of traces to Python source: guard, calls of NumPy's functions into prepared memory, branches, results.

The text is the compiled program (``f.source``). Every value has a name of its own; temporaries live in a workspace,
which is made once and lent to one call at a time; what a call gives away is new at every call. A temporary's memory is
used again after its last reader, by the last reader itself where NumPy's loops keep their bits (`Places`).
"""

from __future__ import annotations

import operator
from math import isfinite
from typing import Any

import numpy as np

from ..run import floating
from ..run.interpreter import apply_view
from . import fusing, launching, stretches, tapes
from .branches import Branch, last_reads
from .guards import Namespace
from .leaving import END, Leaving, apart
from .places import Memory, Places
from .rolling import Turns, roll
from .running import abandoning
from .text import elementwise_call, frozen, index_text, literal
from .tracing import BESIDE, Operand, Record, Result
from .tripcount import COUNT, NAME

_getitem = operator.getitem


class Writer(Places, Leaving):
    """Writes the body of one tree.

    Attributes
    ----------
    lines : list of str
    temporaries : list of (shape, dtype, strides)
        The arrays of a workspace; and of views over them, `prepared`: (array, steps).
    body, values : list of str, and dict
        Of a tree without branches, the lines before the end, and for each value that it leaves an expression for memory
        that nobody else has; None of another.
    predicts : list of str
        Of a tree that commits, the lines of the same program that only tells what it would do.
    switches : the error states that it enters
    runs : whether NumPy functions are called that ask which operation is running
    fit : of a loop whose turns are counted by an argument, of how many its lines are and how often they run
    asks : whether anything is called that asks for the error state; kernels give their flags
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
        self.runs = self.asks = False
        kinds = {record.kind for branch in tree.lines() for record in branch.records}
        self.prints, self.draws = "print" in kinds, "draw" in kinds
        self.unseen, self.again, self.raises = [
            f"restored(states, {answer})" if self.draws else answer for answer in ("UNSEEN", "AGAIN", "ABANDON")]
        self._indent = ""
        self._shapes: dict[str, tuple[Any, Any, Any]] = {}
        self._leaves = geometry
        self._constants: dict[str, tuple[Any, Any, Any]] = {}
        self.fuses = fuses
        self.kernels = self.steps = self.looped = 0
        self.fit: tuple[int, int] | None = None
        self.numbers: set[str] = set()
        self.values: dict[str, str] = {}
        self.predicts: list[str] | None = None
        self._live = last_reads(tree)[0] if live is None else live
        self._escaping: set[str] = set()
        self._given: set[str] = set()
        for branch in tree.lines():
            self._note_escapes(branch)
        self._shares = fuses and not self._wants_threads_of_blas(tree)
        self._ways = {kind: getattr(self, "_" + kind) for kind in kinds}
        memory = Memory()
        memory.text = dict(leaves)
        self._count = self._named = 0
        self._branch(tree, memory, 1, capsule)
        self._ways.clear()  # methods of its own: it would be garbage for the collector
        self.lines, self.rolled = roll(self.lines)
        self.rolled += self.looped
        ends = [i for i, line in enumerate(self.lines) if line.endswith(END)]
        straight = bool(ends) and tree.answer is None and not self.prints and not self.draws
        self.body = self.lines[:ends[0]] if straight else None
        for i in reversed(ends):
            del self.lines[i]
        if commits:
            self.lines, self.predicts = apart(self.lines)

    # ---- what must be new at every call ----

    def _note_escapes(self, branch: Branch) -> None:
        if branch.end is not None:
            self._given |= set(branch.end.names())
            self._escaping |= self._given
        for record in reversed(branch.records):
            if record.kind == "operation" and record.op.kind == "mutate" and record.name in self._escaping:
                old = record.operands[0]
                if old.name is not None and old.steps is None:
                    self._escaping.add(old.name)

    def _wants_threads_of_blas(self, tree: Branch) -> bool:
        """Whether a product of the program is one for which BLAS has threads (`tapes.wants_threads_of_blas`)."""
        laid: dict[str, Any] = dict(self._leaves)
        products = []
        for branch in tree.lines():
            laid |= {name: (node.shape, node.dtype, node.strides) for name, node in branch.constants.items()}
            for record in branch.records:
                if record.kind == "operation":
                    laid[record.name] = record.shape, record.dtype, record.strides
                    if record.op.kind == "call" and record.op.fn in (np.matmul, np.dot):
                        products.append(record)
        for record in products:
            a, b = [x.laid if x.steps else laid.get(x.name or "") for x in record.operands]
            if tapes.wants_threads_of_blas(a, b, laid[record.name]):
                return True
        return False

    # ---- lines ----

    def _say(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def _branch(self, branch: Branch, memory: Memory, depth: int, capsule: Any) -> None:
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
            self.fit = self._turns.fit or self.fit
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

    def _straight(self, records: list[Record], after: list[set[str]], memory: Memory, depth: int, capsule: Any) -> Any:
        """Writes records as calls and kernels; gives the error state that is in force then."""
        position = 0
        turns = self._turns
        begins = turns.begins() if turns.cuts else ()
        if not self.fuses:
            for record, dies in zip(records, after, strict=True):
                if position in begins:
                    turns.note(position, self, memory, capsule)
                capsule = self._ways[record.kind](record, dies, memory, depth, capsule)
                position += 1
            return capsule
        for part in fusing.parts(records, begins):
            if position in begins:
                turns.note(position, self, memory, capsule)
            if isinstance(part, Record):
                capsule = self._record(part, after[position], memory, depth, capsule)
                position += 1
            else:
                end = position + len(part)
                capsule = launching.write(self, part, after[position:end], memory, depth, capsule)
                position = end
        return capsule

    def _record(self, record: Record, dies: set[str], memory: Memory, depth: int, capsule: Any) -> Any:
        """Writes a record as what it is; gives the error state that is in force then."""
        return self._ways[record.kind](record, dies, memory, depth, capsule)

    def _stretches(self, records: list[Record]) -> list[tuple[int, int]]:
        """Which records may be tapes."""
        return stretches.stretches(records)

    def _taped(self, records: list[Record], after: list[set[str]], memory: Memory, depth: int,
               capsule: Any) -> tuple[Memory, Any]:
        """Writes records as a tape, as many of them as can be."""
        while len(records) >= stretches.LEAST:
            undo = len(self.lines), len(self.temporaries), self._count, dict(self._shapes), set(self.numbers)
            own = memory.copy()
            stretch = stretches.Stretch(self, own, depth)
            try:
                stretch.take_all(records, after)
                made, outputs = stretch.finished(next((x.errstate for x in records if x.kind != "call"), None))
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
            self._beside(outputs, own, depth)
            self.steps += len(records)
            return own, capsule
        return memory, self._straight(records, after, memory, depth, capsule)

    def _beside(self, outputs: list[str], memory: Memory, depth: int) -> None:
        """Has numbers that a tape gives where kernels read them."""
        for name in outputs:
            if name.endswith(BESIDE):
                self.numbers.discard(name)
                self._numbered(Result(name, self._shapes[name][1], None), memory, depth)

    def geometry_of(self, name: str) -> Any:
        """Shape, dtype and strides of a value, if they are known."""
        return self._shapes.get(name) or self._leaves.get(name) or self._constants.get(name)

    def _constant(self, node: Any) -> str:
        return self.space.add(node.buffer, "c")

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _asked(self, answer: Record, memory: Memory) -> str:
        text = self._value(answer.operands[0], memory)
        return {"bool": f"bool({text})", "bytes": f"{text}.tobytes()", "shape": f"{text}.shape",
                "value": f"(type({text}), repr({text}))"}[answer.how]

    def _is(self, seen: str, how: str, outcome: Any) -> str:
        if how == "bool":
            return seen if outcome else f"not {seen}"
        return f"{seen} == {outcome!r}" if how in ("bytes", "shape") else f"{seen} == {self.space.add(outcome)}"

    # ---- operands ----

    def _value(self, x: Operand, memory: Memory, over: tuple[str, str] | None = None) -> str:
        """The expression of an operand; `over` says which name is read from other memory."""
        name, steps, number, _ = x
        if name is None:
            if type(number) in (int, bool) or type(number) is float and isfinite(number):
                return repr(number)
            return self.space.add(number)
        text = memory.text[name] if over is None or over[0] != name else over[1]
        if not steps:
            return text
        met = text, id(steps)
        known = memory.met.get(met)
        if known is None:
            known = memory.met[met] = steps, self._view(text, steps, memory)
        return known[1]

    def _view(self, text: str, steps: Any, memory: Memory) -> str:
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

    def _operation(self, record: Record, dies: set[str], memory: Memory, depth: int, capsule: Any) -> Any:
        self._indent = "    " * depth
        if record.errstate is not capsule:
            capsule = self._state(record, depth, capsule)
        name, op, attrs = record.name, record.op, record.attrs
        self._shapes[name] = record.shape, record.dtype, record.strides
        kind = op.kind
        if kind == "elementwise" and (record.shape or attrs is not None):
            operands = [self._value(x, memory) for x in record.operands]
            if not record.shape:
                self._note_number(record)
            out = self._place(record, dies, memory, depth)
            options = dict(attrs) if attrs else {}
            self.asks = True
            self.lines.append(f"{self._indent}{elementwise_call(op, operands, out, options, self.space)}")
        elif kind == "mutate":
            self._mutate(record, dies, memory, depth)
        else:
            self._called(record, memory, depth)
        self._bury(dies, memory)
        return capsule

    def _note_number(self, record: Record) -> None:
        """Notes a result that is NumPy's scalar."""
        op = record.op
        if (op.kind == "scalar" or op.name == "element" or isinstance(op.fn, np.ufunc)) and not (
                record.attrs and dict(record.attrs).get("out")):
            self.numbers.add(record.name)

    def _called(self, record: Record, memory: Memory, depth: int) -> None:
        """Writes an operation as a call that gives its result, or of a product of matrices into memory."""
        op, name = record.op, record.name
        operands = [self._value(x, memory) for x in record.operands]
        options = dict(record.attrs) if record.attrs else {}
        if not record.shape:
            self._note_number(record)
        if op.kind == "call" and op.fn in (np.matmul, np.dot) and record.shape and record.strides is None and (
                not options):
            out = self._place(record, set(), memory, depth)
            shown = f"({', '.join(operands)}, {out})"
            product = self._product(record) if op.fn is np.matmul else None
            if product is None:
                self.asks = True
                self._say(depth, f"{self.space.add(op.fn)}{shown}")
            else:
                self._say(depth, f"if {self.space.add(product, 'matmul')}{shown}: raise Abandon")
            return
        self.asks = True
        if op.kind == "scalar":
            operands = [self._scalar_text(x, text) for x, text in zip(record.operands, operands, strict=True)]
        text = self._call_text(record, operands, options, memory, depth)
        out = name if record.shape else self._number(memory)
        self._say(depth, f"{out} = {text}")
        memory.text[name] = memory.held[name] = out
        if record.shape:
            memory.fresh.add(name)

    def _product(self, record: Record) -> Any:
        """A product of matrices as NumPy's own loop, if their geometry is known."""
        a, b = [x.laid if x.steps else self.geometry_of(x.name or "") for x in record.operands]
        return tapes.product(a, b, (record.shape, record.dtype, record.strides), floating.mask(record.errstate),
                             self.fuses, self._shares)


    def _scalar_text(self, x: Operand, text: str) -> str:
        record_shape = self._shapes.get(x.name or "")
        return text if x.name is None or record_shape is not None and not x.steps else f"item({text})"

    def _call_text(self, record: Record, operands: list[str], options: dict[str, Any], memory: Memory,
                   depth: int) -> str:
        fn = record.op.fn
        if record.op.name == "element":
            return f"{operands[0]}[{index_text(options['index'], self.space)}]"
        if "form" in options:
            if (own := self._list_text(record, operands)) is not None:
                return own
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

    def _list_text(self, record: Record, operands: list[str]) -> str | None:
        """``np.array([s, 1.0])`` as it is written: of scalars, without a dtype, it does not warn. Else None."""
        if stretches.listed(record) is None:
            return None
        (args, _), = [form for key, form in record.attrs or () if key == "form"]
        if args[1:] not in ((), (None,)):
            return None
        slots = [self._scalar_text(x, text) for x, text in zip(record.operands, operands, strict=True)]

        def text(form: Any) -> str:
            if type(form) is int:
                return repr(form)
            if form[0] == "slot":
                return slots[form[1]]
            if form[0] == "constant":
                return literal(form[2], self.space)
            return f"({', '.join(map(text, form[2]))},)"
        return f"{self.space.add(np.array, 'array')}({text(args[0])})"

    def _mutate(self, record: Record, dies: set[str], memory: Memory, depth: int) -> None:
        self.asks = True
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

    def _is_part(self, record: Record, view: str, index: Any) -> bool:
        """Whether a store goes into a view of an array, from an array: it may then be written as `copyto`."""
        value = record.operands[1]
        return value.name is not None and not view.startswith("writable") and (
            any(type(x) is slice or x is Ellipsis for x in (index if type(index) is tuple else (index,)))
            or type(index) is int and len(record.shape) > 1) and bool(
            value.laid[0] if value.steps else self._shapes.get(value.name, ((),))[0])

    def _state(self, record: Record, depth: int, capsule: Any) -> Any:
        if record.errstate is None or record.errstate is capsule:
            return capsule
        self.asks = True
        self._say(depth, f"enter({self.space.add(abandoning(record.errstate))})")
        return record.errstate

    # ---- calls, draws, prints ----

    def _call(self, record: Record, dies: set[str], memory: Memory, depth: int, capsule: Any) -> Any:
        self._indent = "    " * depth
        self.asks = True
        capsule = self._state(record, depth, capsule)
        args = [self._argument(x, memory) for x in record.args]
        args += [f"{k}={self._argument(v, memory)}" for k, v in record.kwargs.items()]
        targets = [r.name for r in record.results]
        fn = self._of_loop(record.fn) if hasattr(record.fn, "rolled") else record.fn
        text = f"{'chosen' if fn is _getitem else self.space.add(fn)}({', '.join(args)})"
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
            elif record.how == "number":
                self._numbered(result, memory, depth)
        return capsule

    def _of_loop(self, fn: Any) -> Any:
        """The function of a loop whose turns are generated, with kernels where there may be some."""
        quick = fn.rolled.with_kernels() if self.fuses else fn.rolled
        if quick is fn.rolled:
            return fn
        self.kernels += quick.kernels
        return quick.named()

    def _numbered(self, result: Any, memory: Memory, depth: int) -> None:
        """A number of Python's as NumPy's; beside arrays as an array of one element, for kernels read arrays."""
        name, shape = result.name, ()  # type: tuple[str, tuple[int, ...]]
        if self.fuses and name.endswith(BESIDE):
            shape = (1,)
            text = memory.text[name] = memory.held[name] = self.temporary((shape, result.dtype, None), memory)
            self._say(depth, f"{text}[0] = {name}")
        else:
            self.numbers.add(name)
        self._shapes[name] = shape, result.dtype, None

    def _draw(self, record: Record, dies: set[str], memory: Memory, depth: int, capsule: Any) -> Any:
        return self._call(record, dies, memory, depth, capsule)

    def _argument(self, value: Any, memory: Memory) -> str:
        kind = type(value)
        if kind is Operand:
            return self._value(value, memory)
        if value is COUNT:
            return NAME
        if kind is list or kind is tuple:
            parts = ", ".join(self._argument(x, memory) for x in value)
            return f"[{parts}]" if kind is list else f"({parts}{',' * (len(value) == 1)})"
        if kind is dict:
            return "{" + ", ".join(f"{literal(k, self.space)}: {self._argument(v, memory)}"
                                   for k, v in value.items()) + "}"
        return literal(value, self.space)

    def _print(self, record: Record, dies: set[str], memory: Memory, depth: int, capsule: Any) -> Any:
        self._indent = "    " * depth
        args = "".join(f"copied({self._argument(x, memory)}), " for x in record.args)
        self._say(depth, f"prints.append((({args}), {self.space.add(record.kwargs)}))")
        return capsule
