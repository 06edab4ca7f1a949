"""Division by what is the same for many elements (`lower/division.py`): the bits and the warnings of a division."""

import warnings

import numpy as real
import pytest

from lazytensor.lower import division
from lazytensor.run import kernels

from .helpers import module_under_test, plan_soon, same_bits

BITS = {"f4": ("u4", 32, (-36, 28)), "f8": ("u8", 64, (-256, 256))}


def any_bits(rng, count, dtype):
    return rng.integers(0, 2 ** BITS[dtype][1], count, dtype=BITS[dtype][0]).view(dtype)


def nearly_powers(rng, count, dtype, exponents):
    x = real.ldexp(real.ones(count), exponents).astype(dtype)
    return (x.view(BITS[dtype][0]) + rng.integers(-3, 4, count).astype(BITS[dtype][0])).view(dtype)


DRAWS = {
    "bits": any_bits,
    "normal": lambda rng, count, dtype: rng.normal(size=count).astype(dtype),
    "powers": lambda rng, count, dtype: nearly_powers(rng, count, dtype, rng.integers(-21, 22, count)),
    "edges": lambda rng, count, dtype: nearly_powers(
        rng, count, dtype, rng.choice(BITS[dtype][2], count) + rng.integers(-2, 3, count)),
    "counts": lambda rng, count, dtype: rng.integers(-3, 9, count).astype(dtype),
}

PROGRAMS = {
    "rows": lambda np, a, b: a / np.repeat(b, a.shape[1]).reshape(a.shape).max(1, keepdims=True),
    "columns": lambda np, a, b: a.T / np.repeat(b, a.shape[1]).reshape(a.shape).T.copy().max(0),
    "number": lambda np, a, b: (a + 0 * a) / b[0],
    "given": lambda np, a, b: (a + 0 * a) / b[:, None],
    "given, to columns": lambda np, a, b: ((a + 0 * a) / b[:, None]).max(0),
    "mean": lambda np, a, b: (a * a) / (a * a).sum(1, keepdims=True),
}


def outcome(np, program, a, b):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        result = real.asarray(PROGRAMS[program](np, np.array(a), np.array(b)))
    return result, sorted({str(w.message) for w in given})


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("divisors", DRAWS)
@pytest.mark.parametrize("dividends", DRAWS)
@pytest.mark.parametrize("dtype", BITS)
def test_bits_and_warnings_are_those_of_a_division(dtype, dividends, divisors, program):
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(11)
    for width in (67, 16, 300):
        a = DRAWS[dividends](rng, 40 * width, dtype).reshape(40, width)
        b = DRAWS[divisors](rng, 40, dtype)
        want, told = outcome(real, program, a, b)
        for _ in range(2):
            got, heard = outcome(np, program, a, b)
            assert same_bits(got, want)
            assert heard == told
    assert not kernels.failures


def test_operands_in_range_raise_nothing_but_inexact():
    """The largest and smallest operands that are not divided: all that is computed is normal."""
    for char, (_, significand, bias, least, count) in division._SHAPE.items():
        span = 1 << count
        assert span < bias - 1, char
        assert least - 2 * significand > 1 - bias, char
        assert -span - 2 * significand - 3 > 1 - bias, char


@pytest.mark.parametrize("dtype", BITS)
@pytest.mark.parametrize("number", (3.7, -0.0, 1e-30, 0.1, float("inf"), float("nan")))
def test_a_compiled_division_by_a_number_that_stands_alone(dtype, number):
    """It is a kernel from fewer elements on than other single operations."""
    np = module_under_test()
    rng = real.random.default_rng(3)
    with np.config(plan_after=1, compile_after=0):
        divided = np.jit(lambda x: x / number)
        for draw in DRAWS.values():
            x = draw(rng, 40_003, dtype)
            with real.errstate(all="ignore"), np.errstate(all="ignore"):
                for _ in range(4):
                    assert same_bits(real.asarray(divided(np.array(x))), x / number)
    assert not kernels.failures
