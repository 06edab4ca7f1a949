"""From a group of operations to a kernel, and where its operands and results are in the table."""

from __future__ import annotations

import platform
from functools import lru_cache
from operator import getitem
from typing import Any, NamedTuple

import numpy as np

from ..ir.capture import Graph, order_of
from ..ir.dag import Dag, Operand, Value
from ..ir.dtypes import record_of
from ..ir.operation import REDUCERS, Operation, imaginary_part, real_part
from ..schedule.fuse import Group, Role
from ..schedule.plan import Plan
from . import fidelity, gaps, loops, native
from .halves import HALF, HALVES
from .inline import COMPLEX, FLOATS, FORMS, NAMED
from .kernel import ARRAY, NUMBER, ROW, Input, Kernel, Step
from .pairs import AT_MEMORYS_SPEED, PAIRS, PARTS, PRODUCTS, form_of, may_cast, product, real_of
from .passes import is_dear
from .stages import reducible

_PYTHON = {"bool": bool, "int": int, "float": float, "complex": complex}
_CHARS = frozenset("?bhilqBHILQefdFD")
_FLOATING = FLOATS + COMPLEX + HALF
REDUCTIONS: dict[str, Any] = {
    "sum": np.add, "prod": np.multiply, "mean": np.add, "var": np.add, "std": np.add, "max": np.maximum,
    "min": np.minimum, "any": np.maximum, "all": np.minimum, "argmin": np.argmin, "argmax": np.argmax}
"""What reductions are made of. `any` and `all` are the extremes of bytes that are 0 or 1."""
SCANS: dict[str, Any] = {"cumsum": np.add, "cumprod": np.multiply}
"""What running totals are made of."""


_CUT = frozenset(("fmax", "fmin"))
"""Loops that depend on where a row is cut: which of two zeros they give."""


class Fused(NamedTuple):
    """A kernel in the place of operations.

    Attributes
    ----------
    kernel : Kernel
    members : tuple of int
        The operations, in program order.
    reads : tuple of (int, int, int)
        For each input: the number of what is read, and the operation and position by which it is (for its view).
    paths : dict of int to tuple of (int, int)
        For inputs of operations that are computed anew for each view of them: the operands, from the input's own
        reader out, whose views lead to the space.
    writes : tuple of int
        The operations whose results are the outputs.
    space : tuple of (int, int)
        An operation, and -1 if its shape is that of the elements computed, or the position of an operand that has it.
    axes : tuple of int
        Those of the space's axes that are reduced.
    reduced : tuple of int
        The operations that reduce.
    stores : frozenset of int
        The operations among them that write into a part of an array that is there.
    forwards : frozenset of int
        The outputs that are such parts and that NumPy's own loop computes, which has other bits when it goes backwards.
    over : tuple of (int, int)
        The inputs over which an output could be written, and which one: arrays of its kind that are read as they are.
    piecewise : bool
        Whether its operations may run again for some elements alone: each takes elements of arrays one by one.
    row_reads, row_writes : frozenset of int
        The inputs and outputs that have one element a row.
    apart : tuple of (int, int, bool)
        The inputs whose elements loops are called for, how far apart these may lie (`gaps.reach`), and whether NumPy's
        call takes them through a view: arrays that it takes as they are may also have their axes in any order.
    least : int
        The elements from which on it is better than NumPy's own call, for several threads; 0 if it always is.
    """

    kernel: Kernel
    members: tuple[int, ...]
    reads: tuple[tuple[int, int, int], ...]
    paths: dict[int, tuple[tuple[int, int], ...]]
    writes: tuple[int, ...]
    space: tuple[int, int]
    axes: tuple[int, ...]
    reduced: tuple[int, ...]
    stores: frozenset[int]
    forwards: frozenset[int]
    over: tuple[tuple[int, int], ...]
    piecewise: bool
    row_reads: frozenset[int]
    row_writes: frozenset[int]
    apart: tuple[tuple[int, int, bool], ...] = ()
    least: int = 0


def available() -> bool:
    """Whether kernels can be made and run here: on x86-64, where their floating-point flags are known."""
    return platform.machine() in ("x86_64", "AMD64") and native.available() and loops.available()


_STATISTICS = frozenset(("mean", "var", "std"))
_ORDERLESS = frozenset(("any", "all", "argmin", "argmax"))
"""Reductions whose results do not depend on how elements are rounded."""
_STOPPING = frozenset(("any", "all"))
"""Reductions that NumPy ends as soon as it knows the result."""
SHARED = 1 << 17
"""The elements from which on threads share what one does at memory's speed."""
_NEVER = 1 << 62


@lru_cache(256)
def alone(operation: Operation, of_pairs: bool = False, of_halves: bool = False) -> int:
    """The elements from which on a kernel of this operation alone may pay: any if it reduces or NumPy's loop is slower
    than memory, as all of float16 are (`of_halves`); else what threads share, and none of complex elements, if it is
    `of_pairs`."""
    function = operation.fn
    name = getattr(function, "__name__", "")
    if operation.step in ("where", "cast"):
        return SHARED if operation.step == "cast" and not of_halves else 0
    if operation.kind == "call":
        return 0 if operation.name in REDUCERS else _NEVER
    if not isinstance(function, np.ufunc) or operation.kind != "elementwise" or function.signature is not None:
        return _NEVER
    if not of_pairs and name in FORMS:
        return 0 if of_halves or FORMS[name].slow else SHARED
    certified = name in fidelity.NUMPY | fidelity.SCIPY and not (of_pairs and name in AT_MEMORYS_SPEED)
    return 0 if certified else _NEVER


