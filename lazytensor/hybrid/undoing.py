"""Whether a call may be begun twice: it reaches nothing but what can be put back, and that is put back."""

from __future__ import annotations

import builtins
import collections
import dis
import functools
import operator
import sys
import types
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from ..api.handle import Tensor, View
from ..api.scalar import Scalar
from .alone import alone
from .scope import Scope, _globals_of, is_users

# ---- which functions -------------------------------------------------------------------------------------------------

BUILTINS = frozenset((
    "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "filter", "float", "frozenset", "int", "isinstance",
    "issubclass", "len", "list", "map", "max", "min", "object", "pow", "print", "range", "repr", "reversed", "round",
    "set", "setattr", "getattr", "hasattr", "slice", "sorted", "str", "sum", "super", "tuple", "zip", "property",
    "staticmethod", "classmethod", "callable", "True", "False", "None", "NotImplemented", "__debug__"))
_FOLLOWED = BUILTINS if sys.version_info < (3, 12) else BUILTINS - {"sum"}
"""Those that do with numbers of the program what they do with Python's: from 3.12 on `sum` of floats errs less than
their ``+``."""
_ROOMS = frozenset(("math", "cmath", "numbers", "__future__", "operator", "builtins", "numpy", "lazytensor",
                    "collections", "dataclasses", "functools",
                    "types", "typing", "abc", "enum", "_operator", "_functools", "_collections"))
_UNKNOWN = frozenset(("__dict__", "vars", "type", "id", "globals", "locals", "eval", "exec", "open", "__import__",
                      "__weakref__", "_getframe", "__subclasses__", "__del__", "__code__", "__defaults__",
                      "__kwdefaults__", "__closure__", "__globals__", "is_", "is_not", "suppress", "attrgetter",
                      "seterr", "seterrcall", "setbufsize", "spawn", "seed_seq"))
_WITH_STATE = frozenset(("print", "type"))
"""Builtin functions that are known by these names alone: under others they are not watched, or tell a number's type."""
_BASES = frozenset((
    object, list, dict, set, frozenset, tuple, int, float, complex, bool, str, bytes, bytearray, slice, range, property,
    staticmethod, classmethod, type(None), type(...), type(NotImplemented), types.FunctionType, types.MethodType,
    types.CodeType, types.CellType, types.ModuleType, types.GenericAlias, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, types.SimpleNamespace,
    types.ClassMethodDescriptorType, functools.partial, functools.partialmethod, functools.cached_property,
    operator.itemgetter, operator.methodcaller, collections.deque, collections.OrderedDict,
    collections.defaultdict, collections.Counter))
"""Classes not of the program whose instances, and those of classes derived from them, hold nothing unseen."""
_PLAIN_ROOMS = frozenset(("abc", "typing", "enum", "dataclasses", "lazytensor"))
_TELL = frozenset(("TypeError", "Exception", "BaseException"))
"""What may catch that a function written in C takes no number of the program."""


def uncontained(scope: Scope) -> str:
    """What a function reaches that is not the program's own objects, arrays or numbers, in words: what it does there
    could not be put back. "" if there is nothing."""
    for name in scope.names:
        if name in _UNKNOWN:
            return name
    counters = {item.key for item in scope.items if type(item.value) in (int, float, np.float64)}
    exits = any(item.key == "__exit__" for item in scope.items)
    tells = any(value is TypeError or value is Exception or value is BaseException for value in scope.objects.values())
    for code in scope.codes:
        opcodes = _opcodes(code)
        if code.co_flags & _GENERATOR and code.co_name != "<genexpr>" or "IMPORT_NAME" in opcodes:
            return f"what {code.co_qualname} imports or yields"
        if exits and "WITH_EXCEPT_START" in opcodes or not _CATCHING.isdisjoint(opcodes) and (
                tells or not _TELL.isdisjoint(code.co_names)) or _catches_all(code):
            return f"exceptions that {code.co_qualname} catches"
        if "IS_OP" in opcodes and not ((known := _compared(code)) is not None and counters.isdisjoint(known)):
            return f"which objects are one, in {code.co_qualname}"
        for name in _globals_of(code):
            if hasattr(builtins, name) and name not in _FOLLOWED and not (
                    isinstance(getattr(builtins, name), type) and issubclass(getattr(builtins, name), BaseException)):
                if any(key == name for _, key in scope.missing):
                    return name
    for item in scope.items:
        if item.form == "H[K]" and not is_contained(item.value):
            return item.words
    return next((str(type(x)) for x in scope.objects.values() if not is_contained(x)), "")


_GENERATOR = 0x20 | 0x80 | 0x200
_CATCHING = frozenset(("CHECK_EXC_MATCH", "CHECK_EG_MATCH"))


@functools.lru_cache(1024)
def _opcodes(code: types.CodeType) -> frozenset[str]:
    return frozenset(dis.opname[op] for op in code.co_code[::2])


_PUSH, _POP = dis.opmap["PUSH_EXC_INFO"], dis.opmap["POP_TOP"]


@functools.lru_cache(1024)
def _catches_all(code: types.CodeType) -> bool:
    """Whether there is an `except` without a class."""
    return bytes((_PUSH, _POP)) in code.co_code[::2]


