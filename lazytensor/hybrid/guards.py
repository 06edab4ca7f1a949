"""Guards: what a compiled function takes for granted, as lines that are asked at every call.

A line is a statement that reaches a value, or a check, with words for what is different when it does not hold. `source`
makes them the beginning of the compiled function; `why_not` runs them one by one. What there is to ask about arguments
is in `arguments`, about the rest of Python's state in `scope`.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

ATOMS = (int, float, complex, bool, str, bytes, type(None), type(Ellipsis), range, slice, np.dtype)


class Check(NamedTuple):
    """A line of a guard: a statement, or (with `message`) a condition that must hold.

    `fast` is the same for the extension (`fast.row`): a row; for an array also the names of its handle, node and value;
    or PART, if an earlier row does what this line does.
    """

    text: str
    message: str = ""
    fast: Any = None


class Later:
    """Lines that are written when somebody asks for them: `fast`, the row of the first, is all that is needed now."""

    __slots__ = ("fast", "_lines")

    def __init__(self, row: Any, lines: Callable[[Namespace], list[Check]]) -> None:
        self.fast, self._lines = row, lines

    def written(self, space: Namespace) -> list[Check]:
        """The lines; `fast` of the first is the row, the others are parts."""
        return [Check(check.text, check.message, "part" if i else self.fast)
                for i, check in enumerate(self._lines(space))]


def written(checks: Iterable[Check | Later], space: Namespace) -> list[Check]:
    """All lines of a guard."""
    found: list[Check] = []
    for check in checks:
        found += check.written(space) if type(check) is Later else (check,)  # type: ignore[arg-type]
    return found


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are the same to any program: equal, of one type, to the bit.

    >>> same(1, 1), same(1, 1.0), same(0.0, -0.0), same((1, math.nan), (1, math.nan))
    (True, False, False, True)
    """
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is float:
        return a == b and math.copysign(1, a) == math.copysign(1, b) or a != a and b != b
    if kind is complex:
        return same(a.real, b.real) and same(a.imag, b.imag)
    if kind is tuple or kind is list:
        return len(a) == len(b) and all(map(same, a, b))
    if issubclass(kind, np.generic):
        return bool(a.dtype == b.dtype and a.tobytes() == b.tobytes())
    if kind is frozenset:  # in one order, as a program meets them
        return a == b and all(map(same, a, b))
    if kind is set:
        return bool(a == b)
    if kind is dict:
        return same(list(a), list(b)) and all(same(x, b[key]) for key, x in a.items())
    if kind is slice:
        return same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if kind in ATOMS:
        return bool(a == b)
    return False


_NAMED = (np.ufunc, types.FunctionType, types.BuiltinFunctionType, type(np.sum), type(np.ndarray.sum))


class Namespace(dict[str, Any]):
    """The objects that generated code refers to, each under a name of its own."""

    def add(self, value: Any, stem: str = "k") -> str:
        """A name for an object; the same for the very same object."""
        known = self._by_id.get(id(value))
        if known is None:
            name = getattr(value, "__name__", "") if isinstance(value, _NAMED) else ""
            start, number = f"{name if name.isidentifier() else stem}{'_' * bool(name)}", len(self)
            while self.setdefault(f"{start}{number}_", value) is not value:  # another thread adds, too
                number += 1
            known = self._by_id[id(value)] = f"{start}{number}_"
        return known

    def __init__(self) -> None:
        super().__init__(same=same)
        self._by_id: dict[int, str] = {}


_code = lru_cache(maxsize=1024)(compile)
"""Of lines of guards: the same are asked again and again."""


def a_kind(kind: type) -> str:
    """A class's name with its article.

    >>> a_kind(int), a_kind(dict)
    ('an int', 'a dict')
    """
    name = kind.__qualname__
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def why_not(checks: list[Check], scope: dict[str, Any]) -> tuple[str, int]:
    """The words of the first check that does not hold, and how many hold before it; "" if all do. `scope` is what
    generated code has. Lines that only fetch what is asked about do not count."""
    held = 0
    for check in checks:
        try:
            if not check.message:
                exec(_code(check.text, "<guard>", "exec"), scope)
            elif not eval(_code(check.text, "<guard>", "eval"), scope):
                return check.message, held
            else:
                held += 1
        except Exception as error:  # a property, or what it looks up is gone
            return check.message or f"what it reads is not there any more ({type(error).__name__}: {error})", held
    return "", len(checks)
