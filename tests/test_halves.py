"""float16 in kernels: the bits, warnings and dtypes of NumPy's loops, which convert to float32 and back."""

import warnings

import numpy as real
import pytest

from lazytensor.lower import fused

from .helpers import module_under_test, plan_soon, same_bits, warned

SPECIAL = [0, -0.0, real.nan, -real.nan, real.inf, -real.inf, 1, -1, 65504, 6e-8, -6e-8, 6.1e-5]
PROGRAMS = {
    "arithmetic": lambda np, a, b: (a * b + a - 2) * b / a,
    "rounding": lambda np, a, b: np.sqrt(np.abs(a)) + np.floor(b) - np.rint(a) * np.trunc(b) + np.ceil(a),
    "comparisons": lambda np, a, b: ((a < b) | (a == b)) & (a >= 1) ^ (b != a),
    "choices": lambda np, a, b: np.where(a > b, a, b * 2),
    "extremes": lambda np, a, b: np.maximum(np.minimum(a, b), -b) + np.fmax(a, b) * np.fmin(a, 2),
    "tests": lambda np, a, b: (np.isnan(a) | np.isinf(b)) & np.isfinite(a) ^ np.signbit(b),
    "signs": lambda np, a, b: np.sign(a) * np.copysign(b, a) + np.positive(b),
    "truths": lambda np, a, b: np.logical_and(a, b) | np.logical_not(a),
    "through float32": lambda np, a, b: (a.astype("f4") * 2 + 1).astype("e"),
    "through float64": lambda np, a, b: (a.astype("f8") * b.astype("f8") / 3).astype("e"),
    "integers": lambda np, a, b: (a > b).astype("e") * 2 + (a < 1).astype("i4").astype("e"),
    "reversed": lambda np, a, b: a[::-1] * b + a[::-1],
    "mixed": lambda np, a, b: a + b.astype("f4"),
}


def values(n):
    rng = real.random.default_rng(n)
    found = [rng.integers(0, 65536, n, dtype=real.uint16).view("e") for _ in range(2)]
    for x in found:
        x[:n // 3] = rng.choice(real.array(SPECIAL, "e"), n // 3)
    return found


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("n", [1, 37, 4099, 70001])
def test_programs(name, n):
    np = module_under_test()
    plan_soon(np)
    operands = values(n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = PROGRAMS[name](real, *operands)
        for _ in range(3):
            got = real.asarray(PROGRAMS[name](np, *map(np.array, operands)))
            assert got.dtype == want.dtype and same_bits(want, got)


@pytest.mark.skipif(not fused.available(), reason="needs kernels")
def test_a_chain_is_one_kernel():
    np = module_under_test()
    plan_soon(np)
    x = np.array(real.ones((500, 500), "e"))
    with np.config(engine="llvm"):
        assert "1 kernel among them" in ((x * x + x - 2) * x).explain()


@pytest.mark.parametrize("value", [real.nextafter(real.float32(2**-14), real.float32(0)), 1e-8, 7e4])
def test_flags_of_roundings_are_numpys(value):
    """Also of a subnormal that is rounded up to the least normal number, of which the CPU says nothing."""
    np = module_under_test()
    plan_soon(np)
    x = real.full(20000, value, "f4")
    messages = []
    for module in (real, np):
        with warned() as seen, real.errstate(all="warn"):
            for _ in range(3):
                real.asarray((module.array(x) * 1).astype("e") * 1)
        messages.append([message.split(" encountered")[0] for message in seen])
    assert messages[0] == messages[1] != []


REDUCTIONS = {
    **{name: lambda np, x, name=name, **given: getattr(x, name)(**given) for name in (
        "sum", "max", "min", "mean", "var", "std", "any", "all")},
    "prod": lambda np, x, **given: (x * 0 + 1.01).prod(**given),
    "argmax": lambda np, x, axis, keepdims: (x * 2).argmax(axis),
    "cumsum": lambda np, x, axis, keepdims: np.cumsum(x, axis),
    "standardised": lambda np, x, axis, keepdims: (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True),
    "softmax": lambda np, x, axis, keepdims: np.exp(x) / np.exp(x).sum(axis, keepdims=True),
}


@pytest.mark.parametrize("shape", [(3,), (40,), (20, 7), (6, 300), (3, 4, 116), (9, 9000)])
@pytest.mark.parametrize("name", ["max", "min"])
def test_of_zeros_the_first_is_the_extreme(name, shape):
    """NumPy's loops for float32 choose another one."""
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(4)
    for _ in range(5):
        zeros = rng.choice(real.array([0, -0.0], "e"), shape)
        some = real.where(rng.random(shape) < 0.3, -1 if name == "max" else 1, zeros).astype("e")
        for x in (zeros, some):
            want = x * getattr(x, name)(-1, keepdims=True)
            for _ in range(2):
                y = np.array(x)
                got = y * getattr(y, name)(-1, keepdims=True), getattr(y, name)(-1), getattr(y * 1, name)(-1)
                np.realize(*[z for z in got if z.shape])
                assert same_bits(want, real.asarray(got[0]))
                for z in got[1:]:
                    assert same_bits(real.asarray(getattr(x, name)(-1)), real.asarray(z))


@pytest.mark.parametrize("shape", [(300, 200), (70, 1000), (3000, 20), (70001,), (40, 50, 30), (7, 12000)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, shape):
    """A run of elements is folded in float32 and rounded once; results side by side are rounded after each step."""
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(3)
    plain = rng.standard_normal(shape).astype("e")
    odd = rng.choice(real.array([0, -0.0, real.inf, 1, -1, 65504, 6e-8], "e"), shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x in (plain, odd):
            for axis in {None, 0, len(shape) - 1}:
                for keepdims in (False, True):
                    want = REDUCTIONS[name](real, x, axis=axis, keepdims=keepdims)
                    for _ in range(2):
                        got = real.asarray(REDUCTIONS[name](np, np.array(x), axis=axis, keepdims=keepdims))
                        assert got.dtype == want.dtype and same_bits(real.asarray(want), got)
