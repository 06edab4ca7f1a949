"""Short rows are reduced side by side, each with the bits that NumPy gives it."""

import ctypes
import warnings

import numpy as real
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytensor.lower import fused, routines
from lazytensor.run import kernels, launch

from .helpers import module_under_test, plan_soon, same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")


@pytest.fixture(autouse=True, scope="module")
def at_once():
    np = module_under_test()
    plan_soon(np)
    before = len(kernels.failures)
    with np.config(engine="llvm"):
        yield
    assert kernels.failures[before:] == [], "a kernel could not be made"


@pytest.fixture
def bound(monkeypatch):
    """The launches of rows side by side."""
    found = []
    bind = launch._bind_packed

    def noted(*args):
        made = bind(*args)
        found.append(made) if made is not None else None
        return made
    monkeypatch.setattr(launch, "_bind_packed", noted)
    return found


def distances(np, x, y):
    return np.sqrt(((x[..., :, None, :] - y[..., None, :, :]) ** 2).sum(-1))


def absolute_distances(np, x, y):
    d = np.abs(x[..., :, None, :] - y[..., None, :, :])
    return d.sum(-1), d.max(-1), d.min(-1) * 2


def normalised(np, x, y):
    z = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return z * y + 1, z.max(-1)


def statistics(np, x, y):
    return x.sum(-1), (x * y).sum(-1), x.var(-1, ddof=1), x.std(-1), x.min(-1), x.max(-1), (x + y).mean(-1)


def long_expression(np, x, y):
    a = (x * y + x - 0.5 * y) * x + y
    b = (a * y + x) * (a - 3.0) + np.sqrt(np.abs(a))
    return b.sum(-1), a - b.mean(-1, keepdims=True), (a + y).max(-1)


def masked(np, x, y):
    return np.where(x > y, x, y).sum(-1), (x > y).astype(x.dtype).mean(-1, keepdims=True) * y


def integers(np, x, y):
    i, j = x.astype("i"), y.astype("i")
    return (i * j).max(-1), (i - j).min(-1, keepdims=True) + i


def several_axes(np, x, y):
    z = x.reshape(x.shape[0], -1, 2, x.shape[-1] // 2) if x.shape[-1] % 2 == 0 else x[..., None, :]
    return (z * 2 + 1).sum((-2, -1)), z - z.max((-2, -1), keepdims=True)


def softmax(np, x, y):
    e = np.exp(x / 100 - x.max(-1, keepdims=True) / 100)
    return e / e.sum(-1, keepdims=True), y * 2


def log_of_sums(np, x, y):
    most = x.max(-1, keepdims=True)
    return most[..., 0] + np.log(np.exp((x - most) / 50).sum(-1)), np.log(np.abs(y)).mean(-1)


def loops_one_after_the_other(np, x, y):
    a = np.log1p(np.exp(x / 200)) + y
    b = np.arctan2(np.sin(a), np.tanh(y) + a)
    return a.sum(-1), b, np.hypot(b, a).max(-1, keepdims=True) + b


def loops_of_rows_and_numbers(np, x, y):
    size = np.abs(x) + 1
    largest = size.max(-1, keepdims=True)
    return np.power(size / largest, y.mean(-1, keepdims=True) / 30), np.power(size, 1.7).sum(-1), np.arctan2(y, largest)


def loops_with_results_along_lanes(np, x, y):
    e = np.exp(x.T.copy().T / 100)
    return e, (e * y).sum(-1), np.cbrt(e) - e.mean(-1, keepdims=True)


def kept_for_what_is_computed_again(np, x, y):
    quotient, product = x / y, x * y
    doubled, more = quotient * 2, product * 2
    of_products = product.sum(-1)
    return (doubled - (doubled + 1).sum(-1, keepdims=True), of_products, more - (more + 1).max(-1, keepdims=True))


PROGRAMS = [distances, absolute_distances, normalised, statistics, long_expression, masked, integers, several_axes,
            softmax, log_of_sums, loops_one_after_the_other, loops_of_rows_and_numbers, loops_with_results_along_lanes,
            kept_for_what_is_computed_again]


def outputs(result):
    return result if type(result) is tuple else (result,)


def agree(np, program, x, y):
    with real.errstate(all="ignore"):
        expected = outputs(program(real, x, y))
        a, b = np.array(x), np.array(y)
        for _ in range(3):
            got = outputs(program(np, a, b))
            np.realize(*got)
            for k, (e, g) in enumerate(zip(expected, got, strict=True)):
                assert same_bits(real.asarray(e), real.asarray(g)), (program.__name__, k, x.shape)


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_short_rows(program, dtype, bound):
    np = module_under_test()
    rng = real.random.default_rng(3)
    for shape in [(16, 1), (17, 2), (40, 7), (33, 8), (300, 9), (64, 16), (21, 127), (65, 128), (5, 40, 3), (50, 3, 5)]:
        x, y = (rng.normal(size=shape).astype(dtype) * 100 for _ in range(2))
        agree(np, program, x, y)
    assert bound


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads(threads, bound):
    np = module_under_test()
    rng = real.random.default_rng(3)
    with np.config(threads=threads):
        for shape in [(300, 16), (40_001, 5), (3, 9000, 4)]:
            x, y = (rng.normal(size=shape).astype("d") for _ in range(2))
            for program in (statistics, normalised, softmax):
                agree(np, program, x, y)
        agree(np, distances, x[0, :400], y[1, :300])
    assert len(bound) >= 10


@pytest.mark.parametrize("name", ["sum", "max", "prod", "var"])
def test_results_of_rows_of_one_element_are_reduced_again(name):
    np = module_under_test()

    def program(np, x, y):
        largest = x.max(-1, keepdims=True) * 2
        return getattr(largest, name)(-1, keepdims=True), getattr(np.exp(largest), name)(-1), x + y
    for dtype in "efd":
        agree(np, program, *real.random.default_rng(0).random((2, 40, 1)).astype(dtype))
    assert not kernels.failures


@pytest.mark.parametrize("dtype", "fd")
def test_special_values(dtype):
    np = module_under_test()
    rng = real.random.default_rng(0)
    pool = [0.0, -0.0, 1.0, -1.0, real.inf, -real.inf, real.nan, 1e-310]
    for shape in ((70, 2), (70, 5), (64, 33), (33, 70)):
        for share in (2, 4, len(pool)):
            x, y = (rng.choice(pool[:share], size=shape).astype(dtype) for _ in range(2))
            for program in (statistics, normalised, masked, softmax, log_of_sums, loops_of_rows_and_numbers):
                agree(np, program, x, y)


@pytest.mark.parametrize("length", [2, 3, 7, 8, 10, 31, 63])
def test_loops_between_reductions_are_called_for_many_rows_at_a_time(length, bound):
    np = module_under_test()
    rng = real.random.default_rng(2)
    agree(np, softmax, *(rng.normal(size=(200, length)).astype("f") * 100 for _ in range(2)))
    assert bound


def test_flags_of_loops_are_those_of_their_elements():
    np = module_under_test()

    def program(np, x):
        e = np.exp(x)
        return e.sum(-1), e
    for value, raised in ((1.0, []), (800.0, ["overflow encountered in exp"])):
        x = real.full((40, 5), 1.0)
        x[39, 4] = value
        for _ in range(3):
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                np.realize(*program(np, np.array(x)))
            assert [str(w.message) for w in seen] == raised


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_rows_become_columns(size):
    """Squares, parts of squares, and gaps; nothing else is written."""
    routine = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p, *[ctypes.c_long] * 2, ctypes.c_void_p, *[ctypes.c_long] * 3])(
        routines.address(f"transpose{8 * size}"))
    rng = real.random.default_rng(1)
    for rows, columns in ((1, 1), (3, 5), (7, 16), (8, 8), (9, 8), (16, 3), (16, 10), (20, 33), (5, 7)):
        for gap in (1, 2):
            source = rng.integers(0, 100, (rows, columns * gap)).astype(f"i{size}")
            target = real.full((columns, rows + 3), -1, f"i{size}")
            routine(source.ctypes.data, source.strides[0], size * gap, target.ctypes.data, rows + 3, rows, columns)
            assert (target[:, :rows] == source[:, ::gap].T).all() and (target[:, rows:] == -1).all()


