"""What functions may do, where the turns of a loop are not all run as the program has them.

Names and bytecode say so, of all that they can reach. They are `understood` if all that they do shows in what is looked
at afterwards (`Scope.changed`), and `is_effectless` if there is nothing but operations on arrays, what is done to
variables of their own, and exceptions: such a body may run on ways that no turn has gone (`ways`). What is not known to
be of that kind is taken not to be.
"""

from __future__ import annotations

import builtins
import collections
import dis
import functools
from collections.abc import Iterator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import numpy as np

from ..api import ufuncs
from ..api.handle import Tensor
from ..api.scalar import Scalar
from .bytecode import operator_text, own, read
from .guards import ATOMS
from .jit import Jitted
from .scope import IMPLICIT, Scope, is_program, is_users
from .undoing import BUILTINS, is_contained

_IN_PLACE = [f"i{name}" for name in ("add", "and", "concat", "floordiv", "lshift", "matmul", "mod", "mul", "or", "pow",
                                       "rshift", "sub", "truediv", "xor")]
_MUTATING = frozenset((
    "append", "extend", "insert", "pop", "popitem", "remove", "clear", "add", "discard", "update", "setdefault", "sort",
    "reverse", "appendleft", "extendleft", "popleft", "rotate", "difference_update", "intersection_update",
    "symmetric_difference_update", "move_to_end", "setattr", "delattr", "setflags", "__setitem__",
    "__setattr__", "__delattr__", "__delitem__", "__dict__", "cell_contents", "setitem", "delitem", "__init__",
    "__setstate__", *_IN_PLACE, *[f"__{name}__" for name in _IN_PLACE]))
_GLOBAL = frozenset((
    "seterr", "seterrcall", "setbufsize", "set_printoptions", "config", "seed",
    "set_state", "shuffle", "save", "savez", "savez_compressed", "savetxt", "tofile", "dump", "memmap", "open_memmap",
    "release", "trim", "KeyboardInterrupt"))
_UNSEEN = frozenset((
    "getattr", "hasattr", "attrgetter", "methodcaller", "vars", "eval", "exec", "globals", "locals", "type",
    "__import__", "__code__", "__defaults__", "__kwdefaults__", "__closure__", "__globals__", "FunctionType",
    "CodeType", "register", "send", "throw"))
"""What reaches or makes that of which no name says what it is."""
REFLECTING = frozenset(("locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe"))
_STATEFUL = frozenset(("next", "input", "open", "id", "globals", "print", "breakpoint", "__import__", "geterr",
                       "geterrcall", *REFLECTING))
"""The error state is another one on the side (`Loop._turn`)."""
_PURE = frozenset(("numpy", "lazytensor", "builtins", "math", "cmath", "operator", "_operator", "functools",
                   "_functools", "typing", "collections", "dataclasses", "types", "enum", "abc", "numbers",
                   "__future__"))
_PURE_BUILTINS = BUILTINS | {"ascii", "bin", "bytearray", "bytes", "chr", "complex", "delattr", "format", "hash", "hex",
                             "iter", "memoryview", "oct", "ord", "Ellipsis", "__name__"}
_PLAIN = (Tensor, Jitted, list, tuple, MethodType, functools.partial, property, staticmethod, classmethod,
          GetSetDescriptorType, WrapperDescriptorType, MethodDescriptorType)
_BINDING = frozenset(("STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "DELETE_SUBSCR", "DELETE_DEREF",
                      "IMPORT_NAME"))
_OF_TEXT = frozenset(("__repr__", "__str__", "__format__"))
_SHOWING = frozenset(("str", "repr", "format", "format_map", "ascii", "print"))
_SELDOM = _OF_TEXT | {"__setattr__", "__delattr__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__",
                      "__copy__", "__deepcopy__", "__getnewargs__", "__getnewargs_ex__", "__sizeof__", "__dir__"}
"""Special methods that many classes have, and that these instructions and functions call, or `copy` and `pickle`."""
_BUILD_CLASS = dis.opmap["LOAD_BUILD_CLASS"]
_STORING = frozenset(("STORE_SUBSCR", "STORE_SLICE"))
_NATIVE = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, ClassMethodDescriptorType)
_COUNTING = (collections.defaultdict, collections.Counter)
"""What to read or to subtract changes."""
_CONTAINERS = (list, dict, set, collections.deque, bytearray)


def reach(*starts: tuple[Any, str]) -> Scope:
    """What functions can reach, by operators and conversions of the program's classes, too: no name mentions these."""
    reached = Scope().walk(*starts)
    met: set[int] = set()
    while methods := [f for f in _special_methods(reached) if id(f) not in met]:
        met.update(map(id, methods))
        reached.walk(*[(f, "") for f in methods])
    return reached


