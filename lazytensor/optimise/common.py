"""Common subexpressions: ``f(x), f(x)  ==  y, y  where y = f(x)``."""

from __future__ import annotations

from typing import Any

from ..ir.dag import Dag, Value
from .rewriting import computes, readers_agree


def common_subexpressions(dag: Dag) -> Dag:
    """Operations equal in operation, attributes, operands (leaves by number, views by identity), dtype and layout
    become the first of them."""
    result = dag
    first: dict[Any, int] = {}
    for number in dag.operations():
        value = result.value(number)
        if number in result.same or not computes(value) or _on_objects(result, number):
            continue
        other = first.setdefault(_signature(result, number, value), number)
        if other != number and readers_agree(result, number, other):
            if result is dag:
                result = dag.copy()
            result.become(number, other)
            result.alike += ((number, other),)
    return result


def _signature(dag: Dag, number: int, value: Value) -> Any:
    operands = tuple((n, None if view is None else view.number) for n, view in dag.operands(number))
    return value.op, value.dtype, value.shape, value.layout, value.attrs, operands


def _on_objects(dag: Dag, number: int) -> bool:
    """Whether an operand holds Python objects, or is a Python object other than a number."""
    for n, _ in dag.operands(number):
        dtype = dag.value(n).dtype
        if dtype not in ("bool", "int", "float", "complex") if isinstance(dtype, str) else dtype.hasobject:
            return True
    return False
