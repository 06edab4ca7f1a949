"""Parameters that only say how often a loop goes round, as ``steps`` in ``for _ in range(steps): ...``.

A function's bytecode shows it: the parameter is read once, by that `range`, and the loop's variable never; the body has
no branches, and nothing in it but arithmetic, parts of arrays, stores into arrays and calls of functions that keep no
state. Then a turn follows from the local variables with which it begins, and it leaves in each of them either

* the result of an operation: as in every turn, `repeating` has seen that these are alike (`fed` says where those are
  made that the next turn reads: what nothing needs is in no trace, and could be another in each turn);
* another variable's value, ``a, b = b, a``: where variables change places all is as before after so many turns as the
  exchange takes, the loop's *cycle*.

What else a turn might carry over (Python's numbers, lists, parts of parts) refuses. So two calls with numbers that
differ by a multiple of the cycle do the same, but for the turns of the loop. Bytecode that is not known refuses, too.
"""

from __future__ import annotations

import builtins
import inspect
import types
from bisect import bisect_left
from collections.abc import Sequence
from math import lcm
from operator import itemgetter
from typing import Any, NamedTuple

from .bytecode import (
    MAKING,
    NULL,
    QUICK,
    Line,
    Unknown,
    Value,
    called,
    known,
    of_module,
    operator_text,
    own,
    placed,
    read,
    step,
)
from .forloops import PEEKING

MOST_CYCLE = 12
"""Turns of an exchange of variables."""
LATEST = 3
"""Turns after which variables must be of the kinds that they keep, and steps from variable to variable."""
_OF_VARIABLES = ("_FAST", "_FAST_CHECK", "_FAST_AND_CLEAR", "_DEREF", "_CLOSURE")
_LOADS = "LOAD_FAST", "DELETE_FAST", "LOAD_CLOSURE"
_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "END_FOR", "POP_ITER"})
"""What ends a function, and the loop before that."""
_offset = itemgetter(2)


class Sized(NamedTuple):
    """A loop whose number of turns is a parameter's: the offsets of its body in the bytecode, its cycle, and those of
    the operations whose results the next turn reads."""

    code: types.CodeType
    start: int
    stop: int
    cycle: int
    fed: frozenset[int]

    def is_loop_of(self, records: Sequence[Any]) -> bool:
        """Whether these records of turns are of this loop, and all that turns hand on is among them."""
        return all(x.code is self.code and self.start <= x.lasti < self.stop for x in records) and (
            self.fed <= {x.lasti for x in records})


def sized(fn: Any, number: int, args: tuple[Any, ...], alone: bool = False) -> Sized | None:
    """The loop whose turns argument `number` of a call, all of whose arguments these are, counts, if it does nothing
    else; with `alone`, if the whole function is such lines, so that nothing but arrays shows that it ran."""
    if type(fn) is not types.FunctionType or number >= fn.__code__.co_argcount:
        return None
    name = fn.__code__.co_varnames[number]
    return None if name in fn.__code__.co_cellvars else _sized(fn, name, args, alone)


def sized_by_constant(fn: types.FunctionType, number: int, args: tuple[Any, ...]) -> Sized | None:
    """The loop whose turns a number in the function's code counts, if it does nothing else and the whole function is
    such lines."""
    return _sized(fn, number, args, True)


def _sized(fn: types.FunctionType, by: str | int, args: tuple[Any, ...], alone: bool) -> Sized | None:
    """The loop that a parameter, by its name, or a constant counts."""
    code = fn.__code__
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR) or (
            PEEKING.intersection(code.co_names)):
        return None
    lines = read(code)
    found = _loop(fn, lines, by)
    if found is None:
        return None
    first, last = found
    try:
        body = _Body(fn, lines, first, last)
        cycle = body.cycle(args)
        if alone:
            body.all_known()
    except (Unknown, IndexError, ValueError):
        return None
    return Sized(code, lines[first][2], lines[last][2], cycle, body.fed)