def _special_methods(scope: Scope) -> Iterator[Any]:
    classes = {base: None for x in scope.objects.values() for base in (x if isinstance(x, type) else type(x)).__mro__
               if is_program(base)}
    calls = {name for code in scope.codes for name in _calls(code)} if classes else ()
    for base in classes:
        for name, f in vars(base).items():
            if name[:2] == "__" == name[-2:] and name not in IMPLICIT and (name not in _SELDOM or name in calls):
                f = f.__func__ if isinstance(f, (classmethod, staticmethod)) else f
                if is_program(f) if isinstance(f, FunctionType) else callable(f):
                    yield f


@functools.lru_cache(1024)
def _calls(code: CodeType) -> frozenset[str]:
    """Which of the methods that are seldom called a function may call."""
    lines = read(code)
    ops = {op for op, _, _ in lines}
    shows = not _SHOWING.isdisjoint(code.co_names) or any(op[:6] in ("FORMAT", "CONVER") for op in ops) or any(
        op == "BINARY_OP" and operator_text(value)[0] == "%" for op, value, _ in lines)
    return frozenset([*(_OF_TEXT if shows else ()), *(["__setattr__"] if "STORE_ATTR" in ops else ()),
                      *(["__delattr__"] if "DELETE_ATTR" in ops else ())])


# ---- what they do is seen --------------------------------------------------------------------------------------------


def understood(scope: Scope) -> bool:
    """Whether all that a function reaches is followed: nothing of it is an iterator, a clock or a file, which may give
    something else at a later turn although nothing changes that a guard looks at, or keeps what nobody looks at."""
    return (not scope.refusal and _STATEFUL.isdisjoint(scope.names) and all(map(_is_understood, scope.objects.values()))
            and all(_is_pure_builtin(name) for _, name in scope.missing)
            and not any(_makes_classes(code) for code in scope.codes))


def _is_understood(value: Any) -> bool:
    kind = type(value)
    if kind in (set, frozenset, dict):
        return all(map(_is_plain, value))
    if kind is FunctionType:
        return is_contained(value)
    if kind in _PLAIN or issubclass(kind, (Scalar, np.generic)):
        return True
    if isinstance(value, (np.ufunc, ufuncs.ufunc)):  # another one may call a function of the program
        return getattr(np, value.__name__, None) is value or own(value.__name__) is value
    if callable(value) and not isinstance(value, (type, BuiltinFunctionType)) and (
            not isinstance(kind.__call__, FunctionType) or isinstance(value, np.vectorize)):
        return False
    if isinstance(value, (ModuleType, type, BuiltinFunctionType)):
        module = value.__name__ if isinstance(value, ModuleType) else value.__module__
        return is_contained(value) and (is_users(module) or str(module).partition(".")[0] in _PURE)
    return not hasattr(kind, "__next__") and (is_users(kind.__module__) or kind.__module__.partition(".")[0] in (
        "lazytensor", "numpy")) and is_contained(value) and not isinstance(
        value, (np.random.Generator, np.random.RandomState, np.ndarray))


def _is_plain(key: Any) -> bool:
    return type(key) in ATOMS or type(key) is tuple and all(map(_is_plain, key))


def _is_pure_builtin(name: str) -> bool:
    """Whether a name that no global has is of a builtin function without effects, or of nothing."""
    value = getattr(builtins, name, None)
    return name in _PURE_BUILTINS or name in _STATEFUL or value is None or isinstance(value, type) and issubclass(
        value, BaseException)


def _makes_classes(code: CodeType) -> bool:
    return _BUILD_CLASS in code.co_code[::2]


# ---- there is nothing to be seen -------------------------------------------------------------------------------------


def is_effectless(scope: Scope) -> bool:
    """Whether functions that are `understood` have no effects."""
    objects = list(scope.objects.values())
    names = {*scope.names, *[str(x.__name__) for x in objects if _is_librarys(x)]}
    if not names.isdisjoint(_MUTATING | _GLOBAL | _UNSEEN) or any(isinstance(x, _COUNTING) for x in objects):
        return False
    does = [_does(code) for code in scope.codes]
    holds = any(isinstance(x, _CONTAINERS) for x in objects)
    return not any(binds or holds and stores for binds, stores in does)


def _is_librarys(x: Any) -> bool:
    """Whether something is a function or class of a library's, whatever the program calls it."""
    return isinstance(x, _NATIVE) or isinstance(x, (FunctionType, type)) and not is_program(x)


@functools.lru_cache(1024)
def _does(code: CodeType) -> tuple[bool, bool]:
    """Whether a function's code binds other things than its own variables and the attributes of an object that it
    begins; whether it stores elements, or does something in place."""
    lines = [(op, value) for op, value, _ in read(code)]
    begun = code.co_varnames[:1] if code.co_name in ("__init__", "__post_init__") else ()
    own = [("LOAD_FAST", name) for name in begun if ("STORE_FAST", name) not in lines]
    others = [(op, value) for before, (op, value) in zip([("", None), *lines], lines, strict=False)
              if op != "STORE_ATTR" or before not in own]
    return (any(op in _BINDING or op == "STORE_DEREF" and value in code.co_freevars for op, value in others),
            any(op in _STORING or op == "BINARY_OP" and operator_text(value).endswith("=") for op, value in lines))
