"""Hypothesis strategies: arrays of every dtype, layout and special value; scalars; indices and axes, valid and not."""

import numpy as real
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.program_values import COMPLEXES, FLOATS, INTEGERS, float_specials, integer_specials

NUMBERS = (*FLOATS, *INTEGERS, *COMPLEXES, "?")
OTHERS = ("M8[D]", ">M8[s]", "m8[s]", "U3", ">U2", "S2", "f8,i4", "i2,(2,)f4,?", "O")
LAYOUTS = ("c", "fortran", "transposed", "strided", "negative", "broadcast", "interleaved", "offset", "read-only")


def dtypes(names=NUMBERS + OTHERS):
    """Boolean, integers, floats (half to long double), complex, byte-swapped, dates, texts, structured, object."""
    return st.sampled_from(names).map(real.dtype)


def shapes(max_dims=3, max_side=6):
    """Shapes with 0-d and empty ones among them."""
    return st.one_of(
        hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=1, max_side=max_side),
        hnp.array_shapes(min_dims=1, max_dims=max_dims, min_side=0, max_side=3),
    )


def values(dtype):
    """An array of what is worth trying in a dtype: plain values first, then extremes and non-finite ones."""
    dtype = real.dtype(dtype)
    if dtype.names is not None:
        return _records(dtype)
    if dtype.kind == "f":
        return real.concatenate([real.array([0, 1, 2, -1, 0.5, 0.1, -3.7], dtype), float_specials(dtype)]).astype(dtype)
    if dtype.kind == "c":
        parts = values(real.dtype(dtype.str.replace("c16", "f8").replace("c8", "f4")))
        found = real.empty(2 * len(parts), dtype)
        found.real, found.imag = real.tile(parts, 2), real.concatenate([real.zeros_like(parts), parts[::-1]])
        return found
    if dtype.kind in "iu":
        return real.concatenate([real.arange(8, dtype=dtype), integer_specials(dtype)]).astype(dtype)
    if dtype.kind in "mM":
        return real.array([0, 1, 2, 365, 10**6, "NaT"], dtype)
    if dtype.kind in "US":
        return real.array(["", "a", "b", "ab", "zz"], dtype)
    return real.array([0, 1, 2, -1, 0.5] if dtype.kind == "O" else [False, True], dtype)


def _records(dtype):
    found = real.zeros(12, dtype)
    for name in dtype.names:
        pool = values(found[name].dtype)
        found[name] = real.resize(pool, found[name].shape)
    return found


@st.composite
def arrays(draw, dtype=None, shape=None, layout=None):
    """A real ndarray; dtype, shape and layout are drawn unless given (as a value or a strategy)."""
    dtype = real.dtype(_drawn(draw, dtype, dtypes()))
    shape = _drawn(draw, shape, shapes())
    pool = values(dtype)
    chosen = draw(hnp.arrays(real.intp, shape, elements=st.integers(0, len(pool) - 1)))
    return with_layout(real.asarray(pool[chosen], dtype), _drawn(draw, layout, st.sampled_from(LAYOUTS)))


def _drawn(draw, given, otherwise):
    if given is None:
        given = otherwise
    return draw(given) if isinstance(given, st.SearchStrategy) else given


def with_layout(array, layout):
    """The same values in another layout (`broadcast` repeats the first along the first axis)."""
    if layout == "fortran":
        return real.asfortranarray(array)
    if layout == "transposed":
        return array.T.copy().T
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
        return array
    if not array.ndim or layout == "c":
        return array.copy()
    if layout == "broadcast":
        return real.broadcast_to(array[:1].copy(), array.shape) if array.shape[0] else array.copy()
    if layout == "negative":
        return array[::-1].copy()[::-1]
    return _with_gaps(array, layout)


def _with_gaps(array, layout):
    """`strided`: every third row; `interleaved`: the odd half of an array; `offset`: not from its start on."""
    step = {"strided": 3, "interleaved": 2, "offset": 1}[layout]
    whole = real.zeros((step * len(array) + 1, *array.shape[1:]), array.dtype)
    part = whole[1::step][: len(array)]
    part[...] = array
    return part


@st.composite
def halves(draw, dtype=None):
    """Two arrays whose elements alternate in the memory of one."""
    whole = draw(arrays(dtype, st.integers(1, 8).map(lambda n: (2 * n,)), "c"))
    return whole[::2], whole[1::2]


def scalars():
    """Python's and NumPy's scalars, special ones included."""
    python = st.sampled_from(
        (0, 1, 2, -1, 3, 300, 2**40, True, False, 0.0, -0.0, 0.5, 2.0, 1e300, real.inf, real.nan, 1j, 2 - 1j)
    )
    return st.one_of(python, numpy_scalars())


@st.composite
def numpy_scalars(draw, names=NUMBERS):
    pool = values(draw(dtypes(names)))
    return pool[draw(st.integers(0, len(pool) - 1))]


# ---------------------------------------------------------------- indices


def basic_indices(shape):
    """Integers, slices of any step, new axes and ellipses, all within bounds."""
    return hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)


@st.composite
def advanced_indices(draw, shape):
    """Arrays of integers that broadcast with each other, among slices; for a shape without empty axes and not 0-d."""
    axes = draw(st.integers(1, len(shape)))
    common = draw(shapes(max_dims=2, max_side=4))
    index = []
    for n in shape[:axes]:
        if index and draw(st.booleans()):
            index.append(draw(st.slices(n)))
        elif n == 0:
            index.append(real.zeros((0,), int))
        else:
            index.append(draw(hnp.arrays(draw(st.sampled_from(("i8", "i4"))), common, elements=st.integers(-n, n - 1))))
    return tuple(index)


def boolean_indices(shape):
    """Masks of the whole shape, of its first axis, or none at all."""
    return st.one_of(hnp.arrays(bool, shape), hnp.arrays(bool, shape[:1]), st.booleans())


@st.composite
def invalid_indices(draw, shape):
    """What NumPy refuses for a shape: out of bounds, too many, of the wrong type, masks that do not fit."""
    bad = [(0,) * (len(shape) + 1), 0.5, "name", (Ellipsis, Ellipsis), real.ones((31, 7), bool), [0.5]]
    if shape:
        n = shape[0]
        bad += [n, -n - 1, [0, n], real.array([n]), real.ones(n + 1, bool), (slice(None), *(n,) * len(shape))]
    return draw(st.sampled_from(bad))


def indices(shape):
    """Any index; now and then one that NumPy refuses."""
    kinds = [basic_indices(shape)] * 3 + [boolean_indices(shape), invalid_indices(shape)]
    if shape and 0 not in shape:
        kinds.append(advanced_indices(shape))
    return st.one_of(kinds)


def axes(ndim):
    """None, an axis counted from either end, a tuple of axes."""
    if ndim == 0:
        return st.sampled_from((None, ()))
    one = st.integers(-ndim, ndim - 1)
    several = st.lists(st.integers(0, ndim - 1), unique=True, max_size=ndim).map(tuple)
    return st.one_of(st.none(), one, several)


def invalid_axes(ndim):
    """Axes that NumPy refuses."""
    return st.sampled_from((ndim, -ndim - 1, (0, ndim), 0.5, "0")) if ndim else st.sampled_from((1, -2, 0.5))
