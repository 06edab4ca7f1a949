"""`lt.debug`: what a jitted function does at every call, for the sake of whoever looks on."""

from __future__ import annotations

from typing import Any

from ..run.watching import active, mine
from .entering import show


def print(*args: Any, **kwargs: Any) -> None:
    """Python's `print`; in a jitted function at every call, where `print` itself runs while it is traced.

    >>> import lazytensor as np
    >>> np.debug.print("x =", np.arange(3) * 2)
    x = [0 2 4]
    """
    if active and (watcher := mine()) is not None:
        if getattr(watcher, "numbers", None) is not None:
            watcher.numbers.ask("it prints")
        watcher.print(args, kwargs)
        watcher.quiet += 1
        try:
            show(args, kwargs)
        finally:
            watcher.quiet -= 1
    else:
        show(args, kwargs)
