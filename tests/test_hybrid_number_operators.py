"""What is done with numbers that are followed, beside arrays of many dtypes: values at which NumPy decides otherwise,
and numbers of another type from some call on."""

import math

import numpy as real
import pytest

import lazytensor as np
from tests.program_number_arguments import plain

FLOATS = (0.1, 0.2, 0.3, 0.4, 0.0, -0.0, math.nan, math.inf, 1e300, 1e-300, 65520.0, 2.5)
INTS = (3, 5, 7, 9, 0, 1, 2, -1, 127, 128, 256, 2**53 + 1, 2**60 + 2**36 + 1, 2**63, 2**64, 2**70)
LATE = (0.1, 0.2, 0.3, 0.4, 3, True, 0.5, real.float64(2), 0.6, real.float32(1.5), 1j, real.int64(3), 2**70, 0.7)
NUMBERS = {"float": FLOATS, "int": INTS, "float64": tuple(map(real.float64, FLOATS)), "late": LATE}
EXPRESSIONS = (
    "x + a, a - x", "x * (a > 1) + (a < x)", "np.sqrt(a > 1), np.exp(-abs(a)) * x", "np.where(x > 1, a, x), x == a",
    "x ** a", "x // a, a % x", "np.maximum(x, a), np.clip(x, 0, a)", "a * np.float32(2) + x, a + np.float64(2)",
    "a // 2, divmod(a, 3), round(a, 1), x * round(a)", "[a, (a, {'k': -a})], x", "math.sqrt(a), math.floor(a) * x",
    "a in (1, 2.5), a == 3 or x, max(a, 2), x", "a + 2**70, a * 1j, x", "f'{a}', x[a]",
    "np.full_like(x, a), np.full(3, a)", "x.sum() * a, x[0] + a, a < x[1]", "np.array([a, 1]), np.asarray(a) + x",
    "x.take(int(a) % 3) * a",
    "x * sum([a, 0.1, a, 0.2]), sum([a, a, a])", "np.square(a), np.sin(a) + x")
STATEMENTS = ("x += a", "x *= a", "x /= a", "x **= a", "x[0] = a", "x[1:] = a", "x[1:] *= a", "x[x > 1] = a",
              "x[x > 1] -= a", "x.fill(a)", "np.copyto(x, a)", "np.add(x, a, out=x)", "x[...] = [a] * 5", "x[::2] -= a",
              "a += 1; x -= a", "x[0], x[1] = a, -a; x *= x[1]")


def found(np, jit, source, dtype, numbers):
    space = {"np": np, "math": math}
    exec(source, space)
    f, results = jit(space["f"]), []
    with np.errstate(all="ignore"):
        for a in numbers:
            x = np.array((real.arange(5) * 1.5 - (dtype[0] != "u")).astype(dtype))
            try:
                result = plain(f(x, a))
            except Exception as error:
                result = type(error).__name__
            results.append((a, result, plain(x)))
    return results


@pytest.mark.parametrize("dtype", ["f8", "f4", "c8", "i4"])
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_beside_arrays(kind, dtype, unchecked):
    sources = [f"def f(x, a):\n    return {text}\n" for text in EXPRESSIONS]
    sources += [f"def f(x, a):\n    {text}\n    return a\n" for text in STATEMENTS]
    for source in sources:
        expected = found(real, lambda f: f, source, dtype, NUMBERS[kind])
        for known, ours in zip(expected, found(np, np.jit, source, dtype, NUMBERS[kind]), strict=True):
            assert repr(known) == repr(ours), source