def _loop(fn: types.FunctionType, lines: list[Line], by: str | int) -> tuple[int, int] | None:
    """The first line of the body of ``for ... in range(by)`` and the line that goes round, if all else does not know
    the parameter, or has no such constant."""
    of_variables = [(i, op, value) for i, (op, value, _) in enumerate(lines) if op not in QUICK and op.endswith(
        _OF_VARIABLES)]
    if type(by) is str:
        load, uses = "LOAD_FAST", [i for i, _, value in of_variables if value == by]
    else:
        load = "LOAD_CONST"
        uses = [i for i, (op, value, _) in enumerate(lines) if op.endswith("_CONST") and type(value) is int and (
            value == by)]
    if len(uses) != 1:
        return None
    at = uses[0]
    head = [op for op, _, _ in lines[at:at + 5]]
    if head != [load, "CALL", "GET_ITER", "FOR_ITER", "STORE_FAST"] or lines[at + 1][1] not in (1, None) or (
            not _is_range(fn, [line for line in lines[max(at - 3, 0):at] if line[0] != "PUSH_NULL"])):
        return None
    turn, variable = lines[at + 3], lines[at + 4][1]
    if any([op.startswith(_LOADS) for _, op, value in of_variables if value == variable]):
        return None
    last = bisect_left(lines, turn[1], key=_offset) - 1
    return (at + 5, last) if last > at + 4 and lines[last][:2] == ("JUMP_BACKWARD", turn[2]) else None


def _global(fn: types.FunctionType, name: str) -> Any:
    return fn.__globals__.get(name, vars(builtins).get(name))


def _is_range(fn: types.FunctionType, lines: list[Line]) -> bool:
    """Whether the last of these lines give Python's `range`, or lazytensor's, as a global or of a module."""
    (before, module, _), (op, name, _) = [("", None, 0), *lines][-2:]
    if op in ("LOAD_METHOD", "LOAD_ATTR") and before.startswith("LOAD_GLOBAL"):
        found = of_module(_global(fn, module), name)
    else:
        found = _global(fn, name) if op.startswith("LOAD_GLOBAL") else None
    return found is range or found is own("range")


