"""Programs on complex arrays through kernels: NumPy's bits, layouts and warnings, and that kernels are what runs."""

import itertools
import warnings

import numpy as real
import pytest

from lazytensor.lower import fused
from lazytensor.run import kernels

from .helpers import module_under_test, plan_soon, same_bits
from .test_kernels import SHAPES, Launched, outputs

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


@pytest.fixture(autouse=True)
def at_once():
    np = module_under_test()
    plan_soon(np)
    with np.config(engine="llvm"):
        yield


@pytest.fixture
def launched(monkeypatch):
    count, run = Launched(), kernels._launched
    monkeypatch.setattr(kernels, "_launched", lambda *args: count.append(run(*args)) or count[-1])
    return count


def arithmetic(np, z, w, x):
    return (z * w + z - 0.5 * w) * z.conj() + x, -(z + x) / (w - 2.5), z**2 + (1 - 2j) * w


def sizes(np, z, w, x):
    return abs(z) < 2.0, abs(z - w) ** 2 + x, np.hypot(abs(z), x)


def choices(np, z, w, x):
    near = abs(z) < 1
    return np.where(near, z, w) + 1, np.where(x > 0, z, x), np.where(near, 0.0, 1j - w), (z == w) | near


def truths(np, z, w, x):
    z, w = z / x, z + w
    return np.isnan(z) | np.isinf(w), np.isfinite(z) & (z != w), np.logical_or(z, w - w), ~(z + 1).astype(bool)


def casts(np, z, w, x):
    narrow, i = z.astype("F"), (x * 3).astype("i4")
    return narrow + 1, narrow.astype("D") - z, i + z, i.astype("F") * narrow, (x > 0) - w, (x > 0).astype("D") + x


def functions(np, z, w, x):
    return np.exp(z) + w, np.sqrt(z) * np.sin(w) - z, np.log(w + 3) / x


def parts(np, z, w, x):
    product = z * w
    return z.real + w.imag * 2, product.real + x, np.angle(z + w), product.imag**2 + product.real**2, product


def parts_alone(np, z, w, x):
    m = (z * w + 1).real ** 2
    q = z - w
    return m + (z + w).imag, np.where(q.real > 0, q.imag, q.real), np.maximum(q.real, x) + abs(q), (q.imag > 0).sum(-1)


def parts_and_more(np, z, w, x):
    q = z * 2 + w
    q.real[...] = x
    r = q + 1
    return q, r.real[..., ::-1] + x, r.imag.copy(), np.exp(r.real) + r.imag, r.real.sum(-1), r.T.real + 1, r.real.T * 2


def into_parts(np, z, w, x):
    a, b = z * 2, w + x
    a[1:] += w[1:] - z[1:].conj()
    a[..., 1:] -= (w + 1)[..., :-1]
    b[::2] += x[::2]
    np.negative(b[1:], out=b[1:])
    a[1:] += a[:-1]
    a[1:] *= w[1:]
    return a, b, (z + x) * 2j - b


def numbers(np, z, w, x):
    three = z.dtype.type(3j)
    return (2 * z - w * 1j) * 0.5 + x, (z - 1e30) * 1e10 - w, complex(-0.0, real.inf) * (z + w), abs(z * three) + x


def rows(np, z, w, x):
    return abs(z - w).sum(-1), (z == z).sum(-1), (abs(z) > 1).any(-1), (z + 1).all(-1, keepdims=True), abs(w).max(-1)


def columns(np, z, w, x):
    return abs(z + w).sum(0), abs(z).max(0), (z != w).sum(0), abs(z - abs(z).mean(0))


def row_values(np, z, w, x):
    length = abs(z).sum(-1, keepdims=True)
    return z * length + w, length * 2j + 1, abs(length * (1 + 1j)) + x


PROGRAMS = [arithmetic, sizes, choices, truths, casts, functions, parts, parts_alone, parts_and_more,
            into_parts, numbers,            rows, columns, row_values]


