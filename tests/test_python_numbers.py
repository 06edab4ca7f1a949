"""Arrays beside Python numbers at the edges of dtypes: NumPy's result or words, also from the second time on."""

import operator
import warnings

import numpy as real
import pytest

from .helpers import module_under_test

EDGES = sorted({0, 1, -1, 5, 2**64, *(sign * 2**bits + d for bits in (7, 8, 15, 16, 31, 32, 63) for sign in (1, -1)
                                      for d in (-1, 0)), 2**64 - 1})
CODES = "?bBhHiIlLqQefdF"
OPERATORS = {name: getattr(operator, name) for name in (
    "add", "sub", "mul", "floordiv", "mod", "truediv", "and_", "or_", "lshift", "rshift", "lt", "eq", "pow")}
UFUNCS = ("maximum", "minimum", "add", "left_shift", "power", "fmod", "gcd")
BOUNDS = (0, 1, -1, 127, 300, -129, 40000, 2**40, 0.5, -2.5, 1e5, real.nan, True, None, real.float32(2), real.int64(3))


def told(call):
    """The result of a call as dtype and values, or its error."""
    try:
        found = call()
    except Exception as error:
        return type(error).__name__, str(error)
    return found.dtype, str(real.asarray(found).tolist())


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def values(code):
    return real.array([0, 1, 2, 3, 100], code)


@pytest.mark.parametrize("code", CODES)
def test_operators_with_whole_numbers(code):
    np, x = module_under_test(), values(code)
    for number in EDGES:
        for name, fn in OPERATORS.items():
            for turned in (False, True):
                def call(a, fn=fn, number=number, turned=turned):
                    return fn(number, a) if turned else fn(a, number)
                want = told(lambda call=call: call(x))
                assert [told(lambda call=call: call(np.array(x))) for _ in range(2)] == [want] * 2, (name, number)


@pytest.mark.parametrize("name", UFUNCS)
@pytest.mark.parametrize("code", CODES)
def test_ufuncs_with_whole_numbers(code, name):
    np, x = module_under_test(), values(code)
    for number in EDGES:
        want = told(lambda number=number: getattr(real, name)(x, number))
        got = [told(lambda number=number: getattr(np, name)(np.array(x), number)) for _ in range(2)]
        assert got == [want] * 2, number


@pytest.mark.parametrize("code", CODES)
def test_clip_between_numbers(code):
    np, x = module_under_test(), values(code)
    for low in BOUNDS:
        for high in BOUNDS:
            want = told(lambda low=low, high=high: x.clip(low, high))
            got = [told(lambda low=low, high=high: np.array(x).clip(low, high)) for _ in range(2)]
            assert got == [want] * 2, (low, high)


@pytest.mark.parametrize("scalar", CODES + "gDm")
@pytest.mark.parametrize("code", CODES)
def test_operators_with_numpys_scalars(code, scalar):
    np, x = module_under_test(), values(code)
    s = real.array([2], "i8" if scalar == "m" else scalar)[0] if scalar != "m" else real.timedelta64(2, "s")
    for name, fn in OPERATORS.items():
        for turned in (False, True):
            def call(module, a, s, fn=fn, turned=turned):
                return fn(s, a) if turned else fn(a, s)
            want = told(lambda call=call: call(real, x, s))
            got = [told(lambda call=call: call(np, np.array(x), s)) for _ in range(2)]
            assert got == [want] * 2, (name, turned)
            if scalar != "m":
                lazily = [told(lambda call=call: call(np, np.array(x), np.array([s, s]).max())) for _ in range(2)]
                assert lazily == [want] * 2, (name, turned, "lazy")
    for name in UFUNCS:
        want = told(lambda name=name: getattr(real, name)(s, x))
        assert [told(lambda name=name: getattr(np, name)(s, np.array(x))) for _ in range(2)] == [want] * 2, name
    for fn in (operator.iadd, operator.imul, operator.isub, operator.itruediv, operator.ipow):
        want = told(lambda fn=fn: fn(real.array(x), s))
        assert [told(lambda fn=fn: fn(np.array(x), s)) for _ in range(2)] == [want] * 2, fn
