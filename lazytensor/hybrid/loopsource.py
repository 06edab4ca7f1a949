"""Loops whose turns are generated, as Python source: NumPy's functions, under `for`, with indices that move evenly.

Every line is the call that NumPy would have had from the program's own Python, with the same numbers; so whatever comes
of these in a turn that nobody has traced is NumPy's own. State that is written in place is copied once, before the
loop; what a turn needs for itself alone lies in memory that is made once.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections import Counter
from math import prod
from typing import Any

import numpy as np

from ..api.indexing import ELEMENT
from ..ir.layout import canonical
from ..run import floating, launch, pool
from .bounds import Even
from .branches import in_order
from .guards import Namespace
from .running import Abandon, Run, copied, writable
from .steps import HOLE, Irregular, holes, index_of
from .text import elementwise_call, frozen, index_text
from .texts import compiled_text

_getitem = operator.getitem


class Body:
    """A loop's turn: the shapes of its steps, how many numbers each has, and what these grow by from turn to turn.

    Attributes
    ----------
    cells : tuple of (kind, shape, dtype, strides)
        The values that go over from one turn to the next, ``s0`` and so on: 'array' or 'scalar'.
    after : tuple of str
        Their names after a turn; none if the turn has several ways (`ways`), of which each says so at its end.
    constants : tuple of (dtype.str, char, shape, strides, bytes)
        What is called ``c0`` and so on.
    """

    __slots__ = ("shapes", "sizes", "growth", "cells", "after", "inputs", "constants")

    def __init__(self, shapes: Any, sizes: Any, growth: Any, cells: Any, after: Any, inputs: int,
                 constants: Any) -> None:
        self.shapes, self.sizes, self.growth, self.cells = shapes, sizes, growth, cells
        self.after, self.inputs, self.constants = after, inputs, constants

    @property
    def key(self) -> Any:
        """What equal bodies have equal."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return type(other) is Body and self.key == other.key

    __hash__ = None  # type: ignore[assignment]

    def steps(self, first: list[Even], levels: int) -> Any:
        """Each step's shape with its numbers, those of the first turn being given; the loops around are `levels`."""
        at = 0
        for shape, size in zip(self.shapes, self.sizes, strict=True):
            yield shape, [Even(x.constant, (*x.growth[:levels], grows)) for x, grows in zip(
                first[at:at + size], self.growth[at:at + size], strict=True)]
            at += size

    @property
    def mutates(self) -> bool:
        """Whether something is written in place in it."""
        return any(shape[0] == "loop" and shape[2].mutates or getattr(shape[0], "kind", "") == "mutate"
                   for shape in self.shapes)

    def gives_element(self, name: str) -> bool:
        """Whether a value of the turn's is an element of an array as it is."""
        own, _, of_loop = name.partition("_")
        for shape in self.shapes:
            if type(shape[0]) is not str and shape[1] == name:
                return shape[0] is ELEMENT
            if shape[0] == "loop" and shape[1] == own:
                return bool(shape[2].is_element(int(of_loop)))
        return False

    def is_element(self, place: int) -> bool:
        """Whether a value is an element of an array as it is, of those that go over to the next turn."""
        if self.after:
            return self.gives_element(self.after[place])
        return any(shape[2][place] for shape in self.shapes if shape[0] == "goes")

    def moved(self) -> set[int]:
        """The numbers that a turn gives as they were, in other places of the state."""
        ends = [self.after, *[shape[1] for shape in self.shapes if shape[0] == "goes"]]
        return {int(name[1:]) for end in ends for k, name in enumerate(end)
                if name[0] == "s" and name != f"s{k}" and self.cells[k][0] == "scalar"}

    def passes(self, place: int) -> bool:
        """Whether a turn may leave such a value as it was."""
        return any(shape[2][place] is None for shape in self.shapes if shape[0] == "goes")

    @property
    def decides(self) -> bool:
        """Whether it has choices that values decide."""
        return any(shape[0] in ("while", "until") or shape[0] == "if" and shape[1][0] != "test"
                   or shape[0] == "loop" and shape[2].decides
                   for shape in self.shapes)

    @property
    def loops(self) -> int:
        """How many loops are in it, itself counted."""
        return 1 + sum(shape[2].loops for shape in self.shapes if shape[0] == "loop")