def arrays(shape, dtype, special=False):
    rng = real.random.default_rng(7)
    z, w = ((rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype) for _ in range(2))
    w[..., ::3] = z[..., ::3]
    x = rng.normal(size=shape).astype(z.real.dtype)
    if special:
        values = [0.0, -0.0, real.inf, -real.inf, real.nan, 1e38, -1e-45, 1.0]
        pairs = real.empty(64, dtype)
        pairs.real, pairs.imag = zip(*itertools.product(values, repeat=2), strict=True)
        z.flat[::3] = real.resize(pairs, z.size)[:len(z.flat[::3])]
        w.flat[1::7] = real.resize(pairs[::-1], z.size)[:len(w.flat[1::7])]
        x.flat[::5] = real.resize(values, x.size)[:len(x.flat[::5])]
    return z, w, x


@pytest.mark.parametrize("dtype", ["F", "D"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("special", [False, True], ids=["plain", "special"])
def test_programs(program, dtype, special, launched):
    np = module_under_test()
    for shape in [*SHAPES, (40_000,), (300, 129)]:
        given = arrays(shape, dtype, special)
        with real.errstate(all="ignore"):
            expected = outputs(program(real, *given))
            lazies = [np.array(a) for a in given]
            for _ in range(3):
                got = outputs(program(np, *lazies))
                np.realize(*got)
                for k, (e, g) in enumerate(zip(expected, got, strict=True)):
                    assert same_bits(real.asarray(e), real.asarray(g)), (program.__name__, k, shape)
                    assert real.asarray(e).dtype == g.dtype and real.asarray(e).strides == getattr(g, "strides", ())
    assert any(launched.all())
    assert kernels.failures == []


LAYOUTS = {"C": lambda a: a, "Fortran": lambda a: a.T.copy().T, "reversed": lambda a: a[::-1, ::-1],
           "every other": lambda a: real.repeat(real.repeat(a, 2, 0), 2, 1)[::2, ::2], "row": lambda a: a[:1],
           "column": lambda a: a[:, :1], "one": lambda a: a[:1, :1]}


@pytest.mark.parametrize("dtype", ["F", "D"])
@pytest.mark.parametrize(("first", "second"), itertools.product(LAYOUTS, repeat=2))
def test_layouts(first, second, dtype):
    """Products round otherwise where NumPy's loop takes another path."""
    np = module_under_test()
    z, w, x = arrays((23, 37), dtype)
    z, w = LAYOUTS[first](z), LAYOUTS[second](w)
    a, b, c = np.asarray(z), np.asarray(w), np.array(x)
    for views in (lambda q: q, lambda q: q.T, lambda q: q[:, ::-1]):
        for program in (arithmetic, sizes, choices):
            expected = outputs(program(real, views(z), views(w), views(x)))
            for _ in range(3):
                for e, g in zip(expected, outputs(program(np, views(a), views(b), views(c))), strict=True):
                    assert same_bits(e, real.asarray(g)) and e.strides == g.strides


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads(threads, launched):
    np = module_under_test()
    z, w, x = arrays((150_001,), "D")
    a, b, c = map(np.array, (z, w, x))
    with np.config(threads=threads):
        for program in (arithmetic, sizes, choices):
            expected = outputs(program(real, z, w, x))
            for _ in range(3):
                for e, g in zip(expected, outputs(program(np, a, b, c)), strict=True):
                    assert same_bits(e, real.asarray(g))
    assert any(launched.all())


def test_one_plan_serves_either_part():
    """Graphs that differ only in which part they read have one key."""
    np = module_under_test()
    z, w, x = arrays((500,), "D")
    a, b, c = map(np.array, (z, w, x))
    for k in range(12):
        part = ("real", "imag", "real", "imag", "imag")[k % 5]
        expected = getattr(z * w + z, part) * x + getattr(z - w, ("imag", "real")[k % 2])
        got = getattr(a * b + a, part) * c + getattr(a - b, ("imag", "real")[k % 2])
        assert same_bits(expected, real.asarray(got))
        q, r = z * w, a * b
        flat, same = q.view("d")[::2] * x, r.view("d")[::2] * c
        assert same_bits(flat, real.asarray(same))


def orbits(np, c, limit, steps=9):
    z, count = np.zeros_like(c), np.zeros(c.shape, dtype="i4")
    for i in range(steps):
        near = np.less(abs(z), limit)
        count[near] = i
        z[near] = z[near] ** 2 + c[near]
    z[~near] = 1j
    return count, z


@pytest.mark.parametrize("dtype", ["F", "D"])
@pytest.mark.parametrize("shape", [(30, 40), (120, 140)])
def test_orbits_with_masks(shape, dtype, launched):
    np = module_under_test()
    c = (real.linspace(-2, 1, shape[1]) + 1j * real.linspace(-1, 1, shape[0])[:, None]).astype(dtype)
    expected = orbits(real, c, 2.0)
    for _ in range(3):
        for e, g in zip(expected, orbits(np, np.array(c), 2.0), strict=True):
            assert same_bits(e, real.asarray(g))
    assert any(launched.all())


def test_warnings_are_those_of_numpy():
    """A size overflows without one, a product with one; a quotient by zero has two."""
    np = module_under_test()
    z = real.array([1e200 + 1e200j, 1 + 1j, 1.7e308 + 1.7e308j, 0j] * 40)

    programs = [lambda a: abs(a) + 1, lambda a: a * a - 1, lambda a: (a + 1) / (a - a), lambda a: a * 2 + a,
                lambda a: a.astype("F") - 1, lambda a: abs(a - 1) * a]

    def given(np):
        found = []
        for program in programs:
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                real.asarray(program(np.array(z)))
            found.append(sorted(str(w.message) for w in seen))
        return found

    expected = given(real)
    assert expected[0] == [] and all(expected[1:])
    for _ in range(3):
        assert given(np) == expected


def test_numbers_that_do_not_fit_are_left_to_numpy():
    np = module_under_test()
    z = real.linspace(-1, 1, 500).astype("F")
    for number in (1e300 + 1j, complex(real.inf, -0.0), complex(-0.0, real.nan), 3, True, -2.5, real.float32(1.5)):
        with real.errstate(all="ignore"):
            expected = (z + number) * 2 - z
        with np.errstate(all="ignore"):
            for _ in range(3):
                a = np.array(z)
                assert same_bits(expected, real.asarray((a + number) * 2 - a))


@pytest.mark.parametrize("dtype", ["F", "D"])
@pytest.mark.parametrize("engine", ["llvm", "numpy"])
def test_products_with_a_large_temporary_on_the_right(dtype, engine):
    """NumPy writes into an unnamed operand of 256 kB or more, which is then the first one: a product of complex numbers
    is rounded otherwise."""
    np = module_under_test()

    def program(np, z, w, x):
        named = w + 1
        return (z * w.conj(), z * named, (z + 1) * (w + 1), z * -w + z, x * (w + 1), z * (x + 1), named * (z - w) * z,
                z.reshape(-1)[1:] * (w.reshape(-1)[1:] + 1), np.multiply(z, w + 1), 1j * (z + w) * w, z * abs(w),
                real.complex128(2 - 1j) * (w + z), (w + z) * real.complex64(3j), z * (w - z), z.sum() * (w + 1))
    for n in (1 << 18) // real.dtype(dtype).itemsize - 1, (1 << 18) // real.dtype(dtype).itemsize, 40_000:
        z, w, x = arrays((n,), dtype)
        expected = program(real, z, w, x)
        with np.config(engine=engine):
            for _ in range(3):
                for k, (e, g) in enumerate(zip(expected, program(np, *map(np.array, (z, w, x))), strict=True)):
                    assert same_bits(e, real.asarray(g)), k
