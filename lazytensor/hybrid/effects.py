"""What a call leaves behind: its result, and other values in arrays that were there before.

`Outcome` describes both in the names of a trace, so that generated code can make them again. A call's effects come all
together at its end (`commit`): until then nothing has happened, so a call that meets something new is begun again.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..api.handle import Tensor, View, lock_of, writing_of
from ..api.scalar import Scalar, classes, scalar
from ..ir.node import Node, leaf
from ..run.watching import Opaque
from .arguments import Arguments
from .fast import native
from .guards import ATOMS, a_kind
from .handing import Count
from .scope import Scope, is_users
from .settings import Setting, fits
from .tracing import Operand, Trace


class Spec(NamedTuple):
    """How to make a part of a result again.

    ==========  ==============================  ====================================================
    kind        name                            what
    ==========  ==============================  ====================================================
    same        the expression of an argument   None
    constant    ''                              the object
    array       its value's name                the strides
    view        ''                              (root's Spec, steps, writeable, locked)
    scalar      its value's name                'lazy' or 'real'
    number      its value's name                None: a number of Python's (`numbers`)
    sequence    ''                              (type, parts): list, tuple, named tuple
    dict        ''                              (keys, parts)
    dataclass   ''                              (type, field names, parts)
    ==========  ==============================  ====================================================
    """

    kind: str
    name: str
    what: Any
    identity: int


class Outcome:
    """The end of a path: the result's Spec, for each array with another value its name and the value's, and what is
    bound anew (`settings`), each with a Spec."""

    __slots__ = ("result", "writes", "sets")

    def __init__(self, result: Spec, writes: dict[str, str], sets: Iterable[tuple[Setting, Spec]] = ()) -> None:
        self.result, self.writes, self.sets = result, writes, list(sets)

    def names(self) -> Iterator[str]:
        """What it takes of the trace's values."""
        yield from self.writes.values()
        for spec in self.specs():
            yield from _names(spec)

    def specs(self) -> Iterator[Spec]:
        """Those of all that it makes."""
        yield self.result
        for _, spec in self.sets:
            yield spec

    def seen_through(self) -> Iterator[str]:
        """The expressions of arrays of which it makes views."""
        for spec in self.specs():
            yield from _behind(spec)

    def mapped(self, of: Callable[[Spec], Spec], writes: dict[str, str] | None = None) -> Outcome:
        """The same with other Specs."""
        return Outcome(of(self.result), self.writes if writes is None else writes,
                       [(setting, of(spec)) for setting, spec in self.sets])

    def binds_as(self, other: Outcome) -> bool:
        """Whether another one binds the same places."""
        return [setting.where for setting, _ in self.sets] == [setting.where for setting, _ in other.sets]


class Raised(Outcome):
    """The end of a path on which the function raises an exception: calls that go it run the Python."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(Spec("constant", "", None, 0), {})

    def mapped(self, of: Callable[[Spec], Spec], writes: dict[str, str] | None = None) -> Outcome:
        """Itself."""
        return self


def _names(spec: Spec) -> Iterator[str]:
    if spec.kind in ("array", "scalar", "number"):
        yield spec.name
    elif spec.kind == "view":
        yield from _names(spec.what[0])
    elif spec.kind in ("sequence", "dict", "dataclass"):
        for part in spec.what[-1]:
            yield from _names(part)


def _behind(spec: Spec) -> Iterator[str]:
    if spec.kind == "view":
        root = spec.what[0]
        yield from (root.name,) if root.kind == "same" else _behind(root)
    elif spec.kind in ("sequence", "dict", "dataclass"):
        for part in spec.what[-1]:
            yield from _behind(part)


def outcome_of(trace: Trace, result: Any, given: Arguments, scope: Scope, captured: Any,
               settings: list[Setting]) -> Outcome | None:
    """What a traced call left; None, with the trace's refusal, if that cannot be done again."""
    writes: dict[str, str] = {}
    for name, root in trace.roots.items():
        node = root._value
        if node is trace.entry[name]:
            continue
        old = trace.entry[name]
        if type(node) is not Node or (node.shape, node.dtype, node.strides) != (old.shape, old.dtype, old.strides):
            trace.refuse("it changes the shape, dtype or layout of an array in place")
            return None
        trace.record([node])
        writes[name] = trace.slot_of(node)
        trace.left[writes[name]] = node
    for name, root in trace.roots.items():
        state, writing = trace.states[name]
        if root._state is not None and root._state is not state or writing_of(root) != writing:
            trace.refuse(f"it changes the flags or gives out the memory of an array ({name})")
    for t, (v, *was) in given.views:
        if t._value is not v or was != [v.steps, v.shape, v.dtype, v.strides, v.writeable]:
            trace.refuse("it changes a view in place")
    describe = _Describe(trace, {**captured.handles, **given.handles}, scope)
    spec = describe.spec(result)
    sets = [(setting, describe.spec(setting.value)) for setting in settings]
    for setting, of in sets:
        if not fits(of.kind, of.what) and not _fits_box(of):
            trace.refuse(f"it changes {setting.words}")
    return None if trace.refusal is not None else Outcome(spec, writes, [(s._replace(value=None), x) for s, x in sets])


def _fits_box(spec: Spec) -> bool:
    """Whether a container that is bound anew holds what the next call can be the same program for."""
    return (spec.kind == "dict" or spec.kind == "sequence" and spec.what[0] in (tuple, list)) and all(
        fits(part.kind, part.what) and part.kind != "number" or _fits_box(part) for part in spec.what[-1])


class _Describe:
    """Makes the Spec of a result."""

    def __init__(self, trace: Trace, handles: dict[int, str], scope: Scope) -> None:
        self.trace, self.handles, self.scope = trace, handles, scope
        self.inside: set[int] = set()

    def spec(self, value: Any) -> Spec:
        kind, identity = type(value), id(value)
        if kind in ATOMS:
            if identity in self.trace.collected:
                return Spec("number", self.trace.collected[identity][1], None, 0)
            return Spec("constant", "", value, 0)
        if issubclass(kind, Opaque) and self.trace.numbers is not None:
            return Spec("number", value._operand.name, None, 0)
        if kind is Count:
            return Spec("number", value.name, None, 0)
        expression = self.handles.get(identity)
        if expression is not None:
            return Spec("same", expression, None, identity)
        if identity in self.scope.held:
            self.trace.refuse("it hands on a container that is a new one at every call")
        if identity in self.scope.objects or identity in self.scope.tensors or _is_settled(value):
            return Spec("constant", "", value, identity)
        if kind is Tensor:
            return self._tensor(value)
        if issubclass(kind, Scalar):
            operand = self.trace.reference(value)
            if operand.name is None or operand.name in self.trace.constants:
                return Spec("constant", "", value, identity)
            self.trace.left[operand.name] = value._node
            return Spec("scalar", operand.name, "real" if operand.name in self.trace.real else "lazy", identity)
        if issubclass(kind, np.generic) and not value.dtype.hasobject:
            return Spec("constant", "", value, identity)
        if identity in self.inside or len(self.inside) > 200:
            self.trace.refuse("its result holds itself")
            return Spec("constant", "", None, 0)
        self.inside.add(identity)
        found = self._container(value)
        self.inside.discard(identity)
        return found

    def _container(self, value: Any) -> Spec:
        kind, identity = type(value), id(value)
        if kind is list or kind is tuple or issubclass(kind, tuple) and hasattr(kind, "_make") and not getattr(
                value, "__dict__", None):
            return Spec("sequence", "", (kind, [self.spec(x) for x in value]), identity)
        if kind is dict:
            if all(type(k) in (str, int, bool, float, tuple, type(None)) for k in value):
                return Spec("dict", "", (list(value), [self.spec(x) for x in value.values()]), identity)
        elif dataclasses.is_dataclass(kind) and not isinstance(value, type):
            names = [f.name for f in dataclasses.fields(value)]
            if set(getattr(value, "__dict__", names)) <= set(names) and all(hasattr(value, n) for n in names):
                return Spec("dataclass", "", (kind, names, [self.spec(getattr(value, n)) for n in names]), identity)
        self.trace.refuse(f"its result holds {a_kind(kind)}, which cannot be made again")
        return Spec("constant", "", None, 0)

    def _tensor(self, t: Any) -> Spec:
        v = t._value
        if v.__class__ is View:
            if id(v.root) in self.trace.names and writing_of(v.root) is not True:
                self.trace.refuse("its result is a part of a read-only array")
            return Spec("view", "", (self.spec(v.root), v.steps, v.writeable, v.locked), id(t))
        if t._state is not None or v.seq <= self.trace.start:
            self.trace.refuse("its result is an array that shares memory, is read-only, or was there before")
            return Spec("constant", "", None, 0)
        operand: Operand = self.trace.reference(t)
        if v.dtype.hasobject:
            self.trace.refuse("its result is an array of objects")
        self.trace.left[operand.name or ""] = v
        return Spec("array", operand.name or "", v.strides, id(t))


def _is_settled(value: Any) -> bool:
    """Whether this is the same at every call: a module, NumPy's own dtype, or a function or class of a library's."""
    if isinstance(value, np.dtype):
        return bool(value.isbuiltin == 1)
    if isinstance(value, types.BuiltinFunctionType):  # a method of an object is as old as the object
        return isinstance(value.__self__, (types.ModuleType, type, types.NoneType))
    return isinstance(value, (types.ModuleType, np.ufunc)) or isinstance(
        value, (types.FunctionType, type)) and not is_users(value.__module__)


# ---- what generated code calls ---------------------------------------------------------------------------------------


def made_scalar(value: Any) -> Any:
    """A lazy scalar of a value. (The extension has the same for numbers.)"""
    return scalar(leaf(value, None))


if native is not None:
    native.setup_scalars(Scalar, classes, made_scalar)


def commit(writes: tuple[Any, ...]) -> bool:
    """Gives arrays their new values, (root, node before, buffer, strides) each; False, with nothing done, if one of
    them has got another value since. (The extension has the same.)"""
    if len(writes) == 1:
        (root, before, buffer, strides), = writes
        with lock_of(root):
            if root._value is not before or root._state is not None:
                return False
            root._value = buffer if type(buffer) is Node else leaf(buffer, strides)
        return True
    locks = {id(lock): lock for lock in [lock_of(root) for root, *_ in writes]}
    ordered = [locks[key] for key in sorted(locks)]
    for lock in ordered:
        lock.acquire()
    try:
        for root, before, _, _ in writes:
            if root._value is not before or root._state is not None:
                return False
        for root, _, buffer, strides in writes:
            root._value = buffer if type(buffer) is Node else leaf(buffer, strides)
    finally:
        for lock in ordered:
            lock.release()
    return True


def settled(root: Any) -> Any:
    """A root's node, computed."""
    while True:
        node = root._value
        if node.buffer is not None:
            return node
        root.realize()

