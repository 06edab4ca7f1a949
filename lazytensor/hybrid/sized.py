"""Parameters that only say how often a loop goes round, as ``steps`` in ``for _ in range(steps): ...``.

A function's bytecode shows it: the parameter is read once, by that `range`, and the loop's variable never; the body has
no branches, and nothing in it but arithmetic, parts of arrays, stores into arrays and calls of functions that keep no
state. Then a turn follows from the local variables with which it begins, and it leaves in each of them either

* the result of an operation: as in every turn, `repeating` has seen that these are alike;
* another variable's value, ``a, b = b, a``: where variables change places all is as before after so many turns as the
  exchange takes, the loop's *cycle*.

What else a turn might carry over (Python's numbers, lists, parts of parts) refuses. So two calls with numbers that
differ by a multiple of the cycle do the same, but for the turns of the loop. Bytecode that is not known refuses, too.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from math import lcm
from typing import Any, NamedTuple

import numpy as np

from ..api import ufuncs
from ..api.handle import Tensor
from ..api.scalar import Scalar
from .guards import ATOMS

MOST_CYCLE = 12
"""Turns of an exchange of variables."""
LATEST = 3
"""Turns after which variables must be of the kinds that they keep, and steps from variable to variable."""
_METHODS = frozenset({"sum", "mean", "min", "max", "std", "var", "prod", "dot", "copy"})
_PARTS = frozenset({"reshape", "ravel", "transpose"})
_NUMBERS = frozenset({"shape", "ndim", "size", "dtype", "nbytes", "itemsize"})
_FUNCTIONS = frozenset({"where", "dot", "sum", "mean", "amin", "amax", "min", "max", "std", "var", "prod", "clip",
                        "abs", "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like"})
_OPTIONS = frozenset({"axis", "keepdims", "dtype"})
_POSITIONAL = {"where": 3, "clip": 3, "full": 3}
_PAIRS = {"LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"), "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
          "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST")}
_OF_VARIABLES = ("_FAST", "_FAST_CHECK", "_FAST_AND_CLEAR", "_DEREF", "_CLOSURE")
_SILENT = frozenset({"EXTENDED_ARG", "CACHE", "NOP", "RESUME", "PRECALL", "NOT_TAKEN", "COPY_FREE_VARS"})
_PEEKING = frozenset({"locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe", "stack", "f_locals"})


class Sized(NamedTuple):
    """A loop whose number of turns is a parameter's: the offsets of its body in the bytecode, and its cycle."""

    code: types.CodeType
    start: int
    stop: int
    cycle: int


class _Unknown(Exception):
    """Something of which nobody knows what it keeps."""


class _Value(NamedTuple):
    """What is known of a value: a `tensor` that an operation gave, a `part` of one (a view), a `plain` one that cannot
    change, an `object`, a `method` of a tensor, a `tuple` of such; `null`. `local` is the variable that had it when the
    turn began; with `again`, it is that array written to in place, or a new one."""

    kind: str
    what: Any = None
    local: str = ""
    again: bool = False

    @property
    def is_array(self) -> bool:
        return self.kind in ("tensor", "part")


_TENSOR, _PART, _PLAIN, _NULL = map(_Value, ("tensor", "part", "plain", "null"))
_Line = tuple[str, Any, int]


def sized(fn: Any, number: int, args: tuple[Any, ...]) -> Sized | None:
    """The loop whose turns argument `number` of a call counts, if it does nothing else."""
    if type(fn) is not types.FunctionType or number >= fn.__code__.co_argcount:
        return None
    code = fn.__code__
    name = code.co_varnames[number]
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR) or (
            name in code.co_cellvars or _PEEKING.intersection(code.co_names)):
        return None
    lines = list(_lines(code))
    found = _loop(fn, lines, name)
    if found is None:
        return None
    first, last = found
    try:
        cycle = _Body(fn, lines, first, last).cycle(args)
    except (_Unknown, IndexError):
        return None
    return Sized(code, lines[first][2], lines[last][2], cycle)


def _lines(code: types.CodeType) -> Iterator[_Line]:
    """Instructions as (name, argument, offset), those that are two in one as two."""
    for line in dis.get_instructions(code):
        name, value = line.opname.replace("_BORROW", ""), line.argval
        if name in _SILENT:
            continue
        if name in _PAIRS:
            yield from [(one, part, line.offset) for one, part in zip(_PAIRS[name], value, strict=True)]
        elif name == "KW_NAMES":
            yield name, code.co_consts[line.arg or 0], line.offset
        elif name == "LOAD_GLOBAL" and (line.arg or 0) & 1:
            yield "LOAD_GLOBAL_CALL", value, line.offset
        elif name == "LOAD_ATTR" and (line.arg or 0) & 1 and "|" in line.argrepr:
            yield "LOAD_METHOD", value, line.offset
        else:
            yield name, value, line.offset


