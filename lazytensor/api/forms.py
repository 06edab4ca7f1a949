"""A call as a form and operands, and how it is run: what is pending of a function of NumPy's.

A form is what can be hashed of a call: plain values as they are, everything else as a tuple with a tag. Slots stand for
operands. `runner` makes the function of a node: it puts the operands' values into the slots and calls NumPy's function.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import CheckError
from ..ir.layout import c_strides
from ..run import floating, pool
from .build import NotArray
from .handle import Tensor, peek
from .scalar import Scalar
from .scalar import value_of as scalar_value

_ndarray, _generic = np.ndarray, np.generic
_PLAIN = frozenset((int, str, type(None), type(np._NoValue), type(Ellipsis), type))
_SMALL_ARRAY = 512
"""An array argument that is no operand is kept in the node if it has at most so many bytes."""
_LIMIT = 4096


def frozen(value: Any) -> Any:
    """An argument that is no operand, hashable."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is Tensor:
        value, kind = peek(value), _ndarray
    elif issubclass(kind, Scalar):
        value = scalar_value(value)
        kind = type(value)
    if kind is float or kind is complex or kind is bool or issubclass(kind, _generic) and not value.dtype.hasobject:
        return ("constant", kind, value) if value else ("constant", kind, value, str(value))  # 0.0 is not -0.0
    if kind is list or kind is tuple:
        return "sequence", kind, tuple([frozen(x) for x in value])
    if kind is dict:
        return "mapping", tuple([(frozen(k), frozen(v)) for k, v in value.items()])
    if kind is slice:
        return "slice", (frozen(value.start), frozen(value.stop), frozen(value.step))
    if isinstance(value, np.dtype):
        return "dtype", value, value.char
    if isinstance(value, type) and issubclass(value, _generic):
        return value
    if kind is _ndarray and value.nbytes <= _SMALL_ARRAY and not value.dtype.hasobject and (
            value.ndim < 2 or value.flags.c_contiguous):
        return "array", value.dtype, value.shape, value.tobytes()
    raise NotArray


def thawed(form: Any, values: Any) -> Any:
    """The argument again, with the operands' values."""
    if type(form) is not tuple:
        return form
    tag = form[0]
    if tag == "slot":
        value = values[form[1]]
        if value is None:
            return None
        if form[2]:
            return value[()] if type(value) is _ndarray else value
        return np.asarray(value) if isinstance(value, _generic) else value
    if tag == "constant":
        return form[2]
    if tag == "sequence":
        return form[1]([thawed(x, values) for x in form[2]])
    if tag == "slice":
        return slice(*[thawed(x, values) for x in form[1]])
    if tag == "mapping":
        return {thawed(k, values): thawed(v, values) for k, v in form[1]}
    if tag == "dtype":
        return form[1]
    return np.frombuffer(form[3], form[1]).reshape(form[2]).copy()


def largest(form: Any) -> int:
    """The largest integer among the arguments that are no operands."""
    if type(form) is int:
        return abs(form)
    if type(form) is not tuple or form[0] in ("slot", "dtype"):
        return 0
    if form[0] == "sequence":
        return max(map(largest, form[2]), default=0)
    if form[0] == "slice":
        return max(map(largest, form[1]))
    if form[0] == "mapping":
        return max([largest(x) for pair in form[1] for x in pair], default=0)
    if form[0] == "array":
        array = thawed(form, ())
        return max(int(array.max()), -int(array.min()), 0) if array.dtype.kind in "iu" and array.size else array.size
    return abs(int(form[2])) if isinstance(form[2], np.integer) else 0


def scalars_of(form: Any, found: dict[int, bool]) -> dict[int, bool]:
    """Which operands are scalars, by number."""
    if type(form) is tuple:
        if form and form[0] == "slot":
            found[form[1]] = form[2]
        else:
            for x in form:
                scalars_of(x, found)
    return found


# ---- running ---------------------------------------------------------------------------------------------------------

_CALL = (lambda fn, args, kwargs: fn(*args, **kwargs)).__code__
_places: dict[tuple[int, int], tuple[Any, Any]] = {}


def caller(node: Any) -> Any:
    """A function that calls another from a frame that says it is the node's line: NumPy's warnings point there."""
    if node is None or node.code is None:
        return FunctionType(_CALL, {"__name__": "lazytensor", "__builtins__": builtins})
    key = id(node.code), node.lasti
    known = _places.get(key)
    if known is None or known[0] is not node.code:
        if len(_places) >= _LIMIT:
            _places.clear()
        name = node.code.co_filename
        line = max(1, floating.line_of(node.code, node.lasti))
        code = _CALL.replace(co_filename=name, co_firstlineno=line, co_name=node.code.co_name)
        known = _places[key] = node.code, FunctionType(code, floating._globals_of(name))
    return known[1]


def _own(result: Any, node: Any, values: Any) -> Any:
    """The result as memory of its own with the promised layout."""
    if type(result) is not _ndarray or node is None:
        if node is not None and (not isinstance(result, _generic) or node.shape or result.dtype != node.dtype):
            raise CheckError(f"{node!r} gave {result!r}")
        return result
    if result.shape != node.shape or result.dtype != node.dtype:
        raise CheckError(f"{node!r} gave {result.dtype}{list(result.shape)}")
    promised = node.strides or c_strides(node.shape, node.dtype.itemsize)
    foreign = result.base is not None or any(result is v for v in values)
    if result.strides != promised and 0 not in result.shape or not result.flags.writeable or foreign and any(
            type(v) is _ndarray and np.may_share_memory(result, v) for v in values):
        own = pool.empty(node.shape, node.dtype, node.strides)
        np.copyto(own, result)
        return own
    return result


class Together:
    """The parts of a result of several arrays, until each part's node has taken its own. All are equal, so that a plan
    serves for other calls too."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: Any = None

    def __eq__(self, other: object) -> bool:
        return type(other) is Together

    def __hash__(self) -> int:
        return 1


def runner(fn: Callable[..., Any]) -> Callable[..., Any]:
    def run(*values: Any, form: Any, part: int = -1, together: Any = None) -> Any:
        running = floating.noted.run
        node = None if running is None else running.node
        if part >= 0 and together.parts is not None and part in together.parts:
            return _own(together.parts.pop(part), node, values)
        args = [thawed(x, values) for x in form[0]]
        options = {k: thawed(x, values) for k, x in form[1]}
        result = caller(node)(fn, args, options)
        if part < 0:
            return _own(result, node, values)
        parts = dict(enumerate(result))
        result = parts.pop(part)
        together.parts = parts
        return _own(result, node, values)
    return run


def writer(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a node that writes: a view of what is written is the last of the values."""
    def write(view: Any, *values: Any) -> None:
        *operands, form = values
        running = floating.noted.run
        operands.append(view)
        args = [thawed(x, operands) for x in form[0]]
        options = {k: thawed(x, operands) for k, x in form[1]}
        caller(None if running is None else running.node)(fn, args, options)
    return write
