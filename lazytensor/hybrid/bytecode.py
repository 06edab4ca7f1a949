"""What is known of the values that straight bytecode works on: which are arrays, and what keeps no state.

`read` gives a function's instructions, the same for all versions of Python, and `step` does one of them to a stack of
`Value`s. What is not known, or may keep something that is not seen, raises `Unknown`.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..api import ufuncs
from ..api.handle import Tensor
from ..api.scalar import Scalar
from .guards import ATOMS

_METHODS = frozenset({"sum", "mean", "min", "max", "std", "var", "prod", "dot", "copy"})
_PARTS = frozenset({"reshape", "ravel", "transpose"})
_NUMBERS = frozenset({"shape", "ndim", "size", "dtype", "nbytes", "itemsize"})
_FUNCTIONS = frozenset({"where", "dot", "sum", "mean", "amin", "amax", "min", "max", "std", "var", "prod", "clip",
                        "abs", "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like"})
_OPTIONS = frozenset({"axis", "keepdims", "dtype"})
_POSITIONAL = {"where": 3, "clip": 3, "full": 3}
_PAIRS = {"LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"), "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
          "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST")}
_SILENT = frozenset({"EXTENDED_ARG", "CACHE", "NOP", "RESUME", "PRECALL", "NOT_TAKEN", "COPY_FREE_VARS"})

MAKING = frozenset({"BINARY_OP", "BINARY_SUBSCR", "UNARY_NEGATIVE", "UNARY_POSITIVE", "UNARY_INVERT", "COMPARE_OP"})
"""What may give the result of an operation, besides calls."""


class Unknown(Exception):
    """Something of which nobody knows what it keeps."""


ARRAYS = frozenset({"tensor", "part"})


class Value(NamedTuple):
    """What is known of a value: a `tensor` that an operation gave, a `part` of one (a view), a `plain` one that cannot
    change, an `object`, a `method` of a tensor, a `tuple` of such; `null`. `local` is the variable that had it when the
    turn began; with `again`, it is that array written to in place, or a new one. `at` is the offset of the instruction
    that made it."""

    kind: str
    what: Any = None
    local: str = ""
    again: bool = False
    at: int = -1

    @property
    def is_array(self) -> bool:
        return self.kind in ARRAYS


_new = tuple.__new__  # quicker than the class by half


def placed(value: Value, at: int) -> Value:
    """What the instruction at an offset made."""
    return _new(Value, (value[0], value[1], value[2], value[3], at))


TENSOR, PART, PLAIN, NULL = map(Value, ("tensor", "part", "plain", "null"))
Line = tuple[str, Any, int]


def read(code: types.CodeType) -> list[Line]:
    """Instructions as (name, argument, offset), those that are two in one as two."""
    found: list[Line] = []
    for name, arg, value, offset in _instructions(code):
        if name in _AS_THEY_ARE:
            found.append((name, value, offset))
            continue
        name = name.replace("_BORROW", "")
        if name in _SILENT:
            continue
        if name in _PAIRS:
            found += [(one, part, offset) for one, part in zip(_PAIRS[name], value, strict=True)]
        elif name == "KW_NAMES":
            found.append((name, code.co_consts[arg], offset))
        elif name == "LOAD_GLOBAL" and arg & 1:
            found.append(("LOAD_GLOBAL_CALL", value, offset))
        elif name == "LOAD_ATTR" and arg & 1 and _LOADS_METHODS:
            found.append(("LOAD_METHOD", value, offset))
        else:
            found.append((name, value, offset))
    return found


_AS_THEY_ARE = frozenset({"LOAD_CONST", "LOAD_FAST", "BUILD_SLICE", "BUILD_TUPLE", "BINARY_SUBSCR", "BINARY_OP", "CALL",
                          "STORE_FAST", "STORE_SUBSCR", "PUSH_NULL"})
"""Most of the instructions of arithmetic."""
_LOADS_METHODS = sys.version_info >= (3, 12)
"""Whether an attribute that is to be called is loaded by LOAD_ATTR."""


def listed(code: types.CodeType) -> Iterator[tuple[str, int, Any, int]]:
    """Instructions as (name, number, argument, offset), by `dis`."""
    for line in dis.get_instructions(code):
        yield line.opname, line.arg or 0, line.argval, line.offset


def _listed_quickly(code: types.CodeType) -> Iterator[tuple[str, int, Any, int]]:
    """The same on Python 3.11, without the texts that `dis` makes of each, which take most of the time."""
    words, local, more, offset = code.co_code, code._varname_from_oparg, 0, 0  # type: ignore[attr-defined]
    tables = {"const": code.co_consts, "name": code.co_names, "compare": dis.cmp_op}
    while offset < len(words):
        name, kind, size = _FORMS[words[offset]]
        arg: int = words[offset + 1] | more
        value: Any = arg
        more = arg << 8 if name == "EXTENDED_ARG" else 0
        if kind == "local":
            value = local(arg)
        elif kind == "jump":
            value = offset + 2 + 2 * (-arg if "JUMP_BACKWARD" in name else arg)
        elif kind == "none":
            arg, value = 0, None
        elif kind:
            value = tables[kind][arg >> 1 if name == "LOAD_GLOBAL" else arg]
        yield name, arg, value, offset
        offset += size


def _form(op: int) -> tuple[str, str, int]:
    """An instruction's name, what its argument stands for, and the bytes that it takes on Python 3.11."""
    kinds = {"const": dis.hasconst, "name": dis.hasname, "jump": dis.hasjrel, "local": [*dis.haslocal, *dis.hasfree],
             "compare": dis.hascompare, "none": range(dis.HAVE_ARGUMENT)}
    kind = next((kind for kind, ops in kinds.items() if op in ops), "")
    return dis.opname[op], kind, 2 + 2 * dis._inline_cache_entries[op]  # type: ignore[attr-defined]