def _loop(fn: types.FunctionType, lines: list[_Line], name: str) -> tuple[int, int] | None:
    """The first line of the body of ``for ... in range(name)`` and the line that goes round, if all else does not know
    the parameter."""
    uses = [i for i, (op, value, _) in enumerate(lines) if op.endswith(_OF_VARIABLES) and value == name]
    if len(uses) != 1:
        return None
    at = uses[0]
    head = [op for op, _, _ in lines[at:at + 5]]
    if head != ["LOAD_FAST", "CALL", "GET_ITER", "FOR_ITER", "STORE_FAST"] or lines[at + 1][1] not in (1, None) or (
            not _is_range(fn, [line for line in lines[max(at - 3, 0):at] if line[0] != "PUSH_NULL"])):
        return None
    turn, variable = lines[at + 3], lines[at + 4][1]
    if any(op.startswith(("LOAD_FAST", "DELETE_FAST", "LOAD_CLOSURE")) and value == variable for op, value, _ in lines):
        return None
    last = next((i for i, (op, value, _) in enumerate(lines)
                 if i > at and op == "JUMP_BACKWARD" and value == turn[2]), 0)
    beyond = next((i for i, line in enumerate(lines) if line[2] >= turn[1]), len(lines))
    return (at + 5, last) if last and beyond == last + 1 else None


def _is_range(fn: types.FunctionType, lines: list[_Line]) -> bool:
    """Whether the last of these lines give Python's `range`, or lazytensor's, as a global or of a module."""
    space = {**vars(builtins), **fn.__globals__}
    (before, module, _), (op, name, _) = [("", None, 0), *lines][-2:]
    if op in ("LOAD_METHOD", "LOAD_ATTR") and before.startswith("LOAD_GLOBAL"):
        found = _of_module(space.get(module), name)
    else:
        found = space.get(name) if op.startswith("LOAD_GLOBAL") else None
    return found is range or found is _own("range")


class _Body:
    """The body of a loop, and what a turn hands on."""

    def __init__(self, fn: types.FunctionType, lines: list[_Line], first: int, last: int) -> None:
        self.fn = fn
        self.before, self.body, self.after = lines[:first - 5], lines[first:last], lines[last + 1:]
        stored = {value for op, value, _ in self.body if op in ("STORE_FAST", "DELETE_FAST")}
        read: set[Any] = {value for op, value, _ in self.after if op.startswith("LOAD_FAST")}
        done: set[Any] = set()
        for op, value, _ in self.body:
            if op == "STORE_FAST":
                done.add(value)
            elif op.startswith("LOAD_FAST") and value not in done:
                read.add(value)
        self.carried = stored & read
        cells = zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True)
        self.cells = {name: cell for name, cell in cells}

    def cycle(self, args: tuple[Any, ...]) -> int:
        """After how many turns variables have changed places as before."""
        env = self.first(args)
        for _ in range(LATEST):
            before = {name: env.get(name, _NULL).kind for name in self.carried}
            end = self.run(self.body, dict(env))
            handed = {name: end.get(name, _NULL) for name in self.carried}
            env |= {name: _Value(value.kind) for name, value in handed.items()}
            if before == {name: value.kind for name, value in handed.items()}:
                break
        else:
            raise _Unknown
        if any(value.kind != "tensor" and not (value.kind == "part" and value.local == name)
               for name, value in handed.items()):
            raise _Unknown
        return self.exchange(handed)

    def exchange(self, handed: dict[str, _Value]) -> int:
        """The cycle of variables that take others' values."""
        source = {}
        for name, value in handed.items():
            if value.again and value.local != name:
                raise _Unknown
            source[name] = value.local if value.local != name else ""
        cycle = 1
        for name in source:
            at, length = source[name], 1
            while at and at != name and length <= MOST_CYCLE:
                at, length = source.get(at, ""), length + 1
            if length > LATEST and at != name or length > MOST_CYCLE:
                raise _Unknown
            if at == name:
                cycle = lcm(cycle, length)
        if cycle > MOST_CYCLE:
            raise _Unknown
        return cycle

    def first(self, args: tuple[Any, ...]) -> dict[str, _Value]:
        """What is known of the variables when the loop begins."""
        code = self.fn.__code__
        given = {name: _of(value) for name, value in zip(code.co_varnames, args, strict=False)}
        known = {name: value for name, value in given.items() if value is not None}
        try:
            env = self.run(self.before, dict(known))
        except (_Unknown, IndexError):  # what has been stored, nobody knows, but for `a += b`
            lines = zip([("", None, 0), *self.before], self.before, strict=False)
            gone = {value for (last, how, _), (op, value, _) in lines if op == "DELETE_FAST" or op == "STORE_FAST" and (
                last != "BINARY_OP" or not _operator_text(how).endswith("=") or not known.get(value, _NULL).is_array)}
            env = {name: value for name, value in known.items() if name not in gone}
        return env

    def run(self, lines: list[_Line], env: dict[str, _Value]) -> dict[str, _Value]:
        """The variables after these lines."""
        stack: list[_Value] = []
        names: tuple[str, ...] = ()
        env = {name: _Value(value.kind, value.what, name if value.is_array else "") for name, value in env.items()}
        for op, value, _ in lines:
            if op == "KW_NAMES":
                names = value
            elif op in ("LOAD_FAST", "LOAD_FAST_CHECK"):
                if value not in env:
                    raise _Unknown
                stack.append(env[value])
            elif op == "STORE_FAST":
                env[value] = stack.pop()
            elif op in ("CALL", "CALL_KW"):
                if op == "CALL_KW":
                    names = stack.pop().what
                stack.append(_called(stack, value, names))
                names = ()
            elif op in ("LOAD_GLOBAL", "LOAD_GLOBAL_CALL", "LOAD_DEREF"):
                if op == "LOAD_GLOBAL_CALL":
                    stack.append(_NULL)
                stack.append(self.outer(op, value))
            else:
                _STEPS.get(op, _unknown)(stack, value)
        return env

    def outer(self, op: str, name: str) -> _Value:
        """A global or a variable of an enclosing function."""
        if op == "LOAD_DEREF":
            if name not in self.cells:
                raise _Unknown
            value = self.cells[name].cell_contents
        else:
            value = self.fn.__globals__.get(name, vars(builtins).get(name))
        found = _of(value)
        return _Value("object", value) if found is None else found


