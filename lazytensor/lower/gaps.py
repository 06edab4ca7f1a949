"""Which of NumPy's loops give elements that lie apart the bits and flags that they give a copy without gaps.

NumPy's vector loops load elements with gaps by other instructions, and leave some operands to a function of single
elements, which rounds otherwise. On NumPy 2.4 and x86-64 these are operands along which a loop goes backwards, for the
loops in `OTHERWISE_BACKWARDS`; and float16 with any gaps. (And operands that overlap the output, as new arrays never
do.) This was found by comparing millions of values for each loop, with strides of up to 256 MB, with AVX-512, with
AVX2 and with neither. Whether NumPy hands a loop the elements as they lie or copies them to buffers depends on sizes.
What is one row in memory it never copies, so only of such rows is it certain that a loop goes backwards.

Whether it is so here is asked of NumPy when a kernel is first to copy such operands to its tiles: calls on them are
compared with calls on copies (`differences`). That takes a millisecond or two and is kept in the disk cache for as long
as NumPy and CPU are the same. A few thousand values show that a loop has another way, but not that it has none, since
two ways of computing a function differ in few results; so both must say yes, the table and the comparison.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..ir.errstate import capsule_of, silently, under
from . import fidelity, loops, native, twins
from .draws import Draws

BACKWARDS, TOGETHER, FORWARD, INNERMOST, ANY, NOWHERE = range(-1, 5)
"""How the elements of an array lie: together along the last axis, and each axis within the one before it; with gaps, or
the axes in another order; backwards along axes that are not the innermost in memory; backwards along that. NOWHERE is
what loops may take for something else: a single element, or elements that are repeated, which have a stride of 0.
BACKWARDS is no answer of `spread`: it asks for what surely runs backwards (`fits`)."""

_SVML = frozenset("""
    arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt cosh exp2 expm1 log10 log1p log2 power sinh tan