@lru_cache(256)
def reduces(name: str, dtype: np.dtype[Any], result: np.dtype[Any]) -> bool:
    """Whether that is the name of a reduction that kernels do alone for elements of a dtype."""
    chars = _char(dtype) or "", _char(result) or ""
    return name in REDUCERS and bool(_taken("sum" if name in SCANS else name, *chars) or _counted(name, *chars))


@lru_cache(1024)
def of_each(ufunc: Any, kinds: tuple[Any, ...], result: str) -> bool:
    """Whether each element that a ufunc gives follows from the operands' elements at its place, whatever stands beside
    them: what kernels write out. The `kinds` are as for `UfuncRecord.resolve`."""
    if not isinstance(ufunc, np.ufunc):
        return False
    try:
        loop = record_of(ufunc).resolve(kinds).loop
    except (TypeError, OverflowError):
        return False
    chars: tuple[str, ...] = tuple([str(d.char) for d in loop])
    if chars[-1] != result or ufunc is NAMED["clip"] or not all(
            isinstance(k, type) or may_cast(k.char, c) for k, c in zip(kinds, chars[:-1], strict=True)):
        return False
    if chars[0] in COMPLEX and ufunc in (np.multiply, np.square):
        return product(ufunc.__name__, chars[0]) is not None and all(k in (loop[0], complex, float, int) for k in kinds)
    return form_of(ufunc, chars) is not None


def sliced(view: Any) -> bool:
    """Whether a view is made by slices alone, so that it fits any array of the shape."""
    return view is not None and all(fn is getitem and len(args) == 1 for fn, args in view.attrs)


_PARTS = {real_part: "real", imaginary_part: "imag"}


def part_of(view: Any) -> str:
    """Which part of all complex elements a view shows, 'real' or 'imag'; "" if it is another one. Keys of plans say."""
    steps: tuple[Any, ...] = () if view is None else view.attrs
    return _PARTS.get(steps[0][0], "") if len(steps) == 1 and not steps[0][1] else ""


class NoKernels:
    """The roles where there is no engine for kernels."""

    def role(self, number: int) -> Role:
        return Role("no kernels")

    def sliced(self, number: int, position: int) -> bool:
        return False

    def part(self, number: int, position: int) -> str:
        return ""


class _Way(NamedTuple):
    """How an operation is done: its step, the dtypes that its operands are cast to, that of the result; and for calls
    and reductions the loop. For one that writes into a part of an array the position of an operand of the part's shape,
    the first operand being the array. And how far apart the elements of views may lie (`gaps.reach`), if that matters
    (`_limited`)."""

    name: str
    chars: tuple[str, ...]
    result: str
    loop: Any
    axes: tuple[int, ...] = ()
    part: int = 0
    reach: int = gaps.TOGETHER


def _limited(way: _Way) -> bool:
    """Whether it matters how the elements lie that it takes: NumPy's loops do not compute each alike."""
    return way.name == "call" or (way.name in PRODUCTS and way.chars[0] in COMPLEX)