def _of(value: Any) -> _Value | None:
    if type(value) is Tensor or isinstance(value, Scalar):
        return _TENSOR
    if type(value) in ATOMS or isinstance(value, np.generic):
        return _Value("plain", value)
    return None


def _unknown(stack: list[_Value], value: Any) -> None:
    raise _Unknown


def _plain_or_tensor(*values: _Value) -> _Value:
    """What arithmetic gives."""
    if not all(x.is_array or x.kind == "plain" for x in values):
        raise _Unknown
    return _TENSOR if any(x.is_array for x in values) else _PLAIN


def _binary(stack: list[_Value], value: Any, in_place: bool = False) -> None:
    b, a = stack.pop(), stack.pop()
    found = _plain_or_tensor(a, b)
    if in_place and a.is_array:
        found = a._replace(again=bool(a.local))
    stack.append(found)


def _operator_text(number: Any) -> str:
    return str(dis._nb_ops[number][1])  # type: ignore[attr-defined]


def _operator(stack: list[_Value], value: Any) -> None:
    text = _operator_text(value)
    if text == "[]":
        return _subscript(stack, value)
    _binary(stack, value, text.endswith("="))


def _unary(stack: list[_Value], value: Any) -> None:
    stack.append(_plain_or_tensor(stack.pop()))


def _subscript(stack: list[_Value], value: Any) -> None:
    index, a = stack.pop(), stack.pop()
    if index.kind == "tuple":
        index = _plain_or_tensor(*index.what)
    if a.kind == "plain" and index.kind == "plain":
        return stack.append(_PLAIN)
    if not a.is_array or not index.is_array and index.kind != "plain":
        raise _Unknown
    stack.append(_PART)


def _stored(stack: list[_Value], value: Any) -> None:
    index, a, new = stack.pop(), stack.pop(), stack.pop()
    if index.kind == "tuple":
        index = _plain_or_tensor(*index.what)
    _plain_or_tensor(index, new)
    if not a.is_array:
        raise _Unknown


def _sliced(stack: list[_Value], value: Any) -> None:
    b, a = stack.pop(), stack.pop()
    stack.append(_plain(a, b))
    _subscript(stack, value)


def _slice_stored(stack: list[_Value], value: Any) -> None:
    b, a = stack.pop(), stack.pop()
    stack.append(_plain(a, b))
    _stored(stack, value)


