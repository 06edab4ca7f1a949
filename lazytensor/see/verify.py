"""`verify`: is what a run gives what NumPy gives, node by node?"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compile import realize
from ..config import forget_lines
from ..errors import VerificationError
from ..ir.capture import pending
from ..ir.errstate import under
from ..ir.node import Node
from ..ir.operation import Operation
from ..run import floating
from ..run.interpreter import apply_view, compute

_VIEW = Operation.VIEW


def verify(*tensors: Any) -> None:
    """Computes Tensors both ways, by lazytensor's plan and node by node with NumPy into fresh memory, and compares.

    Parameters
    ----------
    *tensors : Tensor or lazy scalar
        Pending ones; they are realized afterwards.

    Raises
    ------
    VerificationError
        If a value differs; it names the first node, in program order, whose value does: the operation, the operands and
        the line that wrote it.

    Examples
    --------
    >>> import lazytensor as np
    >>> np.verify(np.arange(5.0) * 2 + 1)
    """
    forget_lines()
    targets = [node_of(t) for t in tensors]
    nodes = pending(targets)
    expected: dict[Node, Any] = {}
    described = {}
    for node in nodes:
        expected[node] = under(floating.running(node.errstate), compute, node, _operands(node, expected))
        described[node] = ", ".join(repr(x) for x in node.inputs)
    realize(targets)
    for node in nodes:
        if node.buffer is not None and not _same(node.buffer, expected[node]):
            raise VerificationError(f"{node.op.name}({described[node]}) differs from NumPy's value at index "
                                    f"{_first_difference(node.buffer, expected[node])}; written in "
                                    f"{floating.place(node)}")


def node_of(t: Any) -> Node:
    """The node that computing a Tensor or lazy scalar computes.

    Raises
    ------
    TypeError
        For anything else.
    """
    if not (hasattr(type(t), "_node") or hasattr(type(t), "_value")):
        raise TypeError(f"a Tensor or a lazy scalar is wanted, not {type(t).__module__}.{type(t).__qualname__}; "
                        "lazytensor.asarray makes a Tensor of an array")
    if hasattr(type(t), "_node"):
        return t._node
    v = t._value
    return v if type(v) is Node else v.root._value


def _operands(node: Node, expected: dict[Node, Any]) -> list[Any]:
    """Real values of a node's operands; what it mutates is a copy."""
    values = [_value(x, expected) for x in node.inputs]
    if node.op.kind == "mutate":
        values[0] = np.array(values[0], copy=True)
    return values


def _value(operand: Any, expected: dict[Node, Any]) -> Any:
    if type(operand) is not Node:
        return operand
    if operand in expected:
        return expected[operand]
    if operand.op is _VIEW and operand.buffer is None:
        return apply_view(operand.attrs, _value(operand.a, expected))
    return operand.buffer




def _same(left: Any, right: Any) -> bool:
    a, b = np.asarray(left), np.asarray(right)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    return bool(np.array_equal(a, b, equal_nan=True)) and all(
        np.array_equal(np.signbit(x) & ~np.isnan(x), np.signbit(y) & ~np.isnan(y))
        for x, y in ((a.real, b.real), (a.imag, b.imag)))


def _first_difference(left: Any, right: Any) -> Any:
    a, b = np.asarray(left), np.asarray(right)
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"(all: {a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)})"
    for index in np.ndindex(a.shape):
        if not _same(a[index], b[index]):
            return f"{index}: {a[index]!r} instead of {b[index]!r}"
    return "()"
