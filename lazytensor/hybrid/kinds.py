"""Which calls of a jitted function are traced when its arguments have more kinds than it can be compiled for.

The first `EAGER` kinds (shapes, dtypes, numbers) are traced when they are met. Any other has to be met as often as
there are others: where sizes differ from call to call, a trace costs more than it can save, for the Python with its
lazy operations has plans that serve every size. When there is no room, what has not been called for a while makes it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from weakref import WeakKeyDictionary

from .advice import advice_on
from .compiled import Compiled

EAGER = 8
"""Structures of arguments that are traced when they are met; and a warning says then which argument varies."""
MOST_TRACES = 32
"""Structures of arguments that one function is compiled for at a time."""
MANY_LEFT = 32
"""Calls left to the Python for want of a program, of which there is a warning."""
_MOST_MET = 1024
_DEPTH = 8


class Kinds:
    """The kinds of arguments that calls had which nothing was compiled for.

    Attributes
    ----------
    left : int
        The calls of which the Python ran because of that.
    lent : set of str
        What is said of memory that somebody else has, of arrays that the function writes to.
    """

    __slots__ = ("_met", "_calls", "_varied", "_values", "left", "lent")

    def __init__(self) -> None:
        self.left = 0
        self.lent: set[str] = set()
        self._varied: Counter[str] = Counter()
        self._values: dict[str, str] = {}
        self._met: dict[Any, int] = {}
        self._calls: WeakKeyDictionary[Compiled, int] = WeakKeyDictionary()

    def worth_tracing(self, compiled: tuple[Compiled, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a call for which none of these is compiled is to be traced."""
        if len(compiled) < EAGER:
            return True
        kind = _kind(args, _DEPTH), _kind(kwargs, _DEPTH)
        if len(self._met) >= _MOST_MET:
            self._met.clear()
        met = self._met[kind] = self._met.get(kind, 0) + 1
        if met < len(compiled):
            return False
        del self._met[kind]
        return True

    def never_holds(self, compiled: tuple[Compiled, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Why a trace of a call would be of no use, in words; "" if it may be of some. Where all holds but that an
        array which is written to has memory of its own, another trace would have the same guard: one is made, which may
        write to others."""
        if len(compiled) >= EAGER and not self.lent:
            return ""  # it would have been met before
        for one in compiled:
            why = one.why_not(args, kwargs) if one.writes else ""
            if why.startswith("the memory of ") and why.endswith(" is shared"):
                if why in self.lent:
                    return why
                self.lent.add(why)
                return ""
        return ""

    def note_left(self, compiled: tuple[Compiled, ...], args: tuple[Any, ...], kwargs: dict[str, Any],
                  why: str = "") -> bool:
        """Notes a call that has no program, and what of it is new; whether it is time to warn."""
        self.left += 1
        if why or self.left & (self.left - 1) == 0:  # of some of them what they differ in
            why = why or what_varies(compiled, args, kwargs)
            what = re.sub(" was .*", "", why, flags=re.DOTALL)
            self._varied[what or "what it reaches, or the error state"] += 1
            self._values[what] = why[len(what) + 5:]
        return self.left == MANY_LEFT

    @property
    def words(self) -> str:
        """Why calls were left to the Python."""
        what = self._varying
        return what if what.endswith((" is shared", " is another object")) else f"{what} was another from call to call"

    @property
    def advice(self) -> str:
        """What to do about that."""
        return advice_on(self._varying, self._values.get(self._varying, ""))

    @property
    def _varying(self) -> str:
        return self._varied.most_common(1)[0][0] if self._varied else ""

    def with_room(self, compiled: tuple[Compiled, ...]) -> tuple[Compiled, ...]:
        """These, without the oldest that was not called since one was last left out, if they are too many."""
        if len(compiled) < MOST_TRACES:
            return compiled
        idle = next((c for c in reversed(compiled) if self._calls.get(c) == c.calls), None)
        self._calls = WeakKeyDictionary({c: c.calls for c in compiled if c is not idle})
        return tuple([c for c in compiled if c is not idle])


def what_varies(compiled: tuple[Compiled, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Why none of these serves a call, in words: what the one that is nearest to it asks for in vain, which is the one
    of whose checks the most hold. Where one argument takes two values and another a new one each time, this names the
    latter. Of many the newest are asked."""
    return max((one.first_failing(args, kwargs) for one in compiled[:EAGER]), key=lambda found: found[1],
               default=("", 0))[0]


def _kind(value: Any, depth: int) -> Any:
    """What of a value a guard may ask for, as something that can be hashed."""
    kind = type(value)
    if kind in (int, float, complex, bool, str, bytes):
        return kind, value
    if depth and kind in (tuple, list):
        return kind, *[_kind(x, depth - 1) for x in value]
    if depth and kind is dict:
        return kind, *[(_kind(k, 0), _kind(v, depth - 1)) for k, v in value.items()]
    shape = getattr(value, "shape", None)
    return (kind, shape, getattr(value, "dtype", None)) if type(shape) is tuple else kind
