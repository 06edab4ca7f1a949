"""When one operation may take another node's value: what every rule has to ask."""

from __future__ import annotations

import numpy as np

from ..ir.dag import Dag, Value


def computes(value: Value) -> bool:
    """Whether a node is an operation on numbers whose value may be had from elsewhere.

    Not a mutating one, which stands for an effect, not one on Python objects, whose own code would notice, and not
    memory that is to be written.
    """
    op = value.op
    return op.kind in ("elementwise", "call", "scalar") and not value.dtype.hasobject and "fresh" not in op.laws


def readers_agree(dag: Dag, number: int, other: int) -> bool:
    """Whether whoever reads `number` may read `other` instead.

    NumPy asks whether two operands are the same memory and then takes another path (``x @ x.T`` is a symmetric
    product), so operands of calls that are different nodes stay different. Plain ufuncs do not ask.
    """
    for user in dag.users(number):
        value = dag.value(user)
        if value.kind == "elementwise" and isinstance(value.op.fn, np.ufunc) and value.op.fn.signature is None:
            continue
        if any(operand.number == other for operand in dag.operands(user)):
            return False
    return True