class Kernels:
    """The roles of the operations of a dag, and the kernels of groups of them."""

    def __init__(self, dag: Dag, graph: Graph) -> None:
        self.dag, self.graph = dag, graph
        self.ways: dict[int, _Way | str] = {}

    def role(self, number: int) -> Role:
        way = self.way(number)
        if isinstance(way, str):
            return Role(way)
        kind = "store" if way.part else "scan" if way.name == "scan" else "reduce" if way.axes else "map"
        return Role("", kind, way.axes,
                    way.name in ("where", "masked", "scan") or (way.name == "call" and len(way.chars) > 1) or (
                        way.chars[0] in COMPLEX and (way.name == "call" or way.name in PRODUCTS)),
                    not way.part and self._quiet(number, way), self._written(number, way),
                    is_dear(way.name, way.result))

    def _written(self, number: int, way: _Way) -> Any:
        """The class of shape and the layout of the part that an operation writes: those of what it puts there. Of what
        it reduces, if it does."""
        if way.axes and way.name != "scan":
            (operand, view), = self.dag.operands(number)
            return (view.shape, order_of(self.graph.views[number][0].strides)) if view is not None else (
                self.dag.value(operand).shape, self.dag.value(operand).layout)
        if not way.part:
            return None
        operands = self.dag.operands(number)
        shape = _shape_of(self.dag, operands[way.part])
        values = [self.dag.value(n) for n, view in operands[1:] if view is None]
        return shape, next((value.layout for value in values if value.shape == shape), None)

    def _quiet(self, number: int, way: _Way) -> bool:
        """Whether it is arithmetic of integers, or their cast to floats, which raise no flags, on arrays of its own
        shape and numbers."""
        shape = self.dag.value(number).shape
        quiet = way.name == "cast" or (way.name in FORMS and way.result not in _FLOATING)
        return quiet and not set(_FLOATING) & set(way.chars) and all(
            view.shape == shape if view is not None else self.dag.value(n).shape in (shape, (), None)
            for n, view in self.dag.operands(number))

    def sliced(self, number: int, position: int) -> bool:
        """Whether the view through which an operand is read is made of slices alone."""
        return sliced(self.graph.views[number][position])

    def part(self, number: int, position: int) -> str:
        """Which part an operand is, for operations that take elements as they come."""
        way = self.way(number)
        inlined = not isinstance(way, str) and not way.axes and way.name not in ("call", "store", "masked")
        return part_of(self.graph.views[number][position]) if inlined else ""

    def way(self, number: int) -> _Way | str:
        """How an operation is done in a kernel, or why it is not."""
        found = self.ways.get(number)
        if found is None:
            found = self.ways[number] = self._way(number)
        return found

    def _way(self, number: int) -> _Way | str:
        dag = self.dag
        value, operands = dag.value(number), dag.operands(number)
        result = _char(value.dtype)
        if result is None:
            return f"no kernel takes {value.dtype}"
        if value.op.step == "store":
            return self._store(number)
        if value.op.step == "part":
            return self._part(number, result)
        if value.op.step == "masked":
            return self._masked(number, result)
        kinds = [_kind(dag, n, view) for n, view in operands]
        if any(kind is None for kind in kinds):
            return "an operand's dtype is none that kernels take"
        if value.op.name in REDUCTIONS and value.op.kind == "call":
            return self._reduction(number, kinds[0], result)
        if value.op.name in SCANS and value.op.kind == "call":
            return self._scan(number, kinds[0], result)
        if value.op.kind == "call" and not value.op.step:
            return _own_call(value.op, self.graph.nodes[number].attrs)
        if not value.shape and not any(dag.value(n).shape == () and dag.value(n).kind == "call" for n, _ in operands):
            return "arithmetic between numbers runs outside of kernels"
        return _map(dag, number, kinds, self.seen(number), result) or self.without_form(number, kinds)

    def seen(self, number: int) -> list[Any]:
        """The views through which an operation reads its operands, None where there is none."""
        views = self.graph.views[number]
        return [None if operand.view is None else views[k] for k, operand in enumerate(self.dag.operands(number))]

    def without_form(self, number: int, kinds: list[Any]) -> str:
        """Why an operation on elements is not part of a kernel."""
        value = self.dag.value(number)
        if isinstance(value.op.fn, np.ufunc) and _spread(self.seen(number)):
            return f"{value.op.called} reads elements as they lie in a view, where NumPy's loop may round otherwise"
        return _no_form(value.op, kinds, value.dtype)

    def _store(self, number: int) -> _Way | str:
        dag = self.dag
        value, operands = dag.value(number), dag.operands(number)
        if len(operands) != 2:
            return "it stores at places that arrays give"
        (root, through), (stored, view) = operands
        source, target = _char(dag.value(stored).dtype), _char(value.dtype)
        if (through is not None or view is not None or stored >= dag.count or stored == root or not source
                or not dag.value(stored).shape or not may_cast(source, str(target))):
            return "what it stores is there already"
        return _Way("store", (str(target), str(target)), str(target), None, part=1)

    def _part(self, number: int, result: str) -> _Way | str:
        """What a ufunc makes of operands, written into a part of an array. NumPy's loops for products and quotients of
        complex elements tell whether an operand is the output, and so do others of a single element."""
        dag = self.dag
        op, ((_, through), *operands) = dag.value(number).op, dag.operands(number)
        kinds = [_kind(dag, n, view) for n, view in operands]
        if through is not None or any(kind is None for kind in kinds):
            return "it writes in a way that no kernel has"
        shapes = [_shape_of(dag, operand) for operand in operands]
        whole = max(shapes, key=len)
        if not whole or any(a not in (1, b) for s in shapes for a, b in zip(s[::-1], whole[::-1])):
            return "no operand has the shape of what it writes"
        seen = self.seen(number)[1:]
        way = _of_ufunc(dag, op.ufunc, operands, kinds, seen, result)
        aware = way is not None and (
            (result in COMPLEX and way.name not in PAIRS) or (_limited(way) and _spread(seen) != gaps.TOGETHER)
            or (way.name == "call" and all(n == 1 for n in whole)))
        return f"{op.label} has no kernel form" if way is None or aware else way._replace(
            chars=(result, *way.chars), part=1 + shapes.index(whole), reach=gaps.TOGETHER)

    def _masked(self, number: int, result: str) -> _Way | str:
        """One value where a mask is true: a new array, in which every element is chosen from it and the old one."""
        (_, through), (value, view), (mask, mask_view) = self.dag.operands(number)
        chosen, truth = self.dag.value(value), _kind(self.dag, mask, mask_view)
        ok = through is None and view is None and chosen.shape == () and _char(chosen.dtype) == result
        if not ok or not isinstance(truth, np.dtype) or truth.char != "?":
            return "it stores at places that arrays give"
        return _Way("masked", (result, result, "?"), result, None)

    def _reduction(self, number: int, kind: Any, result: str) -> _Way | str:
        """Sums and the like over axes of an array."""
        value = self.dag.value(number)
        operand, = self.dag.operands(number)
        shape = _shape_of(self.dag, operand)
        given = dict(self.graph.nodes[number].attrs or ())
        name = value.op.name
        if isinstance(kind, type):
            return f"{name} of a number"
        taken = _taken(name, kind.char, result) or self._cast(number, name, kind.char, result) or _counted(
            name, kind.char, result)
        if type(given.get("ddof", 0)) is not int:
            return f"{name} with ddof={given['ddof']!r} is NumPy's own call"
        if not taken or given.keys() - _KNOWN or name in _STOPPING and "dtype" in given or not shape:
            return f"{name} of {kind} that gives {np.dtype(result)} is NumPy's own call"
        ndim, axes = len(shape), _axes(given, len(shape))
        if not axes or not reducible(ndim, axes):
            return "it reduces axes that lie in more than two places"
        if name.startswith("arg") and axes[0] != ndim - len(axes):
            return f"{name} along another axis than the last is NumPy's own call"
        if name == "prod" and taken in "fd" and not reducible(ndim, axes, in_sequence=True):
            return "it multiplies floats along axes in two places"
        if HALF in (kind.char, taken) and name not in _ORDERLESS:
            taken = self._of_halves(number, name, axes, result)
            if not taken:
                return f"{name} of float16 along these axes is NumPy's own call"
        ufunc = REDUCTIONS[name]
        dtypes = (np.dtype(taken),) * 3
        if not name.startswith("arg") and taken not in "efd" and loops.strided_loop(ufunc, dtypes) is None:
            return "NumPy does not give its loop"
        as_it_is = HALF in (kind.char, taken) or name in _STATISTICS and taken not in FLOATS
        first_char = "?" if name in ("any", "all") else kind.char if as_it_is else taken
        return _Way(name, (first_char,), result, (ufunc, dtypes, int(given.get("ddof", 0))), axes)

    def _cast(self, number: int, name: str, char: str, result: str) -> str:
        """The dtype to which integers are cast before they are added up for statistics, "" if that is left to NumPy:
        along a last axis it casts them in parts, each of which is a sum of its own."""
        operand, = self.dag.operands(number)
        shape = _shape_of(self.dag, operand)
        axes = _axes(dict(self.graph.nodes[number].attrs or ()), len(shape))
        columns = axes and self.graph.nodes[number].inputs[0].strides is None and any(
            n != 1 for n in shape[axes[-1] + 1:])
        ok = name in ("mean", "var", "std") and result == "d" and char not in FLOATS and may_cast(char, "d")
        return "d" if columns and ok else ""

    def _of_halves(self, number: int, name: str, axes: tuple[int, ...], result: str) -> str:
        """The dtype in which float16 is reduced to `result`, "" if that is left to NumPy. A run of it NumPy folds in
        float32, and rounds once; where results lie side by side, it rounds them after each step."""
        (operand, view), = self.dag.operands(number)
        shape = view.shape if view is not None else self.dag.value(operand).shape or ()
        if self.graph.nodes[number].inputs[0].strides is not None or view is not None or result != HALF:
            return ""
        places = [i for i in range(len(shape)) if shape[i] != 1]
        reduced = [i for i in places if i in axes]
        if reduced == places[len(places) - len(reduced):]:
            return "" if name == "mean" else "f"
        return "" if reduced != places[:len(reduced)] or name in _STATISTICS else HALF

    def _scan(self, number: int, kind: Any, result: str) -> _Way | str:
        """Running totals along another axis than the last, of many side by side."""
        value = self.dag.value(number)
        name, given = value.op.name, dict(self.graph.nodes[number].attrs or ())
        taken = "" if isinstance(kind, type) else _taken("sum", kind.char, result)
        axis = given.get("axis")
        if not taken or value.layout is not None or axis is None:
            return f"{name} of {kind} is NumPy's own call" if not taken else (
                f"{name} of all elements is NumPy's own call" if axis is None else f"{name} in another order than C")
        axis = int(axis) % max(1, len(value.shape or ()))
        if all(n == 1 for n in (value.shape or ())[axis + 1:]):
            return f"{name} along the last axis is NumPy's own call"
        return _Way("scan", (taken,), result, (SCANS[name], (np.dtype(taken),) * 3), (axis,))

    def kernels(self, plan: Plan) -> dict[int, Fused]:
        """The kernels of a plan, by the first operation of each group."""
        found = {}
        for group in plan.groups:
            members = set(group.members)
            wanted = {n for n in members if self.dag.value(n).kept or not members.issuperset(self.dag.users(n))}
            if wanted and self.pays(group):
                made = _Maker(self, group).make(wanted)
                if not _loses_flags(made.kernel):
                    found[group.members[0]] = made._replace(least=self.least(group, made.kernel))
        return found

    def pays(self, group: Group) -> bool:
        """Whether a kernel is better than NumPy's own calls: it saves passes over memory, or calls what threads can
        share, or is faster than NumPy's loop."""
        ways = [self.way(n) for n in group.members]
        if any(isinstance(way, str) for way in ways) or all(way.name == "store" for way in ways):  # type: ignore[union-attr]
            return False
        if all(n in group.rows for n in group.members):
            reductions = [way.name for way in ways if way.axes]  # type: ignore[union-attr]
            return len(reductions) > 1 or not _STOPPING.issuperset(reductions)
        first: _Way = ways[0]  # type: ignore[assignment]
        if len(ways) > 1 or first.name == "masked":
            return True
        if first.part and first.chars[0] in COMPLEX:
            return False
        if first.name == "call":
            return first.chars[0] not in COMPLEX or first.loop[0].__name__ not in AT_MEMORYS_SPEED
        return first.name in FORMS or first.name in HALVES or first.name in ("where", "cast", "scan")

    def least(self, group: Group, kernel: Kernel) -> int:
        """The elements from which on it is: where it is one operation that NumPy does as fast as memory allows, so many
        as threads share. NumPy divides by a number as by an array, which takes longer than memory."""
        if native.fast_fma() and [step.name for step in kernel.steps] == ["divide"] and (
                kernel.inputs[kernel.steps[0].operands[1]].kind == NUMBER):
            return 0
        way = self.way(group.members[0])
        if way.chars[0] == HALF or way.result == HALF:  # type: ignore[union-attr]
            return 0
        cheap = way.name == "cast" or way.name in FORMS and not FORMS[way.name].slow  # type: ignore[union-attr]
        return SHARED if len(group.members) == 1 and cheap else 0


