"""What a mask picks from an array, and what is put back where it is true: ``z[m] = z[m] ** 2 + c[m]``.

How many elements are picked is seen when that is written, but where lines have been found to put back what they pick,
they leave it pending. What goes back is then computed for every element, in one kernel, and chosen by the mask: no
element is moved. Only operations that are functions of each element alone are computed so, and only what raises no
floating-point flag, for which elements that the mask leaves out may be to blame, is taken: otherwise the elements are
picked, and NumPy's warnings are those of the picked ones.

While a call is traced elements are picked, and written down as picked only where they are used otherwise: what goes
back is written down as computed for every element, so that how many are chosen does not matter.
"""

from __future__ import annotations

import sys
import weakref
from math import prod
from typing import Any

import numpy as np

from ..compile import plans, realize
from ..config import current
from ..ir.node import Node, leaf, make
from ..ir.operation import register
from ..run import floating, masking, startup
from ..run.watching import active, mine
from .build import record
from .handle import is_shared, lock_of, seen, tensor

_getframe = sys._getframe
_SHARE = 8
"""The mask must be true for one in so many elements: computing is cheaper than moving by about that."""
_MOST = 16
"""Operations that are computed for every element."""
LEAST = masking.LEAST
"""Of fewer elements what is done besides moving them counts."""
LEARNED = False
"""Whether a line leaves what it picks pending before it has been found to put it back."""
_PATIENCE = 64
_LINES = 1024

PICK = register("pick", "call", lambda array, mask: _picked(array, mask), label="getitem",
                called="getitem")
_WHERE = register("where", "call", np.where, step="where")


def _picked(array: Any, mask: Any) -> Any:
    found = masking.picked(array, mask)
    return array[mask] if found is None else found


class _Line:
    """A place in the program that picks or puts: how often what it picks was left pending and how often that was of
    use; for how many times yet putting is left to `run.masking`, and for how many it was after the last flag."""

    __slots__ = ("learned", "deferred", "used", "wait", "penalty")

    def __init__(self) -> None:
        self.learned = LEARNED
        self.deferred = self.used = self.wait = self.penalty = 0

    def defers(self) -> bool:
        return self.learned and self.deferred <= 2 * self.used + 8


FEW = 4096
"""Elements up to which all are computed in a compiled function, however few a mask picks: how many these are varies
from call to call, and each number of them would be a program of its own."""
_lines: dict[Any, _Line] = {}
_recent: list[tuple[tuple[Any, _Line], ...]] = [()]
"""What was picked last, weakly, and where: a tuple that is replaced, for other threads may be reading it."""


def _line(frame: Any) -> _Line:
    return _line_of(frame.f_code, frame.f_lasti)


def _line_of(*place: Any) -> _Line:
    found = _lines.get(place)
    if found is None:
        if len(_lines) >= _LINES:
            _lines.clear()
        found = _lines[place] = _Line()
    return found


def picked_now(self: Any, mask: Any) -> Any:
    """What a mask picks from a root; None if NumPy is to do it."""
    # whether nobody else writes to them meanwhile; asked first, for those who hold the memory are counted
    own = (self._state is None or not is_shared(self)) and (mask._state is None or not is_shared(mask))
    node, chosen, frame = self._value, mask._value, _getframe(2)
    real, array = seen(mask), node.buffer
    line = _line(frame) if own and real.size >= LEAST and not active and _is_plain(node, chosen) else None
    if line is not None and (array is None or line.defers()) and (
            count := int(np.count_nonzero(real))) * _SHARE >= real.size:
        line.deferred += 1
        return tensor(record(PICK, (node, chosen), None, (count,), node.dtype, None, frame))
    if array is None:
        return None
    found = masking.picked(array, real)
    if found is None:
        if array.shape != real.shape or not real.ndim or array.dtype.hasobject:
            return None
        found = array[real]
    picked = leaf(found, None)
    if line is not None and not line.learned:
        _recent[0] = (*_recent[0][-7:], (weakref.ref(picked), line))
    return tensor(picked)


def picked_watched(watcher: Any, self: Any, mask: Any) -> Any:
    """What a mask picks from a root, under the eyes of a watcher; None if that is as other calls of NumPy's."""
    node, chosen = self._value, mask._value
    own = (self._state is None or not is_shared(self)) and (mask._state is None or not is_shared(mask))
    if own and node.__class__ is Node and _is_plain(node, chosen) and node.shape:
        return watcher.picked(self, mask)
    return None


def _is_plain(node: Any, mask: Any) -> bool:
    """Whether a kernel could choose from an array by a mask."""
    return (current.engine == "llvm" and mask.__class__ is Node and node.shape == mask.shape and node.strides is None
            and mask.strides is None and node.dtype.isnative and node.dtype.kind in "biufc")


