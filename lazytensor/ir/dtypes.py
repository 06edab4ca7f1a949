"""Which dtype a ufunc gives for which operands: NumPy's own answer, remembered.

A Python number counts by its type (NEP 50): its dtype is weak. A Python int that the dtype cannot hold is an error that
depends on its value; such ints are never remembered.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy._core import umath as _umath

from ..hot import learn
from .operation import Operation, register

NUMERIC = frozenset("?bhilqpnBHILQPNefdgFDG")
"""The dtype characters whose operations may wait: they raise nothing but floating-point warnings."""

NEGATIVE = "negative"
learn(negative_kind=NEGATIVE)
_BOOL = np.dtype(bool)
RAISE_ON_VALUES = {np.power}
"""Ufuncs whose integer loops raise for some values (negative exponents)."""

Kind = Any
"""What stands for an operand: its dtype, or the type of a Python number."""


class Resolved(NamedTuple):
    """A ufunc's answer: the dtypes of its loop's outputs, and whether it may wait."""

    outputs: tuple[np.dtype[Any], ...]
    loop: tuple[np.dtype[Any], ...]
    lazy: bool


class UfuncRecord:
    """What is known of one ufunc: its operation, and the dtypes that it gave.

    `fast` is for the hot path: ``fast[number][kind]`` is the result dtype of a binary call that may wait, for the first
    operand's ``dtype.num`` and the second's, or float, complex, bool, int (0 and more), `NEGATIVE`; ints that it holds.
    `reflected` is the same for calls whose first operand is a number, by the second's ``dtype.num``.
    """

    __slots__ = ("ufunc", "op", "fast", "reflected", "known", "foreign")

    def __init__(self, ufunc: np.ufunc) -> None:
        self.ufunc = ufunc
        self.op = _operation(ufunc)
        self.foreign = all(getattr(home, ufunc.__name__, None) is not ufunc for home in (np, _umath))
        self.fast: dict[Any, Any] = {}
        self.reflected: dict[Any, Any] = {}
        self.known: dict[Any, Resolved] = {}

    def resolve(self, kinds: tuple[Kind, ...], dtype: Any = None, casting: str = "same_kind",
                signature: Any = None, out: Any = None) -> Resolved:
        """The output dtypes for operands of these kinds; `out` is the dtype of an output that is given.

        Raises
        ------
        TypeError
            NumPy's own, if the ufunc has no loop for them.
        """
        numbers = tuple([kind if type(kind) is type else kind.num for kind in kinds])  # equal dtypes: long, long long
        key = (kinds, numbers, dtype, casting, signature, out)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._ask(kinds, dtype, casting, signature, out)
        return found

    def _ask(self, kinds: tuple[Kind, ...], dtype: Any, casting: Any, signature: Any, out: Any) -> Resolved:
        ufunc = self.ufunc
        kinds = tuple([_BOOL if kind is bool else kind for kind in kinds])
        wanted = signature
        if dtype is not None:
            wanted = (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
        options = {} if wanted is None else {"signature": wanted}
        if casting == "equiv" and any(isinstance(kind, type) for kind in kinds):
            # NumPy 2.4 crashes where it tells that a number is not cast; a call tells it, too.
            operands = [kind(1) if isinstance(kind, type) else np.empty(0, kind) for kind in kinds]
            ufunc(*operands, casting=casting, **options)
            casting = "no"
        loop = ufunc.resolve_dtypes((*kinds, *(out,) * ufunc.nout), casting=casting, **options)
        outputs = loop[ufunc.nin:]
        lazy = all(d.char in NUMERIC for d in loop) and all(map(_is_numeric, kinds)) and not any(
            isinstance(k, np.dtype) and k.kind == "c" != d.kind for k, d in zip(kinds, loop, strict=False)
        )  # a cast from complex to real warns
        if not lazy:
            lazy = _same_times(kinds, loop)
        if ufunc in RAISE_ON_VALUES and outputs[0].kind in "iu" and not (
                isinstance(kinds[1], np.dtype) and kinds[1].kind in "ub"):
            lazy = False
        return Resolved(outputs, loop, lazy)


def _is_numeric(kind: Kind) -> bool:
    return isinstance(kind, type) or kind.char in NUMERIC


def _same_times(kinds: tuple[Kind, ...], loop: tuple[np.dtype[Any], ...]) -> bool:
    """Datetimes and timedeltas may wait if nothing is converted between units (which may overflow, an error)."""
    every = [d for d in (*kinds, *loop) if not isinstance(d, type)]
    times = {np.datetime_data(d) for d in every if d.kind in "mM"}
    return len(times) == 1 and all(d.kind in "mM" or d.char in NUMERIC for d in every) and all(
        isinstance(k, type) or k == want for k, want in zip(kinds, loop, strict=False))


_records: dict[Any, UfuncRecord] = {}


def record_of(ufunc: np.ufunc) -> UfuncRecord:
    """The record of any ufunc, NumPy's or another library's, made at its first use."""
    record = _records.get(ufunc)
    if record is None:
        record = _records[ufunc] = UfuncRecord(ufunc)
    return record


def only_objects(ufunc: Any) -> bool:
    """Whether a ufunc is a Python function in disguise (`frompyfunc`): nothing is remembered of such."""
    return ufunc not in _records and set(ufunc.types) <= {f"{'O' * ufunc.nin}->{'O' * ufunc.nout}"}


_LAWS: dict[Any, tuple[str, ...]] = {
    np.negative: ("involution",), np.conjugate: ("involution",), np.invert: ("involution",),
    np.logical_not: ("involution",), np.absolute: ("idempotent",), np.fabs: ("idempotent",),
    np.floor: ("idempotent",), np.ceil: ("idempotent",), np.trunc: ("idempotent",), np.rint: ("idempotent",),
    np.sign: ("idempotent",), np.positive: ("identity",),
}


def _operation(ufunc: Any) -> Operation:
    """Two ufuncs of the same name (another library's `exp2`) are told apart by a number."""
    kind = "elementwise" if ufunc.signature is None and ufunc.nout == 1 else "call"
    name, tries = ufunc.__name__, 1
    while True:
        try:
            return register(name, kind, ufunc, label=ufunc.__name__, laws=_LAWS.get(ufunc, ()))
        except ValueError:
            tries += 1
            name = f"{ufunc.__name__}_{tries}"


@lru_cache(256)
def int_bounds(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The least and largest integer of an integer dtype."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def single(dtype: Any) -> Any:
    """The object that NumPy has of a dtype: for operands of another byte order it makes another one, equal to that."""
    return np.dtype(dtype.char) if dtype.isnative and dtype.char in NUMERIC else dtype
