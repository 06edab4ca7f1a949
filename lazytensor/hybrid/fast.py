"""Guards in C (`_replay.c`), an optional extension: rows for what its table of steps can do.

`native` is the extension, or None where it was not built or ``LAZYTENSOR_HOT=0`` leaves it out.
"""

from __future__ import annotations

import operator
import os
import types
import warnings
from collections.abc import Container
from typing import Any

from ..api.handle import Tensor, View
from ..ir import errstate
from ..ir.node import Node, tick
from ..ir.operation import Operation
from ..run import floating

native: Any = None
if os.environ.get("LAZYTENSOR_HOT") != "0":
    try:
        from . import _replay as native  # type: ignore[attr-defined, no-redef]
        native.setup(Tensor, Node, Operation.LEAF, tick)
        native.setup_views(View, operator.getitem)
        native.setup_state(floating.watch, vars(warnings), errstate.variable)
        if not (hasattr(native, "setup_inner") and hasattr(native, "setup_views")):  # built from older sources
            native = None
    except (ImportError, AttributeError, TypeError):
        native = None

(ARGUMENT, ENTRY, ELEMENT, CELL, CONSTANT, CODE, DEFAULTS, KEYWORD_DEFAULTS, CLASS_ENTRY, ATTRIBUTE, ABSENT,
 KEYWORD, PART_ENTRY, PART_ELEMENT, PART_ATTRIBUTE) = range(15)
PART: Any = "part"
DISTINCT: Any = "distinct"
MOST_DISTINCT = 64
"""Arrays that are compared each with each."""
_FORMS = {"H.cell_contents": CELL, "H.__code__": CODE, "H.__defaults__": DEFAULTS,
          "H.__kwdefaults__": KEYWORD_DEFAULTS}


def row(load: int, index: int = 0, holder: Any = None, key: Any = None, *, expected: Any = None,
        geometry: Any = None, length: int = -1, same: bool = False) -> tuple[Any, ...]:
    """A step of a guard, as `_replay.Guard` takes it; with `same`, what is the same to any program will do."""
    return load, index, holder, key, expected, geometry, int(same or geometry is not None), length


def load_of(form: str, holder: Any, key: Any) -> Any:
    """How a form of `scope.Item` is loaded: (load, index, holder, key), or None if C does not know how."""
    if form in _FORMS:
        return _FORMS[form], 0, holder, None
    if form == "H[K]" and type(holder) is dict and type(key) is str:
        return ENTRY, 0, holder, key
    if form == "H[K]" and type(holder) is list and type(key) is int:
        return ELEMENT, key, holder, None
    if form == "vars(H)[K]" and isinstance(holder, type):
        return CLASS_ENTRY, 0, holder, key
    if form == "vars(H)[K]" and (isinstance(holder, types.ModuleType) or type(holder).__flags__ & _HAS_DICT):
        return ATTRIBUTE, 0, holder, key
    return None


_HAS_DICT = 1 << 9
"""The flag of types made by a class statement."""


def array_row(load: tuple[Any, ...], array: Any, names: tuple[str, str, str], writeable: Any = None) -> Any:
    """The row of an array that has the geometry of `array`, and the names of its handle, node and value; of a view of
    one with whether it may be written to."""
    node = array._value
    return row(*load, expected=writeable, geometry=(node.shape, node.dtype, node.strides)), names


MOST_PARTS, _CONTAINER, _LENT = 64, 2, 3


def container_row(load: tuple[Any, ...], value: Any, part: int, name: str) -> Any:
    """The row of a list, tuple, dict, named tuple or dataclass whose parts are looked at, of that number, and the names
    that it gives; None where C does not look into it."""
    kind = type(value)
    own = kind not in (list, tuple, dict) and hasattr(value, "__dict__")
    keys = tuple(vars(value) if own else value if kind is dict else ())
    if native is None or part >= MOST_PARTS or any(type(k) is not str for k in keys) or not _is_plain(kind):
        return None
    found = row(*load, expected=(kind, keys, part, own), length=len(value) if isinstance(value, _SIZED) else 0)
    return (*found[:6], _CONTAINER, found[7]), (name,) * 3


def _is_plain(kind: type) -> bool:
    """Whether elements and attributes of its instances are where they seem to be."""
    if kind in _SIZED:
        return True
    if issubclass(kind, (list, dict)) or issubclass(kind, tuple) and kind.__getitem__ is not tuple.__getitem__:
        return False
    return all(type(vars(c).get("__dict__")) in (types.GetSetDescriptorType, types.NoneType) for c in kind.__mro__)


_SIZED = list, tuple, dict


def guard(checks: list[Any], arguments: int, keywords: tuple[str, ...] = (), own: Container[str] = ()) -> tuple[
        Any, list[str], list[Any]]:
    """A guard of the rows, the names that it gives, and the lines that are left to Python. Arrays whose values have
    other names than `own` may be read where they lie if they share memory with somebody."""
    rows: list[Any] = []
    names: list[str] = []
    distinct = False
    for check in checks:
        distinct |= check.fast is DISTINCT
        if type(check.fast) is tuple:
            of = check.fast
            if len(of) == 2:
                of, given = of
                names += given
                if of[6] != _CONTAINER and given[2] not in own:
                    of = (*of[:6], _LENT, of[7])
            rows.append(of)
    return native.Guard(arguments, rows, distinct, keywords), names, [check for check in checks if check.fast is None]