def _plain(*values: _Value) -> _Value:
    if any(x.kind != "plain" for x in values):
        raise _Unknown
    return _PLAIN


def _slice(stack: list[_Value], count: Any) -> None:
    parts = [stack.pop() for _ in range(count)]
    stack.append(_plain(*parts))


def _tuple(stack: list[_Value], count: Any) -> None:
    parts = [stack.pop() for _ in range(count)][::-1]
    stack.append(_PLAIN if all(x.kind == "plain" for x in parts) else _Value("tuple", tuple(parts)))


def _unpacked(stack: list[_Value], count: Any) -> None:
    value = stack.pop()
    if value.kind == "tuple" and len(value.what) == count:
        stack += value.what[::-1]
    elif value.kind == "plain":
        stack += [_PLAIN] * count
    else:
        raise _Unknown


def _attribute(stack: list[_Value], name: Any) -> None:
    of = stack.pop()
    if of.is_array and name in _NUMBERS:
        stack.append(_PLAIN)
    elif of.is_array and name == "T":
        stack.append(_PART)
    elif of.kind == "object" and (value := _of_module(of.what, name)) is not None:
        stack.append(_of(value) or _Value("object", value))
    else:
        raise _Unknown


def _method(stack: list[_Value], name: Any) -> None:
    if stack[-1].is_array and name in _METHODS | _PARTS:
        stack.pop()
        stack += [_NULL, _Value("method", name)]
    else:
        _attribute(stack, name)
        stack.insert(-1, _NULL)


def _called(stack: list[_Value], count: Any, names: tuple[str, ...]) -> _Value:
    args = [stack.pop() for _ in range(count)]
    args = [_plain(*x.what) if x.kind == "tuple" else x for x in args]
    pair = [x for x in (stack.pop(), stack.pop()) if x.kind != "null"]
    if len(pair) != 1 or not _OPTIONS.issuperset(names):
        raise _Unknown
    what, = pair
    plain = _plain_or_tensor(*args)
    if what.kind == "method":
        return _PART if what.what in _PARTS else _TENSOR
    if what.kind != "object" or not _keeps_nothing(what.what, count - len(names)):
        raise _Unknown
    return _TENSOR if _makes_arrays(what.what) else plain


def _makes_arrays(fn: Any) -> bool:
    return not isinstance(fn, (ufuncs.ufunc, np.ufunc)) and fn is not abs


def _keeps_nothing(fn: Any, positional: int) -> bool:
    """Whether a function gives a new array, as a record, and does nothing else."""
    if isinstance(fn, (ufuncs.ufunc, np.ufunc)):
        return bool(positional <= fn.nin and fn.nout == 1)
    name = getattr(fn, "__name__", "")
    return fn is abs or name in _FUNCTIONS and positional <= _POSITIONAL.get(name, 2) and (
        fn is _own(name))


def _of_module(module: Any, name: str) -> Any:
    return getattr(module, name, None) if isinstance(module, types.ModuleType) else None


def _own(name: str) -> Any:
    """What lazytensor has under that name."""
    return getattr(sys.modules[__package__.partition(".")[0]], name, None)


def _pop(stack: list[_Value], value: Any) -> None:
    stack.pop()


def _swap(stack: list[_Value], depth: Any) -> None:
    stack[-1], stack[-depth] = stack[-depth], stack[-1]


_STEPS: dict[str, Callable[[list[_Value], Any], None]] = {
    "LOAD_CONST": lambda stack, value: stack.append(_const(value)),
    "LOAD_SMALL_INT": lambda stack, value: stack.append(_const(value)),
    "PUSH_NULL": lambda stack, value: stack.append(_NULL), "POP_TOP": _pop, "SWAP": _swap,
    "COPY": lambda stack, depth: stack.append(stack[-depth]), "BINARY_OP": _operator, "BINARY_SUBSCR": _subscript,
    "BINARY_SLICE": _sliced, "STORE_SUBSCR": _stored, "STORE_SLICE": _slice_stored, "BUILD_SLICE": _slice,
    "BUILD_TUPLE": _tuple, "UNPACK_SEQUENCE": _unpacked, "UNARY_NEGATIVE": _unary, "UNARY_POSITIVE": _unary,
    "UNARY_INVERT": _unary, "COMPARE_OP": _binary, "LOAD_ATTR": _attribute, "LOAD_METHOD": _method}


def _const(value: Any) -> _Value:
    return _Value("plain" if type(value) in (*ATOMS, tuple) else "object", value)
