"""Several threads at once: a run claims its nodes under one short lock and computes outside it; others wait for it."""

from __future__ import annotations

import logging
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


_LOGGING = logging
"""Imported so that its handler of forks, which takes its lock, comes after ours: they run last registered first, and a
run that is waited for may need that lock (networkx takes it when it is imported)."""

PATIENCE = 10.0
"""Seconds that a fork waits for runs; one that takes longer, or waits for what the fork holds, is begun anew in the
child."""


def _before_fork() -> None:
    """Lets the runs of other threads end, so that the child has no half-done node."""
    _lock.acquire()
    learn(held_up=True)  # the extension, which needs no lock, leaves new runs to `claim`
    end = time.monotonic() + PATIENCE
    for run in list(_active):
        if run.owner != threading.get_ident() and (door := run.door()) is not None:
            if door.acquire(timeout=max(0.0, end - time.monotonic())):
                door.release()


def _after_fork_in_parent() -> None:
    learn(held_up=False)
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    learn(held_up=False)
    for run in _active:
        run.ended = True
    _active.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent,
                        after_in_child=_after_fork_in_child)