@functools.lru_cache(1024)
def _compared(code: types.CodeType) -> frozenset[str] | None:
    """The globals that are on the right of an ``is``; None if something else is that may be a number."""
    found: set[str] = set()
    before = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IS_OP" and before is not None:
            if before.opname == "LOAD_GLOBAL":
                found.add(before.argval)
            elif before.argval != "__class__" and (
                    before.opname != "LOAD_CONST" or type(before.argval) in (int, float)):
                return None
        before = instruction
    return frozenset(found)


def is_contained(value: Any) -> bool:
    """Whether what a value does shows in objects of the program alone."""
    if isinstance(value, types.ModuleType):
        return is_users(value.__name__) or _room(value.__name__) in _ROOMS
    if isinstance(value, type):
        room = _room(value.__module__)
        if room == "builtins":
            return value.__name__ in BUILTINS or issubclass(value, BaseException)
        return _is_plain(cast("Any", value)) if is_users(value.__module__) else room in _ROOMS
    kind: Any = type(value)
    if kind is types.BuiltinFunctionType:
        if isinstance(value.__self__, type) or value.__module__ is None:
            return isinstance(value.__self__, type)  # else it is a method of an object that is not looked at
        room = _room(value.__module__)
        return value.__name__ in _FOLLOWED - _WITH_STATE if room == "builtins" else (
            room in _ROOMS and value.__name__ not in _UNKNOWN)
    if isinstance(value, types.FunctionType):
        return is_users(value.__module__) or _room(value.__module__) in _ROOMS
    return _is_plain(kind)


@functools.lru_cache(1024)
def _is_plain(kind: type) -> bool:
    """Whether instances of a class hold what they hold where it is looked for, and do nothing as they go."""
    return all(_is_plain_base(base) for base in kind.__mro__)


def _is_plain_base(base: type) -> bool:
    if is_users(base.__module__):
        return "__del__" not in vars(base)
    if base in _BASES or _room(base.__module__) in _PLAIN_ROOMS or issubclass(base, BaseException):
        return True
    if _room(base.__module__) != "numpy":
        return False
    return not base.__module__.startswith("numpy.random") or issubclass(base, _STREAMS)


_STREAMS = (np.random.Generator, np.random.RandomState)


def _room(name: Any) -> str:
    return str(name).partition(".")[0]


# ---- putting back ----------------------------------------------------------------------------------------------------


class Snapshot:
    """What the objects that a function reaches hold, and their classes, to be put back."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._views: dict[int, tuple[Any, list[Any]]] = {}

    def take(self, objects: Iterator[Any] | list[Any]) -> None:
        """Notes what these hold now, if it is not noted yet."""
        for value in objects:
            kind = type(value)
            if kind is Tensor:
                view = value._value
                if view.__class__ is View:
                    self._views.setdefault(id(view), (view, [getattr(view, name) for name in _GEOMETRY]))
                continue
            if issubclass(kind, Scalar) or isinstance(value, types.ModuleType):
                continue
            for base in (value if isinstance(value, type) else kind).__mro__:
                if id(base) not in self._kept and is_users(base.__module__):
                    self._kept[id(base)] = base, dict(vars(base))
            for holder in (value, None if isinstance(value, type) else getattr(value, "__dict__", None)):
                if isinstance(holder, _CONTAINERS) and id(holder) not in self._kept:
                    self._kept[id(holder)] = holder, _elements(holder)

    def put_back(self) -> None:
        """Has them hold it again. What the program's own classes do then is not asked."""
        for view, fields in self._views.values():
            for name, value in zip(_GEOMETRY, fields, strict=True):
                setattr(view, name, value)
        for holder, was in self._kept.values():
            now = _elements(holder)
            if len(now) == len(was) and all(map(operator.is_, _flat(now), _flat(was))):
                continue
            if isinstance(holder, type):
                for key in now.keys() - was.keys():
                    type.__delattr__(holder, key)
                for key, value in was.items():
                    if now.get(key, _CONTAINERS) is not value:
                        type.__setattr__(holder, key, value)
                continue
            own = next(kind for kind in _CONTAINERS if isinstance(holder, kind))
            own.clear(holder)
            (own.update if own in (dict, set) else own.extend)(holder, was)


def _elements(holder: Any) -> Any:
    if isinstance(holder, type):
        return dict(vars(holder))
    if isinstance(holder, dict):
        return dict(dict.items(holder))
    return list(next(kind for kind in _CONTAINERS if isinstance(holder, kind)).__iter__(holder))


def _flat(elements: Any) -> list[Any]:
    return [*elements, *elements.values()] if isinstance(elements, dict) else elements


_GEOMETRY = ("steps", "shape", "dtype", "strides", "writeable", "of", "laid", "given")
"""What of a view a program may change in place."""
_CONTAINERS: tuple[Any, ...] = (list, dict, set, collections.deque, bytearray)


def is_alone() -> bool:
    """Whether nobody else could see what is put back later: another thread, however it was started, a debugger or a
    profiler (which would take the place of the one that tells which functions are entered)."""
    return alone() and sys.gettrace() is None and sys.getprofile() is None