_OF_ONE = frozenset(("less", "greater", "logical_xor"))
"""What one value taken twice makes something known of, whatever it is,"""
_OF_ONE_WHOLE = _OF_ONE | {"subtract", "bitwise_xor", "floor_divide", "remainder", "fmod", "equal", "not_equal",
                           "less_equal", "greater_equal"}
"""and of integers and bools."""


def _loses_flags(kernel: Kernel) -> bool:
    """Whether machine code might leave out steps that raise floating-point flags, since what is made of their results
    does not depend on them: `x / y < x / y` is false."""
    raising: set[int] = set()
    for n, step in enumerate(kernel.steps, len(kernel.inputs)):
        taken = step.operands
        if len(taken) > 1 and taken[-1] == taken[-2]:
            known = step.name in (_OF_ONE if kernel.char(taken[-1]) in _FLOATING else _OF_ONE_WHOLE)
            if (known and taken[-1] in raising) or (step.name == "where" and taken[0] in raising):
                return True
        if raising.intersection(taken) or any(kernel.char(k) in _FLOATING for k in taken):
            raising.add(n)
    return False


_OWN = {"getitem": "x[mask] of a pending x moves the elements that a mask takes: a pass of its own, and no kernel's",
        "roll.memory": "it is memory for a rolled array and for margins, into which the array is computed",
        "roll.margins": "it copies what a rolled array has at the other end into the margins, once the array is there"}
