"""Is what a compiled function would do what its Python does? Both are run, and everything is compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ..api.handle import Tensor, View, peek
from ..api.scalar import Scalar
from ..api.scalar import value_of as scalar_value
from ..ir.errstate import silently
from ..ir.layout import c_strides
from ..ir.node import tick
from .guards import same
from .settings import bound
from .streams import put_back, same_state, states_of


def compared(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], predicted: Any,
             generators: list[Any]) -> tuple[Any, str]:
    """The result of the Python, and how it differs from what was predicted ("" if it does not).

    `predicted` is what `Compiled.predict` gives: the result, the writes, all arrays with their present nodes, where
    the random streams were, and what is bound anew.
    """
    foretold, writes, known, before, sets = predicted
    streams = states_of(generators)
    if generators:
        put_back(generators, before)
    written = {id(root) for root, *_ in writes}
    memories = _Memories({id(root) for root, _ in known}, tick())
    result = fn(*args, **kwargs)
    difference = _difference(foretold, result, "its result", memories)
    for how, holder, key, value in sets:
        difference = difference or _difference(value, bound(how, holder, key), "what it binds anew", memories)
    for root, _, buffer, _ in writes:
        if not difference and not same_bits(buffer, peek(root)):
            difference = "an array that it writes to has another value"
    for root, node in known:
        if not difference and id(root) not in written and root._value is not node and not same_bits(
                node.buffer, peek(root)):
            difference = "an array has another value that was not written to before"
    if not difference and generators and not all(map(same_state, streams, states_of(generators))):
        difference = "another number of random draws"
    return result, difference


class _Memories:
    """Which arrays of both results lie in the same memory.

    What some functions give (`isclose`, `resize`, `einsum`) is a view of an array that nobody else has, which is an
    array of its own in the compiled function. So it does not matter what is a view of new memory, but whether the same
    parts share it.

    Attributes
    ----------
    known : set of int
        The roots that were there before the call.
    start : int
        Nodes of a lower number were, too.
    """

    __slots__ = ("known", "start", "foretold", "found")

    def __init__(self, known: set[int], start: int) -> None:
        self.known, self.start = known, start
        self.foretold: dict[int, Any] = {}
        self.found: dict[int, Any] = {}

    def are_alike(self, a: Any, b: Any) -> bool:
        """Whether the roots of two arrays, both new, go with each other wherever they came up."""
        return self.foretold.setdefault(id(a), b) is b and self.found.setdefault(id(b), a) is a


def _difference(a: Any, b: Any, words: str, memories: _Memories) -> str:
    """How two results differ, in words."""
    if a is b:
        return ""
    kind = type(a)
    lazy_a, lazy_b = issubclass(kind, Scalar), issubclass(type(b), Scalar)
    if (lazy_a or isinstance(a, np.generic)) and (lazy_b or isinstance(b, np.generic)):
        x, y = (scalar_value(v) if issubclass(type(v), Scalar) else v for v in (a, b))
        return "" if same_bits(x, y) else f"{words} was {y!r}, not {x!r}"
    if kind is not type(b):
        return f"{words} was a {type(b).__qualname__}, not a {kind.__qualname__}"
    if kind is Tensor:
        return _arrays(a, b, words, memories)
    if kind is list or isinstance(a, tuple):
        if len(a) != len(b):
            return f"{words} had {len(b)} parts, not {len(a)}"
        parts = [(f"{words}[{i}]", x, y) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    elif kind is dict:
        if list(a) != list(b):
            return f"{words} had other keys"
        parts = [(f"{words}[{k!r}]", a[k], b[k]) for k in a]
    elif dataclasses.is_dataclass(kind):
        parts = [(f"{words}.{f.name}", getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(kind)]
    else:
        return "" if same(a, b) else f"{words} was {b!r}, not {a!r}"
    for said, x, y in parts:
        found = _difference(x, y, said, memories)
        if found:
            return found
    return ""


def _arrays(a: Any, b: Any, words: str, memories: _Memories) -> str:
    v, w = a._value, b._value
    known = memories.known
    if (v.shape, v.dtype) != (w.shape, w.dtype) or _steps(v) != _steps(w):
        return f"{words} was {w.dtype}{list(w.shape)}, not {v.dtype}{list(v.shape)}"
    if id(a) in known or id(b) in known:
        return f"{words} was another array"
    of_a, of_b = (x.root if x.__class__ is View else t for x, t in ((v, a), (w, b)))
    if id(of_a) in known:
        return "" if of_a is of_b else f"{words} was no view of the same array"
    if id(of_b) in known or of_a is a and of_b is not b and of_b._value.seq < memories.start:
        return f"{words} was a view"
    if not memories.are_alike(of_a, of_b):
        return f"{words} shared its memory with other parts of it"
    return "" if same_bits(peek(a), peek(b)) else f"{words} had other values"


def _steps(v: Any) -> Any:
    """The strides of axes that take a step; an empty array takes none."""
    if 0 in v.shape:
        return ()
    return [s for s, n in zip(v.strides or c_strides(v.shape, v.dtype.itemsize), v.shape, strict=True) if n > 1]


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays or scalars are equal to the bit; any NaN equals any other."""
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.kind not in "fc":
        return x.tobytes() == y.tobytes()
    if x.dtype.kind == "c":
        return same_bits(x.real, y.real) and same_bits(x.imag, y.imag)
    return bool(silently(_alike, x, y).all())


def _alike(x: Any, y: Any) -> Any:
    return ((x == y) & (np.signbit(x) == np.signbit(y))) | (np.isnan(x) & np.isnan(y))
