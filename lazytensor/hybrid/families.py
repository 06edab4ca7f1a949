"""One trace for arrays of any length: what a jitted function was traced for, derived for arguments of other sizes.

A function that is traced again because an array has other lengths has two traces. Where they are the same but for
shapes (`merging`), and its code uses nothing of NumPy's that decides by lengths in a way that a trace does not show,
the two become a *family*: one program, whose lengths along the axes that differed are `free`. For a call with other
lengths along these the records are derived (`resizing`) and compiled, without the function's Python and without a
trace. Lengths that the Python has read (`x.shape`, `len(x)`, iteration) are taken for granted, as any number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..config import current
from ..run.kernels import failures
from ..run.watching import LAYOUT
from . import compiled as compiling
from .arguments import Arguments, Geometry
from .branches import Branch
from .compiled import Compiled
from .guards import Check, same
from .merging import merge, steps
from .resizing import Laid, Unsized, alike, resized, viewed
from .safe import is_safe
from .tracing import Read

MOST_RECORDS = 1024
"""Records of a trace of which a family is made."""
MOST_SIZES = 16
"""Sizes that one family is compiled for at a time."""
_SHAPED = re.compile(r"([nv]\w*\.shape == )\(.*\)")


class Family:
    """Programs that are one but for the sizes of arrays.

    Attributes
    ----------
    free : dict of str to set of int
        Of the arrays that are arguments, by name, the axes whose lengths may be others.
    bound : int
        For how many sizes it has been compiled without a trace.
    """

    def __init__(self, model: Compiled) -> None:
        assert model.tree is not None and model.laid is not None and model.reads is not None
        self.model, self.tree, self.laid, self.reads = model, model.tree, model.laid, model.reads
        self.whole = model.tree
        self.free: dict[str, set[int]] = {}
        self.bound = 0

    def takes_in(self, other: Compiled) -> bool:
        """Makes the program one that another compiled function, for other sizes, is too; whether that could be."""
        laid = other.laid
        if laid is None or other.tree is None or other.reads is None or not alike_arguments(
                self.model.given, other.given) or self.laid.keys() != laid.keys():
            return False
        free = {name: {i for i, (n, m) in enumerate(zip(of.shape, laid[name].shape, strict=False)) if n != m}
                for name, of in self.laid.items()}
        if not any(free.values()) or any(free[name] for name in free if name not in self.model.given.roots):
            return False
        try:
            tree, reads = merge(self.tree, other.tree), _merged_reads(self.reads, other.reads)
            _check(tree, reads, self.laid, self.laid, self.whole)
            _check(tree, reads, self.laid, laid, other.tree)
        except Unsized:
            return False
        if not self.free or tree.ends == self.tree.ends:  # else the other has fewer ways through
            self.tree, self.reads = tree, reads
        self.free = {name: self.free.get(name, set()) | axes for name, axes in free.items()}
        return True

    def laid_for(self, given: Arguments) -> dict[str, Geometry] | None:
        """The geometry of what it reads, for arguments of other sizes; None if these are other arguments."""
        if given.refusal or not alike_arguments(self.model.given, given):
            return None
        found = dict(self.laid)
        for name, root in given.roots.items():
            node, was = root._value, self.laid[name]
            now = found[name] = Geometry(node.shape, node.dtype, node.strides)
            free = self.free.get(name, ())
            if len(now.shape) != len(was.shape) or any(
                    n != m and i not in free for i, (n, m) in enumerate(zip(now.shape, was.shape, strict=True))):
                return None
        return found

    def bind(self, given: Arguments) -> Compiled | None:
        """The program for arguments of other sizes; None if it is not for them."""
        laid = self.laid_for(given)
        if laid is None:
            return None
        try:
            tree = _derived(self.tree, self.reads, self.laid, laid)
            return self.model.resized(given, tree, laid, self)
        except Unsized:
            return None
        except Exception as error:  # a trace does what this does not
            failures.append(error)
            if current.debug:
                raise
            return None

    def words(self) -> str:
        """Which lengths may be others, in words."""
        return "; ".join(f"{self.model.given.words[name]} along {'axes' if len(axes) > 1 else 'axis'} "
                         f"{', '.join(map(str, sorted(axes)))}" for name, axes in self.free.items() if axes)


def family_of(new: Compiled, others: tuple[Compiled, ...]) -> Family | None:
    """Makes a family of what has just been traced and what was traced for other sizes; None if there is none."""
    try:
        return _family(new, others)
    except Exception as error:  # each size is traced then
        failures.append(error)
        if current.debug:
            raise
        return None


def _family(new: Compiled, others: tuple[Compiled, ...]) -> Family | None:
    if new.laid is None or new.tree is None or new.reads is None or not is_safe(new.scope) or (
            sum(len(branch.records) for branch in new.tree.lines()) > MOST_RECORDS):
        return None
    family = Family(new)
    known = sorted([other for other in others if other is not new and other.tree is not None],
                   key=lambda other: -other.tree.ends)  # type: ignore[union-attr]
    members = [other for other in known if family.takes_in(other)]
    if not members:
        return None
    try:
        for member in (new, *members):  # lengths may have become holes since it was taken in
            assert member.laid is not None and member.tree is not None
            _check(family.tree, family.reads, family.laid, member.laid, member.tree)
    except Unsized:
        return None
    for member in (new, *members):
        member.family = family
    return family


# ---- arguments -------------------------------------------------------------------------------------------------------

def alike_arguments(a: Arguments, b: Arguments) -> bool:
    """Whether two calls' arguments are the same but for the lengths of arrays."""
    if len(a.checks) != len(b.checks) or a.roots.keys() != b.roots.keys() or a.paths != b.paths:
        return False
    names = a.space.keys()
    return names == b.space.keys() and all(_alike_objects(a.space[name], b.space[name]) for name in names) and all(
        map(_alike_checks, a.checks, b.checks))