def test_rows_of_results_with_gaps(bound):
    np = module_under_test()
    x = real.random.default_rng(0).normal(size=(60, 9))

    def program(np, x):
        kinds = [("pad", "S3"), ("x", "f8", (9,))], [("x", "f8", (18,))]
        found = []
        for kind in kinds:
            held = np.zeros(60, kind)
            part = held["x"] if kind is kinds[0] else held["x"][:, ::2]
            part[:] = x - x.max(-1, keepdims=True)
            found.append(part + 0)
        return tuple(found)
    with real.errstate(all="ignore"):
        for _ in range(3):
            for e, g in zip(program(real, x), program(np, np.array(x)), strict=True):
                assert same_bits(e, real.asarray(g))


def test_a_sum_of_negative_zeros():
    np = module_under_test()
    x = real.full((40, 6), -0.0)
    agree(np, statistics, x, x)


LAYOUTS = [lambda a: a, lambda a: a.T.copy().T, lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a[::2, ::2],
           lambda a: a[:1], lambda a: a[:, :1], lambda a: a[:, 1:]]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_operands_of_all_layouts(data):
    np = module_under_test()
    rng = real.random.default_rng(data.draw(st.integers(0, 1000)))
    rows, columns = data.draw(st.sampled_from([(20, 3), (70, 33), (40, 12), (130, 60), (17, 4)]))
    base = [rng.normal(size=(2 * rows, 2 * columns)).astype(data.draw(st.sampled_from("fd"))) for _ in range(3)]
    layouts = [data.draw(st.sampled_from(LAYOUTS)) for _ in base]
    reduction = data.draw(st.sampled_from(["sum", "mean", "max", "min", "std", "var"]))
    keepdims, after = data.draw(st.booleans()), data.draw(st.booleans())

    def program(np, arrays):
        x, y, z = (layout(a) for layout, a in zip(layouts, arrays, strict=True))
        shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        e = np.zeros(shape, x.dtype) + x * 2 - y
        r = getattr(e * z, reduction)(-1, keepdims=keepdims)
        return (r, e - (r if keepdims else r[:, None])) if after else (r + 1,)

    def fits():
        try:
            return real.broadcast_shapes(*[layout(a).shape for layout, a in zip(layouts, base, strict=True)])
        except ValueError:
            return None
    if fits() is None:
        return
    with real.errstate(all="ignore"):
        expected = program(real, base)
        arrays = [np.array(a) for a in base]
        for _ in range(3):
            got = program(np, arrays)
            np.realize(*got)
            for e, g in zip(expected, got, strict=True):
                assert same_bits(real.asarray(e), real.asarray(g))
