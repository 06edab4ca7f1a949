"""Bounds the memory that only pending work keeps alive.

A pending sum of a 100 MB array that nobody else holds pins 100 MB for 8 bytes. Each pending node that reads a large
realized operand is noted here, weakly. When more was noted than a part of the budget, the bytes pinned are counted:
leaves held by nothing but pending nodes. One result as large as the largest is granted, since running would need that.
"""

from __future__ import annotations

import os
import threading
import weakref
from sys import getrefcount
from typing import Any

from ..config import current
from ..hot import native
from ..ir.node import Node
from ..ir.operation import Operation

LARGE = 1 << 20
"""Operands smaller than this many bytes are not counted,"""

SMALL = 1 << 12
"""nor those smaller than this of a result that is much smaller still."""

_VIEW = Operation.VIEW
_lock = threading.RLock()
_noted: list[weakref.ref[Node]] = []
_since = 0
"""Bytes noted since they were last counted."""


def note(node: Node, nbytes: int) -> list[Node]:
    """Notes a pending node that reads `nbytes` of realized memory; gives the nodes to run if too much is pinned."""
    return over_budget() if _note(node, nbytes) * 4 > current.pinned else []


def _note(node: Node, nbytes: int) -> int:
    """Notes a node; gives the bytes noted since they were last counted."""
    global _since
    _noted.append(weakref.ref(node))
    _since += nbytes
    return _since


def _alive() -> list[Node]:
    """Those of the nodes noted that are pending still, which stay noted. From now on bytes are counted anew."""
    global _since
    _since = 0
    looked_at = len(_noted)  # another thread may note more meanwhile
    alive = [node for ref in _noted[:looked_at] if (node := ref()) is not None and node.buffer is None]
    _noted[:looked_at] = [weakref.ref(node) for node in alive]
    return alive


if native is not None:
    _note, _alive = native.note, native.noted


def over_budget() -> list[Node]:
    """The pending nodes noted, if they pin too much."""
    with _lock:
        alive = _alive()
        return _last(alive) if _pinned(alive) > current.pinned // 2 else []


def _last(alive: list[Node]) -> list[Node]:
    """Those of pending nodes that no other one needs. Who runs only these holds no value on the way to them, so that a
    kernel need not make it."""
    needed: set[int] = set()
    stack = [x for node in alive for x in node.inputs]
    while stack:
        x = stack.pop()
        if type(x) is Node and x.buffer is None and id(x) not in needed:
            needed.add(id(x))
            stack += x.inputs
    return [node for node in alive if id(node) not in needed]


def _pinned(alive: list[Node]) -> int:
    """Bytes of realized memory that those nodes alone hold, less what the largest of them may hold."""
    uses: dict[Node, int] = {}
    for node in alive:
        for operand in {id(x): x for x in node.inputs}.values():
            if type(operand) is not Node:
                continue
            if operand.op is _VIEW and operand.buffer is None:
                operand = operand.a
                uses[operand] = uses.get(operand, 0) + 1
            else:
                uses[operand] = uses.get(operand, 0) + sum(x is operand for x in node.inputs)
    operand = None
    held = [x.buffer.nbytes for x in list(uses) if _only_pending(x, uses)]
    granted = max((node.nbytes for node in alive), default=0)
    return sum(held) - granted


def _only_pending(leaf: Any, uses: dict[Node, int]) -> bool:
    """Whether nothing holds the leaf but the counted operands and the names here."""
    return leaf.buffer is not None and getrefcount(leaf) <= uses[leaf] + _known


_known = 0


def _calibrate() -> None:
    """Measures the references held while `_only_pending` looks at a node that nobody else holds."""
    global _known
    uses = {Node(): 0}
    for candidate in list(uses):
        candidate.buffer = 0
    del candidate
    for guess in range(1, 32):
        _known = guess
        if [0 for x in list(uses) if _only_pending(x, uses)]:
            return


_calibrate()


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