def _alike_objects(a: Any, b: Any) -> bool:
    return a is b or same(a, b)


def _alike_checks(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if type(a) is Check:
        x, y = _SHAPED.fullmatch(a.text), _SHAPED.fullmatch(b.text)
        return (a.text == b.text or x is not None and y is not None and x[1] == y[1]) and _alike_rows(a.fast, b.fast)
    (row, names), (other, given) = a.fast, b.fast
    return bool(names == given and row[:5] == other[:5]) and _alike_layouts(row[5], other[5])


def _alike_rows(a: Any, b: Any) -> bool:
    if type(a) is not tuple or type(b) is not tuple:
        return a is b or type(a) is type(b) is str and a == b
    return len(a) == len(b) and all(map(_alike_objects, a, b))


def _alike_layouts(a: Any, b: Any) -> bool:
    """Whether two arrays have one dtype, rank and class of layouts."""
    (shape, dtype, strides), (other, of, laid) = a, b
    return len(shape) == len(other) and dtype == of and dtype.char == of.char and (strides is None) == (laid is None)


# ---- lengths ---------------------------------------------------------------------------------------------------------

def _derived(tree: Branch, reads: list[Read], was: dict[str, Geometry], now: dict[str, Geometry]) -> Branch:
    """The tree for other sizes, for which every length that was looked at is what it was."""
    for name, of in was.items():
        alike(of.shape, now[name].shape)
    found, values = resized(tree, {name: Laid(of, now[name]) for name, of in was.items()})
    for read, way, axis, shape in reads:
        name = read or ""
        if not name or name not in values or name[0] == "r" and tree.answer is not None:
            raise Unsized("its Python looks at lengths")
        got, _, strides = viewed(way or (), values[name].now)
        if axis == LAYOUT:
            same_lengths = (got, strides) == shape
        else:
            same_lengths = got == shape if axis is None else got[axis:axis + 1] == shape[axis:axis + 1]
        if not same_lengths:
            raise Unsized("its Python looks at lengths")
    return found


def _merged_reads(a: list[Read], b: list[Read]) -> list[Read]:
    if len(a) != len(b):
        raise Unsized("its Python looks at lengths")
    found = []
    for x, y in zip(a, b, strict=True):
        if x.name != y.name or x.axis != y.axis:
            raise Unsized("its Python looks at lengths")
        found.append(x._replace(steps=steps(x.steps, y.steps)))
    return found


def _check(tree: Branch, reads: list[Read], was: dict[str, Geometry], now: dict[str, Geometry], traced: Branch) -> None:
    """`Unsized` unless a tree, for the sizes of one that was traced, is that."""
    for a, b in _pairs(_derived(tree, reads, was, now), traced):
        if a.shape != b.shape or a.strides != b.strides or any(
                x.laid != y.laid for x, y in zip(a.operands, b.operands, strict=True)):
            raise Unsized("another shape or layout")


def _pairs(tree: Branch, traced: Branch) -> Iterator[tuple[Any, Any]]:
    """The records of the ways through that both have."""
    yield from zip(tree.records, traced.records, strict=True)
    if tree.answer is not None:
        yield tree.answer, traced.answer
    for outcome, path in tree.paths.items():
        if outcome in traced.paths:
            yield from _pairs(path, traced.paths[outcome])


def first_check(bound: int) -> int:
    """The call of a newly derived program that also runs the Python: the first, for the first, second, fourth, ... such
    program of a family."""
    if not compiling.FIRST_CHECKS:
        return compiling.NEVER
    return 1 if bound & (bound - 1) == 0 else 8


# ---- among what is compiled ------------------------------------------------------------------------------------------

def programs(compiled: tuple[Compiled, ...]) -> tuple[Compiled, ...]:
    """One of each family, the newest, and what is of none."""
    met: set[int] = set()
    found = []
    for one in compiled:
        if one.family is None or id(one.family) not in met:
            found.append(one)
            met.add(id(one.family))
    return tuple(found)


def with_few_sizes(compiled: tuple[Compiled, ...], family: Family) -> tuple[Compiled, ...]:
    """These, with room for one more of a family: the one that was asked for least goes."""
    own = [one for one in compiled if one.family is family]
    if len(own) < MOST_SIZES:
        return compiled
    idle = min(own, key=lambda one: one.calls)
    return tuple([one for one in compiled if one is not idle])