if sys.version_info[:2] == (3, 11):
    _FORMS = [_form(op) for op in range(256)]
    _instructions = _listed_quickly
else:
    _instructions = listed


def known(value: Any) -> Value | None:
    """What is known of an object, if it is an array or a value that cannot change."""
    if type(value) is Tensor or isinstance(value, Scalar):
        return TENSOR
    if type(value) in ATOMS or isinstance(value, np.generic):
        return Value("plain", value)
    return None


def _plain_or_tensor(*values: Value) -> Value:
    """What arithmetic gives."""
    found = PLAIN
    for x in values:
        if x[0] in ARRAYS:
            found = TENSOR
        elif x[0] != "plain":
            raise Unknown
    return found


def _binary(stack: list[Value], value: Any, in_place: bool = False) -> None:
    b, a = stack.pop(), stack.pop()
    found = _plain_or_tensor(a, b)
    if in_place and a.is_array:
        found = a._replace(again=bool(a.local))
    stack.append(found)


_OPERATORS: list[str] = [text for _, text in dis._nb_ops]  # type: ignore[attr-defined]


def operator_text(number: Any) -> str:
    return _OPERATORS[number]


def _operator(stack: list[Value], value: Any) -> None:
    text = _OPERATORS[value]
    if text == "[]":
        return _subscript(stack, value)
    _binary(stack, value, text.endswith("="))


def _unary(stack: list[Value], value: Any) -> None:
    stack.append(_plain_or_tensor(stack.pop()))


def _subscript(stack: list[Value], value: Any) -> None:
    index, a = stack.pop(), stack.pop()
    if index.kind == "tuple":
        index = _plain_or_tensor(*index.what)
    if index[0] == "plain" and a[0] in ARRAYS:
        return stack.append(PART)
    if a.kind == "plain" and index.kind == "plain":
        return stack.append(PLAIN)
    if not a.is_array or not index.is_array:
        raise Unknown
    stack.append(PART)


def _stored(stack: list[Value], value: Any) -> None:
    index, a, new = stack.pop(), stack.pop(), stack.pop()
    if index.kind == "tuple":
        index = _plain_or_tensor(*index.what)
    _plain_or_tensor(index, new)
    if not a.is_array:
        raise Unknown


def _sliced(stack: list[Value], value: Any) -> None:
    b, a = stack.pop(), stack.pop()
    stack.append(_plain(a, b))
    _subscript(stack, value)


def _slice_stored(stack: list[Value], value: Any) -> None:
    b, a = stack.pop(), stack.pop()
    stack.append(_plain(a, b))
    _stored(stack, value)


def _plain(*values: Value) -> Value:
    for x in values:
        if x[0] != "plain":
            raise Unknown
    return PLAIN


def _slice(stack: list[Value], count: Any) -> None:
    parts = _popped(stack, count)
    for x in parts:
        if x is not PLAIN:
            return stack.append(_plain(*parts))
    stack.append(PLAIN)


def _tuple(stack: list[Value], count: Any) -> None:
    parts = _popped(stack, count)
    for x in parts:
        if x is not PLAIN and x[0] != "plain":
            return stack.append(Value("tuple", tuple(parts)))
    stack.append(PLAIN)


