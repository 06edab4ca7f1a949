"""What random programs compute on: dtypes, special values, reproducible data, and what a cast may be given."""

import functools

import numpy as real

FLOATS = ("f8", "f4", "f2", "g", ">f8")
INTEGERS = ("i8", "i4", "i2", "i1", "u1", "u2", "u4", "u8", ">i4", "q")
COMPLEXES = ("c16", "c8", ">c8")
RARE = ("M8[D]", "m8[s]", ">m8[ms]", "U3", "S2", "O", "f8,i4", "i2,(2,)f4,?", "G", "e")
# name -> weight: most programs are about numbers, and every dtype turns up
DTYPES = dict.fromkeys(FLOATS, 4) | dict.fromkeys(INTEGERS, 2) | dict.fromkeys(COMPLEXES, 2) | dict.fromkeys(RARE, 1)
DTYPES |= {"f8": 26, "f4": 16, "i8": 12, "?": 8, "c16": 5}

DIMENSIONS = (1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 16, 17, 33)
BIG_SHAPES = ((8191,), (8192,), (8193,), (20000,), (33000,), (70001,), (90, 100), (130, 257), (3, 8200), (8200, 3),
              (9001, 2), (4500, 5), (2500, 9), (40, 30, 7), (100, 100), (7, 40, 40))

SCALARS = (
    "0", "1", "2", "3", "-1", "-2", "7", "300", "-300", "2**40", "True", "False", "0.0", "-0.0", "0.5", "2.0", "-1.0",
    "1.5", "0.1", "1e-310", "1e300", "inf", "-inf", "nan", "1j", "2-0.5j", "complex(-0.0, inf)",
    "np.float64(0.1)", "np.float64(-0.0)", "np.float32(1.1)", "np.float16(0.3)", "np.longdouble(3)", "np.int8(3)",
    "np.int64(-2)", "np.uint8(200)", "np.uint64(2**63)", "np.int32(2)", "np.bool_(True)", "np.complex64(1-2j)",
    "np.array(2.5)", "np.array(3)", "np.array(-1, 'i1')", "real.float64(2.5)", "real.array(1.5, 'f4')",
)  # fmt: skip
EXPONENTS = ("2", "0.5", "-1", "3", "0", "1", "2.0", "-1.0", "1.5", "np.float32(2)", "np.int8(2)", "np.array(2)")


@functools.lru_cache(maxsize=4096)
def _original(dtype, shape, seed):
    draw = real.random.default_rng(seed)
    dtype = real.dtype(dtype)
    array = real.empty(shape, dtype)
    _fill(array, draw, profile=seed % 5)
    return array


def data(dtype, shape, seed):
    """A fresh C-contiguous real array; equal arguments give equal values."""
    return _original(dtype, shape, seed).copy()


def _fill(array, draw, profile):
    """Fill in place. Profiles 0, 1: small exact numbers; 2, 3: any; 4: with extremes and non-finite ones."""
    dtype, shape = array.dtype, array.shape
    if dtype.names is not None:
        for name in dtype.names:
            _fill(array[name], draw, profile)
    elif dtype.kind == "c":
        _fill(array.real, draw, profile)
        _fill(array.imag, draw, profile)
    elif dtype.kind == "f":
        array[...] = draw.integers(-8, 9, shape) / 4 if profile < 2 else draw.standard_normal(shape) * 3
        if profile == 4:
            _sprinkle(array, draw, float_specials(dtype))
    elif dtype.kind in "iu":
        low = 0 if dtype.kind == "u" else -9
        array[...] = draw.integers(low, 10, shape)
        if profile == 4:
            _sprinkle(array, draw, integer_specials(dtype))
    elif dtype.kind == "O":
        array[...] = draw.integers(-5, 6, shape)
    elif dtype.kind in "US":
        array[...] = real.array(["a", "bc", "", "b", "zz"])[draw.integers(0, 5, shape)]
    else:  # booleans, dates, time spans
        array[...] = draw.integers(0, 2 if dtype.kind == "b" else 50, shape)
        if profile == 4 and dtype.kind in "mM":
            _sprinkle(array, draw, real.array(["NaT"], dtype))


def _sprinkle(array, draw, specials):
    chosen = draw.random(array.shape) < 0.3
    array[chosen] = specials[draw.integers(0, len(specials), int(chosen.sum()))]


@functools.cache
def float_specials(dtype):
    """Zeros of both signs, infinities, NaN, the extremes and denormals of a floating dtype."""
    info = real.finfo(dtype)
    values = [0.0, -0.0, real.inf, -real.inf, real.nan, 1.0, -1.0, 0.5, info.max, info.min, info.tiny, info.eps]
    return real.array(values + [info.smallest_subnormal, -info.smallest_subnormal], dtype)


@functools.cache
def integer_specials(dtype):
    """The extremes of an integer dtype, and their neighbours."""
    info = real.iinfo(dtype)
    return real.array([info.min, info.min + 1, info.max, info.max - 1, 0, 1], dtype)


def in_range(value, dtype):
    """Whether casting `value` to `dtype` is defined: not so for a float outside the range of an integer.

    Nor is what is written before a text or an object turns out not to convert.
    """
    dtype, values = real.dtype(dtype), real.asarray(value)
    if values.dtype.names is not None or dtype.names is not None:
        return values.dtype == dtype
    if values.dtype.kind in "OUS" and values.dtype != dtype:
        return succeeds(lambda: values.astype(dtype))
    if dtype.kind not in "iumM" or values.dtype.kind not in "fc":
        return True
    with real.errstate(all="ignore"):
        numbers = real.trunc(values.real.astype("g"))
        bounds = real.iinfo(dtype if dtype.kind in "iu" else "i8")
        return bool(((numbers >= real.longdouble(bounds.min)) & (numbers <= real.longdouble(bounds.max))).all())


def modest(array):
    """Whether an array of objects holds no large numbers, with which powers would take forever."""
    return all(not isinstance(x, int) or abs(x) <= 64 for x in array.ravel().tolist())


def has_nan(array):
    """Whether a floating or complex array, or a field of a structured one, holds a NaN."""
    if array.dtype.names is not None:
        return any(has_nan(array[name]) for name in array.dtype.names)
    return array.dtype.kind in "fc" and bool(real.isnan(array).any())


def succeeds(compute):
    """Whether a computation raises nothing."""
    try:
        compute()
    except Exception:
        return False
    return True
