"""Trees of arrays: lists, tuples and dicts of arrays, as loops carry and stack them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..api.handle import Tensor
from ..api.namespace import ours
from ..api.scalar import Scalar
from .guards import same

_stack = ours(np.stack, "stack")


def rows(xs: Any) -> Iterator[Any]:
    """The parts of a tree of arrays along their first axes, one after the other."""
    kind = type(xs)
    if kind is tuple or kind is list:
        return (kind(parts) for parts in zip(*[rows(x) for x in xs], strict=True))
    if kind is dict:
        return (dict(zip(xs, parts, strict=True)) for parts in zip(*[rows(x) for x in xs.values()], strict=True))
    return iter(xs)


def length_of(xs: Any, name: str) -> int | None:
    """How many parts a tree of arrays has along their first axes; None if that cannot be told before."""
    kind = type(xs)
    if kind not in (tuple, list, dict):
        return len(xs) if hasattr(xs, "__len__") else None
    found = [length_of(x, name) for x in (xs.values() if kind is dict else xs)]
    lengths = sorted({n for n in found if n is not None}, reverse=True)
    if len(lengths) > 1:
        raise ValueError(f"lazytensor.{name}: arrays with different numbers of parts along their first axes: "
                         f"{' and '.join(map(str, lengths))}")
    return lengths[0] if lengths else None


def steady(before: Any, after: Any) -> bool:
    """Whether what a body takes has the same structure and the same plain values in two turns, as far as can be seen:
    compiled for one turn, it then serves for the next. A body that is given another number each turn is not."""
    kind = type(before)
    if kind is not type(after):
        return False
    if kind is Tensor:
        return bool(before.shape == after.shape and before.dtype == after.dtype)
    if issubclass(kind, Scalar):
        return bool(before.dtype == after.dtype)
    if isinstance(before, tuple) or kind is list:
        return len(before) == len(after) and all(map(steady, before, after))
    if kind is dict:
        return list(before) == list(after) and all(steady(before[k], after[k]) for k in before)
    return before is after or same(before, after)


def stacked(ys: list[Any]) -> Any:
    """A list of equal trees as one tree of stacked arrays; None where there is nothing."""
    if ys[0] is None:
        return None
    first, kind = ys[0], type(ys[0])
    if kind is tuple or kind is list:
        return kind(stacked([y[i] for y in ys]) for i in range(len(first)))
    if kind is dict:
        return {key: stacked([y[key] for y in ys]) for key in first}
    return _stack(ys)
