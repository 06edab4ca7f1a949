"""A failure while pending work runs: its traceback ends at the user's line that wrote the operation.

Python says with it what failed, on what. It is an entry of the traceback and no note, because programs compare the last
lines that an exception prints (doctest does), which must be NumPy's.
"""

from __future__ import annotations

from types import CodeType, FunctionType, TracebackType
from typing import Any

import numpy as np

from ..ir.node import Node
from .floating import line_of

_FAILING = (lambda: 1 / 0).__code__
_NO_COLUMNS = 0x80 | 13 << 3
"""The first byte of an entry, for up to 8 code units, of a code object's line table: a line without columns."""


def _one_line(code: CodeType) -> CodeType:
    """The code with all of it on its first line, nowhere in particular: no part of a line is to be underlined."""
    units = len(code.co_code) // 2
    lengths = [min(8, units - start) for start in range(0, units, 8)]
    return code.replace(co_linetable=b"".join(bytes((_NO_COLUMNS | length - 1, 0)) for length in lengths))


_TEMPLATE = _one_line(_FAILING)


def described(node: Node) -> str:
    """'exp(float64[3])': an operation with its operands' dtypes and shapes."""
    operands = ", ".join(f"{x.dtype}{list(x.shape)}" if isinstance(x, (Node, np.ndarray)) else type(x).__name__
                         for x in node.inputs)
    return f"{node.op.name}({operands})"


def _entry(filename: str, line: int, name: str) -> TracebackType:
    """A traceback that consists of one line of a file, in a function of that name."""
    code = _TEMPLATE.replace(co_filename=filename, co_firstlineno=line, co_name=name, co_qualname=name)
    try:
        FunctionType(code, {"__name__": "lazytensor.blame"})()
    except ZeroDivisionError as error:
        found: Any = error.__traceback__
        return found.tb_next
    raise AssertionError("the template does not fail")


def explained(error: BaseException, node: Node) -> BaseException:
    """The error, whose traceback now ends where the operation was written and says what was run."""
    if node.code is None:
        return error
    name = f"{node.code.co_qualname}: lazytensor was running {described(node)}, written here"
    entry = _entry(node.code.co_filename, line_of(node.code, node.lasti), name)
    last = error.__traceback__
    if last is None:
        return error.with_traceback(entry)
    while last.tb_next is not None:
        last = last.tb_next
    last.tb_next = entry
    return error
