"""Reductions over any axes: in the middle, in two places, of few columns; the bits of NumPy, with what is before them
and what follows them in one kernel."""

import itertools
import warnings

import numpy as real
import pytest

from lazytensor.config import current
from lazytensor.lower import fused
from lazytensor.lower.stages import blocks, reducible
from lazytensor.run import kernels

from .helpers import module_under_test, plan_soon, same_bits

SHAPES = [(5, 17, 33), (3, 200, 4), (40, 9, 8), (2, 3, 4, 5), (7, 1, 40), (2, 30, 30, 3), (6, 50, 130), (9, 3, 1, 20),
          (300, 2, 40), (3, 5, 7, 2, 2), (8200, 2), (2, 8200, 3), (30, 1), (1, 30, 1, 7)]
OPERATIONS = ["sum", "mean", "var", "std", "max", "min", "any", "all", "prod"]
PROGRAMS = {
    "standardised": lambda np, x, axes: (x - x.mean(axes, keepdims=True)) / (x.std(axes, keepdims=True) + 0.5),
    "softmax": lambda np, x, axes: np.exp(x - x.max(axes, keepdims=True)) / np.exp(
        x - x.max(axes, keepdims=True)).sum(axes, keepdims=True),
    "several": lambda np, x, axes: (x.sum(axes), (x * x).sum(axes), x * 2, x.max(axes) - x.min(axes)),
    "numbers": lambda np, x, axes: ((x * 3.5 + 1).mean(axes) * 2.5, ),
    "scaled": lambda np, x, axes: (x * real.arange(1, 1 + x.shape[-1]).astype(x.dtype)).sum(axes, keepdims=True) * x,
}


def twice(np, program, x):
    """What a program gives the second time, when it is planned."""
    for _ in range(2):
        got = program(np, np.array(x))
        np.realize(*got if type(got) is tuple else (got,))
    return got


def compare(program, x):
    np = module_under_test()
    want, got = program(real, x), twice(np, program, x)
    for a, b in zip(*[r if type(r) is tuple else (r,) for r in (want, got)], strict=True):
        assert real.asarray(b).dtype == a.dtype and real.asarray(b).strides == a.strides
        assert same_bits(a, real.asarray(b))


def axes_of(ndim):
    return [axes for r in range(1, ndim + 1) for axes in itertools.combinations(range(ndim), r)]