"""Operations of lazytensor's own, and why no kernel has them."""


def _no_form(operation: Operation, kinds: list[Any], result: Any) -> str:
    """Why an operation on elements has no form in a kernel."""
    if operation.called in _OWN:
        return _OWN[operation.called]
    if operation.kind == "mutate":
        return f"{operation.called} is NumPy's own call, which takes whole arrays"
    given = [k.__name__ if isinstance(k, type) else str(k) for k in kinds]
    if operation.step == "cast":
        return f"a cast of {given[0]} to {result} is NumPy's own call" + (
            ": it warns of values that the integers do not have" if "float" in given[0] and result.kind in "iu" else "")
    return f"{operation.called} of {' and '.join(given)} is NumPy's own call"


def _own_call(operation: Operation, attrs: Any) -> str:
    """Why a call of a function of NumPy's is none of a kernel's operations."""
    name = operation.called.removesuffix("_where")
    if name != operation.called and name in REDUCTIONS:
        what = "it adds up each stretch of the mask by itself" if REDUCTIONS[name] is np.add else (
            "NumPy says which zero it is, if it is one")
        return f"{name} with where= is a call of its own: {what}"
    if name in _OWN:
        return _OWN[name]
    form = dict(attrs or ()).get("form")
    given = [name for name, _ in form[1]] if type(form) is tuple and len(form) == 2 else []
    for name, why in _ARGUMENTS.items():
        if name in given and operation.called in REDUCTIONS:
            return f"{operation.called} with {name}= is NumPy's own call{why}"
    return f"{operation.called} is NumPy's own call, which takes whole arrays"


_ARGUMENTS = {"where": ": it reduces each stretch of the mask on its own", "initial": "", "mean": "", "out": ""}
"""Arguments of reductions that kernels do not know, and why."""
_KNOWN = frozenset(("axis", "keepdims", "ddof", "dtype"))
"""What kernels know of the arguments of reductions: a dtype that is not their own is not that of what they make."""


def _axes(given: dict[str, Any], ndim: int) -> tuple[int, ...]:
    """The axes that a reduction with these arguments reduces."""
    axis = given.get("axis")
    return tuple(range(ndim)) if axis is None else tuple(sorted(
        int(i) % max(1, ndim) for i in (axis if isinstance(axis, tuple) else (axis,))))


