"""How a jitted function is called: what is compiled is asked, one after the other; what none of it does is `left`."""

from __future__ import annotations

from typing import Any

from ..run.watching import active
from .compiled import Compiled
from .fast import native
from .running import MISS, Sentinel


def asked(compiled: tuple[Compiled, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Compiled | None, Any]:
    """The first that does not miss, and its answer."""
    for one in compiled:
        answer = one.replay(args, kwargs)
        if answer is not MISS:
            return one, answer
    return None, MISS


class _Caller:
    """What is called by calling what is compiled. (`Caller` in `_calling.c` is its twin.)"""

    _compiled: tuple[Compiled, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if active:
            return self._left(args, kwargs, None, None)
        one, answer = asked(self._compiled, args, kwargs)
        return self._left(args, kwargs, one, answer) if answer.__class__ is Sentinel else answer

    def _left(self, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: Any, answer: Any) -> Any:
        raise NotImplementedError


Caller: Any = _Caller
if native is not None:
    native.setup_caller(active, MISS, Compiled)
    Caller = native.Caller
