"""A dag as text, and back: what `parse` makes of `to_text(dag)` equals the dag.

A line is a node; operations come in program order, leaves after them::

    %0 = multiply(%2, %3) float64[a] C
    %1 = sum(%0) float64[] C attrs1 kept
    %2 = leaf float64[a] spare
    %3 = number float

Lengths are 0, 1 or a letter for each unknown one. An operand read through a view is ``view1 float64[b] of %2``. Lines
of ``same %4 = %0`` give rewritten operations, ``gone %4 %1`` operations that do not run and the operands they had,
``alike`` and ``laid_alike`` what the rewrites took for granted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from string import ascii_lowercase
from typing import Any

import numpy as np

from .dag import LEAF, SAME, Dag, Operand, Value, View
from .operation import REGISTRY, Operation

_NODE = re.compile(r"%(\d+) = (.+)")
_OPERATION = re.compile(r"(\S+?)(?::(\w+))?\((.*)\) (\S.*\[[^\[]*\]) (\S+)((?: attrs\d+)?)((?: kept)?)")
_LEAF = re.compile(r"leaf (\S.*\[[^\[]*\])(?: (order\S+))?((?: spare)?)")
_NUMBER = re.compile(r"(number|scalar) (.+)")
_OPERAND = re.compile(r"(?:view(\d+) (\S.*?\[[^\[]*?\]) of )?%(\d+)(?:, |$)")
_ARRAY = re.compile(r"(.*)\[([^\[]*)\]")


def shape_text(shape: tuple[int, ...]) -> str:
    """A class of shapes: ``[a,1,b]``.

    >>> shape_text((2, 1, 3, 28))
    '[a,1,b,a1]'
    """
    return "[" + ",".join(str(n) if n < 2 else _letters(n - 2) for n in shape) + "]"


def _letters(n: int) -> str:
    return ascii_lowercase[n % 26] + (str(n // 26) if n >= 26 else "")


def _length(text: str) -> int:
    return int(text) if text.isdigit() else 2 + ascii_lowercase.index(text[0]) + 26 * int(text[1:] or 0)


def dtype_text(dtype: Any) -> str:
    """A dtype in few characters, from which `numpy.dtype` makes it again."""
    for text in (dtype.name, dtype.str, dtype.char):
        try:
            if np.dtype(text) == dtype:
                return str(text)
        except TypeError:
            continue
    return repr(np.lib.format.dtype_to_descr(dtype)).replace(" ", "")


def _dtype(text: str) -> Any:
    return np.lib.format.descr_to_dtype(ast.literal_eval(text)) if text[:1] in "[({" else np.dtype(text)


def _array(text: str) -> tuple[Any, tuple[int, ...]]:
    match = _ARRAY.fullmatch(text)
    if match is None:
        raise ValueError(f"no dtype[lengths]: {text!r}")
    dtype, lengths = match.groups()
    return _dtype(dtype), tuple(_length(n) for n in lengths.split(",") if n)


def operation_text(op: Operation) -> str:
    """The name, with the kind where the name alone is not an elementwise operation or a call."""
    return op.name if op.kind == "elementwise" else f"{op.name}:{op.kind}"


def to_text(dag: Dag) -> str:
    """The dag, a line a node."""
    lines = [f"%{number} = {_node_text(dag, number, value)}" for number, value in dag.values()]
    lines += [f"same %{number} = %{other}" for number, other in sorted(dag.same.items())]
    lines += [" ".join(["gone", *[f"%{n}" for n in (number, *read)]]) for number, read in sorted(dag.gone.items())]
    lines += [f"alike %{a} %{b}" for a, b in dag.alike]
    lines += [f"laid_alike %{a} %{b}" for a, b in dag.laid_alike]
    return "\n".join([f"dag of {dag.count} operations", *lines])


def _node_text(dag: Dag, number: int, value: Value) -> str:
    if value.shape is None:
        return f"number {value.dtype}" if isinstance(value.dtype, str) else f"scalar {dtype_text(value.dtype)}"
    array = dtype_text(value.dtype) + shape_text(value.shape)
    layout = "C" if value.layout is None else "order" + ("".join(f"_{axis}" for axis in value.layout) or "_")
    if number >= dag.count:
        return f"leaf {array}{'' if layout == 'C' else ' ' + layout}{' spare' if value.spare else ''}"
    operands = ", ".join(map(_operand_text, dag.operands(number)))
    attrs = f" attrs{value.attrs}" if value.attrs else ""
    return f"{operation_text(value.op)}({operands}) {array} {layout}{attrs}{' kept' if value.kept else ''}"


def _operand_text(operand: Operand) -> str:
    view = operand.view
    if view is None:
        return f"%{operand.number}"
    return f"view{view.number} {dtype_text(view.dtype)}{shape_text(view.shape)} of %{operand.number}"


def parse(text: str, operations: Mapping[tuple[str, str], Operation] = REGISTRY) -> Dag:
    """The dag that `to_text` printed; `operations` are those it may name, by name and kind.

    Raises
    ------
    ValueError
        For a line that is none of a dag's.
    KeyError
        For an operation that is not known.
    """
    lines = text.strip().splitlines()
    dag = Dag(int(lines[0].split()[2]))
    for line in lines[1:]:
        match = _NODE.fullmatch(line)
        if match is not None:
            number = int(match[1])
            dag.add(number, *_parse_node(match[2], operations))
            continue
        word, *numbers = re.findall(r"^\w+|\d+", line)
        if word == "gone":
            dag.gone[int(numbers[0])] = tuple(map(int, numbers[1:]))
            continue
        a, b = map(int, numbers)
        if word == "same":
            dag.same[a] = b
        elif word == "alike":
            dag.alike += ((a, b),)
        elif word == "laid_alike":
            dag.laid_alike += ((a, b),)
        else:
            raise ValueError(f"no line of a dag: {line!r}")
    return dag


def _parse_node(text: str, operations: Mapping[tuple[str, str], Operation]) -> tuple[Value, list[Operand]]:
    number = _NUMBER.fullmatch(text)
    if number is not None:
        return Value(LEAF, number[2] if number[1] == "number" else _dtype(number[2]), None), []
    leaf = _LEAF.fullmatch(text)
    if leaf is not None:
        return Value(LEAF, *_array(leaf[1]), _layout(leaf[2] or "C"), spare=bool(leaf[3])), []
    node = _OPERATION.fullmatch(text)
    if node is None:
        raise ValueError(f"no node of a dag: {text!r}")
    name, kind = node[1], node[2] or "elementwise"
    op = SAME if (name, kind) == ("same", "call") else operations[name, kind]
    value = Value(op, *_array(node[4]), _layout(node[5]), int(node[6][6:] or 0), bool(node[7]))
    return value, [_parse_operand(match) for match in _OPERAND.finditer(node[3])]


def _layout(text: str) -> tuple[int, ...] | None:
    return None if text == "C" else tuple(int(axis) for axis in text.split("_")[1:] if axis)


def _parse_operand(match: re.Match[str]) -> Operand:
    view = None if match[1] is None else View(int(match[1]), *_array(match[2]))
    return Operand(int(match[3]), view)
