"""The reference engine: one node at a time, each as NumPy's own call.

`value_of` reads an operand, `compute` makes a node's value. `run_directly` runs captured nodes in program order with no
plan: a node forgets its operands when it is done, so memory is freed as the counts of references say.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from ..config import current
from ..errors import LostValueError, loss
from ..hot import learn, native
from ..ir.node import Node, leaf, make, settle
from ..ir.operation import Operation
from . import floating, pool
from .blame import explained

_VIEW = Operation.VIEW
_generic = np.generic
TAKEN = LostValueError("its memory was given to the operation that followed")
"""What a node bears whose memory the operation that writes it has, until it has a value again."""

on_execute: list[Callable[[Node], None]] = []
"""Called with each node that is about to be executed; tests count with it."""


def apply_view(steps: tuple[Any, ...], array: Any) -> Any:
    """The view of a real array that a view's steps describe."""
    if isinstance(array, _generic):
        array = np.asarray(array)
    for fn, args in steps:
        array = fn(array, *args)
    return array


def value_of(operand: Any) -> Any:
    """The value of an operand: an ndarray, a NumPy scalar or a Python number.

    Raises
    ------
    LostValueError
        If the node's memory was overwritten by a run that failed.
    """
    if type(operand) is not Node:
        return operand
    value = operand.buffer
    if value is None:
        if operand.op is _VIEW:
            return apply_view(operand.attrs, value_of(operand.a))
        raise LostValueError(f"{operand!r} has no value and no run is computing it") from (
            operand.claim if isinstance(operand.claim, BaseException) else None)
    return value


def compute(node: Node, values: list[Any], out: Any = None) -> Any:
    """The value of a node from its operands' values; `out` is memory to write it to, for elementwise kinds."""
    op = node.op
    kind = op.kind
    fn: Any = op.fn
    if kind == "elementwise":
        if out is None:
            if not node.shape and node.attrs is None:
                return fn(*values)
            out = pool.empty(node.shape, node.dtype, node.strides)
        return written(out, fn, values, {"out": out} if node.attrs is None else {"out": out, **dict(node.attrs)})
    if kind == "call":
        return fn(*values) if node.attrs is None else fn(*values, **dict(node.attrs))
    if kind == "scalar":
        return fn(*[v[()] if type(v) is np.ndarray else v for v in values])
    steps, extra = node.attrs
    target = values[0]
    view = apply_view(steps, target)
    if not view.flags.writeable:  # NumPy makes some views read-only; the program has made this one writeable
        view.flags.writeable = True
    return written(target, fn, (view, *values[1:], *extra), {})


def written(memory: Any, fn: Any, args: Any, options: dict[str, Any]) -> Any:
    """Calls what writes to `memory`, and returns the memory.

    Ctrl-C during the call is raised by Python when the call has ended, which the traceback shows: this function is its
    last line. The memory is written then, so the run goes on to the end of this step, where `Floating.interrupt` is
    raised: nothing is lost.
    """
    try:
        fn(*args, **options)
    except KeyboardInterrupt as error:
        place, run = error.__traceback__, floating.noted.run
        if run is None or place is None or place.tb_next is not None:
            raise
        run.interrupt = error
    return memory


class _Known:
    """How many references the functions here hold themselves: of an old value, of an operand, of a buffer."""

    __slots__ = ("old", "operand", "buffer")
    old: int
    operand: int
    buffer: int


_known = _Known()


def own_memory(old: Any, references: int) -> Any:
    """The memory that a mutating node may write: the old value's own if nobody else needs it, else a copy.

    `references` counts how often the mutating node itself refers to the old value.
    """
    buffer = old.buffer
    if isinstance(buffer, _generic):
        return np.array(buffer)
    if getrefcount(old) <= references + _known.old and pool.sole(buffer, _known.buffer):
        return buffer
    copy = pool.empty_like(buffer)
    np.copyto(copy, buffer)
    return copy


def _rebased(operand: Any, old: Any, memory: Any) -> Any:
    """An operand's value, where what reads the old value through a view reads the memory being written instead, so
    that NumPy sees the overlap that the program has."""
    if operand is old:
        return memory
    if type(operand) is Node and operand.op is _VIEW and operand.buffer is None and operand.a is old:
        return apply_view(operand.attrs, memory)
    return value_of(operand)


def mutate(node: Node) -> Any:
    """Runs a mutating node and gives its memory; marks the old value as lost if its memory was taken."""
    old = node.a
    inputs = node.inputs
    if type(old) is not Node or old.buffer is None:
        value_of(old)
    references = sum(2 if x is old else type(x) is Node and x.op is _VIEW and x.a is old for x in inputs)
    memory = own_memory(old, references)
    values = [memory, *[_rebased(x, old, memory) for x in inputs[1:]]]
    if memory is not old.buffer:
        return compute(node, values)
    lost = LostValueError("its memory was given to the write that followed")
    old.buffer = None
    old.claim = lost
    try:
        return compute(node, values)
    except BaseException as error:
        old.claim = loss(error)
        raise