def array_of(constant: Any) -> Any:
    """A constant's array."""
    text, char, shape, strides, data = constant
    dtype = np.dtype(char) if np.dtype(char).str == text else np.dtype(text)
    own = np.frombuffer(data, dtype).reshape(shape)
    if own.strides != strides:  # the bytes are in C order
        own, values = pool.empty(shape, dtype, strides), own
        own[...] = values
    return own


class Formed:
    """A call of one of NumPy's functions that are written down as a form (`forms`), in a loop: of operands alone, and
    what it gives is laid out as was found."""

    code = None

    def __init__(self, fn: Any, form: Any, shape: Any, dtype: Any, strides: Any) -> None:
        self.fn, self.form, self.shape, self.dtype, self.strides = fn, form, shape, dtype, strides

    def __call__(self, *values: Any) -> Any:
        before, floating.noted.run = floating.noted.run, Run()
        try:
            floating.noted.run.node = self
            return self.fn(*values, form=self.form)
        finally:
            floating.noted.run = before


class Source:
    """The text of a loop, as a function of its state and its inputs, which gives the state after the last turn; if the
    number of turns is `named`, that is its first argument. With `kernels` some of its steps are kernels."""

    def __init__(self, body: Body, numbers: list[int], count: int, named: str = "", kernels: Any = None) -> None:
        self.space, self.named, self.kernels = Namespace(), named, kernels
        self.lines: list[str] = []
        self.prepared: list[str] = []
        self.buffers = self.views = 0
        self.loops = 0
        names = [f"s{k}" for k in range(len(body.cells))] + [f"w{k}" for k in range(body.inputs)]
        state = _Loop(self, body, [Even(x, ()) for x in numbers], Even(count, ()), "", 0)
        state.laid.update({} if kernels is None else kernels.laid)
        state.write(names[:len(body.cells)], names[len(body.cells):])
        gives = "".join(f"{x}, " for x in state.state)
        given = ", ".join([named, *names] if named else names)
        self.text = "\n".join([f"def turns({given}):", *[f"    {x}" for x in self.prepared],
                               *[f"    {x}" for x in self.lines], f"    return ({gives})"]) + "\n"

    def function(self) -> Any:
        """The function."""
        scope: dict[str, Any] = {
            **self.space, "copied": copied, "empty": pool.empty, "ndarray": np.ndarray, "copyto": np.copyto,
            "writable": writable, "launched": launch.run, "Abandon": Abandon, "__name__": __name__}
        return compiled_text(_as_program(self.text), "<lazytensor loop>", scope)

    def prepare(self, line: str) -> None:
        """A line before the loop."""
        self.prepared.append(line)


def _as_program(text: str) -> str:
    """A text as the extension knows such, where it does: indices of turns that nobody reads have no name."""
    used = Counter(re.findall(r"\bt\d+\b", text))
    used -= Counter(re.findall(r"for (t\d+) in", text))
    text = re.sub(r"for (t\d+) in", lambda found: found[0] if used[found[1]] else "for _ in", text)
    return text.replace("def turns(", "def call(", 1)


def even_text(x: Even) -> str:
    """A number in loops whose turns are ``t0``, ``t1``, ..."""
    parts = [f"{g}*t{k}" if g != 1 else f"t{k}" for k, g in enumerate(x.growth) if g]
    if not parts:
        return repr(x.constant)
    return f"({' + '.join([*parts, repr(x.constant)] if x.constant else parts)})"


def may_end(body: Body) -> bool:
    """Whether a value may end a loop, so that it has no turn at all."""
    return any(shape[0] in ("while", "until", "leaves") for shape in body.shapes)


