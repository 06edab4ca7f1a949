"""Writes: a ufunc into an array (``x += y``, ``out=``), and any function that changes an array.

A write gives the root a new node. The whole of a root is overwritten by an ordinary elementwise node with the root's
layout; a part of it, or an operation that also reads it through a view, is a `mutate` node, which NumPy runs on the old
memory or on a copy of it. What may not wait is done by NumPy itself on the root's real memory.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..hot import learn
from ..ir.dtypes import NUMERIC, UfuncRecord
from ..ir.layout import dense
from ..ir.node import AT_ONCE, Node, make
from ..ir.operation import Operation, register
from ..run import floating
from ..run.watching import active, mine
from .build import at_line, bound, operand, resolved, shape_of, stand_in, strides_for, users_frame, with_real_scalars
from .handle import WARNS, Tensor, export, is_shared, lock_of, peek, root_of, steps_of, writing_of

_VIEW = Operation.VIEW
_TELLS = "c"
"""Kinds whose loops tell whether the output is an operand's memory: a product of one complex number, done in place, is
computed without FMA."""
_TELLING = frozenset(("cbrt", "fmax", "fmin", "power"))
"""Loops of floats that tell it of a single element: which zero, and the last bit (`lower.fidelity.EXACT`)."""


def read_only(t: Tensor, message: str) -> None:
    """Raises NumPy's error if the Tensor may not be written."""
    writing = writing_of(t)
    if not writing:
        raise ValueError(message)
    if writing is WARNS:
        at_line(warnings.warn, (_OVERLAPPING, DeprecationWarning))
        forget_to_warn(t)


_OVERLAPPING = ("Numpy has detected that you (may be) writing to an array with\noverlapping memory from "
                "np.broadcast_arrays. If this is intentional\nset the WRITEABLE flag True or make a copy immediately "
                "before writing.")


def forget_to_warn(t: Tensor) -> None:
    """A write to this Tensor, and to what it is a view of, warns no more."""
    v, root = t._value, root_of(t)
    if v.__class__ is not Node:
        v.writeable = True
    state = root._state
    if state is not None and state.writeable is WARNS:
        state.writeable = True
        if state.memory is not None:
            state.memory.flags.writeable = True


def looked_at(value: Any) -> Any:
    """A value as real memory that will only be read."""
    if type(value) is Tensor:
        return peek(value)
    return with_real_scalars(value)


def depth_of(inputs: tuple[Any, ...]) -> int:
    """One more than the deepest operand."""
    return 1 + max((x.depth for x in inputs if type(x) is Node), default=0)


def may_wait(root: Tensor, inputs: tuple[Any, ...], capsule: Any) -> bool:
    """Whether a write may stay pending."""
    return not is_shared(root) and depth_of(inputs) < AT_ONCE and floating.unchanged(capsule)


def swap(root: Tensor, build: Callable[[Node], Node]) -> bool:
    """Gives the root the node that `build` makes of its present one; runs it if the chain behind it is too long.

    False if the root's memory has been given out by another thread meanwhile: nothing is done then.
    """
    if active and (watcher := mine()) is not None:
        watcher.writes(root)
    with lock_of(root):
        if root._state is not None and root._state.memory is not None:
            return False
        node = build(root._value)
        root._value = node
    bound(node)
    return True


def write_ufunc(record_: UfuncRecord, target: Tensor, values: tuple[Any, ...], frame: Any,
                where: Any = True, **options: Any) -> None:
    """``ufunc(*values, out=target, where=where, **options)``.

    Raises
    ------
    NotArray
        If NumPy must do it, with operands that are no arrays of numbers.
    """
    root = root_of(target)
    before = root._value
    inputs = tuple([operand(v) for v in values])
    mask = () if where is True else (operand(where),)
    if mask and type(mask[0]) is Node and mask[0].dtype.kind != "b":
        return _at_once(record_.ufunc, target, values, where, options)  # NumPy's error
    capsule = floating.in_force()
    found = resolved(record_, inputs, out=target._value.dtype, **options)
    read_only(target, "output array is read-only")
    _check_shapes(record_.ufunc, inputs + mask, target, options)
    kinds = {target._value.dtype.kind, *[d.kind for d in found.loop]}
    lazy = found.lazy and target._value.dtype.char in NUMERIC and (len(kinds) == 1 or "c" not in kinds)
    if not lazy or not may_wait(root, inputs + mask, capsule):
        return _at_once(record_.ufunc, target, values, where, options)
    keywords = tuple(sorted(options.items()))
    v = target._value
    if v.__class__ is Node and v.dtype.kind not in _TELLS and not mask and not any(
            _reads_through_view(x, v) for x in inputs) and not _one_in_place(record_.ufunc, v, inputs) and (
            v.strides is None or dense(v.shape, v.strides, v.dtype.itemsize)):
        own = found.loop[-1]  # 'l' and 'q' are equal
        plain = not keywords and v.shape and own == v.dtype and own.num == v.dtype.num and v.strides is None and (
            shape_of(inputs) == v.shape and strides_for(v.shape, v.dtype.itemsize, inputs, found.loop) is None)
        # then it is what the ufunc gives without `out`, too

        def whole(old: Node) -> Node:
            now = inputs if old is before else _read_again(target, values, inputs)
            return make(record_.op, now, None if plain else keywords, old.shape, old.dtype, old.strides, capsule,
                        depth_of(now), frame)
        return None if swap(root, whole) else _at_once(record_.ufunc, target, values, where, options)
    known = _other_parts if mask or keywords or found.loop[-1] != v.dtype else part_operations
    op, steps = _part_operation(record_.ufunc, known), steps_of(target)
    extra = (steps, (len(mask), keywords))

    def part(old: Node) -> Node:
        operands = (old, *(inputs if old is before else _read_again(target, values, inputs)), *mask)
        return make(op, operands, extra, old.shape, old.dtype, old.strides, capsule, depth_of(operands), frame)
    return None if swap(root, part) else _at_once(record_.ufunc, target, values, where, options)