class _Body:
    """The body of a loop, and what a turn hands on."""

    def __init__(self, fn: types.FunctionType, lines: list[Line], first: int, last: int) -> None:
        self.fn = fn
        self.before, self.body, self.after = lines[:first - 5], lines[first:last], lines[last + 1:]
        stored: set[Any] = set()
        read: set[Any] = set()
        done: set[Any] = set()
        for op, value, _ in self.body:
            if op == "LOAD_CONST" or op == "BUILD_SLICE" or op == "BUILD_TUPLE":
                continue
            if op == "STORE_FAST":
                done.add(value)
            elif op == "DELETE_FAST":
                stored.add(value)
            elif op[:9] == "LOAD_FAST" and value not in done:
                read.add(value)
        stored |= done
        self.feeds = stored & read
        self.fed: frozenset[int] = frozenset()
        self.reaches = False  # an array that is an attribute of a module
        self.straight = True  # what is before the loop is known
        self.end: dict[str, Value] = {}
        self.carried = stored & (read | {value for op, value, _ in self.after if op.startswith("LOAD_FAST")})
        cells = zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True)
        self.cells = {name: cell for name, cell in cells}

    def cycle(self, args: tuple[Any, ...]) -> int:
        """After how many turns variables have changed places as before."""
        env = self.first(args)
        for _ in range(LATEST):
            before = {name: env.get(name, NULL).kind for name in self.carried}
            end = self.end = self.run(self.body, dict(env))
            handed = {name: end.get(name, NULL) for name in self.carried}
            env |= {name: Value(value.kind) for name, value in handed.items()}
            if before == {name: value.kind for name, value in handed.items()}:
                break
        else:
            raise Unknown
        if any(value.kind != "tensor" and not (value.kind == "part" and value.local == name)
               for name, value in handed.items()):
            raise Unknown
        self.fed = frozenset([value.at for name, value in handed.items()
                              if name in self.feeds and value.at >= 0 and not value.again])
        return self.exchange(handed)

    def all_known(self) -> None:
        """Raises `Unknown` if the lines before the loop and after it are not all known; after `cycle`."""
        before = ["", *[op for op, _, _ in self.after]]  # Python 3.13 takes the loop's iterator away by POP_TOP
        after = [line for line, last in zip(self.after, before, strict=False) if line[0] not in _ENDS and (
            last, line[0]) != ("END_FOR", "POP_TOP")]
        if not self.straight or self.after[-1][0] not in ("RETURN_VALUE", "RETURN_CONST") or (
                len(self.after) - len(after) > 3):
            raise Unknown
        self.run(after, self.end)
        if self.reaches:
            raise Unknown

    def exchange(self, handed: dict[str, Value]) -> int:
        """The cycle of variables that take others' values."""
        source = {}
        for name, value in handed.items():
            if value.again and value.local != name:
                raise Unknown
            source[name] = value.local if value.local != name else ""
        cycle = 1
        for name in source:
            at, length = source[name], 1
            while at and at != name and length <= MOST_CYCLE:
                at, length = source.get(at, ""), length + 1
            if length > LATEST and at != name or length > MOST_CYCLE:
                raise Unknown
            if at == name:
                cycle = lcm(cycle, length)
        if cycle > MOST_CYCLE:
            raise Unknown
        return cycle

    def first(self, args: tuple[Any, ...]) -> dict[str, Value]:
        """What is known of the variables when the loop begins."""
        first = self.given(args)
        try:
            env = self.run(self.before, dict(first))
        except (Unknown, IndexError, ValueError):  # what has been stored, nobody knows, but for `a += b`
            self.straight = False
            lines = zip([("", None, 0), *self.before], self.before, strict=False)
            gone = {value for (last, how, _), (op, value, _) in lines if op == "DELETE_FAST" or op == "STORE_FAST" and (
                last != "BINARY_OP" or not operator_text(how).endswith("=") or not first.get(value, NULL).is_array)}
            env = {name: value for name, value in first.items() if name not in gone}
        return env

    def given(self, args: tuple[Any, ...]) -> dict[str, Value]:
        """What is known of the parameters."""
        code = self.fn.__code__
        names, defaults = code.co_varnames[:code.co_argcount], self.fn.__defaults__ or ()
        values = dict(zip(names[::-1], defaults[::-1], strict=False)) | dict(zip(names, args, strict=False))
        found = {name: known(value) for name, value in values.items()}
        return {name: value for name, value in found.items() if value is not None}

    def run(self, lines: list[Line], env: dict[str, Value]) -> dict[str, Value]:
        """The variables after these lines."""
        stack: list[Value] = []
        names: tuple[str, ...] = ()
        env = {name: Value(value.kind, value.what, name if value.is_array else "") for name, value in env.items()}
        for op, value, at in lines:
            if op == "LOAD_CONST" or op == "BUILD_SLICE" or op == "BUILD_TUPLE":  # most of what indices are written in
                QUICK[op](stack, value)
            elif op == "KW_NAMES":
                names = value
            elif op in ("LOAD_FAST", "LOAD_FAST_CHECK"):
                if value not in env:
                    raise Unknown
                stack.append(env[value])
            elif op == "STORE_FAST":
                env[value] = stack.pop()
            elif op in ("CALL", "CALL_KW"):
                if op == "CALL_KW":
                    names = stack.pop().what
                stack.append(placed(called(stack, value, names), at))
                names = ()
            elif op in ("LOAD_GLOBAL", "LOAD_GLOBAL_CALL", "LOAD_DEREF"):
                if op == "LOAD_GLOBAL_CALL":
                    stack.append(NULL)
                stack.append(self.outer(op, value))
            else:
                of = stack[-1] if stack else NULL
                step(op, stack, value)
                if of[0] == "object" and stack[-1].is_array:
                    self.reaches = True
                if op in MAKING:
                    stack[-1] = placed(stack[-1], at)
        return env

    def outer(self, op: str, name: str) -> Value:
        """A global or a variable of an enclosing function."""
        if op == "LOAD_DEREF":
            if name not in self.cells:
                raise Unknown
            value = self.cells[name].cell_contents
        else:
            value = _global(self.fn, name)
        found = known(value)
        return Value("object", value) if found is None else found