class _Loop:
    """One loop of a source, and where its values are."""

    def __init__(self, source: Source, body: Body, first: list[Even], count: Even, prefix: str, level: int,
                 indent: int = 0) -> None:
        self.indent = indent
        self.source, self.body, self.first, self.count = source, body, first, count
        self.prefix, self.level = prefix, level
        self.text: dict[str, str] = {}
        self.owned: set[str] = set()
        self.state: list[str] = []
        self.lent: set[int] = set()
        self.free: dict[Any, list[str]] = {}
        self.held: dict[str, tuple[Any, str]] = {}
        self.before: list[Any] = []
        self.laid: dict[str, Any] = {}
        self.constants: dict[str, Any] = {}
        self.lasting: dict[str, str] = {}

    def say(self, text: str) -> None:
        self.source.lines.append("    " * self.indent + text)

    # ---- the loop ----

    def write(self, state: list[str], inputs: list[str]) -> None:
        """Writes the loop; its state and inputs are what these expressions give."""
        body, source = self.body, self.source
        steps = list(body.steps(self.first, self.level))
        mutates = body.mutates
        for k, text in enumerate(state):
            own = f"{self.prefix}s{k}"
            if body.cells[k][0] == "array" and k not in self.lent and (mutates or self.level and may_end(body)):
                self.say(f"{own} = copied({text})")
            elif own != text:
                self.say(f"{own} = {text}")
            self.state.append(own)
        for k, text in enumerate(inputs):
            self.text[f"w{k}"] = text
        for k, constant in enumerate(body.constants):
            array = self.constants[f"c{k}"] = array_of(constant)
            self.laid[f"c{k}"] = array.shape, array.dtype, canonical(array.strides, array.shape, array.itemsize)
            self.text[f"c{k}"] = source.space.add(array, "c")
        turns = even_text(self.count) if self.level or not source.named else source.named
        self.say(f"for t{self.level} in range({turns}):")
        self.level += 1
        self.indent += 1
        for k, own in enumerate(self.state):
            self.text[f"s{k}"] = own
            if mutates and body.cells[k][0] == "array":
                self.owned.add(own)
        escaping = self._escaping(steps)
        deaths, at = self._last_reads(steps), 0
        while at < len(steps):
            kernels = source.kernels
            written = 0 if kernels is None else kernels.write(self, steps[at:], deaths[at:], escaping)
            if not written:
                shape, own = steps[at]
                self.note_geometry(shape, own)
                self.step(shape, own, deaths[at], escaping)
                for name in in_order(deaths[at]):
                    self.release(name)
            at += written or 1
        if not any(shape[0] == "goes" for shape, _ in steps):
            self._close(body.after)
        self.level -= 1
        self.indent -= 1

    def _last_reads(self, steps: Any) -> list[set[str]]:
        """Which values each step is the last to read."""
        live, others, found = set(self.body.after), [], []
        for shape, _ in reversed(steps):
            reads = _reads(shape)
            if shape[0] in ("end", "goes"):
                live = set(reads)
            elif shape[0] == "else":
                others.append(live)
                live = set()
            elif shape[0] == "if":
                live |= others.pop()
            found.append(reads - live)
            live |= reads
        return found[::-1]

    def _escaping(self, steps: Any) -> set[str]:
        """The values whose memory is that of the state after a turn."""
        found = set(self.body.after).union(*[shape[1] for shape, _ in steps if shape[0] == "goes"])
        for shape, _ in reversed(steps):
            if getattr(shape[0], "kind", "") == "mutate" and shape[1] in found:
                found.add(shape[2][0][1])
        return found

    def note_geometry(self, shape: Any, numbers: list[Even]) -> None:
        """Notes how what a step gives is laid out, if that is the same in all turns. On another way through the turn
        the same name may be that of something else."""
        if shape[0] == "loop":
            self.laid.update({f"{shape[1]}_{k}": cell[1:] for k, cell in enumerate(shape[2].cells)})
        elif type(shape[0]) is not str:
            _, name, _, _, size, dtype, strides = shape
            sizes = numbers[len(numbers) - len(size):]
            self.laid.pop(name, None)
            if not any(x.moves for x in sizes):
                self.laid[name] = tuple([x.constant for x in sizes]), dtype, strides

    def release(self, name: str) -> None:
        """A temporary's memory serves again."""
        held = self.held.pop(name, None)
        if held is not None:
            self.free.setdefault(held[0], []).append(held[1])

    def _close(self, after: tuple[str, ...]) -> None:
        """The state for the next turn, all at once; each array has memory of its own."""
        taken: set[str] = set()
        values = []
        for k, (name, cell) in enumerate(zip(after, self.body.cells, strict=True)):
            text = self.text[name] if cell[0] == "array" else self._number(name)
            if cell[0] == "array" and (text in taken or name[0] != "r" and name != f"s{k}"
                                       or self.body.mutates and text not in self.owned):
                text = f"copied({text})"
            taken.add(text)
            values.append(text)
        if values != self.state:
            self.say(f"{', '.join(self.state)}, = {', '.join(values)},")
        elif not any(line.startswith("    " * self.indent) for line in self.source.lines[-1:]):
            self.say("pass")

    def _number(self, name: str) -> str:
        """A number of the state: a constant, which is an array without axes elsewhere, is NumPy's scalar there."""
        constant = self.constants.get(name)
        return self.text[name] if constant is None else self.source.space.add(constant[()], "c")

    # ---- steps ----

    def step(self, shape: Any, numbers: list[Even], dies: set[str], escaping: set[str]) -> None:
        given = iter(numbers)
        if shape[0] == "loop":
            return self._inner(shape, numbers, dies)
        if shape[0] in ("int", "slice", "turns"):
            return None
        if shape[0] == "while":
            return self.say(f"if not {self._operand(shape[1], given)}: break")
        if shape[0] == "until":
            return self.say(f"if {self._operand(shape[1], given)}: break")
        if shape[0] in ("if", "else", "end"):
            return self._choice(shape, given)
        if shape[0] == "goes":
            return self._close(shape[1])
        if shape[0] in ("leaves", "raises"):
            return self.say("break" if shape[0] == "leaves" else "raise Abandon")
        if shape[0] == "divided":
            return self.say(self._tree(shape[1], given))
        op, name, operands, attrs, size, dtype, strides = shape
        if op is ELEMENT:
            index = self._index(attrs, given)
            self.text[name] = self._own(name)
            return self.say(f"{self.text[name]} = {self._operand(operands[0], given)}[{index}]")
        if op.kind == "mutate":
            return self._mutate(shape, given, dies)
        texts = [self._operand(x, given) for x in operands]
        sizes = [next(given) for _ in size]
        options = dict(attrs.value) if attrs.value else {}
        out = self._own(name)
        if op.kind == "elementwise" and size:
            out = self._place(name, sizes, dtype, strides, escaping)
            self.say(elementwise_call(op, texts, out, options, self.source.space))
        else:
            fn = op.fn
            if "form" in options:
                if any(x.moves for x in sizes):
                    raise Irregular
                fn, options = Formed(fn, options["form"], tuple([x.constant for x in sizes]), dtype, strides), {}
            call = f"{self.source.space.add(fn)}({', '.join([*texts, *self._options(options)])})"
            self.say(f"{out} = {call}")
        self.text[name] = out
        if size:
            self.owned.add(out)
        return None

    def _choice(self, shape: Any, given: Any) -> None:
        """One of two sides: what is known of values and memory on the other begins as it was before the choice."""
        if shape[0] == "if":
            self.say(f"if {self._operand(shape[1], given)}:")
            self.before.append((dict(self.text), set(self.owned), {key: [*x] for key, x in self.free.items()},
                                dict(self.held)))
            self.indent += 1
            return
        self.indent -= 1
        if shape[0] == "else":
            self.text, self.owned, self.free, self.held = self.before.pop()
            self.say("else:")
            self.indent += 1

    def _own(self, name: str) -> str:
        return self.prefix + name

    def _options(self, options: dict[str, Any]) -> list[str]:
        return [f"{k}={self.source.space.add(v)}" for k, v in options.items()]

    def _place(self, name: str, sizes: list[Even], dtype: Any, strides: Any, escaping: set[str]) -> str:
        """Memory for a result: of its own if it goes over to the next turn, else a buffer."""
        moves = any(x.moves for x in sizes)
        if moves and strides is not None:
            raise Irregular
        shape = f"({', '.join(map(even_text, sizes))},)"
        if moves or name in escaping:
            small = strides is None and not moves and (
                prod([x.constant for x in sizes]) * dtype.itemsize < pool.LINED)
            self.say(f"{self._own(name)} = {self._made(shape, dtype, strides, small)}")
            return self._own(name)
        key, own = self._buffer(shape, dtype, strides)
        self.held[name] = key, own
        return own

    def _buffer(self, shape: str, dtype: Any, strides: Any) -> tuple[Any, str]:
        """Memory of the loop's that is free, and what such memory has in common."""
        key = shape, dtype.str, dtype.char, strides
        free = self.free.get(key)
        if free:
            return key, free.pop()
        own = f"b{self.source.buffers}"
        self.source.buffers += 1
        self.source.prepare(f"{own} = {self._made(shape, dtype, strides, shape == '()')}")
        return key, own

    def _made(self, shape: str, dtype: Any, strides: Any, small: bool) -> str:
        """A new array; a small one is not the pool's."""
        kind = self.source.space.add(dtype)
        return f"ndarray({shape}, {kind})" if small else f"empty({shape}, {kind}, {strides!r})"

    # ---- what kernels need ----

    def place(self, name: str, shape: tuple[int, ...], dtype: Any, strides: Any, escaping: set[str]) -> tuple[Any, str]:
        """The array that a kernel writes a result into, and of a single number what such arrays have in common."""
        if not shape:
            return self._buffer("()", dtype, None)
        own = self.text[name] = self._place(name, [Even(n, ()) for n in shape], dtype, strides, escaping)
        self.owned.add(own)
        return None, own

    def take_number(self, name: str, key: Any, text: str) -> None:
        """Takes a number out of its array, which is free then."""
        own = self.text[name] = self._own(name)
        self.say(f"{own} = {text}[()]")
        self.free.setdefault(key, []).append(text)

    def viewed(self, name: str, steps: Any) -> str:
        """The name of a view of a value, made once if that is the same in all turns."""
        text, known = self.text[name], self.lasting.get(f"{name} {frozen(steps)}")
        if known is not None:
            return known
        for fn, args in steps:
            text = f"{text}[{index_text(args[0], self.source.space)}]" if fn is _getitem else (
                f"{self.source.space.add(_applied(fn, args))}({text})")
        own, self.source.views = f"v{self.source.views}", self.source.views + 1
        if self.stays(name):
            self.source.prepare(f"{own} = {text}")
            self.lasting[f"{name} {frozen(steps)}"] = own
        else:
            self.say(f"{own} = {text}")
        return own

    def stays(self, name: str) -> bool:
        """Whether a value is there before all turns and is the same in all of them."""
        return not self.prefix and name[0] in "wc"

    def _mutate(self, shape: Any, given: Any, dies: set[str]) -> None:
        op, name, operands, (steps, extra), _, _, _ = shape
        view = self._steps(steps, given)
        old = operands[0][1]
        index = self._index(extra, given) if op.step == "store" else ""
        target = self.text[old]
        if old not in dies or target not in self.owned:
            own = self._own(name)
            self.say(f"{own} = copied({target})")
            target = own
            self.owned.add(own)
        elif old in self.held:
            self.held[name] = self.held.pop(old)
        self.text[name] = target
        self.text, before = {**self.text, old: target}, self.text
        values = [self._operand(x, given) for x in operands[1:]]
        self.text = before
        whole = self._viewed(target, view)
        if any(step[0] != "[" for step in view):
            whole = f"writable({whole})"
        if op.step == "store":
            self.say(f"{whole}[{index}] = {values[0]}")
        else:
            extras = [self.source.space.add(x) for x in extra.value]
            self.say(f"{self.source.space.add(op.fn)}({', '.join([whole, *values, *extras])})")

    def _inner(self, shape: Any, numbers: list[Even], dies: set[str]) -> None:
        _, name, body, operands = shape
        source = self.source
        source.loops += 1
        inner = _Loop(source, body, numbers[1:], numbers[0], f"{_letters(source.loops)}_", self.level,
                      self.indent)
        names = [x[0] for x in operands]
        inner.laid = {f"s{k}" if k < len(body.cells) else f"w{k - len(body.cells)}": self.laid[x] for k, x in enumerate(
            names) if x in self.laid}
        given = [self.text[x[0]] if x[0] is not None else source.space.add(x[2]) for x in operands]
        inner.lent = {k for k, x in enumerate(names[:len(body.cells)]) if x in dies and names.count(x) == 1
                      and x not in self.held and self.text[x] in self.owned}
        inner.write(given[:len(body.cells)], given[len(body.cells):])
        for k, text in enumerate(inner.state):
            self.text[f"{name}_{k}"] = text
            if body.cells[k][0] == "array" and body.mutates:
                self.owned.add(text)

    # ---- operands, in the order of their numbers ----

    def _operand(self, x: Any, given: Any) -> str:
        kind, value, *rest = x
        if kind == "value":
            return self.text[value] if rest[0] is None else self._viewed(self.text[value], self._steps(rest[0], given))
        if kind == "number":
            return even_text(next(given))
        if kind == "float":
            return self._tree(value, given)
        if kind == "test":
            left, right = self._tree(rest[0], given), self._tree(rest[1], given)
            return f"{left} {value} {right}"
        plain = value.value
        return repr(plain) if type(plain) in (int, bool) else self.source.space.add(plain)

    def _viewed(self, text: str, steps: list[str]) -> str:
        """A view of what `text` gives."""
        for step in steps:
            text = f"{text}{step}" if step[0] == "[" else f"{step}({text})"
        return text

    def _steps(self, steps: Any, given: Any) -> list[str]:
        """Indices in brackets, and names of functions."""
        return [f"[{self._index(args, given)}]" if fn is _getitem else self.source.space.add(_applied(fn, args.value))
                for fn, args in steps]

    def _index(self, index: Any, given: Any) -> str:
        """An index as text; with kernels, one that is the same in all turns by name, which the extension reads, too."""
        own = list(itertools.islice(given, holes(index)))
        if self.source.kernels is None or index == HOLE or any(x.moves for x in own):
            return self._moving(index, iter(own))
        return index_text(index_of(index, iter([x.constant for x in own])), self.source.space)

    def _moving(self, index: Any, given: Any) -> str:
        if index == HOLE:
            return even_text(next(given))
        kind, *parts = index
        if kind == "slice":
            start, stop, step = ["" if x is None else even_text(next(given)) for x in parts]
            return f"{start}:{stop}{':' + step if step else ''}"
        if kind == "tuple":
            return "".join(f"{self._moving(x, given)}, " for x in parts) if parts else "()"
        return "None" if parts[0] is None else "..."

    def _tree(self, tree: Any, given: Any) -> str:
        if tree == HOLE:
            return even_text(next(given))
        if tree[0] == "=":
            value = tree[1].value
            return repr(value) if type(value) is int else self.source.space.add(value)
        left = self._tree(tree[1], given)
        return f"({left} {tree[0]} {self._tree(tree[2], given)})"


def _letters(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number % 26] + str(number)


def _applied(fn: Any, args: tuple[Any, ...]) -> Any:
    return fn if not args else lambda array: fn(array, *args)


def _reads(shape: Any) -> set[str]:
    """The names of the values that a step reads."""
    if shape[0] == "loop":
        return {x[0] for x in shape[3] if x[0] is not None}
    if shape[0] == "goes":
        return set(shape[1])
    if shape[0] in ("while", "until", "if"):
        return {shape[1][1]} if shape[1][0] == "value" else set()
    if type(shape[0]) is str:
        return set()
    return {x[1] for x in shape[2] if x[0] == "value"}