def execute(node: Node) -> None:
    """Computes one node whose operands have values, and settles it."""
    for hook in on_execute:
        hook(node)
    if node.op.kind == "mutate":
        settle(node, mutate(node))
    else:
        out = _spare_operand(node)
        try:
            settle(node, compute(node, [value_of(x) for x in node.inputs], out))
        except BaseException as error:
            if out is not None:  # it may have been written over in part: whoever needs it gets the failure
                _lose(node, out, error)
            raise


def _lose(node: Node, memory: Any, error: BaseException) -> None:
    """Marks the operand whose memory a failing node was writing over."""
    for operand in (node.a, node.b):
        if type(operand) is Node and operand.buffer is memory:
            operand.buffer, operand.claim = None, loss(error)


def _spare_operand(node: Node) -> Any:
    """The memory of an operand that this elementwise node may write its result over, or None."""
    if node.op.kind != "elementwise" or not node.shape or node.dtype.kind == "c":
        return None
    a, b = node.a, node.b
    if node.rest or (type(a) is Node and a.op is _VIEW) or (type(b) is Node and b.op is _VIEW):
        return None
    for operand in (a, b):
        if type(operand) is not Node:
            continue
        buffer = operand.buffer
        if (operand.dtype is node.dtype and operand.shape == node.shape and operand.strides == node.strides
                and type(buffer) is np.ndarray and buffer.nbytes >= pool.SMALL and buffer.flags.writeable
                and getrefcount(operand) <= _known.operand + 3 * (a is b)
                and pool.sole(buffer, _known.buffer)):
            return buffer
    return None


class Floating:
    """The floating-point state of one run: enters each node's error state, collects what was raised.

    A context manager; at the end of a run `errors` holds what to warn of. `interrupt` is to be raised when the step
    in hand is done. `filters` is the list of warning filters to which `floating.own_state` has added some.
    """

    __slots__ = ("errors", "node", "capsule", "own", "before", "outer", "interrupt", "filters")

    def __enter__(self) -> Floating:
        self.outer = floating.noted.run
        self.interrupt: BaseException | None = None
        self.errors: list[tuple[Any, str]] = []
        self.node: Any = None
        self.filters: Any = None
        floating.noted.run = self
        self.capsule: Any = None
        self.own = False
        self.before = floating.in_force()
        return self

    def at(self, node: Node) -> None:
        """The node runs next."""
        self.node = node
        own = node.op.label is None
        wanted = floating.own_state(node) if own else node.errstate
        if (wanted is not self.capsule or own is not self.own) and wanted is not None:
            floating.enter(wanted if own else floating.running(wanted))
            self.capsule, self.own = wanted, own

    def __exit__(self, *exc: object) -> None:
        floating.noted.run = self.outer
        floating.enter(self.before)
        if self.filters is not None:
            floating.leave_filters(self.filters)


if native is not None:
    Floating = native.Floating  # type: ignore[misc]


def run_directly(nodes: list[Node | None]) -> list[tuple[Any, str]]:
    """Executes pending nodes in the order given; gives the floating-point errors to warn of. Empties the list."""
    if native is not None and not on_execute:
        found: list[tuple[Any, str]] = native.run_directly(nodes)
        return found
    with Floating() as state:
        for i in range(len(nodes)):
            node = nodes[i]
            nodes[i] = None
            if node is None or node.buffer is not None:
                continue
            state.at(node)
            try:
                execute(node)
            except BaseException as error:
                nodes[i] = node
                explained(error, node)
                raise
            if state.interrupt is not None:
                raise state.interrupt
        return state.errors


def _trial(op: Operation, count: int) -> tuple[Node, int]:
    """A node on one large operand that nobody else holds, `count` times an operand; and the operand's address."""
    operand = leaf(np.zeros(pool.SMALL, np.uint8), None)
    attrs = ((), ()) if op.kind == "mutate" else None
    node = make(op, (operand,) * count, attrs, operand.shape, operand.dtype, None, None, 1)
    return node, operand.buffer.ctypes.data


def _least(name: str, op: Operation, count: int) -> None:
    """Sets a count to the least with which the operand's memory is reused: what these functions hold themselves."""
    for guess in range(1, 64):
        setattr(_known, name, guess)
        node, address = _trial(op, count)
        execute(node)
        if node.buffer.ctypes.data == address:
            return
    raise ImportError("lazytensor cannot tell who holds a buffer on this Python: sys.getrefcount is not exact here")


def _product_loop(*geometry: Any) -> Any:
    """The loop of lazytensor's own for products of a geometry, with the bits of NumPy's, or None."""
    from ..lower import products  # not before one has come up often

    return products.often(*geometry) if current.engine != "numpy" else None


def _calibrate() -> None:
    """Python versions differ in the references that a call holds; they are measured, not assumed."""
    _known.old = _known.operand = _known.buffer = 64
    write = Operation("write", "mutate", lambda target: None)
    negate = Operation("invert", "elementwise", np.invert)
    _known.old = 64
    _least("buffer", write, 1)
    _least("old", write, 1)
    _least("operand", negate, 1)


_calibrate()
learn(matmul=np.matmul, matrix_operator=np.ndarray.__matmul__, product_loop=_product_loop)
learn(taken_claim=TAKEN, execute=execute, loss=loss, explained=explained, ufunc_type=np.ufunc)
