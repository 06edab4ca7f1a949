"""Parts of generated Python source: values, indices, calls, guards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..api.methods import CAST, COPY
from .guards import Check, Namespace


def frozen(steps: Any) -> Any:
    """Steps as something that can be hashed; None if they hold what cannot."""
    try:
        hash(found := tuple([(fn, *map(_hashable, args)) for fn, args in steps]))
    except TypeError:
        return None
    return found


def _hashable(value: Any) -> Any:
    kind = type(value)
    if kind is slice:
        return slice, value.start, value.stop, value.step
    return tuple(map(_hashable, value)) if kind is tuple else (kind, value)


def literal(value: Any, space: Namespace) -> str:
    """A plain value as source, anything else by name."""
    if value is None or value is True or value is False or type(value) is int or type(value) is str:
        return repr(value)
    return space.add(value)


def index_text(index: Any, space: Namespace) -> str:
    """An index as source."""
    if type(index) is tuple:
        return ", ".join(index_text(x, space) for x in index) + ("," if len(index) == 1 else "") if index else "()"
    if type(index) is int:
        return repr(index)
    return space.add(index)


def elementwise_call(op: Any, operands: list[str], out: str, options: dict[str, Any], space: Namespace) -> str:
    """An elementwise operation as a call into memory."""
    if op is CAST or op is COPY:
        return f"copyto({out}, {operands[0]}, 'unsafe')"
    shown, fn = ", ".join(operands), op.fn
    if not options and isinstance(fn, np.ufunc):  # of these two, NumPy wants the output by name
        return f"{space.add(fn)}({shown}, {'out=' if fn is np.maximum or fn is np.minimum else ''}{out})"
    given = "".join(f", {k}={literal(v, space)}" for k, v in options.items())
    return f"{space.add(op.fn)}({shown}, out={out}{given})"


def guard_lines(checks: list[Check]) -> Iterator[str]:
    """A guard as the beginning of a function that gives MISS where it does not hold."""
    for check in checks:
        yield f"        if not ({check.text}): return MISS" if check.message else f"        {check.text}"

