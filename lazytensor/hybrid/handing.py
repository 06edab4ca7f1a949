"""Numbers that count the turns of a generated loop, where Python does nothing with them but to hand them on, as in
``return x, n + 1``, or to compare them: ``if n == limit``.

How many turns a loop had is another number at each call. Where the bytecode shows that nobody looks at the number, what
follows the loop is for any: a `Count` is in the variable's place while the call is traced, and what is computed of it
is written down, as calls of Python's own operators.
"""

from __future__ import annotations

import dis
import operator
from collections.abc import Callable
from typing import Any

from ..run.watching import mine
from .forloops import Flow
from .tracing import Operand, Record, Result

_SKIPPED = frozenset(("EXTENDED_ARG", "PRECALL", "CACHE", "NOP"))
_LOADS = frozenset(("LOAD_FAST", "LOAD_CONST", "LOAD_GLOBAL", "LOAD_DEREF"))
_BUILDS = frozenset(("BUILD_TUPLE", "BUILD_LIST", "BUILD_MAP", "BUILD_CONST_KEY_MAP"))
_TAKES = {"LOAD_ATTR": 1, "LOAD_METHOD": 1, "BINARY_SUBSCR": 2, "BINARY_OP": 2, "UNARY_NEGATIVE": 1, "COMPARE_OP": 2,
          "PUSH_NULL": 0, "KW_NAMES": 0}
"""How many values of the stack instructions take that may stand between a number and what takes it."""
_SUMS = frozenset(("+", "-", "+=", "-="))


# ---- what the bytecode says ------------------------------------------------------------------------------------------


def is_handed_on(flow: Flow, starts: list[int], name: str) -> bool:
    """Whether from these instructions on a variable's number is only returned, by itself or in containers that are made
    for it, compared to decide something, and changed by constants; or part of a text that an exception is given."""
    seen: set[int] = set()
    stack = [*starts]
    while stack:
        k = stack.pop()
        if k in seen or k >= len(flow.lines):
            continue
        seen.add(k)
        if any(op == "LOAD" and own == name for op, own in flow.uses[k]) and not _goes_on(flow, k, name):
            return False
        if ("STORE", name) not in flow.uses[k] or flow.lines[k - 1].opname != "LOAD_CONST":
            stack += flow.after[k]
    return True


def _goes_on(flow: Flow, at: int, name: str) -> bool:
    """Whether that is so of what an instruction loads."""
    if flow.lines[at].opname != "LOAD_FAST":
        return False
    lines = [(k, x) for k, x in enumerate(flow.lines) if x.opname not in _SKIPPED]
    place = next(i for i, (k, _) in enumerate(lines) if k == at)
    above, held, first = 0, False, True  # what lies on it, and whether it is within a container, and as it was
    for i in range(place + 1, len(lines)):
        k, line = lines[i]
        op = line.opname
        if line.is_jump_target:
            return False
        if not above and not held and op in ("STORE_FAST", "FORMAT_VALUE"):
            return line.argval == name if op == "STORE_FAST" else line.arg == 0 and _raises(flow, k)
        if not above and op == "RETURN_VALUE":
            return True
        if not above and op == "SWAP" and line.arg == 2 and lines[i + 1][1].opname == "POP_TOP":
            return lines[i + 2][1].opname == "RETURN_VALUE"  # an iterator is dropped
        taken = _taken(line)
        if taken is None:
            return False
        if taken > above:
            other = lines[i - 1 if above else place - 1][1]
            if not above and not held and (not first or lines[place][1].is_jump_target) and op not in _BUILDS:
                return False  # beside what nobody knows
            if op == "COMPARE_OP" and not held:
                return "JUMP" in lines[i + 1][1].opname and other.opname in _LOADS
            if op == "BINARY_OP" and not held:
                if line.argrepr not in _SUMS or other.opname != "LOAD_CONST" or type(other.argval) is not int or (
                        not above and line.argrepr != "+"):
                    return False
                above, first = 0, False
                continue
            if op not in _BUILDS:
                return False
            above, held = 0, True
            continue
        above += dis.stack_effect(line.opcode, line.arg)
    return False