def put_whole(root: Any, mask: Any, value: Any) -> bool:
    """Puts pending elements, computed from what the same mask picks, where it is true. False if it is to be done in
    another way."""
    old, chosen, node = root._value, mask._value, value._value
    if active and (watcher := mine()) is not None:
        return _put_watched(watcher, root, mask, value)
    if (active or old.__class__ is not Node or node.__class__ is not Node
            or node.dtype != old.dtype or not _is_plain(old, chosen) or not startup.pays()):
        return False
    line = _line(_getframe(2))
    if line.wait:
        line.wait -= 1
        return False
    if not node.depth:
        _learn(node)
        return False
    whole: Any = _Whole(chosen, node.errstate)
    result = whole.of(node)
    if result is None:
        _learn(node)
        return False
    result = make(_WHERE, (chosen, result, old), None, old.shape, old.dtype, None, whole.capsule,
                  1 + max(result.depth, old.depth))
    whole = None  # what it holds would be written out
    floating.noticed.raised = False
    realize([result])
    if floating.noticed.raised:
        line.wait = line.penalty = min(2 * line.penalty + 1, _PATIENCE)
        return False
    line.penalty = 0
    with lock_of(root):
        if root._state is not None or root._value is not old:
            return False
        root._value = result
    return True


def _put_watched(watcher: Any, root: Any, mask: Any, value: Any) -> bool:
    """The same where a watcher is to see it as computed for all elements, if that raises no flag."""
    old, chosen, node = root._value, mask._value, value._value
    if (watcher.hides or old.__class__ is not Node or node.__class__ is not Node or not node.depth
            or node.dtype != old.dtype or not _is_plain(old, chosen) or len(node.shape) != 1
            or node.shape[0] * _SHARE < (n := prod(old.shape)) and n > FEW):
        return False
    results: list[Any] = []
    for capsule in (floating.noticing(node.errstate), node.errstate):
        whole = _Whole(chosen, node.errstate, capsule, watcher.pick_of)
        result = whole.of(node)
        if result is None:
            return False
        results.append(make(_WHERE, (chosen, result, old), None, old.shape, old.dtype, None, capsule,
                            1 + max(result.depth, old.depth), _getframe(3)))
    return bool(watcher.put(root, *results, whole.used))


class _Whole:
    """What is computed of picked elements, for all elements: nodes that take the places of those of the picked ones.

    They run under the `capsule`; by default nobody is warned of what they raise, and `floating.noticed` tells. What
    `pick_of` knows of a node was picked at once.
    """

    __slots__ = ("mask", "errstate", "capsule", "pick_of", "made", "used")

    def __init__(self, mask: Any, errstate: Any, capsule: Any = None, pick_of: Any = None) -> None:
        self.mask, self.errstate, self.pick_of = mask, errstate, pick_of
        self.capsule = floating.noticing(errstate) if capsule is None else capsule
        self.made: dict[Any, Any] = {}
        self.used: list[int] = []

    def of(self, n: Any) -> Any:
        """The node in the place of one; None if something else than kernels write out is done with the elements."""
        inputs = n.inputs  # fewer than there were if another thread has just settled it
        if n.op is PICK:
            if not n.depth or len(inputs) < 2 or inputs[1] is not self.mask:
                return None
            _line_of(n.code, n.lasti).used += 1
            return inputs[0]
        if self.pick_of is not None and (pick := self.pick_of(n)) is not None:
            self.used.append(n.seq)
            return pick.array if pick.mask is self.mask else None
        found = self.made.get(n)
        if found is not None:
            return found
        op = n.op
        if not n.depth or op.kind != "elementwise" or n.attrs or n.errstate is not self.errstate or (
                len(self.made) >= _MOST or getattr(op.fn, "nin", 0) != len(inputs)):
            return None
        operands, kinds, depth = [], [], 0
        for x in inputs:
            if type(x) is not Node:
                kinds.append(getattr(x, "dtype", type(x)))
            else:
                kinds.append(x.dtype)
                if x.shape:
                    x = self.of(x)
                    if x is None:
                        return None
                elif x.depth:
                    return None
                if x.depth > depth:
                    depth = x.depth
            operands.append(x)
        if not plans().of_each(op.fn, tuple(kinds), n.dtype.char):
            return None
        found = self.made[n] = make(op, tuple(operands), None, self.mask.shape, n.dtype, None, self.capsule, depth + 1)
        found.code, found.lasti = n.code, n.lasti
        return found


def _learn(node: Any) -> None:
    """Has lines leave pending what they picked, if that alone is in the way of computing a node for all elements."""
    stack, met, lines = [node], set(), []
    while stack:
        n = stack.pop()
        if n in met or not n.shape:
            continue
        met.add(n)
        if n.op is PICK and n.depth:
            continue
        if n.depth:
            stack += [x for x in n.inputs if type(x) is Node]
            if n.op.kind == "elementwise" and len(met) <= _MOST:
                continue
        found = [line for picked, line in _recent[0] if picked() is n]
        if not found:
            return
        lines += found
    for line in lines:
        line.learned = True