""".split())
OTHERWISE_BACKWARDS = {"f": _SVML, "d": _SVML | {"exp", "log"}, "F": frozenset(("absolute", "multiply", "square")),
                       "D": frozenset(("absolute",))}
"""By the dtype of operands, the loops that round otherwise where an operand runs backwards."""

_LENGTHS = (2, 3, 5, 8, 9, 16, 17, 31, 33, 64, 70)
_GAPS, _REVERSED = (2, 3, 9, 64), (-1, -2, -5)
"""Strides, in elements."""
_Array = np.ndarray[Any, Any]


def spread(shape: Any, strides: Any, itemsize: int) -> int:
    """How the elements of an array lie.

    >>> [spread((3, 4), steps, 8) for steps in (None, (64, 8), (64, 16), (8, 24), (-32, 8), (32, -8), (0, 8))]
    [0, 0, 1, 1, 2, 3, 4]
    """
    if strides is None:
        return TOGETHER if any(n != 1 for n in shape) else NOWHERE
    steps = [step for n, step in zip(shape, strides, strict=True) if n != 1]
    if not steps or 0 in steps:
        return NOWHERE
    if steps[-1] == itemsize and all(a > b for a, b in itertools.pairwise(steps)):
        return TOGETHER
    if min(steps) > 0:
        return FORWARD
    return INNERMOST if -min(map(abs, steps)) not in steps else ANY


def fits(shape: Any, strides: Any, itemsize: int, limit: int) -> bool:
    """Whether the elements of an array lie no further apart than `limit`; where that is `BACKWARDS`, whether they lie
    so in one row, along which NumPy's loop goes as it is. (It may copy what is none to buffers, and go along these.)

    >>> fits((3, 4), (-64, -16), 8, BACKWARDS), fits((3, 4), (64, -8), 8, BACKWARDS), fits((4,), (16,), 8, ANY)
    (True, False, True)
    """
    if limit != BACKWARDS:
        return spread(shape, strides, itemsize) <= limit
    axes = sorted([(-step, n) for n, step in zip(shape, strides or (), strict=strides is not None) if n != 1])
    return bool(axes) and axes[0][0] > 0 and all(step * n == further for (step, n), (further, _) in (
        itertools.pairwise(axes)))


@lru_cache(1024)
def reach(ufunc: Any, dtypes: tuple[Any, ...], scalar: int | None = None) -> int:
    """How far apart elements of operands may lie so that NumPy's call, whose results are new arrays, gives what its
    loop gives for copies of them; up to `ANY`.

    Parameters
    ----------
    ufunc, dtypes
        As for `loops.strided_loop`.
    scalar
        Position of an operand that is one number.
    """
    types = tuple(map(np.dtype, dtypes))
    if any(t.kind not in "biufc" or t.char == "e" for t in types) or not fidelity.certified(ufunc, types, False):
        return TOGETHER
    otherwise = ufunc.__name__ in OTHERWISE_BACKWARDS.get(types[0].char, ())
    # With one operand NumPy goes along its innermost axis; with several, which that is depends on all of them.
    said = (INNERMOST if ufunc.nin - (scalar is not None) == 1 else FORWARD) if otherwise else ANY
    return said if _agrees(ufunc, types, scalar, said == ANY) else TOGETHER


@lru_cache(1024)
def turned(ufunc: Any, dtypes: tuple[Any, ...]) -> bool:
    """Whether NumPy's call on one operand that runs backwards gives what its loop gives when it goes backwards over a
    copy without gaps and the result."""
    types = tuple(map(np.dtype, dtypes))
    if ufunc.nin != 1 or types[0].char not in "fd" or not fidelity.certified(ufunc, types, False) or (
            twins.twin_of(ufunc, types) is not None):
        return False
    return _known(("backwards", ufunc.__name__, [t.char for t in types]), lambda: differences_backwards(ufunc, types))


def _agrees(ufunc: Any, types: tuple[Any, ...], scalar: int | None, backwards: bool) -> bool:
    """Whether NumPy's calls agree, as far as known."""
    what = "gaps", ufunc.__name__, type(ufunc).__module__, [t.char for t in types], scalar, backwards
    return _known(what, lambda: differences(ufunc, types, scalar, backwards))


def _known(what: Any, compared: Callable[[], Iterator[str]]) -> bool:
    """Whether there are no differences, found out once for a NumPy and a CPU."""
    words = repr((what, _STAMP, twins.identity(""))).encode()
    try:
        said = native.recall(words)
        if said is None:
            said = b"no" if any(compared()) else b"yes"
            native.remember(words, said)
        return said == b"yes"
    except (RuntimeError, OSError):
        return False


_STAMP = 1
"""Which comparisons they were."""


def differences(ufunc: Any, types: Sequence[Any], scalar: int | None = None, backwards: bool = True,
                seed: int = 0) -> Iterator[str]:
    """What NumPy's calls on operands with gaps give otherwise than its calls on copies, in bits and flags.

    Parameters
    ----------
    ufunc, types, scalar
        As for `reach`.
    backwards
        Whether operands run backwards, too.
    seed
        For random values.
    """
    draws = Draws(seed)
    steps = _GAPS + _REVERSED * backwards
    several = ufunc.nin - (scalar is not None) > 1
    raised = fidelity.raised()
    try:
        values = [silently(_values, np.dtype(t), draws) for t in types[:ufunc.nin]]
        starts = draws.integers(0, len(values[0]) - max(_LENGTHS), len(_LENGTHS))
        for turn, (n, at) in enumerate([*zip(_LENGTHS, starts.tolist(), strict=True), (len(values[0]), 0)]):
            copies = [a[at] if k == scalar else a[at:at + n] for k, a in enumerate(values)]
            wanted = _called(ufunc, copies, types)
            for k, step in enumerate(steps):
                other = (1, *steps)[(k + turn) % (len(steps) + 1)] if several else step
                apart = [a if i == scalar else _with_gaps(a, step if i == 0 else other)
                         for i, a in enumerate(copies)]
                if not _same(_called(ufunc, apart, types), wanted):
                    yield f"{ufunc.__name__} of {n} elements, {step} and {other} apart"
    finally:
        fidelity.clear()
        fidelity.raise_again(raised)