def _taken(name: str, char: str, result: str) -> str:
    """The dtype in which elements are reduced, "" where that is left to NumPy: floats as they are, integers without
    regard to their order."""
    if not char:
        return ""
    if name in ("any", "all"):
        return "B" if char in _CHARS and result == "?" else ""
    if char in COMPLEX:
        return ""
    if name in ("argmin", "argmax"):
        known = char in _CHARS and result == np.dtype(np.intp).char
        return {"?": "B", HALF: "f"}.get(char, char) if known else ""
    if char in "efd":
        return char if result == char else ""
    if name in ("sum", "prod"):
        return result if result in "lLqQ" and may_cast(char, result) else ""
    return char if name in ("max", "min") and char != "?" and result == char else ""


def _counted(name: str, char: str, result: str) -> str:
    """The dtype in which integers are added up for statistics where every sum of them is exact as a float, too, in
    whatever order NumPy adds them: any 2**37 of at most two bytes. "" if that is not so."""
    return "l" if name in _STATISTICS and char and char in "?bBhH" and result == "d" else ""


def _map(dag: Dag, number: int, kinds: list[Any], seen: list[Any], result: str) -> _Way | None:
    """An operation on elements, `seen` through views, or not where one is None."""
    value, operands = dag.value(number), dag.operands(number)
    op = value.op
    if op.step == "cast":
        source = kinds[0]
        ok = not isinstance(source, type) and may_cast(source.char, result)
        return _Way("cast", (source.char,), result, None) if ok else None
    if op.step == "where":
        given = [result if isinstance(k, type) else str(k.char) for k in kinds]
        # NumPy chooses a bool's byte, whatever it is; a kernel has one bit of it
        ok = kinds[0] is not bool and given[0] == "?" != result and all(may_cast(c, result) for c in given[1:])
        return _Way("where", ("?", result, result), result, None) if ok else None
    if op.kind not in ("elementwise", "scalar") or value.attrs or not isinstance(op.fn, np.ufunc):
        return None
    return _of_ufunc(dag, op.fn, operands, kinds, seen, result)


def _of_ufunc(dag: Dag, ufunc: Any, operands: Any, kinds: list[Any], seen: list[Any], result: str) -> _Way | None:
    """A ufunc on elements."""
    try:
        loop = record_of(ufunc).resolve(tuple(kinds)).loop
    except (TypeError, OverflowError):
        return None
    chars: tuple[str, ...] = tuple([str(d.char) for d in loop])
    if chars[-1] != result or not all(
            isinstance(k, type) or may_cast(k.char, c) for k, c in zip(kinds, chars[:-1], strict=True)):
        return None
    bounded = ufunc is NAMED["clip"] and result in "fd" and any(dag.value(n).shape for n, _ in operands[1:])
    if form_of(ufunc, chars) is not None and not bounded:
        return _Way(ufunc.__name__, chars[:-1], result, None)
    return _called(dag, ufunc, loop, operands, kinds, seen, chars)


def _called(dag: Dag, ufunc: Any, loop: Any, operands: Any, kinds: list[Any], seen: list[Any],
            chars: tuple[str, ...]) -> _Way | None:
    """NumPy's own loop on tiles: where it gives the same bits, which takes operands laid out like the result, or views
    whose elements lie as the loop may take them."""
    if not set(chars) <= _CHARS or ufunc.__name__ in _CUT:
        return None
    numbers = [k for k, (n, view) in enumerate(operands) if view is None and dag.value(n).shape in (None, ())]
    if len(numbers) == len(operands) or any(
            not isinstance(k, type) and k.char != c for k, c in zip(kinds, chars[:-1], strict=True)):
        return None
    laid = []
    for k, (n, view) in enumerate(operands):
        if k not in numbers:
            laid.append((dag.value(n).shape, dag.value(n).layout) if view is None else (view.shape, None))
    if any(one != laid[0] for one in laid):
        return None
    if numbers:
        ok = len(numbers) == 1 and len(operands) == 2 and fidelity.certified_scalar(ufunc, loop, numbers[0], False)
    else:
        ok = fidelity.certified(ufunc, loop, False)
    if not ok:
        return None
    reach, apart = gaps.TOGETHER, _spread(seen)
    ordered = any(view is None and dag.value(n).layout is not None for n, view in operands)
    if (apart or ordered) and apart != gaps.NOWHERE:
        reach = gaps.reach(ufunc, tuple(loop), numbers[0] if numbers else None)
    if apart > reach:
        view = seen[0]
        if view is None or not gaps.fits(view.shape, view.strides, 0, gaps.BACKWARDS) or not (
                gaps.turned(ufunc, tuple(loop))):
            return None
        return _Way("call", chars[:-1], chars[-1], (ufunc, tuple(loop), "backwards"), reach=gaps.BACKWARDS)
    if chars[0] in COMPLEX and ufunc.__name__ in ("multiply", "square"):
        name = product(ufunc.__name__, chars[0])
        if name is not None:
            return _Way(name, chars[:-1], chars[-1], None, reach=reach)
    return _Way("call", chars[:-1], chars[-1], (ufunc, tuple(loop)), reach=reach)


