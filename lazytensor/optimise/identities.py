"""Identities: equations between an operation and one of the nodes behind it, true for every bit.

A rule gives the number of the node whose value an operation has, or None. Which operations have a law is said where
they are registered (`Operation.laws`). Layouts must agree too: what reads the result reads it with the same strides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.check import settled
from ..ir.dag import Dag, Value
from .rewriting import computes, readers_agree

ROUNDS = 64


def _operand(dag: Dag, number: int) -> int | None:
    """The only operand of an operation, if it is read as it is."""
    operands = dag.operands(number)
    return operands[0].number if len(operands) == 1 and operands[0].view is None else None


def _inner(dag: Dag, number: int, law: str) -> int | None:
    """The operand of ``f(operand)`` if it is ``f`` of something too, and f has the law."""
    value, operand = dag.value(number), _operand(dag, number)
    if operand is None or law not in value.op.laws or operand >= dag.count:
        return None
    inner = dag.value(operand)
    return operand if inner.op is value.op and value.attrs == inner.attrs == 0 else None


def _same_array(a: Value, b: Value) -> bool:
    return a.shape == b.shape and bool(a.dtype == b.dtype)


def involution(dag: Dag, number: int) -> int | None:
    """``f(f(x)) == x``, where f keeps the dtype: negative, conjugate, invert, logical_not of bool."""
    inner = _inner(dag, number, "involution")
    other = None if inner is None else _operand(dag, inner)
    if inner is None or other is None or not _same_array(dag.value(inner), dag.value(other)):
        return None
    return other


def idempotent(dag: Dag, number: int) -> int | None:
    """``f(f(x)) == f(x)``: absolute, floor, sign."""
    return _inner(dag, number, "idempotent")


def identity(dag: Dag, number: int) -> int | None:
    """``f(x) == x``: positive, copy. Only where nobody holds the copy."""
    value = dag.value(number)
    return _operand(dag, number) if "identity" in value.op.laws and value.attrs == 0 and not value.kept else None


def cast_to_own_dtype(dag: Dag, number: int) -> int | None:
    """``cast(x, x.dtype) == x``. Only where nobody holds the copy."""
    value = dag.value(number)
    return _operand(dag, number) if "cast" in value.op.laws and not value.kept else None


def cast_and_back(dag: Dag, number: int) -> int | None:
    """``cast(cast(x, wider), x.dtype) == x``, where the wider dtype has every value of x's."""
    value, operand = dag.value(number), _operand(dag, number)
    if operand is None or operand >= dag.count or "cast" not in value.op.laws:
        return None
    inner = dag.value(operand)
    other = _operand(dag, operand) if "cast" in inner.op.laws else None
    return other if other is not None and holds_all(inner.dtype, dag.value(other).dtype) else None


def holds_all(wider: Any, narrow: Any) -> bool:
    """Whether a dtype has every value of another, and gives it back without a warning.

    >>> holds_all(np.dtype("f8"), np.dtype("i4")), holds_all(np.dtype("f8"), np.dtype("i8"))
    (True, False)
    """
    kinds = "OO" if isinstance(narrow, str) else narrow.kind + wider.kind
    if kinds[0] not in "biufc" or kinds[1] not in "biufc":
        return False
    if kinds in ("if", "uf"):
        bits = np.iinfo(narrow).bits - (kinds[0] == "i")
        return bool(bits <= np.finfo(wider).nmant + 1 and np.can_cast(narrow, wider))
    return bool(np.can_cast(narrow, wider)) and (kinds[1] != "c" or kinds[0] == "c")


RULES: tuple[Callable[[Dag, int], int | None], ...] = (
    involution,             # f(f(x)) == x
    idempotent,             # f(f(x)) == f(x)
    identity,               # f(x) == x
    cast_to_own_dtype,      # cast(x, x.dtype) == x
    cast_and_back,          # cast(cast(x, wider), x.dtype) == x
)


def identities(dag: Dag) -> Dag:
    """The dag after all rules, until none applies."""
    return settled(_once, dag, ROUNDS, "identities")


def _once(dag: Dag) -> Dag:
    result = dag
    for number in dag.operations():
        value = result.value(number)
        if number in result.same or not value.shape or not computes(value):
            continue
        for rule in RULES:
            other = rule(result, number)
            if other is not None and _may_become(result, number, other):
                if result is dag:
                    result = dag.copy()
                result.become(number, other)
                result.laid_alike += ((number, other),)
                break
    return result


def _may_become(dag: Dag, number: int, other: int) -> bool:
    """Same dtype, class of shape and of layout; and no reader that would tell."""
    value, its = dag.value(number), dag.value(other)
    return _same_array(value, its) and value.layout == its.layout and readers_agree(dag, number, other)
