"""The strides that NumPy's result would have, found without computing it.

Shapes and strides in, strides out: no function here sees an element. Strides are bytes, as NumPy reports them, also
along axes of length 1 and in empty arrays; `None` stands for those of a fresh C-ordered array (`np.empty(shape,
dtype)`), the fast path. Arguments are hashable (tuples, not lists), because answers are cached.

NumPy lays out a new array in one of three ways. They differ along axes of length 1; empty arrays have strides 0:

* *fresh*, in C or Fortran order: `np.empty`, and ufuncs whose operands are all contiguous in one order (their
  "trivial loop" skips the iterator);
* *iterated*, dense in the order in which `np.nditer` visits the axes: other ufunc calls, `np.where`, reductions;
* *kept*: C or Fortran order if the source is contiguous, else its axes by |stride|: copies in K order.

Read in NumPy 2.4 (`nditer_constr.c`, `ufunc_object.c`, `ctors.c`, `temp_elide.c`) and tested against it.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..hot import learn

Shape: TypeAlias = tuple[int, ...]
Strides: TypeAlias = tuple[int, ...] | None
Geometry: TypeAlias = tuple[Shape, Strides, int]  # of an array operand; the item size in bytes. Scalars are 0-d
Array: TypeAlias = np.ndarray[Any, Any]
DType: TypeAlias = np.dtype[Any]

_CACHED, _BYTE = 8192, np.dtype(np.uint8)
_NUMPY = np.lib.NumpyVersion(np.__version__)


# ---- orders ----------------------------------------------------------------------------------------------------------
@lru_cache(_CACHED)
def c_strides(shape: Shape, itemsize: int) -> Shape:
    """The strides of a fresh C-ordered array in bytes; all 0 if it is empty.

    >>> c_strides((2, 3), 8), c_strides((2, 0), 8)
    ((24, 8), (0, 0))
    """
    return _packed(shape, itemsize, range(len(shape) - 1, -1, -1))


@lru_cache(_CACHED)
def f_strides(shape: Shape, itemsize: int) -> Shape:
    """The strides of a fresh Fortran-ordered array in bytes: (8, 16) for the shape (2, 3) of float64."""
    return _packed(shape, itemsize, range(len(shape)))


def canonical(strides: Strides, shape: Shape, itemsize: int) -> Strides:
    """The strides, or None where they are those of a fresh C-ordered array.

    >>> canonical((24, 8), (2, 3), 8), canonical((8, 16), (2, 3), 8)
    (None, (8, 16))
    """
    return None if strides is None or strides == c_strides(shape, itemsize) else strides


def dense(shape: Shape, strides: Strides, itemsize: int) -> bool:
    """Whether the array fills its memory: no gap, no overlap, no negative stride, the axes in any order.

    >>> dense((2, 3), (8, 16), 8), dense((2, 3), (48, 16), 8), dense((2, 3), (24, -8), 8)
    (True, False, False)
    """
    steps = strides or c_strides(shape, itemsize)
    return _agree(shape, steps, _packed(shape, itemsize, sorted(range(len(shape)), key=steps.__getitem__)))


def _contiguity(shape: Shape, strides: Strides, itemsize: int) -> str:
    """NumPy's flags: "C", "F", "CF" or ""."""
    c, f = c_strides(shape, itemsize), f_strides(shape, itemsize)
    return "C" * _agree(shape, strides or c, c) + "F" * _agree(shape, strides or c, f)


def _agree(shape: Shape, strides: Shape, others: Shape) -> bool:
    """Whether these are one layout: axes of length 1 do not count, nor does any of an empty array."""
    return 0 in shape or all(n == 1 or s == t for n, s, t in zip(shape, strides, others))


def _packed(shape: Shape, itemsize: int, inner_first: Iterable[int]) -> Shape:
    """The strides of a new array whose axes lie in memory in this order; NumPy zeroes those of an empty one."""
    if 0 in shape:
        return (0,) * len(shape)
    strides = [0] * len(shape)
    for axis in inner_first:
        strides[axis], itemsize = itemsize, itemsize * shape[axis]
    return tuple(strides)


