"""Several threads at once: a run claims its nodes under one short lock and computes outside it; others wait for it."""

from __future__ import annotations

import os
import sys
import threading
from _thread import allocate_lock, get_ident
from typing import Any

from ..ir.capture import Busy, claimed
from ..ir.node import Node


class Run:
    """One run in progress. `gate` is held until it ends; whoever needs its nodes waits there."""

    __slots__ = ("gate", "owner", "ended")

    def __init__(self) -> None:
        self.ended = False
        self.gate = allocate_lock()
        self.gate.acquire()
        self.owner = get_ident()


_lock = threading.Lock()
_active: set[Run] = set()


def claim(targets: list[Node]) -> tuple[Run, list[Node]]:
    """Claims the pending nodes that the targets need, waiting for runs that compute some of them.

    Returns the run and its nodes in program order. End it with `release`.
    """
    run = Run()
    while True:
        with _lock:
            try:
                nodes = claimed(targets, run)
            except Busy as busy:
                other = busy.claim
            else:
                if nodes:
                    _active.add(run)
                return run, nodes
        if not _is_running(other):
            other.ended = True
            continue
        if other.owner == run.owner:
            raise RuntimeError("a value is needed while the same thread is computing it: code that NumPy calls during "
                               "a run (a signal handler, a finalizer) used a pending Tensor; realize it beforehand")
        if other.gate.acquire(timeout=1.0):  # then it is looked at again: an interrupt may have ended it
            other.gate.release()


def _is_running(run: Run) -> bool:
    """Whether the run's thread is still at it. Ctrl-C may come between any two steps of Python, also just before a run
    is released; then no frame of its thread has it any more."""
    frame = sys._current_frames().get(run.owner)
    while frame is not None:
        if (frame.f_globals.get("__name__") in _RUNNERS and frame.f_code is not _is_running.__code__
                and frame.f_locals.get("run") is run):
            return True
        frame = frame.f_back
    return False


_RUNNERS = ("lazytensor.compile", "lazytensor.run.claims")


def release(run: Run, unfinished: list[Any]) -> None:
    """Ends a run; nodes that it did not finish are pending again."""
    for node in unfinished:
        if node is not None and node.claim is run:
            node.claim = None
    _active.discard(run)
    run.gate.release()


def _before_fork() -> None:
    """Lets the runs of other threads end, so that the child has no half-done node."""
    _lock.acquire()
    for run in list(_active):
        if run.owner != threading.get_ident():
            with run.gate:
                continue


def _after_fork_in_parent() -> None:
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _active.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent,
                        after_in_child=_after_fork_in_child)
