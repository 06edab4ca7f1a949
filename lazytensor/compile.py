"""The pipeline on one page.

    capture -> key -> [plan cache] -> dag -> optimise -> order -> liveness -> lower -> run

`realize` is the way through. A structure runs operation by operation, in program order, until it has come up so often
(``config(plan_after=)``) or has taken so much time that a plan pays: a plan costs some 120 us an operation and saves
one or two each time, and passes over memory; the first one costs what it takes to bring in the planner, too
(`run.startup`). `lower.make_program` names the stages; the plan is kept.
"""

from __future__ import annotations

import os
import threading
from itertools import count
from operator import getitem
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from .config import current
from .hot import learn, native
from .ir.capture import Graph, capture, pending
from .ir.layout import shadow
from .ir.node import Node
from .ir.operation import REDUCERS, SCANS
from .run import claims, floating, startup, turns
from .run.interpreter import apply_view, on_execute, run_directly
from .run.watching import active, mine

if TYPE_CHECKING:
    from .lower.table import Program

__all__ = ["cache_info", "capture", "clear_cache", "pending", "realize"]

EXACT = 4096
"""Structures with their sizes that are remembered, so that a loop over arrays of one size finds its plan at once."""

BYTE_NS, HALF_NS = 0.25, 3.0
"""What an operation takes for each byte that it writes, or reads where it reduces, in nanoseconds; and where that is of
float16, whose elements NumPy's loops convert one by one."""
PLAN_NS = 1.2e5
"""What a plan costs for each operation: 100 to 140 us of those of 4 to 64, the kernels not compiled."""

ALONE = 1 << 19
"""The bytes from which a single operation is planned: on elements, if NumPy's loop is slower than memory, or a
reduction,"""
REDUCED = 1 << 14
"""and those from which a reduction is that makes several numbers of what kernels take: NumPy goes through rows and
columns one by one."""

SUMMED = 1 << 16
SUMS = frozenset(("mean", "var", "std"))
"""The same for what makes one number in several of NumPy's calls from Python, which go through memory several times for
deviations."""

OVER_NONE = 2

QUICK_ROWS = {"sum": 256, "max": 256, "min": 256, "argmax": 64, "argmin": 64}
"""Elements of rows from which on NumPy's own loop takes them as fast as a kernel, where one thread does it."""


class _Sized:
    """What the cache knows about one structure with its sizes: its entry, and the kernels bound to them."""

    __slots__ = ("entry", "bound")

    def __init__(self, entry: _Entry) -> None:
        self.entry = entry
        self.bound: dict[Any, Any] = {}


class _Entry:
    """What the cache knows about one structure: when it was last used, and its program once there is one."""

    __slots__ = ("used", "seen", "spent", "program")

    def __init__(self) -> None:
        self.used = _clock()
        self.seen = 0
        self.spent = 0.0
        self.program: Program | None = None


_clock = count().__next__ if native is None else native.tick
_cache: dict[tuple[Any, ...], _Entry] = {}
_exact: dict[tuple[Any, ...], _Sized] = {}
_lock = threading.RLock()
_plans: Any = None
_counts = {"runs": 0, "direct": 0, "hits": 0, "plans": 0, "nodes": 0}


def realize(targets: list[Node]) -> None:
    """Computes the pending nodes among `targets`, and all that they need.

    Floating-point warnings are given after the run, at the lines that wrote the operations.
    """
    if active and (watcher := mine()) is not None:
        watcher.realizing(targets)
        try:
            _realize(targets)
        except BaseException:
            watcher.failed()
            raise
    else:
        _realize(targets)


def _realize(targets: list[Node]) -> None:
    state = floating.in_force()
    run, nodes, errors = claims.Run(), [], []
    try:
        nodes = claims.claim(run, targets)
        if nodes:
            errors = run_nodes(nodes, None)
    finally:
        run.ended = True  # a plain store: no interrupt can come before it
        claims.release(run, nodes)
        if floating.in_force() is not state:  # an interrupt came before it was put back
            floating.enter(state)
    if errors:
        floating.warn(errors)


def run_nodes(nodes: list[Any], graph: Graph | None) -> list[tuple[Node, str]]:
    """Runs claimed nodes, captured already or not; gives the floating-point errors to warn of."""
    if graph is None and len(nodes) > turns.LONG and (cuts := turns.segments(nodes)):
        return _run_segments(nodes, cuts)
    found = _planned(nodes, graph)
    if found is None:
        _counts["direct"] += 1
        if graph is not None:  # else it would count as a holder of the memory that operations may write over
            graph.leaves.clear()
            graph.views = {}
        if startup.paid():
            return run_directly(nodes)
        began = perf_counter_ns()
        try:
            return run_directly(nodes)
        finally:
            startup.worked(perf_counter_ns() - began)
    return plans().run_program(*found)


def _run_segments(nodes: list[Any], cuts: list[tuple[int, int]]) -> list[tuple[Node, str]]:
    """Runs claimed nodes by segments. The list holds nodes that wait or failed: what is done must not be held by it."""
    errors: list[tuple[Node, str]] = []
    for start, end in cuts:
        part = nodes[start:end]
        nodes[start:end] = [None] * (end - start)
        try:
            errors += _run_part(part) or ()
        except BaseException:
            nodes[start:end] = part
            raise
    return errors


def _run_part(nodes: list[Any]) -> Any:
    """Runs a segment; gives the floating-point errors to warn of."""
    return run_nodes(nodes, None)


if native is not None:
    _run_part = native.run_part


def plans() -> Any:
    """The module with what the first plan needs: it, and what it imports, is imported then."""
    global _plans
    if _plans is None:
        from .run import plans as module

        _plans = module
    return _plans


