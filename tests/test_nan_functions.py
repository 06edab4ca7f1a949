"""Functions that skip NaNs, and counts of masks, are the operations that NumPy makes of them, and parts of kernels."""

import itertools
import re
import warnings

import numpy as real
import pytest

from lazytensor.config import current
from lazytensor.lower import fused
from lazytensor.run import kernels

from .helpers import module_under_test, plan_soon, same_bits

NAMES = ["nansum", "nanmean", "nanvar", "nanstd"]
SHAPES = [(40000,), (3, 9000), (9000, 3), (200, 150), (20, 30, 40)]


def with_nans(shape, char, seed=3):
    rng = real.random.default_rng(seed)
    x = (rng.normal(size=shape) * 100).astype(char)
    x[rng.random(shape) < 0.1] = real.nan
    x[rng.random(shape) < 0.01] = -0.0
    return x


def compared(call, *arrays):
    """Twice, since it is planned the second time."""
    np = module_under_test()
    want = call(real, *arrays)
    for _ in range(2):
        got = call(np, *[np.array(x) for x in arrays])
        got = got.realize() if hasattr(got, "realize") else got
    assert type(real.asarray(got)[()]) is type(real.asarray(want)[()]) and got.dtype == want.dtype
    assert got.shape == want.shape and same_bits(real.asarray(want), real.asarray(got))


@pytest.mark.parametrize("name", NAMES)
def test_as_numpy(name):
    plan_soon(module_under_test())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for char, shape in itertools.product("fd", SHAPES):
            x = with_nans(shape, char)
            x[..., :1] = real.nan  # for some axes nothing is left
            places = [None, *range(-len(shape), len(shape)), (), (0, len(shape) - 1), (0, 0), 7, 1.0]
            for axis, keep in itertools.product(places, (False, True)):
                try:
                    getattr(real, name)(x, axis=axis, keepdims=keep)
                except (ValueError, TypeError, IndexError) as error:
                    with pytest.raises(type(error)):
                        getattr(module_under_test(), name)(module_under_test().array(x), axis=axis, keepdims=keep)
                    continue
                compared(lambda np, x, a=axis, k=keep: getattr(np, name)(x * 2, axis=a, keepdims=k), x)
            compared(lambda np, x: getattr(np, name)(x, 0), x)
            compared(lambda np, x: getattr(np, name)(x.T, 0), x)
            compared(lambda np, x: getattr(np, name)(x[..., ::-1], -1), x)
            compared(lambda np, x: getattr(np, name)(x + 1, dtype="f8"), x)
            compared(lambda np, x: getattr(np, name)(x + 1, where=x > 0), x)
            if name in ("nanvar", "nanstd"):
                for ddof in (1, 2.5, len(x), True):
                    compared(lambda np, x, ddof=ddof: getattr(np, name)(x, 0, ddof=ddof), x)
                compared(lambda np, x: getattr(np, name)(x, correction=1), x)
    assert not kernels.failures


@pytest.mark.parametrize("name", NAMES)
def test_infinities_and_what_they_warn_of(name):
    np = module_under_test()
    plan_soon(np)
    x = with_nans((200, 150), "d")
    x[3, 4], x[3, 5], x[7] = real.inf, -real.inf, real.nan
    seen = []
    for module, array in ((real, x), (np, np.array(x)), (np, np.array(x))):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = real.asarray(getattr(module, name)(array * 2, axis=1))
        seen.append((result.tobytes(), [str(w.message) for w in caught]))
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["raise", "warn", "error"])
def test_error_states(name, mode):
    """What raises, does so under the same states, with NumPy's words; warnings may be errors, too."""
    plan_soon(module_under_test())
    x = with_nans((200, 150), "d")
    x[3] = real.nan
    unbounded = x.copy()
    unbounded[5, :2] = real.inf, -real.inf

    def outcome(np, array, axis):
        try:
            with real.errstate(all="warn" if mode == "error" else mode), warnings.catch_warnings():
                warnings.simplefilter("error" if mode == "error" else "ignore")
                return real.asarray(getattr(np, name)(np.array(array) * 2, axis=axis)).tobytes()
        except (ArithmeticError, RuntimeWarning) as error:
            return type(error), str(error)

    for array, axis in itertools.product((x, unbounded, x * 1e200), (None, 0, 1)):
        assert outcome(real, array, axis) == outcome(module_under_test(), array, axis)


def test_the_line_that_is_warned_of():
    """Pending: the warning comes with the run, for the line that wrote the call; of `nanstd` it is one of NumPy's."""
    np = module_under_test()
    plan_soon(np)
    x = real.full((200, 150), real.nan)
    for name in ("nanmean", "nanvar", "nanstd"):
        found = []
        for module in (real, np, np):
            array = module.array(x)
            shown, show = [], warnings.showwarning
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                result = getattr(module, name)(array * 2, axis=1)
                warnings.showwarning = lambda m, c, f, n, *_, shown=shown: shown.append((str(m), c, f, n))
                try:
                    real.asarray(result)
                    result = getattr(module, name)(array * 2, axis=1)
                    real.asarray(result)
                finally:
                    warnings.showwarning = show
            found.append(shown[-1])
        assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), (1, 1), 5])
def test_counts_of_masks(axis):
    plan_soon(module_under_test())
    x = real.random.default_rng(1).random((600, 400))
    for keep in (False, True):
        def call(np, x, keep=keep):
            return np.count_nonzero(x * 2 > 0.5, axis=axis, keepdims=keep)
        try:
            call(real, x)
        except (ValueError, real.exceptions.AxisError) as error:
            with pytest.raises(type(error)):
                call(module_under_test(), module_under_test().array(x))
            continue
        compared(call, x)
    compared(lambda np, x: np.count_nonzero(x), x)


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_they_are_one_kernel(axis):
    np = module_under_test()
    plan_soon(np)
    x = np.array(with_nans((300, 200), "d")).realize()
    for name in NAMES:
        result = getattr(np, name)(x * 2, axis=axis)
        text = result.explain()
        assert f" {1 if name == 'nansum' else 2} step" in text and "1 kernel among them" in text
        assert "float64[300, 200]  a new" not in text and "bool[300, 200]  a new" not in text
    mask = np.array(real.random.default_rng(1).random((600, 400))).realize()
    count = np.count_nonzero(mask > 0.5, axis=axis)
    text = count.explain()
    assert " 1 step to run" in text and "1 kernel among them" in text


@pytest.mark.parametrize("name", NAMES)
def test_an_axis_may_be_numpys_integer(name):
    np, a = module_under_test(), with_nans((300, 1000), "d")
    for axis in (real.int64(0), real.array(1), (real.int64(1), 0)):
        try:
            want = getattr(real, name)(a, axis=axis)
        except TypeError as error:
            with pytest.raises(TypeError, match=re.escape(str(error))):
                getattr(np, name)(np.array(a), axis=axis)
            continue
        assert same_bits(real.asarray(getattr(np, name)(np.array(a), axis=axis)), want)


@pytest.mark.parametrize("name", NAMES)
def test_swapped_bytes(name):
    """NumPy keeps the byte order of its copy, and sums it a buffer at a time."""
    plan_soon(module_under_test())
    for char, shape in itertools.product((">f4", ">f8"), ((70001,), (700, 100), (40000, 2))):
        for axis in (None, 0, -1):
            compared(lambda np, x, a=axis: getattr(np, name)(x, axis=a), with_nans(shape, char))
