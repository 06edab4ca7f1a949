"""Several threads at once: a run claims its nodes under one short lock and computes outside it; others wait for it."""

from __future__ import annotations

import os
import threading
import time
from _thread import allocate_lock, get_ident
from typing import Any

from ..hot import learn, native
from ..ir.capture import Busy, claimed
from ..ir.node import Node


class Run:
    """One run in progress. A lock is held until it ends; whoever needs its nodes waits there."""

    __slots__ = ("gate", "owner", "ended")

    def __init__(self) -> None:
        self.ended = False
        self.gate = allocate_lock()
        self.gate.acquire()
        self.owner = get_ident()

    def door(self) -> Any:
        """The lock that is held until the run ends."""
        return self.gate

    def finish(self) -> None:
        """Ends it; those who wait go on."""
        self.ended = True
        self.gate.release()


if native is not None:
    Run = native.Run  # type: ignore[misc]
_lock = threading.RLock()
_active: set[Run] = set()
learn(active_runs=_active, held_up=False)


def claim(run: Run, targets: list[Node]) -> list[Node]:
    """Claims the pending nodes that the targets need, waiting for runs that compute some of them.

    Returns the nodes in program order. However it ends, set ``run.ended`` and call `release`.
    """
    while True:
        with _lock:
            try:
                nodes = claimed(targets, run)
            except Busy as busy:
                other = busy.claim
            else:
                if nodes:
                    _active.add(run)
                return nodes
        if other.owner == run.owner and not other.ended:
            raise RuntimeError("a value is needed while the same thread is computing it: code that NumPy calls during "
                               "a run (a signal handler, a finalizer) used a pending Tensor; realize it beforehand")
        door = other.door()
        if door is not None and door.acquire(timeout=0.5):  # else look again: an interrupt may have come in between
            door.release()


def take(run: Run, nodes: list[Node]) -> bool:
    """Claims these pending nodes alone, not what they need: for a run that gets their values otherwise. False, with
    nothing claimed, if one of them is computed or claimed."""
    with _lock:
        taken = _taken(nodes, run)
        if taken:
            _active.add(run)
        return taken


def _taken(nodes: list[Node], run: Run) -> bool:
    if any(node.buffer is not None or node.claim is not None for node in nodes):
        return False
    for node in nodes:
        node.claim = run
    return True


if native is not None:
    _taken = native.taken


def release(run: Run, unfinished: list[Any]) -> None:
    """Ends a run; nodes that it did not finish are pending again."""
    for node in unfinished:
        if node is not None and node.claim is run:
            node.claim = None
    _active.discard(run)
    run.finish()


PATIENCE = 10.0
"""Seconds that a fork waits for runs; one that takes longer, or waits for what the fork holds, is begun anew in the
child."""


class _Forks:
    """What is done about forks. Handlers run before a fork in the order in which they were not registered: the last
    first; so those that have been registered again do nothing the first time."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = False
        os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def _before(self) -> None:
        """Lets the runs of other threads end, so that the child has no half-done node."""
        if self is not _forks:
            return
        _lock.acquire()
        self.held = True
        learn(held_up=True)  # the extension, which needs no lock, leaves new runs to `claim`
        end = time.monotonic() + PATIENCE
        for run in list(_active):
            if run.owner != threading.get_ident() and (door := run.door()) is not None:
                if door.acquire(timeout=max(0.0, end - time.monotonic())):
                    door.release()

    def _in_parent(self) -> None:
        if self.held:
            self.held = False
            learn(held_up=False)
            _lock.release()

    def _in_child(self) -> None:
        global _lock
        if self.held:
            self.held = False
            _lock = threading.RLock()
            learn(held_up=False)
            for run in _active:
                run.ended = True
            _active.clear()


_forks: Any = None


def guard_forks() -> None:
    """From now on forks wait for runs before they take any lock that a module imported by now holds during forks."""
    global _forks
    if hasattr(os, "register_at_fork"):
        _forks = _Forks()


guard_forks()
