"""Whether two traces of a function do the same, but for one number among its arguments.

`tripcount` asks it of loops of Python's, and `loopcount` of generated ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..run import floating
from . import fast
from .effects import Outcome, Spec
from .guards import Check, same
from .repeating import _alike
from .tracing import Operand, Record

Naming = Callable[[str | None], Any]
"""What a name of a trace means in both."""


def differing(checks: list[Any], others: list[Any]) -> tuple[int, int, int, int] | None:
    """The one check of an argument that was another int: its place, the argument's, and both numbers."""
    found = []
    if len(checks) != len(others):
        return None
    for place, (a, b) in enumerate(zip(checks, others, strict=True)):
        rows = a.fast, b.fast
        if all(type(row) is tuple and len(row) > 4 and row[0] == fast.ARGUMENT and type(row[4]) is int for row in rows):
            if a.fast[1] == b.fast[1] and a.fast[4] != b.fast[4]:
                found.append((place, a.fast[1], a.fast[4], b.fast[4]))
    return found[0] if len(found) == 1 else None


def alike_checks(a: Any, b: Any) -> bool:
    """Whether two checks of a guard ask the same."""
    if type(a) is not Check or type(b) is not Check:
        return type(a) is type(b) and bool(a.fast == b.fast)
    rows = type(a.fast) is tuple and type(b.fast) is tuple and len(a.fast) == len(b.fast) > 4
    return a.text == b.text and a.message == b.message and (not rows or same(a.fast[4], b.fast[4]))


def alike_records(a: Record, b: Record) -> bool:
    """Whether two operations are the same, whatever their operands are."""
    return (a.kind == b.kind == "operation" and a.op is b.op and a.shape == b.shape and a.dtype == b.dtype
            and a.strides == b.strides and floating.alike(a.errstate, b.errstate)
            and a.code is b.code and a.lasti == b.lasti
            and len(a.operands) == len(b.operands) and _alike(a.attrs, b.attrs))


def alike_operands(x: Operand, y: Operand) -> bool:
    """Whether two operands are the same, whatever the names of their arrays are."""
    return _alike(x.steps, y.steps) and same(x.value, y.value)


def alike_ends(a: Outcome, b: Outcome, names: Naming, names2: Naming) -> bool:
    """Whether two traces leave the same."""
    return ({root: names(name) for root, name in a.writes.items()} == {
        root: names2(name) for root, name in b.writes.items()} and a.binds_as(b) and all(
            _alike_specs(x, y, names, names2) for x, y in zip(a.specs(), b.specs(), strict=True)))


def _alike_specs(a: Spec, b: Spec, names: Naming, names2: Naming) -> bool:
    if a.kind != b.kind:
        return False
    if a.kind in ("array", "scalar", "number"):
        return names(a.name) == names2(b.name) and bool(a.what == b.what)
    if a.kind == "same":
        return a.name == b.name
    if a.kind == "view":
        return _alike_specs(a.what[0], b.what[0], names, names2) and _alike(a.what[1:], b.what[1:])
    if a.kind in ("sequence", "dict", "dataclass"):
        return _alike(a.what[1:-1], b.what[1:-1]) and len(a.what[-1]) == len(b.what[-1]) and all(
            _alike_specs(x, y, names, names2) for x, y in zip(a.what[-1], b.what[-1], strict=True))
    return a.what is b.what or same(a.what, b.what)