def _popped(stack: list[Value], count: int) -> list[Value]:
    """The last values of a stack, in order."""
    if count > len(stack):
        raise Unknown
    first = len(stack) - count
    parts = stack[first:]
    del stack[first:]
    return parts


def _unpacked(stack: list[Value], count: Any) -> None:
    value = stack.pop()
    if value.kind == "tuple" and len(value.what) == count:
        stack += value.what[::-1]
    elif value.kind == "plain":
        stack += [PLAIN] * count
    else:
        raise Unknown


def _attribute(stack: list[Value], name: Any) -> None:
    of = stack.pop()
    if of.is_array and name in _NUMBERS:
        stack.append(PLAIN)
    elif of.is_array and name == "T":
        stack.append(PART)
    elif of.kind == "object" and (value := of_module(of.what, name)) is not None:
        stack.append(known(value) or Value("object", value))
    else:
        raise Unknown


def _method(stack: list[Value], name: Any) -> None:
    if stack[-1].is_array and name in _METHODS | _PARTS:
        stack.pop()
        stack += [NULL, Value("method", name)]
    else:
        _attribute(stack, name)
        stack.insert(-1, NULL)


def called(stack: list[Value], count: Any, names: tuple[str, ...]) -> Value:
    args = [_plain(*x.what) if x.kind == "tuple" else x for x in _popped(stack, count)]
    pair = [x for x in (stack.pop(), stack.pop()) if x.kind != "null"]
    if len(pair) != 1 or not _OPTIONS.issuperset(names):
        raise Unknown
    what, = pair
    plain = _plain_or_tensor(*args)
    if what.kind == "method" and (count - len(names) < 2 or what.what in _PARTS):
        return PART if what.what in _PARTS else TENSOR
    if what.kind != "object" or not _keeps_nothing(what.what, count - len(names)):
        raise Unknown
    return TENSOR if _makes_arrays(what.what) else plain


def _makes_arrays(fn: Any) -> bool:
    return not isinstance(fn, (ufuncs.ufunc, np.ufunc)) and fn is not abs


def _keeps_nothing(fn: Any, positional: int) -> bool:
    """Whether a function gives a new array, as a record, and does nothing else."""
    if isinstance(fn, (ufuncs.ufunc, np.ufunc)):
        return bool(positional <= fn.nin and fn.nout == 1)
    name = getattr(fn, "__name__", "")
    return fn is abs or name in _FUNCTIONS and positional <= _POSITIONAL.get(name, 2) and (
        fn is own(name))


def of_module(module: Any, name: str) -> Any:
    return getattr(module, name, None) if isinstance(module, types.ModuleType) else None


def own(name: str) -> Any:
    """What lazytensor has under that name."""
    return getattr(sys.modules[__package__.partition(".")[0]], name, None)


def _pop(stack: list[Value], value: Any) -> None:
    stack.pop()


def _swap(stack: list[Value], depth: Any) -> None:
    stack[-1], stack[-depth] = stack[-depth], stack[-1]


_STEPS: dict[str, Callable[[list[Value], Any], None]] = {
    "LOAD_CONST": lambda stack, value: stack.append(_const(value)),
    "LOAD_SMALL_INT": lambda stack, value: stack.append(_const(value)),
    "PUSH_NULL": lambda stack, value: stack.append(NULL), "POP_TOP": _pop, "SWAP": _swap,
    "COPY": lambda stack, depth: stack.append(stack[-depth]), "BINARY_OP": _operator, "BINARY_SUBSCR": _subscript,
    "BINARY_SLICE": _sliced, "STORE_SUBSCR": _stored, "STORE_SLICE": _slice_stored, "BUILD_SLICE": _slice,
    "BUILD_TUPLE": _tuple, "UNPACK_SEQUENCE": _unpacked, "UNARY_NEGATIVE": _unary, "UNARY_POSITIVE": _unary,
    "UNARY_INVERT": _unary, "COMPARE_OP": _binary, "LOAD_ATTR": _attribute, "LOAD_METHOD": _method}


def step(op: str, stack: list[Value], value: Any) -> None:
    """Does an instruction that has to do with the stack alone."""
    do = _STEPS.get(op)
    if do is None:
        raise Unknown
    do(stack, value)


def _const(value: Any) -> Value:
    if type(value) is tuple:  # the names of a call's arguments, it may be
        return Value("plain", value)
    return PLAIN if type(value) in ATOMS else Value("object", value)


def _constant(stack: list[Value], value: Any) -> None:
    stack.append(_const(value))


QUICK = {"LOAD_CONST": _constant, "BUILD_SLICE": _slice, "BUILD_TUPLE": _tuple}
"""Steps that need nothing but the stack."""
