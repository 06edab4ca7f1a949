"""What compiled functions call while they run, and the answers with which they leave a call to Python.

=========  ===========================================================================================
MISS       the guard does not hold: this compiled function is for other calls
UNSEEN     the program saw a value that it has not seen before: trace another path
ABANDON    an exception or a floating-point warning: Python runs, and gives it on its own line
AGAIN      another thread wrote to an array meanwhile: begin again
CHECK      it is time to run the Python, too, and compare
=========  ===========================================================================================

Whichever it is, nothing has happened: effects come at the end of a call, all together, and draws are put back.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..api.handle import Tensor, View, tensor, view_tensor, wrap, writing_of
from ..api.scalar import Scalar, scalar, value_of
from ..compile import realize
from ..config import current
from ..hot import native as hot
from ..ir.layout import canonical
from ..ir.node import Node, leaf, make, new, tick
from ..ir.operation import Operation
from ..run import floating, launch, masking, pool
from ..run.interpreter import apply_view
from .effects import commit, made_scalar, settled
from .entering import show
from .fast import native
from .lending import is_own, readable
from .settings import HOW, rebind

_ndarray = np.ndarray
_filters: Any = warnings


class Sentinel:
    """One of the answers above."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


MISS, UNSEEN, ABANDON, AGAIN, CHECK = map(Sentinel, ("MISS", "UNSEEN", "ABANDON", "AGAIN", "CHECK"))


class Abandon(BaseException):
    """Raised where NumPy would warn: this call is Python's. Nobody catches it, for it is none of the program's."""


def _abandon(kind: str, flag: int) -> None:
    raise Abandon(kind)


_capsules: dict[int, tuple[Any, Any]] = {}


def abandoning(errstate: Any) -> Any:
    """The error state under which what was written under `errstate` runs here."""
    known = _capsules.get(id(errstate))
    if known is None or known[0] is not errstate:
        if len(_capsules) > 256:
            _capsules.clear()
        known = _capsules[id(errstate)] = errstate, floating.calling(errstate, _abandon)
    return known[1]


def is_abandoning(capsule: Any) -> bool:
    """Whether an error state is one that leaves a call to the Python."""
    return any(own is capsule for _, own in list(_capsules.values()))


class Run:
    """Tells NumPy's functions which operation is running (`floating.noted.run`)."""

    __slots__ = ("node", "errors", "interrupt")

    def __init__(self) -> None:
        self.node: Any = None
        self.errors: list[Any] = []
        self.interrupt: Any = None


def item(value: Any) -> Any:
    """An array without axes as NumPy's scalar."""
    return value[()] if type(value) is _ndarray else value


def copied(value: Any) -> Any:
    """Memory of its own, the axes in the same order."""
    if not isinstance(value, _ndarray):
        return value
    own = pool.empty_like(value)
    np.copyto(own, value)
    return own


def valued(node: Any) -> Any:
    """The value of a node or of a view of one, computed now; a number as it is."""
    if type(node) is not Node:
        return node
    if node.op is Operation.VIEW and node.buffer is None:
        return apply_view(node.attrs, valued(node.a))
    if node.buffer is None:
        realize([node])
    return node.buffer


def leaf_of(value: Any) -> Any:
    """A node that is its value."""
    if not isinstance(value, _ndarray):
        return leaf(value, None) if isinstance(value, np.generic) else value
    return leaf(value, canonical(value.strides, value.shape, value.itemsize))


def deep(node: Any) -> None:
    """Runs a node that has just been made if the chain behind it is too long."""
    if node.depth > current.depth:
        realize([node])


def writable(view: Any) -> Any:
    """A view that NumPy makes read-only and the program has made writeable."""
    if not view.flags.writeable:
        view.flags.writeable = True
    return view


def view_of(root: Any, steps: Any, writeable: Any, locked: bool) -> Any:
    """A view Tensor; of a view, with further steps."""
    v = root._value
    if v.__class__ is View:
        root, steps = v.root, (*v.steps, *steps)
    t = view_tensor(root, steps, apply_view(steps, settled(root).buffer), writeable)
    t._value.locked = locked
    return t


def rebuilt(kind: Any, names: list[str], parts: list[Any]) -> Any:
    """A dataclass with these fields; nothing of its own code runs, as it ran when it was traced."""
    new = object.__new__(kind)
    for name, part in zip(names, parts, strict=True):
        object.__setattr__(new, name, part)
    return new


def tell(prints: list[Any]) -> None:
    """Does what `lt.debug.print` was asked for."""
    for args, kwargs in prints:
        show(tuple([wrap(x) if type(x) is _ndarray else x for x in args]), kwargs)


def chosen(array: Any, index: Any) -> Any:
    """``array[index]``, where a mask may choose without a branch for each element."""
    found = masking.picked(array, index) if type(index) is _ndarray else None
    return array[index] if found is None else found


def scope() -> dict[str, Any]:
    """What every compiled function refers to."""
    return {"MISS": MISS, "UNSEEN": UNSEEN, "ABANDON": ABANDON, "AGAIN": AGAIN, "CHECK": CHECK, "Abandon": Abandon,
            "Tensor": Tensor, "View": View, "Node": Node, "Scalar": Scalar, "value_of": value_of, "ndarray": _ndarray,
            "is_own": is_own, "readable": readable, "writing_of": writing_of, "settled": settled, "copyto": np.copyto,
            "empty": pool.empty, "item": item, "copied": copied, "writable": writable, "view_of": view_of,
            "rebuilt": rebuilt, "new": new, "LEAF": Operation.LEAF, "tick": tick, "VIEW": Operation.VIEW, "make": make,
            "realize": realize,
            "valued": valued, "leaf_of": leaf_of, "tensor": tensor, "scalar": scalar, "deep": deep,
            "made": getattr(native, "made", None), "steady": getattr(native, "steady", None),
            "made_scalar": getattr(native, "made_scalar", made_scalar), "tell": tell, "Run": Run,
            "commit": getattr(hot, "commit", commit),
            "noted": floating.noted, "in_force": floating.in_force, "enter": floating.enter, "leave": floating.leave,
            "watch": floating.watch,
            "unchanged": floating.unchanged, "warnings": _filters, "launched": launch.run,
            "chosen": chosen, "apply_view": apply_view, "rebind": rebind, **HOW}


