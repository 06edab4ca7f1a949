"""Arithmetic on few floats that are there, which the extension computes itself where lines run at once."""

import itertools
import operator as operators
import warnings

import numpy as real
import pytest

from .helpers import check_same, module_under_test, same_bits

pytestmark = pytest.mark.skipif(getattr(module_under_test(), "_native", None) is None, reason="the extension does it")


@pytest.fixture
def np():
    module = module_under_test()
    with module.config(eager_after=0):
        yield module


def values(n, dtype="f8", seed=0):
    return (real.random.default_rng(seed).random(n) * 8 - 3).astype(dtype)


ARRAYS = {
    "x": values(10), "y": values(10, seed=1), "f": values(10, "f4", 2), "g": values(10, "f4", 3), "i": real.arange(10),
    "m": values((3, 4), seed=4), "k": values((3, 4), seed=5), "t": values((4, 3), seed=6).T, "one": values(1),
    "none": values(0), "row": values((1, 10)), "upright": values((10, 1)), "long": values(500), "longer": values(501),
    "h": values(10, "f2", 7), "swapped": values(10).astype(">f8"), "c": values(10) + 1j, "b": values(10) > 0,
    "odd": real.array([0.0, -0.0, real.inf, -real.inf, real.nan, 1e300, 1e-300, 5e-324, 1.0, -1.0]),
}
NUMBERS = {"2.5": 2.5, "3": 3, "-1": -1, "0": 0, "1e300": 1e300, "1e-320": 1e-320, "2**60": 2**60,
           "2**24 + 1": 2**24 + 1, "True": True, "inf": real.inf, "nan": real.nan, "2j": 2j,
           "float64": real.float64(0.1), "float32": real.float32(0.1), "int64": real.int64(7)}
PARTS = ["x[1:]", "x[:-1]", "x[::2]", "x[::-1]", "m[1]", "m[:, 1]", "m[1:]", "m[:, 1:]", "m[1, 2:]", "row[0]",
         "upright[:, 0]", "long[::50]", "x[3:4]", "x[2:2]", "m[None, 1]", "x.real", "f[2:7]", "m[..., 1]", "m.T[1]",
         "c.real", "c.imag"]
OPERATORS = ["+", "-", "*", "/", "<", "<=", "==", "!=", ">", ">="]
UFUNCS = ["add", "subtract", "multiply", "divide", "less", "equal", "greater_equal", "maximum",
          "minimum"]
UNARY = ["-({})", "abs({})", "np.sqrt({})", "np.negative({})", "np.absolute({})", "np.fabs({})",
         "{} ** 2", "{} ** -1", "{} ** 0.5", "{} ** 2.0", "{} ** n6", "np.square({})", "np.reciprocal({})"]


def outcome(text, module, given):
    """Value, or the error's type and text, and the warnings."""
    names = {name: module.array(value) for name, value in given.items()}
    if module is not real:
        module.realize(*names.values())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = real.asarray(eval(text, {"np": module, **NUMBERS_BY_NAME, **names}))
        except Exception as error:
            found = type(error), str(error)
    return found, [(str(w.message), w.category, w.filename) for w in told]


NUMBERS_BY_NAME = {f"n{k}": value for k, value in enumerate(NUMBERS.values())}


def assert_alike(text, np, given=ARRAYS):
    expected, told = outcome(text, real, given)
    found, said = outcome(text, np, given)
    assert said == told, text
    if isinstance(expected, tuple):
        assert found == expected, text
    else:
        assert same_bits(expected, found), text
        assert found.shape == expected.shape
        assert found.size < 2 or found.strides == expected.strides, text


@pytest.mark.parametrize("operator", OPERATORS)
def test_pairs(np, operator):
    names = [*ARRAYS, *NUMBERS_BY_NAME, *PARTS]
    rng = real.random.default_rng(OPERATORS.index(operator))
    pairs = [(a, b) for a, b in itertools.product(names, names) if a not in NUMBERS_BY_NAME or b not in NUMBERS_BY_NAME]
    for k in rng.permutation(len(pairs))[:500]:
        assert_alike(f"{pairs[k][0]} {operator} {pairs[k][1]}", np)


@pytest.mark.parametrize("ufunc", UFUNCS)
def test_ufuncs(np, ufunc):
    names = [*ARRAYS, *NUMBERS_BY_NAME, *PARTS]
    rng = real.random.default_rng(UFUNCS.index(ufunc))
    for _ in range(200):
        a, b = rng.choice(names, 2)
        assert_alike(f"np.{ufunc}({a}, {b})", np)


@pytest.mark.parametrize("form", UNARY)
def test_one_operand(np, form):
    for name in [*ARRAYS, *PARTS]:
        assert_alike(form.format(name), np)


