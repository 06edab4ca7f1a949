"""When a process brings in what it needs once: the planner, which is half of the package, and LLVM.

They take 30 and 100 ms, as long as all that many programs do. So they wait until what ran without them has taken a few
times as long: a program that ends before does without, one that ends soon after has lost a third at most, and one that
goes on has them for nearly all of its time. Until then nothing is gained by waiting, and lines run at once
(`hot/lines.c`).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from ..config import current
from ..hot import native

PLANNER, LLVM = 25, 25
"""For how many kernels' worth of work (``config(compile_after=)``) the planner is brought in, and how much more there
must be if LLVM has to be started with it, for no process of this machine has left in the disk cache what it says."""


class _Account:
    """What has run so far without what is not there yet, in nanoseconds, and whether it has been found to pay."""

    __slots__ = ("worked", "paid", "llvm_known")

    def __init__(self) -> None:
        self.worked = 0.0
        self.paid = False
        self.llvm_known: bool | None = None


_account = _Account()
then: list[Callable[[], object]] = []
"""What else is done as soon as it pays."""


def worked(ns: float) -> None:
    """Notes that something ran which plans or kernels might have saved."""
    _account.worked += ns


def pays(more: float = 0.0) -> bool:
    """Whether it is time to bring them in, also with so many nanoseconds of work ahead. True ever after it was."""
    account = _account
    if account.paid:
        return True
    done, unit = account.worked + more, current.compile_after * 1e3
    if done < PLANNER * unit or done < (PLANNER + LLVM) * unit and not _llvm_known():
        return False
    account.paid = True
    if native is not None:
        native.young(None)
    for function in then:
        function()
    return True


def grown_up(ns: float) -> bool:
    """Whether it is time to bring them in, asked by the extension after lines that ran at once have taken so long."""
    worked(ns)
    return pays()


def paid() -> bool:
    """Whether `pays` has said so before."""
    return _account.paid


def _llvm_known() -> bool:
    """Whether nothing of LLVM is needed to plan."""
    if current.engine != "llvm":
        return True
    if _account.llvm_known is None:
        from ..lower import native

        _account.llvm_known = native.known()
    return _account.llvm_known


if native is not None and not os.environ.get("LAZYTENSOR_EAGER_AFTER"):
    native.young(grown_up)  # until somebody says what `eager_after` is