def _read_again(target: Tensor, values: tuple[Any, ...], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands, where another thread has written to the target since it was read: no update is lost."""
    return tuple([operand(v) if v is target else x for v, x in zip(values, inputs, strict=True)])


def _one_in_place(ufunc: Any, node: Node, inputs: tuple[Any, ...]) -> bool:
    """Whether it is a single float that NumPy takes another way for if it is written over."""
    return (ufunc.__name__ in _TELLING and node.dtype.kind == "f" and prod(node.shape) == 1
            and any(x is node for x in inputs))


def _reads_through_view(x: Any, node: Node) -> bool:
    return type(x) is Node and x.op is _VIEW and x.buffer is None and x.a is node


def _part_operation(ufunc: Any, known: dict[Any, Operation]) -> Operation:
    """The operation that runs a ufunc into a view of its first operand."""
    found = known.get(ufunc)
    if found is not None:
        return found
    with _making:
        if ufunc in known:  # another thread was quicker
            return known[ufunc]

        def fn(view: Any, *values: Any) -> None:
            masked, keywords = values[-2:]
            if masked:
                ufunc(*values[:-3], out=view, where=values[-3], **dict(keywords))
            else:
                ufunc(*values[:-2], out=view, **dict(keywords))
        properties = {"step": "part", "ufunc": ufunc} if known is part_operations else {}
        name = f"{ufunc.__name__}_into_{len(part_operations) + len(_other_parts)}"
        made = known[ufunc] = register(name, "mutate", fn, label=ufunc.__name__, **properties)
        return made


part_operations: dict[Any, Operation] = {}
"""For each ufunc the operation that runs it into a part of an array whose dtype is the result's."""
_other_parts: dict[Any, Operation] = {}
"""The same with a mask, with keywords, or with a cast, which keys of plans do not tell."""
learn(part_operations=part_operations)
_making = threading.RLock()


def _renew_lock() -> None:
    global _making
    _making = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _check_shapes(ufunc: Any, inputs: tuple[Any, ...], target: Tensor, options: dict[str, Any]) -> None:
    """NumPy's ValueError if the operands do not fit the output."""
    wanted = target._value.shape
    for x in inputs:
        if type(x) is Node and x.shape != wanted and x.shape:
            break
    else:
        return
    try:
        fits = shape_of(inputs) == wanted or np.broadcast_shapes(shape_of(inputs), wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        v = target._value
        out = np.lib.stride_tricks.as_strided(np.zeros(1, v.dtype), v.shape, (0,) * len(v.shape))
        ufunc(*[stand_in(x) for x in inputs[:ufunc.nin]], out=out,
              **({"where": stand_in(inputs[-1])} if len(inputs) > ufunc.nin else {}), **options)


def _at_once(ufunc: Any, target: Tensor, values: tuple[Any, ...], where: Any, options: dict[str, Any]) -> None:
    real = export(target)
    keywords = {k: v for k, v in options.items() if v is not None}
    if where is not True:
        keywords["where"] = looked_at(where)
    at_line(ufunc, tuple([looked_at(v) for v in values]), {**keywords, "out": real})


def change(op: Operation, target: Tensor, values: tuple[Any, ...], extra: tuple[Any, ...], frame: Any) -> bool:
    """Writes ``op.fn(view of target, *values, *extra)`` as a pending node; False if it may not wait (nothing is done).

    `values` are operands already (`operand`). Only for changes that cannot fail.
    """
    root = root_of(target)
    capsule = floating.in_force()
    if not may_wait(root, values, capsule):
        return False
    attrs = (steps_of(target), extra)
    if frame.f_globals.get("__name__", "").startswith("lazytensor."):  # a method that a function here has called
        frame = users_frame()

    def build(old: Node) -> Node:
        operands = (old, *values)
        return make(op, operands, attrs, old.shape, old.dtype, old.strides, capsule, depth_of(operands), frame)
    return swap(root, build)

