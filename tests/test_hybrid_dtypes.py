"""Dtypes that a class of scalars does not tell (units, lengths, byte orders, fields) in jitted functions."""

import numpy as real
import pytest

import lazytensor as np
from tests.helpers import same_bits

pytestmark = pytest.mark.usefixtures("unchecked")

DTYPES = ("m8[s]", "m8", "m8[25ms]", "M8[D]", "M8[us]", ">m8[s]", ">M8[D]", "S3", "U2", ">U2", "T", "f8,i4", ">f8",
          ">i4", ">f4", ">c16", "f2", ">f2", "g", "G", "?", "u1")
FUNCTIONS = {
    "absolute": lambda np, x: np.absolute(x), "negative": lambda np, x: -x, "sum of two": lambda np, x: x + x,
    "difference": lambda np, x: x - x, "quotient": lambda np, x: x / x, "times two": lambda np, x: x * 2,
    "comparison": lambda np, x: x == x, "maximum": lambda np, x: np.maximum(x, x), "sign": lambda np, x: np.sign(x),
    "square root": lambda np, x: np.sqrt(x), "floor division": lambda np, x: x // x, "remainder": lambda np, x: x % x,
    "divmod": lambda np, x: np.divmod(x, x), "is it a time": lambda np, x: np.isnat(x),
    "copy": lambda np, x: x.copy(), "element": lambda np, x: x[()], "first": lambda np, x: x[0],
    "least": lambda np, x: x.min(), "sum": lambda np, x: x.sum(), "mean": lambda np, x: x.mean(),
    "running": lambda np, x: x.cumsum(), "sorted": lambda np, x: np.sort(x),
    "chosen": lambda np, x: np.where(x == x, x, x), "clip": lambda np, x: x.clip(x, x),
    "reshaped": lambda np, x: x.reshape(-1), "conjugate": lambda np, x: np.conjugate(x), "positive": lambda np, x: +x,
    "median": lambda np, x: np.median(x), "as bytes": lambda np, x: x.astype("S9"), "take": lambda np, x: x.take([0]),
    "put together": lambda np, x: np.concatenate([x.ravel(), x.ravel()]), "peak to peak": lambda np, x: np.ptp(x),
    "repeat": lambda np, x: x.repeat(2), "a field": lambda np, x: x["f0"],
    "native": lambda np, x: x.astype(x.dtype.newbyteorder("=")), "length": lambda np, x: np.strings.str_len(x),
    "upper": lambda np, x: np.strings.upper(x), "day": lambda np, x: x.astype("M8[D]"),
    "unit": lambda np, x: x.astype("m8[ms]"), "all": lambda np, x: x.all(),
    "as integers": lambda np, x: x.astype("i8"), "diff": lambda np, x: np.diff(x),
    "greatest where": lambda np, x: x.argmax(), "unique": lambda np, x: np.unique(x),
    "round": lambda np, x: x.round(1), "real": lambda np, x: x.real, "imaginary": lambda np, x: x.imag,
    "angle": lambda np, x: np.angle(x), "zeros": lambda np, x: np.zeros_like(x), "dot": lambda np, x: np.dot(x, x),
    "variance": lambda np, x: x.var(), "outer": lambda np, x: np.add.outer(x, x),
    "reduced": lambda np, x: np.add.reduce(x), "isfinite": lambda np, x: np.isfinite(x),
    "item": lambda np, x: x.item(),
}  # fmt: skip


def values(dtype, shape, turn):
    """Other ones at each call."""
    size = int(real.prod(shape))
    numbers = real.arange(1 + turn, 1 + turn + size) * (1 if turn % 2 else -1 if dtype[-2:] not in ("U2", "S3") else 1)
    if dtype == "f8,i4":
        made = real.zeros(size, dtype)
        made["f0"], made["f1"] = numbers / 2, numbers
        return made.reshape(shape)
    if dtype in ("S3", "U2", ">U2", "T"):
        return numbers.astype("U2").astype(dtype if dtype != "T" else real.dtypes.StringDType()).reshape(shape)
    if dtype[-2:] == "u1" or dtype == "?":
        return abs(numbers).astype(dtype).reshape(shape)
    return numbers.astype(dtype).reshape(shape)


def alike(a, b):
    """Whether two outcomes are one, dtypes to the unit."""
    if isinstance(a, (tuple, list)):
        return isinstance(b, (tuple, list)) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, real.ndarray | real.generic):
        x, y = real.asarray(a), real.asarray(b)
        if (a.dtype, a.dtype.byteorder, x.dtype, x.shape) != (b.dtype, b.dtype.byteorder, y.dtype, y.shape):
            return False
        if isinstance(a, real.generic) is not isinstance(b, real.generic):
            return False
        return x.tolist() == y.tolist() if a.dtype.char in "TV" else same_bits(x, y)
    return type(a) is type(b) and (a == b or a != a)


def outcome(f, *args):
    try:
        return f(*args)
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("shape", [(), (3,), (0,)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_with_a_parameter_are_kept(dtype, shape):
    for words, function in FUNCTIONS.items():
        def whole(module, x, function=function):
            x[...] = x  # then what is read is no argument
            return function(module, x)

        jitted = np.jit(lambda x, whole=whole: whole(np, x))
        for turn in range(4):
            if turn == 3:
                for one in jitted._compiled:
                    one.quicken()
            given = values(dtype, shape, turn)
            own = np.array(given)
            with real.errstate(all="ignore"):
                expected, found = outcome(whole, real, given), outcome(jitted, own)
            assert alike(expected, found), (words, turn, expected, found)
            assert alike(given, own), (words, turn)


def test_numbers_with_a_unit_are_returned_with_it():
    f = np.jit(lambda x: (np.absolute(x), x.max(), x[()] if not x.shape else x[0]))
    for turn in range(5):
        for shape in ((), (2,)):
            found = f(np.array(values("m8[s]", shape, turn)))
            assert [x.dtype for x in found] == [real.dtype("m8[s]")] * 3


def test_an_array_of_texts_without_axes_is_set_to_itself():
    x = np.array("text", real.dtypes.StringDType())
    x[...] = x
    assert x.item() == "text"
