"""Numbers that a function only collects: ``history.append(float(err))`` or ``err.item()``, where the list is returned.

`float` of a lazy scalar gives Python a value, and what follows would hold for that value alone. If the bytecode says
that it goes into a list which is the function's own until it returns it, nobody has looked at it: it is a number of the
program as any that is returned.
"""

from __future__ import annotations

import builtins
import dis
import functools
import sys
from bisect import bisect
from types import CodeType
from typing import Any

import numpy as np

from ..api import creation
from .forloops import KNOWN, PEEKING, RUNS_ON, callee

_SKIPPED = frozenset(("EXTENDED_ARG", "PRECALL", "CACHE", "NOP"))
_LOADS = frozenset(("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW"))
_TAKES = {"LOAD_FAST": 0, "LOAD_CONST": 0, "LOAD_GLOBAL": 0, "LOAD_DEREF": 0, "PUSH_NULL": 0, "LOAD_ATTR": 1,
          "LOAD_METHOD": 1, "BINARY_OP": 2, "BINARY_SUBSCR": 2, "UNARY_NEGATIVE": 1}
"""How many values of the stack instructions take that may stand between."""
MOST_BETWEEN = 64
_GIVEN = ("len",), ("array", "asarray")
"""What may be given such a list: functions, and attributes of a module."""
_LOADS_METHOD = ("LOAD_METHOD", "LOAD_ATTR")
_RETURNED = _LOADS | {"LOAD_CONST", "LOAD_GLOBAL", "BUILD_TUPLE", "BUILD_MAP", "BUILD_CONST_KEY_MAP"}


def is_collected(frame: Any, dtype: Any, how: str) -> bool:
    """Whether what a frame is about to be given, ``float(s)`` or ``s.item()`` of a scalar of that dtype (`how` says
    which), is put at the end of a list of the function's own, and nothing else is done with it but to return it."""
    uses = _uses_of_list(frame.f_code, frame.f_lasti, how)
    return uses is not None and all([_is_known(frame.f_globals, *use, dtype) for use in uses])


def _is_known(space: dict[str, Any], name: str, attribute: str, dtype: Any) -> bool:
    """Whether a global, or an attribute of one, is the function that is meant."""
    if attribute:
        return getattr(space.get(name), attribute, None) is getattr(creation, attribute) and dtype == np.float64
    own = space.get("__builtins__", builtins)
    return name not in space and (own[name] if type(own) is dict else getattr(own, name)) is getattr(builtins, name)


@functools.lru_cache(512)
def _uses_of_list(code: CodeType, at: int, how: str) -> frozenset[tuple[str, str]] | None:
    """The functions that are given a list (globals, with attributes or "") to whose end goes what a call gives; None
    if something else may be done with it."""
    if not KNOWN or code.co_flags & RUNS_ON or not PEEKING.isdisjoint(code.co_names):
        return None
    lines = [x for x in dis.get_instructions(code) if x.opname not in _SKIPPED]
    k = bisect([x.offset for x in lines], at) - 1
    if how == "item":  # at the instruction that loads the method
        if lines[k].argval != how or lines[k].opname not in _LOADS_METHOD:
            return None
        k += 1
    elif callee(code, at) != (("LOAD_GLOBAL", how), ""):
        return None
    if (lines[k].opname, lines[k].arg) != ("CALL", how == "float") or (end := _appended(lines, k + 1)) is None:
        return None
    found = callee(code, lines[end].offset)
    if found is None or found[0][0] not in _LOADS or found[1] != "append":
        return None
    uses = {("float", "")} if how == "float" else set()
    return frozenset(uses) if _is_own_list(code, lines, found[0][1], uses) else None


def _appended(lines: list[Any], first: int) -> int | None:
    """The call of one argument, whose result is not used, for which the value on top of the stack is the argument, or
    is put into a tuple that is; None if something else is done with it."""
    above = 0  # what lies on it
    for k in range(first, min(first + MOST_BETWEEN, len(lines) - 1)):
        name, arg = lines[k].opname, lines[k].arg or 0
        if name == "CALL" and above == 0:
            return k if arg == 1 and lines[k + 1].opname == "POP_TOP" else None
        takes = _TAKES.get(name, arg + 2 if name == "CALL" else None)
        if name == "BUILD_TUPLE":
            takes = arg if arg <= above else above  # with the value in it, it is what is followed
        if takes is None or takes > above or lines[k].is_jump_target:
            return None
        above += dis.stack_effect(lines[k].opcode, lines[k].arg)
        if name == "BUILD_TUPLE" and arg > takes:
            above = 0
    return None


def _is_own_list(code: CodeType, lines: list[Any], name: str, uses: set[tuple[str, str]]) -> bool:
    """Whether a variable is only ever a new list, to which elements are added, which functions that keep nothing of it
    are given (`uses`), and which is then returned."""
    given = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    if name in code.co_varnames[:given]:
        return False
    for k, line in enumerate(lines):
        own = line.argval == name or type(line.argval) is tuple and name in line.argval
        if not own or line.opcode not in dis.haslocal and line.opcode not in dis.hasfree:
            continue
        if line.opname == "STORE_FAST":
            if k == 0 or (lines[k - 1].opname, lines[k - 1].arg) != ("BUILD_LIST", 0) or (
                    lines[k - 1].is_jump_target or line.is_jump_target):  # `given or []`
                return False
        elif line.opname not in _LOADS or not (
                _is_appended_to(lines[k + 1]) or _is_returned(lines, k + 1) or _is_given(code, lines[k + 1], uses)):
            return False
    return True


def _is_given(code: CodeType, after: Any, uses: set[tuple[str, str]]) -> bool:
    if (after.opname, after.arg) != ("CALL", 1):
        return False
    found = callee(code, after.offset)
    if found is None or found[0][0] != "LOAD_GLOBAL" or (found[1] or found[0][1]) not in _GIVEN[found[1] != ""]:
        return False
    uses.add((found[0][1], found[1]))
    return True


def _is_appended_to(after: Any) -> bool:
    """Whether an instruction loads `append` to call it; nobody gets a bound method, which knows its list."""
    method = after.opname == "LOAD_METHOD" if sys.version_info < (3, 12) else (
        after.opname == "LOAD_ATTR" and (after.arg or 0) & 1)
    return bool(method) and after.argval == "append"


def _is_returned(lines: list[Any], k: int) -> bool:
    while k < len(lines) and lines[k].opname in _RETURNED:
        k += 1
    return k < len(lines) and lines[k].opname == "RETURN_VALUE"