def _planned(nodes: list[Node], graph: Graph | None) -> tuple[Program, Graph] | None:
    """The program for these nodes and the graph to run it on, or None if they are to run one by one."""
    _counts["runs"] += 1
    _counts["nodes"] += len(nodes)
    if len(nodes) > current.plan_nodes or (len(nodes) < 2 and not shared(nodes[0])):
        return None
    if graph is None:
        graph = capture(nodes)
    sized = _exact.get(graph.exact)
    if sized is None:
        sized = _remember(graph.key, graph.exact)
    graph.bound = sized.bound
    entry = sized.entry
    if entry.program is None:
        entry.seen += 1
        entry.used = _clock()
        ahead = sum(map(_time, nodes))
        entry.spent += ahead
        if entry.seen <= current.plan_after and entry.spent < PLAN_NS * len(nodes) or not startup.pays(ahead):
            return None
        entry.program = plans().make_program(graph)
        _counts["plans"] += 1
    else:
        _counts["hits"] += 1
    entry.used = _clock()
    return entry.program, graph


def _bytes(node: Node) -> int:
    """The bytes that an operation writes, or reads, where it makes one number of many."""
    kind = node.op.kind
    if kind == "mutate":
        return _written(node)
    return max(node.nbytes, node.a.nbytes) if kind == "call" and type(node.a) is Node else node.nbytes


def _written(node: Node) -> int:
    """The bytes of the part of an array that a write changes; of all of it where arrays say which part."""
    steps, extra = node.attrs
    if node.op.step == "store":
        index = extra[0] if type(extra[0]) is tuple else extra
        if not any(part is Ellipsis for part in index):
            index = (*index, Ellipsis)  # a number of a shadow's would be read
        steps = (*steps, (getitem, (index,)))
    if not steps or node.dtype.hasobject:
        return node.nbytes
    return int(apply_view(steps, shadow(node.shape, node.strides, node.dtype)).nbytes)


def _time(node: Node) -> float:
    """What an operation takes about, in nanoseconds."""
    return (HALF_NS if node.dtype.char == "e" else BYTE_NS) * _bytes(node)


def shared(node: Node) -> int | None:
    """Whether a single operation may pay as a kernel: there is nothing to fuse, but threads share it. None: not yet,
    since little was done by now. OVER_NONE: not over an operand that nobody else holds, where NumPy's loop of it is as
    fast as memory."""
    nbytes = _bytes(node)
    halves = _has(node, "e")
    several, least = (REDUCERS, REDUCED) if node.shape else (SUMS, SUMMED)
    if current.engine != "llvm" or nbytes < ALONE and not (
            nbytes >= least and node.op.name in several or nbytes >= REDUCED and halves):
        return 0
    if node.op.name in SCANS and dict(node.attrs or ()).get("axis", -1) in (None, -1, len(node.shape) - 1):
        return 0
    if nbytes < ALONE and not halves and _rows_are_quick(node):
        return 0
    if not startup.pays():
        startup.worked(_time(node))
        return None
    module = plans()
    if nbytes < ALONE and not halves and not module.reduces(node.op.name, node.a.dtype, node.dtype):
        return 0
    least = module.alone(node.op, _has(node, "c"), halves)
    return int(module.shares(least, node.shape)) and (OVER_NONE if least and node.op.kind == "elementwise" else 1)


def _rows_are_quick(node: Node) -> bool:
    """Whether NumPy reduces rows that are so long that its way from one to the next does not count."""
    least = QUICK_ROWS.get(node.op.name)
    if least is None or type(node.a) is not Node or node.a.strides is not None or node.a.dtype.kind != "f":
        return False
    axis = dict(node.attrs or ()).get("axis")
    return axis in (-1, len(node.a.shape) - 1) and bool(node.a.shape[-1] >= least)


def _has(node: Node, which: str) -> bool:
    """Whether an operation takes elements of a kind of dtypes, or gives such: of complex ones "c", of float16 "e"."""
    return any(dtype is not None and which in (dtype.kind, dtype.char)
               for dtype in (node.dtype, getattr(node.a, "dtype", None)))


def _remember(key: tuple[Any, ...], exact: tuple[Any, ...]) -> _Sized:
    """The entry of a key, found by the exact structure next time; the least used eighth goes when the cache is full."""
    with _lock:
        if len(_cache) >= current.plans:
            for old in sorted(_cache, key=lambda k: _cache[k].used)[: max(1, current.plans // 8)]:
                del _cache[old]
            _forget_exact()
        if len(_exact) >= EXACT:
            _forget_exact()
        sized = _exact[exact] = _Sized(_cache.setdefault(key, _Entry()))
        return sized


def _forget_exact() -> None:
    _exact.clear()
    if native is not None:
        native.forget_plans()  # those that it has met lately


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def cache_info() -> dict[str, int]:
    """Counts since the process began: runs, runs without a plan, cache hits, plans made, nodes run; entries kept."""
    counts = dict(_counts)
    if native is not None:
        for name, more in zip(("runs", "direct", "hits", "nodes"), native.counts()[:4], strict=True):
            counts[name] += more
    return {**counts, "entries": len(_cache)}


def clear_cache() -> None:
    """Forgets every plan."""
    with _lock:
        _cache.clear()
        _forget_exact()


realize_in_python = realize
if native is not None:
    learn(Sized=_Sized, Entry=_Entry, exact_plans=_exact, hooks=on_execute,
          realize_slowly=realize, run_nodes=run_nodes, warn_of=floating.warn, shared=shared, reducers=REDUCERS,
          sums=SUMS)
    realize = native.realize