@pytest.mark.parametrize("shape", SHAPES)
def test_all_axes(shape):
    plan_soon(module_under_test())
    rng = real.random.default_rng(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for char, axes in itertools.product("fdlhB?" if len(shape) == 3 else "dl", axes_of(len(shape))):
            x = (rng.normal(size=shape) * 3).astype(char)
            for name in OPERATIONS:
                if char != "?" or name not in ("var", "std"):
                    compare(lambda np, x, name=name, axes=axes: getattr(
                        x | x if x.dtype == bool else x + x, name)(axes), x)
    assert not kernels.failures


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("program", PROGRAMS)
def test_with_what_is_around(program, threads):
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(6)
    for shape in ((4, 40, 70), (300, 30, 17), (3, 9000, 4), (2, 20, 30, 64)):
        for char, axes in itertools.product("fd", axes_of(len(shape))[:-1]):
            with np.config(threads=threads):
                compare(lambda np, x, axes=axes: PROGRAMS[program](np, x, axes), rng.normal(size=shape).astype(char))
    assert not kernels.failures


SPECIAL = real.array([0.0, -0.0, real.nan, real.inf, -real.inf, 1.5, -2.0, 5e-324])


@pytest.mark.parametrize("name", ["sum", "max", "min", "prod", "mean", "var"])
def test_special_values(name):
    plan_soon(module_under_test())
    rng = real.random.default_rng(7)
    with real.errstate(all="ignore"), module_under_test().errstate(all="ignore"):
        for values, shape in itertools.product((SPECIAL[:2], SPECIAL[1:2], SPECIAL[5:], SPECIAL),
                                               ((3, 4, 5), (2, 20, 17), (6, 3, 30), (40, 3), (3, 18, 2, 19))):
            for axes in axes_of(len(shape)):
                x = rng.choice(values, size=shape)
                compare(lambda np, x, axes=axes: getattr(x * 1.0, name)(axes), x)


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
def test_one_kernel():
    """What is before a reduction over middle axes, or over axes in two places, makes no array."""
    np = module_under_test()
    plan_soon(np)
    x = np.array(real.random.default_rng(8).normal(size=(4, 30, 30, 20)))
    for axes in (1, (1, 2), (0, 1), (0, 3), (1, 3)):
        for _ in range(2):
            y = (x * 2 + 1).sum(axes)
            text = y.explain()
            y.realize()
        assert "1 kernel among them" in text and "arrays made: 1 (" in text
    assert "more than two places" in (x * 2).sum((0, 2)).explain()


def test_places():
    assert blocks(5, (1, 2, 4)) == [(False, 0, 1), (True, 1, 3), (False, 3, 4), (True, 4, 5)]
    assert [axes for axes in axes_of(4) if not reducible(4, axes)] == [(0, 2)]


@pytest.mark.parametrize("call", [lambda x: x.sum(1), lambda x: x.sum((0, 2)), lambda x: x.prod(1)])
def test_warnings_are_numpys(call):
    np = module_under_test()
    plan_soon(np)
    x = real.full((3, 40, 17), 1e308)
    for _ in range(3):
        with warnings.catch_warnings(record=True) as want:
            warnings.simplefilter("always")
            call(x * 1.5)
        with warnings.catch_warnings(record=True) as got:
            warnings.simplefilter("always")
            call(np.array(x) * 1.5).realize()
        assert [str(w.message) for w in got] == [str(w.message) for w in want]


LAYOUTS = {
    "fortran": lambda x: real.asfortranarray(x),
    "transposed": lambda x: x.transpose(*range(1, x.ndim), 0),
    "reversed": lambda x: x[::-1, ..., ::-1],
    "rows cut": lambda x: x[1:, ..., :-1],
    "steps": lambda x: x[::2, ..., ::3],
    "repeated": lambda x: real.broadcast_to(x[..., :1, :], x.shape),
    "in blocks": lambda x: x[:x.shape[0] // 2 * 2].reshape(2, -1, *x.shape[1:]),
    "windows": lambda x: real.lib.stride_tricks.sliding_window_view(x, 3, axis=0),
    "swapped": lambda x: x.swapaxes(0, -1)[:, 1:],
}


def test_places_of_a_transposed_array():
    """Axes in two places, of which none is innermost as the array lies: binding went on for ever."""
    np = module_under_test()
    plan_soon(np)
    x = real.random.default_rng(4).random((2, 3, 4, 200))
    compare(lambda np, x: (x.T * x.T).sum((1, 3)), x)
    compare(lambda np, x: (x.T * x.T).var((1, 3)), x)
    assert not kernels.failures


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(9)
    for shape, char in itertools.product(((40, 70), (6, 20, 17), (7, 9000)), "dl"):
        x = (rng.choice(SPECIAL[[0, 1, 5, 6]], size=shape) * rng.choice([1, 0.1, 3], size=shape)).astype(char)
        y = LAYOUTS[layout](x)
        for axes, name in itertools.product(axes_of(y.ndim), ("sum", "var", "max", "all", "prod")):
            for scaled in (False, True):
                def program(a, scaled=scaled, axes=axes, name=name):
                    return getattr(a * 3 if scaled else a, name)(axes)
                with real.errstate(all="ignore"), np.errstate(all="ignore"):
                    want = program(y)
                    for base in (np.array(x), np.array(x) * 1):
                        shown = np.asarray(y) if layout in ("windows", "repeated") else LAYOUTS_OF[layout](np, base)
                        for _ in range(2):
                            got = program(shown).realize()
                        assert same_bits(want, real.asarray(got)) and real.asarray(got).dtype == want.dtype


LAYOUTS_OF = {
    "fortran": lambda np, x: np.asfortranarray(x),
    **{name: lambda np, x, f=LAYOUTS[name]: f(x) for name in LAYOUTS if name not in ("fortran", "windows", "repeated")},
}


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
def test_views_are_read_where_they_lie():
    np = module_under_test()
    plan_soon(np)
    x = np.array(real.random.default_rng(8).normal(size=(64, 64, 20)))
    x.realize()
    for call in (lambda: x.reshape(32, 2, 64, 20).mean(1),
                 lambda: x.T.sum(1), lambda: x[1:, :, 3:].max(0), lambda: (x.T * 2).sum(2) + 1):
        for _ in range(2):
            y = call()
            text = y.explain()
            y.realize()
        assert "1 kernel among them" in text


def test_dtypes():
    """A dtype that is the array's own or the result's changes nothing; integers are cast for means of columns."""
    np = module_under_test()
    plan_soon(np)
    rng = real.random.default_rng(10)
    for shape in ((9000, 3), (40, 30), (3, 20, 30, 3), (4, 30, 1)):
        for char, axes in itertools.product("fdhL?", axes_of(len(shape))):
            x = (rng.normal(size=shape) * 100).astype(char)
            for name, dtype in itertools.product(("sum", "prod", "mean", "var"), (None, "f8", "f4", "i8", "?")):
                if dtype is not None and real.dtype(dtype).kind not in "f" and name in ("mean", "var"):
                    continue
                with real.errstate(all="ignore"), np.errstate(all="ignore"):
                    want = getattr(x, name)(axes, dtype)
                    for _ in range(2):
                        got = getattr(np.array(x), name)(axes, dtype).realize()
                assert same_bits(real.asarray(want), real.asarray(got)) and got.dtype == want.dtype


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
def test_means_of_bytes_are_kernels():
    np = module_under_test()
    plan_soon(np)
    x = np.array(real.random.default_rng(8).integers(0, 255, (4, 50, 50, 3)).astype("u1"))
    for _ in range(2):
        y = (x.mean((1, 2)) + 1) * 2
        text = y.explain()
        y.realize()
    assert "1 kernel among them" in text


STATISTICS = {
    "mean": lambda np, x, axes: (x & x).mean(axes), "mean alone": lambda np, x, axes: x.mean(axes),
    "var": lambda np, x, axes: (x & x).var(axes), "std": lambda np, x, axes: x.std(axes, ddof=1),
    "several": lambda np, x, axes: (x.mean(axes), x.sum(axes), x.max(axes), x.var(axes)),
    "standardised": lambda np, x, axes: (x - x.mean(axes, keepdims=True)) / (x.std(axes, keepdims=True) + 0.5),
    "every other": lambda np, x, axes: (x[..., ::2].mean(axes), x[..., ::2].var(axes)),
}


@pytest.mark.parametrize("program", STATISTICS)
def test_statistics_of_small_integers(program):
    """Sums of integers of two bytes at most are exact as NumPy's float64, wherever it cuts them."""
    plan_soon(module_under_test())
    rng = real.random.default_rng(11)
    for shape in ((30000,), (3, 9000), (300, 7), (3, 40, 50)):
        for char, axes in itertools.product("?bHi", [None, *axes_of(len(shape))]):
            x = (rng.integers(-40000, 40000, shape) % (2 if char == "?" else 1 << 20)).astype(char)
            compare(lambda np, x, axes=axes: STATISTICS[program](np, x, axes), x)
            compare(lambda np, x, axes=axes: STATISTICS[program](np, x.T, axes), x)
    assert not kernels.failures


@pytest.mark.skipif(not fused.available() or current.engine != "llvm", reason="no kernels here")
@pytest.mark.parametrize("axes", [None, 0, -1])
def test_shares_and_brightness_are_kernels(axes):
    np = module_under_test()
    plan_soon(np)
    x = np.array(real.random.default_rng(8).random((300, 200))).realize()
    image = (x * 255).astype("u1").realize()
    standardised = (image - image.mean(axes, keepdims=True)) / image.std(axes, keepdims=True)
    for result in ((x > 0.5).mean(axes), standardised):
        text = result.explain()
        assert " 1 step to run" in text and "1 kernel among them" in text


def test_names_of_reductions_that_may_be_kernels_alone():
    from lazytensor.ir import operation
    from lazytensor.lower import fused

    assert operation.SCANS == fused.SCANS.keys()
    assert operation.REDUCERS == (fused.REDUCTIONS.keys() | fused.SCANS.keys()) - {"any", "all"}


FORMS = ["b - b.sum(axis)", "b.sum(axis) - b", "b * b.max(axis) + b.sum(axis)", "(b.sum(axis) + 1) * b",
         "np.where(b > 0, b, b.mean(axis))", "(b - b.sum(axis, keepdims=True)) * b.sum(axis)",
         "(b - b.sum(axis)) * b.sum(axis, keepdims=True)", "np.rint(b / b.max(axis)) - b.var(axis, keepdims=True) * b",
         "(b * b.sum(axis, keepdims=True)) - (b - b.sum(axis))"]


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("order", "CF")
def test_results_of_rows_are_stretched_along_the_last_axes_where_lengths_are_equal(order, jitted):
    """`b - b.sum(1)` of a square array takes sums of rows from columns."""
    np = module_under_test()
    plan_soon(np)
    for shape in [(4, 4), (3, 3, 5), (5, 3, 3), (3, 3, 3), (130, 130)]:
        x = real.asarray(real.random.default_rng(0).normal(size=shape), order=order)
        for axis, form in itertools.product(range(len(shape)), FORMS):
            def of(module, x, form=form, axis=axis):
                return eval(form, {"b": x * 2, "np": module, "axis": axis})
            try:
                wanted = of(real, x)
            except ValueError:
                continue
            f = np.jit(lambda x, of=of: of(np, x)) if jitted else lambda x, of=of: of(np, x)
            for _ in range(3):
                found = f(np.array(x))
                assert same_bits(wanted, real.asarray(found)) and found.strides == wanted.strides, (shape, axis, form)