@pytest.mark.parametrize("operator", ["+=", "-=", "*=", "/="])
def test_in_place(np, operator):
    rng = real.random.default_rng(7)
    targets, operands = ["x", "f", "m", "t", "long", "odd", *PARTS], [*ARRAYS, *NUMBERS_BY_NAME, *PARTS]

    def run(module, target, operand):
        names = {name: module.array(value) for name, value in ARRAYS.items()}
        if module is not real:
            module.realize(*names.values())
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                exec(f"at = {target}\nat {operator} {operand}", {"np": module, **NUMBERS_BY_NAME, **names})
                said = None
            except Exception as error:
                said = type(error), str(error)
        return [real.asarray(value) for value in names.values()], said, [str(w.message) for w in told]

    for _ in range(300):
        target, operand = rng.choice(targets), rng.choice(operands)
        expected, found = run(real, target, operand), run(np, target, operand)
        assert found[1:] == expected[1:], (target, operand)
        assert all(same_bits(a, b) for a, b in zip(expected[0], found[0], strict=True)), (target, operand)


def test_stores(np):
    places = ["x[1:]", "x[::2]", "m[1]", "m[:, 1]", "m[1:, 1:]", "m[..., 1]", "m[None, 1]", "t[1]", "x[::-1]", "f[2:7]",
              "x[3]", "long[:]", "odd[:]", "m[1][1:]", "upright[:, 0]", "h[1:]", "i[:]", "x[20:]", "x[1:][2:4]",
              "row[0, 1:]", "c[:]"]
    values = [*places, "x[:-1]", "x[:5]", "m[0]", "m[:, 2]", "f[:5]", "y", "m[1:, :-1]", "m[1, 1:]", "one", "x[4:9]"]

    def run(module, place, value):
        names = {name: module.array(given) for name, given in ARRAYS.items()}
        if module is not real:
            module.realize(*names.values())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(f"{place} = {value}", {"np": module, **names})
            said = None
        except Exception as error:
            said = type(error), str(error)
        return [real.asarray(given) for given in names.values()], said

    for place, value in itertools.product(places, values):
        expected, found = run(real, place, value), run(np, place, value)
        assert found[1] == expected[1], (place, value)
        assert all(same_bits(a, b) for a, b in zip(expected[0], found[0], strict=True)), (place, value)


def test_memory_that_pending_work_reads_is_not_written_over(np):
    x = np.array([1.0, 2.0, 3.0])
    np.realize(x)
    with np.config(eager_after=None):
        waits = x * 2
    x += 1
    assert waits.tolist() == [2.0, 4.0, 6.0] and x.tolist() == [2.0, 3.0, 4.0]


def test_memory_that_is_shared_and_views(np):
    def program(np):
        own = real.arange(4.0)
        x = np.asarray(own)
        part = x[1:]
        part *= 2
        whole = x + part.sum()
        part += 1
        return np.array(own), whole, x * 2, part - 1
    check_same(program)


def test_a_view_of_an_array_that_got_another_shape(np):
    def program(np):
        x = np.arange(6.0)
        part = x[1:4]
        y = part + 1
        x.shape = 2, 3
        return y, part + 1, x[1] + part
    check_same(program)


def test_memory_that_may_not_be_written_to(np):
    def program(np):
        x = np.arange(3.0)
        x.flags.writeable = False
        x += 1
    check_same(program)


def test_errors_are_raised_in_their_state(np):
    def program(np):
        x, y = np.array([1.0, 0.0]), np.array([0.0, 0.0])
        with np.errstate(divide="raise", invalid="ignore"):
            return np.array([1.0, 2.0]) / 2, x / y
    check_same(program)


def test_operands_overlap_what_is_written_to(np):
    def program(np):
        x = np.arange(8.0)
        a, b, c = x[1:], x[:-1], x[::2]
        a += b
        b -= a
        c *= x[1::2]
        c -= x[:4]
        return x, a, b, c
    check_same(program)


NANS = {"f8": ("u8", 0x7FF8000000000000, 63), "f4": ("u4", 0x7FC00000, 31)}


@pytest.mark.parametrize("dtype", NANS)
@pytest.mark.parametrize("step", [1, 2])
def test_which_of_two_nans(np, dtype, step):
    """A NaN's sign and payload are NumPy's, too, where one operand is a number, and of differences and quotients."""
    integer, quiet, sign = NANS[dtype]

    def outcomes(module, n):
        x = module.asarray(real.full(n * step, quiet | 5, integer).view(dtype))[::step]
        y = module.asarray(real.full(n * step, quiet | 9 | 1 << sign, integer).view(dtype))[::step]
        one, other = (real.array([quiet | k], integer).view(dtype)[0] for k in (3, 7))
        found = [x - y, x / y, x + one, one + x, other * x, x * float(other), float(one) - x, -y]
        found += [write(x.copy(), one) for write in (
            operators.iadd, operators.isub, operators.imul, operators.itruediv)]
        return [real.asarray(z).tobytes() for z in found]

    for n in (*range(1, 20), 33, 100):
        assert outcomes(np, n) == outcomes(real, n), n
