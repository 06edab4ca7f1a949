"""`concatenate`, `stack`, `hstack`, `vstack`, `pad` of large arrays that are pending: each is computed into its place.

Made as a call of NumPy's, the parts would be arrays of their own first, and copied. Here the result is an array in
which a part is stored as ``result[place] = part`` stores it: its kernel writes there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..ir.dtypes import NUMERIC
from ..ir.node import Node, memory_leaf
from ..run import pool
from ..run.watching import active
from . import lazy
from .build import concern, users_frame
from .fallback import fallback, unseen
from .handle import Tensor, tensor
from .indexing import setitem

LEAST = 1 << 18
"""Bytes of a result from which on this is done: below, one call is quicker than several operations."""
_KINDS, _STEPS = frozenset(("elementwise", "scalar")), frozenset(("where", "cast"))


def _axis(args: tuple[Any, ...], kwargs: dict[str, Any], ndim: int) -> int | None:
    """The axis that is given, among so many; None for other arguments."""
    if len(args) > 2 or kwargs.keys() - {"axis"}:
        return None
    axis = args[1] if len(args) == 2 else kwargs.get("axis", 0)
    return axis % ndim if type(axis) is int and ndim else None


def _along(axis: int | None, parts: list[Any]) -> list[Any] | None:
    """The places of parts one after another along an axis."""
    if axis is None:
        return None
    places, at = [], 0
    for part in parts:
        n = part.shape[axis]
        places.append((*(slice(None),) * axis, slice(at, at + n)))
        at += n
    return places


def _concatenated(args: tuple[Any, ...], kwargs: dict[str, Any], parts: list[Any]) -> Any:
    return _along(_axis(args, kwargs, len(parts[0].shape)), parts)


def _stacked(args: tuple[Any, ...], kwargs: dict[str, Any], parts: list[Any]) -> Any:
    axis = _axis(args, kwargs, len(parts[0].shape) + 1)
    return None if axis is None else [(*(slice(None),) * axis, i) for i in range(len(parts))]


def _beside(args: tuple[Any, ...], kwargs: dict[str, Any], parts: list[Any]) -> Any:
    if len(args) > 1 or kwargs or not all(part.shape for part in parts):  # a part without axes gets one
        return None
    return _along(0 if len(parts[0].shape) == 1 else 1, parts)


def _below(args: tuple[Any, ...], kwargs: dict[str, Any], parts: list[Any]) -> Any:
    if len(args) > 1 or kwargs or any(len(part.shape) < 2 for part in parts):
        return None
    return _along(0, parts)


JOIN: dict[str, Callable[..., Any]] = {"concatenate": _concatenated, "stack": _stacked, "hstack": _beside,
                                       "vstack": _below}
"""By the function's name: where the parts go, None if that is left to NumPy."""


def joining(name: str) -> Callable[..., Any]:
    """A function of `JOIN` that puts large pending parts into their places, and leaves all else to the fallback."""
    fn, places_of = getattr(np, name), JOIN[name]
    otherwise = fallback(fn, name)

    @functools.wraps(otherwise)
    @unseen
    def function(*args: Any, **kwargs: Any) -> Any:
        if args and not active and type(args[0]) in (list, tuple) and any(map(_is_large, args[0])):
            found = _joined(lazy.rule_of(name, fn), places_of, args, kwargs)
            if found is not None:
                return found
        return otherwise(*args, **kwargs)
    return function


def _is_large(part: Any) -> bool:
    """Whether it is a large pending result of arithmetic."""
    if type(part) is not Tensor:
        return False
    v = part._value
    return computed_by_kernels(v) and bool(prod(v.shape) * v.dtype.itemsize >= LEAST // 8)


def computed_by_kernels(v: Any) -> bool:
    """Whether it is the node of a pending result of arithmetic, which a kernel can write to its place."""
    return v.__class__ is Node and v.buffer is None and (v.op.kind in _KINDS or v.op.step in _STEPS)


def _joined(rule: Any, places_of: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result, if NumPy would make one in C order of these parts; else None."""
    expected = rule.expected(args, kwargs)
    if expected is None or expected[2] is not None or expected[3] is not None:
        return None
    shape, dtype, strides, is_array = expected[4][0]
    if not is_array or strides is not None or dtype.char not in NUMERIC or prod(shape) * dtype.itemsize < LEAST:
        return None
    given = args[0]
    if any(type(part) is not Tensor and (type(part) in (list, tuple) and concern(part)) for part in given):
        return None
    parts = [part if type(part) is Tensor else np.asarray(part) for part in given]
    places = places_of(args, kwargs, parts)
    if places is None:
        return None
    memory = pool.empty(shape, dtype)
    for place, part in zip(places, parts, strict=True):
        if type(part) is not Tensor:
            memory[place] = part
    result = tensor(memory_leaf(memory))
    del memory
    for place, part in zip(places, parts, strict=True):
        if type(part) is Tensor:
            _put(result, place, part)
    return result


def _put(result: Any, place: Any, part: Any) -> None:
    """Stores a part, as the user's line."""
    setitem(result, place, part)
    node, frame = result._value, users_frame()
    if node.buffer is None and frame is not None:
        node.code, node.lasti = frame.f_code, frame.f_lasti


_pad_of_real = fallback(np.pad, "pad")


@functools.wraps(_pad_of_real)
@unseen
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """See `numpy.pad`."""
    if type(mode) is str and mode == "constant" and not kwargs and not active and _is_large(array):
        found = _padded(array, pad_width)
        if found is not None:
            return found
    return _pad_of_real(array, pad_width, mode, **kwargs)


def _padded(array: Any, widths: Any) -> Any:
    """The array among zeros, if NumPy would give it in C order; else None."""
    expected = lazy.rule_of("pad", np.pad).expected((array, widths), {})  # type: ignore[union-attr]
    if expected is None or expected[3] is not None or isinstance(widths, dict):
        return None
    shape, dtype, strides, _ = expected[4][0]
    if strides is not None or dtype.char not in NUMERIC:
        return None
    before = np.broadcast_to(np.asarray(widths), (len(shape), 2))[:, 0].tolist()
    place = tuple([slice(n, n + own) for n, own in zip(before, array.shape, strict=True)])
    memory = pool.empty(shape, dtype)
    for axis, inside in enumerate(place):
        for border in (slice(0, inside.start), slice(inside.stop, None)):
            memory[(*place[:axis], border)] = 0
    result = tensor(memory_leaf(memory))
    del memory
    _put(result, place, array)
    return result