def differences_backwards(ufunc: Any, types: Sequence[Any], seed: int = 0) -> Iterator[str]:
    """The same for `turned`: what the loop gives on tiles, from their ends, otherwise than NumPy's calls."""
    loop = loops.strided_loop(ufunc, types)
    assert loop is not None
    raised = fidelity.raised()
    try:
        values = silently(_values, np.dtype(types[0]), Draws(seed))
        size, out, start, left = values.itemsize, np.empty(len(values), types[-1]), 0, 0
        for length in itertools.cycle((1, *_LENGTHS, 512)):
            last = min(start + length, len(values)) - 1
            fidelity.clear()
            loop.call([values.ctypes.data + last * size, out.ctypes.data + last * out.itemsize], [last + 1 - start],
                      [-size, -out.itemsize])
            left |= fidelity.raised()
            start = last + 1
            if start == len(values):
                break
        for step in _REVERSED:
            wanted, flags = _called(ufunc, [_with_gaps(values, step)], types)
            if left != fidelity.flags_of(flags) or fidelity.first_difference(out, wanted[0]) is not None:
                yield f"{ufunc.__name__}, {step} apart"
    finally:
        fidelity.clear()
        fidelity.raise_again(raised)


def _called(ufunc: Any, operands: list[Any], types: Sequence[Any]) -> tuple[list[_Array], set[str]]:
    """Results, and the errors that NumPy reports."""
    seen: set[str] = set()
    made = under(capsule_of(all="call", call=lambda error, _: seen.add(error)), ufunc, *operands,
                 signature=tuple(types))
    return list(made) if ufunc.nout > 1 else [made], seen


def _same(one: tuple[list[_Array], set[str]], other: tuple[list[_Array], set[str]]) -> bool:
    return one[1] == other[1] and all(
        fidelity.first_difference(a, b) is None for a, b in zip(one[0], other[0], strict=True))


def _with_gaps(values: _Array, step: int) -> _Array:
    """A copy whose elements lie so far apart."""
    apart: _Array = np.empty(len(values) * abs(step), values.dtype)[::step][:len(values)]
    apart[...] = values
    return apart


def _values(dtype: np.dtype[Any], draws: Draws) -> _Array:
    """A thousand and more: ordinary ones, some of any size, and special ones."""
    n = 256
    if dtype.kind == "c":
        parts = [_values(np.dtype(dtype.char.lower()), draws) for _ in range(2)]
        pairs: _Array = parts[0] + 0j * parts[0]
        pairs.real, pairs.imag = parts
        return pairs.astype(dtype)
    if dtype.kind != "f":
        some = draws.bits(4 * n).astype(dtype) if dtype.kind != "b" else draws.bits(4 * n) & np.uint64(1) == 1
        few = draws.integers(0, 10, 4 * n).astype(dtype)
        found: _Array = np.concatenate([some, few]) if dtype.kind != "b" else np.concatenate([some, some])
        return found
    info = np.finfo(dtype)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, info.tiny, -info.tiny, info.smallest_subnormal, info.max,
                        info.min, 1, -1, 0.5, -0.5, 2, 3], np.float64)
    wide = draws.sizes(info.minexp - info.nmant, info.maxexp, n)
    return np.concatenate([draws.uniform(0, 1, 3 * n), draws.uniform(-4, 4, 2 * n), draws.uniform(-40, 40, n), wide,
                           draws.integers(-20, 21, n // 2) / 2,
                           special[draws.integers(0, len(special), n // 2)]]).astype(dtype)