# ---- elementwise results and copies ----------------------------------------------------------------------------------
@lru_cache(_CACHED)
def broadcast(*shapes: Shape) -> Shape:
    """The common shape of a ufunc's operands; NumPy's own ValueError where there is none.

    >>> broadcast((3, 1), (4,), ())
    (3, 4)
    """
    ndim = max(map(len, shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for axis, length in enumerate(shape, ndim - len(shape)):
            if length != 1 and result[axis] != length:
                if result[axis] != 1:
                    np.nditer([shadow(s, None, _BYTE) for s in shapes], ["zerosize_ok"])  # raises
                result[axis] = length
    return tuple(result)


def elementwise(shape: Shape, itemsize: int, operands: Sequence[Geometry], trivial: bool = True) -> Strides:
    """The strides of a new array of `shape` that a ufunc makes from array operands, in K order.

    `trivial` says that NumPy may skip its iterator: a ufunc of one output, without `where=`, whose operands (but 0-d
    ones) are aligned and need no cast to the loop's dtypes. Not so for `np.where`, for ufuncs of several outputs and
    with `where=`, whose mask is one more operand, the last. It matters only where an axis has length 1.

    >>> elementwise((3, 4), 8, [((3, 4), (8, 24), 8), ((3, 4), (8, 24), 8)])
    (8, 24)
    """
    for operand in operands:
        if operand[1] is not None:
            return _elementwise(shape, itemsize, tuple(operands), trivial)
    return None


@lru_cache(_CACHED)
def _elementwise(shape: Shape, itemsize: int, operands: tuple[Geometry, ...], trivial: bool) -> Strides:
    order = _common_order(shape, operands) if trivial else None
    if order == "C" or 0 in shape:
        return None
    if order == "F":
        return canonical(f_strides(shape, itemsize), shape, itemsize)
    visited = _visit(len(shape), [_along(shape, operand) for operand in operands])
    return canonical(_packed(shape, itemsize, visited), shape, itemsize)


def _common_order(shape: Shape, operands: Sequence[Geometry]) -> str:
    """The one order, C or F, in which all operands but 0-d ones are contiguous and of this shape; "" if there is none.

    NumPy takes C where an operand is both, and for any operands of one dimension.
    """
    orders = {_contiguity(*operand) if operand[0] == shape else "" for operand in operands if operand[0]}
    if len(shape) <= 1 or orders == {"CF"}:
        return "C"
    return orders.pop() if len(orders) == 1 else ""


def _along(shape: Shape, operand: Geometry) -> Shape:
    """An operand's strides along the axes of the broadcast `shape`, 0 where it is repeated or one long."""
    own, strides, itemsize = operand
    steps = strides or c_strides(own, itemsize)
    return (0,) * (len(shape) - len(own)) + tuple(0 if n == 1 else s for n, s in zip(own, steps))


def _visit(ndim: int, rows: Sequence[Shape]) -> list[int]:
    """The axes as NumPy's iterator orders them, innermost first: an insertion sort that starts from C order."""
    order: list[int] = []
    for axis in range(ndim - 1, -1, -1):
        place = at = len(order)
        while at and (inside := _goes_inside(axis, order[at - 1], rows)) is not False:
            at -= 1
            place = at if inside else place
        order.insert(place, axis)
    return order


@lru_cache(_CACHED)
def reduced_order(shape: Shape, strides: Strides) -> Shape:
    """The axes as NumPy goes over an array that it reduces, outermost first, without those of length 1.

    >>> reduced_order((3, 1, 4), None), reduced_order((3, 1, 4), (8, 24, 24))
    ((0, 2), (2, 0))
    """
    inner_first = _visit(len(shape), [_along(shape, (shape, strides, 1))])
    return tuple(axis for axis in reversed(inner_first) if shape[axis] != 1)


def _goes_inside(axis: int, other: int, rows: Sequence[Shape]) -> bool | None:
    """Whether |stride| is smaller along `axis` for all operands that step along both; None where there are none."""
    verdicts = [abs(strides[axis]) < abs(strides[other]) for strides in rows if strides[axis] and strides[other]]
    return all(verdicts) if verdicts else None


@lru_cache(_CACHED)
def like(shape: Shape, strides: Strides, itemsize_src: int, itemsize_dst: int, order: str) -> Strides:
    """The strides of `a.copy(order)`, of an `a.astype(dtype, order)` that copies, of `np.empty_like(a, dtype, order)`.

    `order` is C, F, A (F where `a` is Fortran-ordered only, else C) or K (axes by |stride|).

    >>> like((3, 4), (-8, 48), 8, 4, "K")
    (4, 12)
    """
    if order == "C" or (strides is None and order != "F"):
        return None
    flags = "F" if order == "F" else _contiguity(shape, strides, itemsize_src)
    if flags == "F":
        return canonical(f_strides(shape, itemsize_dst), shape, itemsize_dst)
    if flags or strides is None or order == "A" or len(shape) == 1:
        return None
    inner_first = sorted(range(len(shape) - 1, -1, -1), key=lambda axis: abs(strides[axis]))
    return canonical(_packed(shape, itemsize_dst, inner_first), shape, itemsize_dst)


# ---- reductions ------------------------------------------------------------------------------------------------------
@lru_cache(_CACHED)
def reduction(shape: Shape, strides: Strides, itemsize_in: int, itemsize_out: int, axes: tuple[int, ...],
              keepdims: bool = False, where: Geometry | None = None) -> tuple[Shape, Strides]:
    """Shape and strides of `ufunc.reduce` over `axes` (each in range, none twice): sum, prod, max, any, all ...

    `where` is the mask, if there is one; it may be broadcast.

    >>> reduction((2, 3, 4), (8, 16, 48), 8, 8, (1,))
    ((2, 4), (8, 16))
    """
    rows = [_along(shape, operand) for operand in ((shape, strides, itemsize_in), where) if operand]
    result = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    steps = _packed(result, itemsize_out, _visit(len(shape), rows))
    if not keepdims:
        kept = [axis for axis in range(len(shape)) if axis not in axes]
        result, steps = tuple(result[axis] for axis in kept), tuple(steps[axis] for axis in kept)
    return result, canonical(steps, result, itemsize_out)


def statistic(name: str, shape: Shape, strides: Strides, itemsize_in: int, itemsize_out: int, axes: tuple[int, ...],
              keepdims: bool = False, where: Geometry | None = None, half: bool = False) -> tuple[Shape, Strides]:
    """As `reduction`, for `mean`, `var`, `std` and `ptp`, which are more than one ufunc.

    `half` says that this is the mean of float16 without `dtype=`, summed in float32 and then copied.

    >>> statistic("mean", (2, 3, 4), (8, 16, 48), 8, 8, (1,))
    ((2, 4), (8, 16))
    """
    if name in ("var", "std"):
        mean = reduction(shape, strides, itemsize_in, itemsize_in, axes, True, where)
        strides = elementwise(shape, itemsize_in, ((shape, strides, itemsize_in), (*mean, itemsize_in)))
    result, steps = reduction(shape, strides, itemsize_in, itemsize_out, axes, keepdims, where)
    if name == "ptp":
        steps = elementwise(result, itemsize_out, ((result, steps, itemsize_out),) * 2)
    elif half:
        steps = like(result, steps, itemsize_out, itemsize_out, "K")
    return result, steps


def argreduction(shape: Shape, axis: int | None, keepdims: bool = False) -> tuple[Shape, Strides]:
    """Shape and strides of `argmin` and `argmax`: always a fresh C-ordered array of `np.intp`.

    >>> argreduction((2, 3), 1), argreduction((2, 3), None, keepdims=True)
    (((2,), None), ((1, 1), None))
    """
    if keepdims:
        return tuple(1 if axis is None or i == axis else n for i, n in enumerate(shape)), None
    return (() if axis is None else shape[:axis] + shape[axis + 1 :]), None


def accumulate(shape: Shape, strides: Strides, itemsize_in: int, itemsize_out: int,
               axis: int | None) -> tuple[Shape, Strides]:
    """Shape and strides of `ufunc.accumulate` (cumsum, cumprod); `axis` None runs over the flat array.

    >>> accumulate((2, 3), (8, 16), 8, 8, 0), accumulate((2, 3), (8, 16), 8, 8, None)
    (((2, 3), (8, 16)), ((6,), None))
    """
    if axis is None or not shape:
        return (math.prod(shape),), None
    return shape, elementwise(shape, itemsize_out, ((shape, strides, itemsize_in),), trivial=False)


# ---- arrays over no memory -------------------------------------------------------------------------------------------
_SPAN = 1 << (np.dtype(np.intp).itemsize * 8 - 4)
SHADOW_ADDRESS = 2 * _SPAN  # of the first element of every shadow; nothing is mapped there
_VAST = {"version": 3, "shape": (4 * _SPAN,), "typestr": "|u1", "data": (_SPAN, False)}
_NOTHING = np.asarray(SimpleNamespace(__array_interface__=_VAST)).data
_shadows: dict[tuple[Shape, Strides, DType], Array] = {}
learn(shadows=_shadows)


def shadow(shape: Shape, strides: Strides, dtype: DType) -> Array:
    """An array of this geometry over no memory, of which to ask NumPy about views. Shared: do not change it.

    To read an element, or to print the array, is a segmentation fault: index with `shadow[i, j, ...]`, which gives a
    0-d view, not with `shadow[i, j]`. Raises TypeError for dtypes that hold objects.

    >>> shadow((10**6, 10**6), None, np.dtype("f8"))[:, 5].strides
    (8000000,)
    """
    array = _shadows.get((shape, strides, dtype))
    if array is not None and array.dtype is dtype:  # equal dtypes may differ in char (l, q) or metadata
        return array
    if dtype.hasobject:
        raise TypeError(f"no shadow of dtype {dtype}: NumPy may read the references that its elements would be")
    if len(_shadows) >= _CACHED:
        _shadows.clear()
    steps = (0,) * len(shape) if strides is None and 0 in shape else strides  # NumPy's own only over memory of its own
    array = _shadows[shape, strides, dtype] = np.ndarray(shape, dtype, _NOTHING, _SPAN, steps)
    return array


def offset_of(view: Array) -> int:
    """The byte offset of a view of a shadow, from the shadow's first element.

    >>> offset_of(shadow((4, 5), None, np.dtype("f8"))[::-1, 1:])
    128
    """
    return _word(id(view) + object.__basicsize__).value - SHADOW_ADDRESS  # PyArrayObject.data: 6 times as fast


def _offset_by_interface(view: Array) -> int:
    return int(view.__array_interface__["data"][0]) - SHADOW_ADDRESS


def owner_of(array: Any) -> Any:
    """The array at the end of the chain of bases: the same for all arrays over one piece of memory."""
    owner = step = array
    while True:
        step = step.obj if type(step) is memoryview else getattr(step, "base", None)
        if step is None:
            return owner
        if isinstance(step, np.ndarray):
            owner = step


_word = ctypes.c_ssize_t.from_address
if offset_of(np.ndarray((1,), _BYTE, _NOTHING, _SPAN + 3)) != 3:  # not CPython, or another ABI
    offset_of = _offset_by_interface


def view_or_copy(shape: Shape, strides: Strides, dtype: DType, newshape: Any, order: str = "C") -> Array | None:
    """The view of the shadow that `reshape` would give, or None where NumPy would copy.

    NumPy's ValueError for shapes that no array of this size has, and for an unknown `order`.

    >>> view_or_copy((2, 3), (8, 16), np.dtype("f8"), 6), view_or_copy((2, 3), None, np.dtype("f8"), 6).shape
    (None, (6,))
    """
    with suppress(ValueError):
        return _reshape(shadow(shape, strides, dtype), newshape, order)
    ordered = f_strides(shape, dtype.itemsize) if order in ("F", "f") else None
    _reshape(shadow(shape, ordered, dtype), newshape, order)  # raises if it is not for the want of a view
    return None


def _reshape(array: Array, newshape: Any, order: Any) -> Array:
    return array.reshape(newshape, order=order, copy=False)


def _reshape_before_2_1(array: Array, newshape: Any, order: Any) -> Any:
    """For NumPy 2.0, whose `reshape` has no `copy=`: an axis of stride 0 makes any copy too large to allocate."""
    np.empty(0).reshape(0, order=order)  # raises if there is no such order
    turned = order in ("F", "f") or (order in ("A", "a") and array.flags.fnc)
    if array.size == 0 or (array.flags.f_contiguous if turned else array.flags.c_contiguous):
        return array.reshape(newshape, order=order)
    lengths = tuple(newshape) if isinstance(newshape, Sequence) else (newshape,)
    if turned:
        return _reshape_before_2_1(array.T, lengths[::-1], "C").T
    count = 4 * _SPAN // array.nbytes
    try:
        return np.broadcast_to(array, (count, *array.shape)).reshape((count, *lengths))[0]
    except MemoryError as error:
        raise ValueError("reshape needs a copy") from error


if _NUMPY < "2.1.0":
    _reshape = _reshape_before_2_1


# ---- elision ---------------------------------------------------------------------------------------------------------
ELIDED_BYTES = 256 * 1024  # the least size of a temporary that NumPy overwrites
_COMMUTATIVE = {"add", "multiply", "bitwise_and", "bitwise_or", "bitwise_xor"}
_BINARY = _COMMUTATIVE | {"subtract", "divide", "floor_divide", "left_shift", "right_shift"}
_UNARY = {"negative", "positive", "absolute", "invert", "square", "sqrt", "reciprocal"}
_NUMBERS = {np.dtype(char).num for char in "?bBhHiIlLqQefdgFDG"}


class Operand(NamedTuple):
    """An operand of a Python operator, as NumPy's elision sees it.

    `temporary`: owns its memory (no view), is writeable, and only this operator refers to it (`x*y` in `x*y + z`).
    `generic`: a NumPy scalar (np.float64(2)). A Python scalar x has the shape () and the dtype `np.asarray(x).dtype`.
    """

    shape: Shape
    strides: Strides
    dtype: DType
    temporary: bool = False
    generic: bool = False


def elided(op: str, left: Operand, right: Operand | None = None) -> Operand | None:
    """The temporary that NumPy overwrites instead of allocating; the result has its strides and dtype. Mostly None.

    Only for Python's operators (`x + y`, not `np.add(x, y)`); `op` is the ufunc's name: `square`, `reciprocal`, `sqrt`
    as NumPy calls them for `x**2`, `x**-1`, `x**0.5`. NumPy also overwrites bool by `//`, `<<`, `>>` and `**2`, whose
    int8 does not fit: it raises UFuncTypeError.
    """
    if op in _UNARY and _overwrites(left, None):
        kinds = "biuf" if op == "absolute" else "fc" if op == "square" and _NUMPY < "2.3.0" else "biufc"
        return left if left.dtype.kind in kinds else None
    if right is None or op not in _BINARY:
        return None
    if _overwrites(left, right) and (op != "divide" or left.dtype.kind in "fc"):
        return left
    swaps = op in _COMMUTATIVE and _overwrites(right, left) and not (left.generic and _NUMPY >= "2.1.0")
    return right if swaps else None


def _overwrites(temporary: Operand, other: Operand | None) -> bool:
    """Whether NumPy may write into `temporary`: `other` is 0-d or of its shape, and casts safely to its dtype."""
    shape, _, dtype, unnamed, _ = temporary
    if not unnamed or math.prod(shape) * dtype.itemsize < ELIDED_BYTES or dtype.num not in _NUMBERS:
        return False
    fits = other is None or (other.shape in ((), shape) and np.can_cast(other.dtype, dtype, "safe"))
    return fits and _numpy_elides()


@cache
def _numpy_elides() -> bool:
    """Whether this NumPy elides at all, by trying: it must find Python's eval loop in the C stack (glibc, mostly)."""
    flags = np.zeros((512, 512), np.bool_)
    return bool(((flags.T | flags.T) | flags).flags.f_contiguous)