def _spread(views: list[Any]) -> int:
    """How the elements that are seen through views lie, those that lie furthest apart."""
    return max((gaps.spread(v.shape, v.strides, v.dtype.itemsize) for v in views if v is not None),
               default=gaps.TOGETHER)


def _shape_of(dag: Dag, operand: Operand) -> tuple[int, ...]:
    """The class of an operand's shape, () for a number."""
    number, view = operand
    return view.shape if view is not None else dag.value(number).shape or ()


def _kind(dag: Dag, number: int, view: Any) -> Any:
    """The dtype of an operand, or the type of a Python number; None for what kernels do not know."""
    value = dag.value(number)
    if view is not None:
        return view.dtype if _char(view.dtype) else None
    if isinstance(value.dtype, str):
        return _PYTHON.get(value.dtype)
    return value.dtype if _char(value.dtype) else None


def _char(dtype: Any) -> str | None:
    return dtype.char if isinstance(dtype, np.dtype) and dtype.isnative and dtype.char in _CHARS else None


class _Maker:
    """Makes the kernel of one group."""

    def __init__(self, kernels: Kernels, group: Group) -> None:
        self.dag, self.group = kernels.dag, group
        self.ways: dict[int, Any] = {number: kernels.way(number) for number in group.members}
        self.inputs: list[Input] = []
        self.reads: list[tuple[int, int, int]] = []
        self.readers: list[tuple[int, int, int]] = []
        self.known: dict[Any, int] = {}
        self.steps: list[Step] = []
        self.computes: dict[Step, int] = {}
        self.values: dict[int, int] = {}
        self.again: dict[Any, int] = {}
        self.rows = set(group.rows)
        self.inlined = set(group.inlined)
        self.paths: dict[int, tuple[tuple[int, int], ...]] = {}
        self.kernels = kernels
        self.count = 0

    def make(self, wanted: set[int]) -> Fused:
        members, ways = self.group.members, self.ways
        for number in members:
            if number not in self.inlined:
                self.read_all(number, ())
        self.count = len(self.inputs)
        for number in members:
            if number not in self.inlined:
                self.values[number] = self.computed(number, ())
        writes = tuple(number for number in members if number in wanted)
        outputs: list[int] = []
        for number in writes:
            value = self.values[number]
            if value in outputs:  # two results of one value: each has memory of its own
                value = self.append(Step("cast", self.char(value), (value,)))
            outputs.append(value)
        kernel = Kernel(tuple(self.inputs), tuple(self.steps), tuple(outputs))
        axes = next((way.axes for way in ways.values() if way.axes), ())
        return Fused(kernel, members, tuple(self.reads), self.paths, writes, self.space(), axes,
                     tuple(number for number in members if ways[number].axes),
                     frozenset(number for number in members if ways[number].part),
                     frozenset(i for i, n in enumerate(writes) if ways[n].part and ways[n].name == "call"),
                     self.over(writes), self.piecewise(),
                     frozenset(i for i, source in enumerate(self.inputs) if source.kind == ROW),
                     frozenset(i for i, number in enumerate(writes) if number in self.rows),
                     tuple((i, ways[member].reach, self.dag.operands(member)[k].view is not None)
                           for i, member, k in self.readers
                           if _limited(ways[member]) and self.inputs[i].kind != NUMBER))

    def read_all(self, number: int, path: Any) -> None:
        """Makes inputs of what an operation reads; of what those read that are computed anew for it."""
        for k, operand in self.operands(number):
            further = ((number, k), *path) if operand.view is not None else path
            if operand.number in self.inlined:
                self.read_all(operand.number, further)
            elif operand.number not in self.ways:
                self.read(number, k, operand.number, operand.view, path)

    def computed(self, number: int, path: Any) -> int:
        """The value of an operation, where its result is read through the views on the path."""
        way, operands = self.ways[number], []
        for k, operand in self.operands(number):
            further = ((number, k), *path) if operand.view is not None else path
            if operand.number in self.inlined:
                value = self.again.get((operand.number, further))
                if value is None:
                    value = self.again[operand.number, further] = self.computed(operand.number, further)
            elif operand.number in self.ways:
                value = self.values[operand.number]
                if operand.view is not None:
                    value = self.part(value, number, k)
            else:
                value = self.known[self.key(number, k, operand.number, operand.view, path)]
            operands.append(self.converted(value, way.chars[k]))
        return self.done(way, operands)

    def part(self, value: int, number: int, position: int) -> int:
        """The real or imaginary parts of a value, as an operand."""
        name = self.kernels.part(number, position)
        return self.add(Step(name, real_of(self.char(value)), (value,)))

    def operands(self, number: int) -> Any:
        """The operands that a kernel reads: not the array into a part of which it writes."""
        found = list(enumerate(self.dag.operands(number)))
        return found[1:] if self.ways[number].part else found

    def done(self, way: _Way, operands: list[int]) -> int:
        """The value of an operation."""
        if way.name == "scan":
            return self.add(Step("scan", way.result, (operands[0],), way.loop))
        if way.axes:
            return self.reduced(way, operands[0])
        if way.name == "masked":
            return self.add(Step("where", way.result, tuple(reversed(operands))))
        if way.name not in ("cast", "store"):
            return self.add(Step(way.name, way.result, tuple(operands), way.loop))
        value = self.converted(operands[0], way.result)
        if value < self.count:  # an input as it is: a step of its own, to be written
            value = self.add(Step("cast", way.result, (operands[0],)))
        return value

    def reduced(self, way: _Way, x: int) -> int:
        """A reduction: `mean`, `var` and `std` in the steps that NumPy does them in."""
        ufunc, dtypes, ddof = way.loop
        char = str(dtypes[0].char)
        loop = (ufunc, dtypes, HALF) if (char, way.result) == ("f", HALF) and way.name in ("max", "min") else (
            ufunc, dtypes)

        def reduce(value: int) -> int:
            total = self.add(Step("reduce", char, (self.converted(value, char),), loop))
            return self.converted(total, way.result) if HALF in (way.result, char) else total

        counted = way.name in _STATISTICS and char not in FLOATS
        kind = way.result if HALF in (way.result, char) or counted else char

        def per(value: int, less: int) -> int:
            return self.add(Step("per", kind, (value,), less))
        if way.name in ("any", "all"):
            return self.converted(reduce(self.converted(x, char)), "?")
        if way.name in ("argmin", "argmax"):
            return self.add(Step("reduce", way.result, (self.converted(x, char),), (ufunc, dtypes)))
        if way.name in ("sum", "prod", "max", "min"):
            return reduce(x)
        total = self.converted(reduce(x), kind)
        mean = per(total, 0)
        if way.name == "mean":
            return mean
        if counted:
            char, loop, x = kind, (ufunc, (np.dtype(kind),) * 3), self.converted(x, kind)
        difference = self.add(Step("subtract", kind, (x, mean)))
        variance = per(reduce(self.add(Step("multiply", kind, (difference, difference)))), ddof)
        return variance if way.name == "var" else self.add(Step("sqrt", kind, (variance,)))

    def space(self) -> tuple[int, int]:
        for number in self.group.members:
            if number not in self.rows and number not in self.inlined and not self.ways[number].part:
                return number, -1
        number = next(n for n in self.group.members if self.ways[n].axes or self.ways[n].part)
        return number, self.ways[number].part

    def piecewise(self) -> bool:
        """See `Fused`."""
        return not (self.rows or self.inlined or any(step.name in PARTS for step in self.steps) or any(
            way.axes or way.name == "masked" for way in self.ways.values()))

    def over(self, writes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """See `Fused`. What raises flags may have to run again, piece by piece."""
        dag = self.dag
        if not self.piecewise() or any(way.part for way in self.ways.values()):
            return ()
        sources = [n for n, _, _ in self.reads]
        results = [(value.shape, value.dtype, value.layout) for value in map(dag.value, writes)]
        found = []
        for i, (n, member, k) in enumerate(self.reads):
            value = dag.value(n)
            kind = value.shape, value.dtype, value.layout
            if (self.inputs[i].kind == ARRAY and dag.operands(member)[k].view is None and sources.count(n) == 1
                    and kind in results):
                found.append((i, results.index(kind)))
        return tuple(found)

    def key(self, number: int, position: int, operand: int, view: Any, path: Any) -> Any:
        """What is one input: an operand; through views it is another each time, for graphs of one key differ in which
        views are the same."""
        if view is not None or (path and not _is_number(self.dag.value(operand), view)):
            return number, position, path
        char = self.ways[number].chars[position]
        return operand, char if _is_number(self.dag.value(operand), view) else "", number in self.rows and not (
            self.ways[number].axes)

    def read(self, number: int, position: int, operand: int, view: Any, path: Any) -> None:
        key = self.key(number, position, operand, view, path)
        self.readers.append((self.known.setdefault(key, len(self.inputs)), number, position))
        if self.known[key] < len(self.inputs):
            return
        value = self.dag.value(operand)
        if _is_number(value, view):
            self.inputs.append(Input(NUMBER, self.ways[number].chars[position]))
        else:
            kind = ROW if number in self.rows and not self.ways[number].axes else ARRAY
            self.inputs.append(Input(kind, (view.dtype if view is not None else value.dtype).char))
            if path:
                self.paths[len(self.reads)] = path
        self.reads.append((operand, number, position))

    def char(self, value: int) -> str:
        return self.inputs[value].char if value < self.count else self.steps[value - self.count].char

    def converted(self, value: int, char: str) -> int:
        return value if self.char(value) == char else self.add(Step("cast", char, (value,)))

    def add(self, step: Step) -> int:
        """The value of a step; one that is there already is not done twice: `sum`, `mean` and `var` share a sum."""
        found = self.computes.get(step)
        if found is None:
            found = self.computes[step] = self.append(step)
        return found

    def append(self, step: Step) -> int:
        self.steps.append(step)
        return self.count + len(self.steps) - 1


def _is_number(value: Value, view: Any) -> bool:
    return view is None and value.shape in (None, ())
