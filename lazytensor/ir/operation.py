"""The operation: one record from which everything about it is derived. A new operation is one call of `register`.

What `attrs` of a node holds, and how its value is computed, follows from the kind:

============  ==================================  ============================================================
kind          attrs                               value
============  ==================================  ============================================================
leaf          None                                its buffer
elementwise   tuple of keyword pairs, or None     ``fn(*operands, out=..., **attrs)``; may write over an operand
scalar        None                                ``fn(*operands)`` on NumPy scalars, NumPy's scalar arithmetic
call          tuple of keyword pairs, or None     ``fn(*operands, **attrs)``, an array of its own (reductions too)
view          tuple of steps ``(fn, args)``       the steps applied to the operand: other strides, same memory
mutate        ``(steps, extra)``                  the first operand after ``fn(view of it, *others, *extra)``, in
                                                  its own memory if nobody else needs the old value
============  ==================================  ============================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

KINDS = ("leaf", "elementwise", "scalar", "call", "view", "mutate")
SCANS = frozenset(("cumsum", "cumprod"))
"""Running totals."""
REDUCERS = frozenset(("sum", "prod", "mean", "var", "std", "max", "min", "argmin", "argmax")) | SCANS
"""Reductions that go over every element (`any` and `all` end as soon as they know), and running totals: a kernel may
pay for one alone."""


class Operation:
    """One operation.

    Parameters
    ----------
    name : str
        NumPy's name for it.
    kind : str
        One of `KINDS`.
    fn : callable
        What computes it on real arrays.
    label : str or None
        What NumPy's floating-point warnings call it ("... encountered in divide"), by default its name. None if NumPy
        computes it in Python and warns by itself.
    laws : tuple of str
        Algebraic properties that keep bits, by the names that `lazytensor.optimise` uses: 'involution'
        (``f(f(x)) == x``), 'idempotent' (``f(f(x)) == f(x)``).
        'fresh': each result is memory of its own, which is to be written.
    step : str
        What a kernel does for it where `fn` is no ufunc: 'cast' (to the result's dtype), 'where' (chooses the second
        operand's or the third's element), 'store' (writes the second operand into the part of the first that ``extra``
        indexes, and reads nothing of it), 'part' (writes what `ufunc` makes of the other operands into the part of the
        first), 'masked' (the first operand, with the second where the third is true); "" if it has no place in a
        kernel.
    ufunc : numpy.ufunc or None
        For a 'part' what it computes.
    called : str
        What users call it, by default NumPy's name, without the number that tells records of one name apart
        ("add.reduce.3").
    """

    __slots__ = ("name", "kind", "fn", "label", "laws", "step", "ufunc", "called")
    LEAF: ClassVar[Operation]
    VIEW: ClassVar[Operation]

    def __init__(self, name: str, kind: str, fn: Callable[..., Any] | None, *,
                 label: str | None = "", laws: tuple[str, ...] = (), step: str = "", ufunc: Any = None,
                 called: str = "") -> None:
        if kind not in KINDS:
            raise ValueError(f"operation {name!r}: kind {kind!r} is none of {', '.join(KINDS)}")
        self.name, self.kind, self.fn, self.laws, self.step, self.ufunc = name, kind, fn, laws, step, ufunc
        self.label = name if label == "" else label
        self.called = called or re.sub(r"[._]\d+$", "", name)

    def __repr__(self) -> str:
        return f"<operation {self.name} ({self.kind})>"


REGISTRY: dict[tuple[str, str], Operation] = {}


def register(name: str, kind: str, fn: Callable[..., Any] | None, **properties: Any) -> Operation:
    """The record of that name and kind, made at the first call.

    Raises
    ------
    ValueError
        If the name and kind are taken by another function.
    """
    known = REGISTRY.get((name, kind))
    if known is None:
        known = REGISTRY[name, kind] = Operation(name, kind, fn, **properties)
    elif known.fn is not fn:
        raise ValueError(f"operation {name!r} ({kind}) is registered already, for {known.fn!r}")
    return known


Operation.LEAF = register("leaf", "leaf", None)
Operation.VIEW = register("view", "view", None)


def real_part(array: Any) -> Any:
    """The view of the real parts of a complex array."""
    return array.real


def imaginary_part(array: Any) -> Any:
    """That of the imaginary ones."""
    return array.imag
