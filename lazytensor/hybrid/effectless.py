"""Whether the body of a loop may run on ways that no turn has gone (`ways`): all that it could do there is known, and
is nothing but operations on arrays, what it does to variables of its own, and exceptions.

Names and bytecode say so, of all that the body can reach: what is not known to have no effects is taken to have some.
"""

from __future__ import annotations

import builtins
import collections
import functools
from collections.abc import Iterator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any

import numpy as np

from ..api import ufuncs
from .bytecode import operator_text, own, read
from .guards import ATOMS
from .jit import Jitted
from .scope import IMPLICIT, Scope, is_program
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
    "errstate", "geterr", "geterrcall", "seterr", "seterrcall", "setbufsize", "set_printoptions", "config", "seed",
    "set_state", "shuffle", "save", "savez", "savez_compressed", "savetxt", "tofile", "dump", "memmap", "open_memmap",
    "release", "trim", "KeyboardInterrupt"))
"""The error state is among them: it is another one on the side (`Turn.truth`)."""
_UNSEEN = frozenset((
    "getattr", "hasattr", "attrgetter", "methodcaller", "vars", "eval", "exec", "globals", "locals", "type",
    "__import__", "__code__", "__defaults__", "__kwdefaults__", "__closure__", "__globals__", "FunctionType",
    "CodeType", "register", "send", "throw"))
"""What reaches or makes that of which no name says what it is."""
_BINDING = frozenset(("STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "DELETE_SUBSCR", "DELETE_DEREF",
                      "IMPORT_NAME", "LOAD_BUILD_CLASS"))
_STORING = frozenset(("STORE_SUBSCR", "STORE_SLICE"))
_NATIVE = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, ClassMethodDescriptorType)
_CALLABLES = (FunctionType, MethodType, type, functools.partial, staticmethod, Jitted, *_NATIVE)
_COUNTING = (collections.defaultdict, collections.Counter)
"""Containers with effects that no name tells of, or one that functions of NumPy have, too."""
_CONTAINERS = (list, dict, set, collections.deque, bytearray)


def is_effectless(scope: Scope) -> bool:
    """Whether what a body can reach is of that kind."""
    reached = _with_special_methods(scope)
    objects = list(reached.objects.values())
    names = {*reached.names, *[str(x.__name__) for x in objects if _is_librarys(x)]}
    if reached.refusal or not names.isdisjoint(_MUTATING | _GLOBAL | _UNSEEN) or not all(map(_is_known, objects)):
        return False
    if not all(map(_is_pure_builtin, {name for _, name in reached.missing})):
        return False
    does = [_does(code) for code in reached.codes]
    holds = any(isinstance(x, _CONTAINERS) for x in objects)
    return not any(binds or holds and stores for binds, stores in does)


def _with_special_methods(scope: Scope) -> Scope:
    """What a body can reach, by operators and conversions of the program's classes, too: no name mentions these."""
    reached = Scope().walk(*[(x, "") for x in scope.objects.values()])
    met: set[type] = set()
    while classes := set(_classes(reached)) - met:
        met |= classes
        reached.walk(*[(f, "") for kind in classes for f in _special_methods(kind)])
    return reached


def _special_methods(kind: type) -> Iterator[Any]:
    for name, f in vars(kind).items():
        if name[:2] == "__" == name[-2:] and name not in IMPLICIT:
            f = f.__func__ if isinstance(f, (classmethod, staticmethod)) else f
            if is_program(f) if isinstance(f, FunctionType) else callable(f):
                yield f


def _classes(scope: Scope) -> Iterator[type]:
    for x in scope.objects.values():
        yield from filter(is_program, (x if isinstance(x, type) else type(x)).__mro__)


def _is_librarys(x: Any) -> bool:
    """Whether something is a function or class of a library's, whatever the program calls it."""
    return isinstance(x, _NATIVE) or isinstance(x, (FunctionType, type)) and not is_program(x)


def _is_known(x: Any) -> bool:
    """Whether what a value does shows in arrays and exceptions alone, and what it holds has been followed."""
    if isinstance(x, (np.ufunc, ufuncs.ufunc)):
        return getattr(np, x.__name__, None) is x or own(x.__name__) is x  # else it may call a function of the program
    if isinstance(x, (set, frozenset, dict)) and not all(map(_is_plain, x)):
        return False
    if callable(x) and not isinstance(x, _CALLABLES) and not isinstance(type(x).__call__, FunctionType):
        return False
    return is_contained(x) and not isinstance(x, (np.vectorize, *_COUNTING))


def _is_plain(key: Any) -> bool:
    return type(key) in ATOMS or type(key) is tuple and all(map(_is_plain, key))


def _is_pure_builtin(name: str) -> bool:
    """Whether a name that no global has is of a builtin function without effects, or of nothing."""
    value = getattr(builtins, name, None)
    return name in BUILTINS or value is None or isinstance(value, type) and issubclass(value, BaseException)


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
