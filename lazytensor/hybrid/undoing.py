"""Whether a call may be begun twice: it reaches nothing but what can be put back, and that is put back."""

from __future__ import annotations

import builtins
import collections
import dis
import functools
import operator
import types
from collections.abc import Iterator
from typing import Any

from ..api.handle import Tensor
from ..api.scalar import Scalar
from .scope import Scope, _globals_of, is_users

# ---- which functions -------------------------------------------------------------------------------------------------

_BUILTINS = frozenset((
    "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "filter", "float", "frozenset", "int", "isinstance",
    "issubclass", "len", "list", "map", "max", "min", "object", "pow", "print", "range", "repr", "reversed", "round",
    "set", "setattr", "getattr", "hasattr", "slice", "sorted", "str", "sum", "super", "tuple", "zip", "property",
    "staticmethod", "classmethod", "callable", "True", "False", "None", "NotImplemented", "__debug__"))
_ROOMS = frozenset(("math", "operator", "builtins", "numpy", "lazytensor", "collections", "dataclasses", "functools",
                    "types", "typing", "abc", "enum", "_operator", "_functools", "_collections", "array"))
_UNKNOWN = frozenset(("__dict__", "vars", "type", "id", "globals", "locals", "eval", "exec", "open", "__import__",
                      "__weakref__", "_getframe"))


def uncontained(scope: Scope) -> str:
    """What a function reaches that is not the program's own objects, arrays or numbers, in words: what it does there
    could not be put back. "" if there is nothing."""
    for name in scope.names & _UNKNOWN:
        return name
    for code in scope.codes:
        if code.co_flags & _GENERATOR or "IMPORT_NAME" in _opcodes(code):
            return f"what {code.co_qualname} imports or yields" if not code.co_name.startswith("<gen") else ""
        for name in _globals_of(code):
            if hasattr(builtins, name) and name not in _BUILTINS and not (
                    isinstance(getattr(builtins, name), type) and issubclass(getattr(builtins, name), BaseException)):
                if any(key == name for _, key in scope.missing):
                    return name
    for item in scope.items:
        if item.form == "H[K]" and not _is_own(item.value):
            return item.words
    return next((str(type(x)) for x in scope.objects.values() if not _is_own(x)), "")


_GENERATOR = 0x20 | 0x80 | 0x200


@functools.lru_cache(1024)
def _opcodes(code: types.CodeType) -> frozenset[str]:
    return frozenset(dis.opname[op] for op in code.co_code[::2])


def _is_own(value: Any) -> bool:
    if isinstance(value, types.ModuleType):
        return is_users(value.__name__) or _room(value.__name__) in _ROOMS
    if isinstance(value, type) or callable(value) and hasattr(value, "__module__"):
        room = value.__module__
        if room is None:
            room = type(value).__module__
        return is_users(room) or _room(room) in _ROOMS
    kind = type(value)
    return is_users(kind.__module__) or _room(kind.__module__) in _ROOMS


def _room(name: Any) -> str:
    return str(name).partition(".")[0]


# ---- putting back ----------------------------------------------------------------------------------------------------


class Snapshot:
    """What the objects that a function reaches hold, to be put back."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Any]] = {}

    def take(self, objects: Iterator[Any] | list[Any]) -> None:
        """Notes what these hold now, if it is not noted yet."""
        for value in objects:
            if type(value) is Tensor or issubclass(type(value), Scalar):
                continue
            for holder in (value, None if isinstance(value, (type, types.ModuleType, types.FunctionType)) else
                           getattr(value, "__dict__", None)):
                if isinstance(holder, _CONTAINERS) and id(holder) not in self._kept:
                    self._kept[id(holder)] = holder, _elements(holder)

    def put_back(self) -> None:
        """Has them hold it again."""
        for holder, was in self._kept.values():
            now = _elements(holder)
            if len(now) == len(was) and all(map(operator.is_, _flat(now), _flat(was))):
                continue
            holder.clear()
            holder.update(was) if isinstance(holder, (dict, set)) else holder.extend(was)


def _elements(holder: Any) -> Any:
    return dict(holder) if isinstance(holder, dict) else list(holder)


def _flat(elements: Any) -> list[Any]:
    return [*elements, *elements.values()] if isinstance(elements, dict) else elements


_CONTAINERS = (list, dict, set, collections.deque, bytearray)