def _taken(line: Any) -> int | None:
    """How many values an instruction takes that does nothing but to make one of them; None of others."""
    if line.opname in _LOADS:
        return 0
    if line.opname in _BUILDS:
        return (line.arg or 0) * (2 if line.opname == "BUILD_MAP" else 1) + (line.opname == "BUILD_CONST_KEY_MAP")
    return (line.arg or 0) + 2 if line.opname == "CALL" else _TAKES.get(line.opname)


def _raises(flow: Flow, k: int) -> bool:
    """Whether nothing but a text that an exception is given comes of the value that an instruction makes a text of."""
    names = [x.opname for x in flow.lines[k + 1:] if x.opname not in _SKIPPED]
    while names and names[0] in ("LOAD_CONST", "LOAD_FAST", "LOAD_GLOBAL", "FORMAT_VALUE"):
        names.pop(0)
    return names[:3] == ["BUILD_STRING", "CALL", "RAISE_VARARGS"]


# ---- in a trace ------------------------------------------------------------------------------------------------------


class Count(int):
    """A number that counts turns, while a call is traced."""

    trace: Any
    name: str

    def __add__(self, other: Any) -> Any:
        return _computed(operator.add, self, self, other)

    def __radd__(self, other: Any) -> Any:
        return _computed(operator.add, self, other, self)

    def __sub__(self, other: Any) -> Any:
        return _computed(operator.sub, self, self, other)


def count_of(trace: Any, turns: Any, step: int, begin: int) -> Any:
    """The number that was `begin` and has grown by `step` in each turn, of whose number a lazy scalar is known."""
    operand, value = trace.reference(turns), begin + step * int(trace._value(turns))
    if trace.refusal is not None or not trace._is_dynamic(operand.name):
        return value
    return _written(trace, value, after, operand, step, begin)


def after(turns: Any, step: int, begin: int) -> int:
    """What such a number is after so many turns."""
    return begin + step * int(turns)


def _written(trace: Any, value: int, fn: Any, *args: Any) -> Any:
    record = Record("call", f"r{len(trace.book)}", fn=fn, args=args, kwargs={})
    record.results = [Result(f"{record.name}_0", None, None)]
    trace.book.append(record)
    trace.dynamic.add(record.results[0].name)
    trace.counts = True
    found = Count(value)
    found.trace, found.name = trace, record.results[0].name
    return found


def _computed(fn: Any, own: Count, *given: Any) -> Any:
    """What Python's operator gives, written down while the call is traced."""
    trace, values = own.trace, [int(x) if type(x) is Count else x for x in given]
    if any(type(x) not in (int, float) for x in values):
        return NotImplemented
    value = fn(*values)
    if mine() is not trace or trace.refusal is not None or trace.quiet:
        return value
    found = _written(trace, value, fn, *[Operand(x.name) if type(x) is Count else x for x in given])
    if type(value) is not bool:
        return found
    trace.answer(Operand(found.name), "bool", value)
    return value


def _comparison(fn: Any) -> Callable[[Any, Any], Any]:
    def method(self: Count, other: Any) -> Any:
        found = _computed(fn, self, self, other)
        if found is NotImplemented:
            own = self.trace
            if mine() is own and own.refusal is None:
                own.refuse("a number of turns is compared with what is no number of Python's")
            return fn(int(self), other)
        return found
    return method


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Count, f"__{_name}__", _comparison(getattr(operator, _name)))
Count.__hash__ = int.__hash__  # type: ignore[method-assign]


def plain_counts(value: Any) -> Any:
    """A result with Python's own numbers in the places of Counts; lists and dicts are the same ones."""
    kind = type(value)
    if kind is Count:
        return int(value)
    if kind is list:
        value[:] = map(plain_counts, value)
    elif kind is dict:
        for key, x in value.items():
            value[key] = plain_counts(x)
    elif kind is tuple:
        return tuple(map(plain_counts, value))
    return value
