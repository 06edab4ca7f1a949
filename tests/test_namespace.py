"""Every public name of NumPy is there, and gives what NumPy gives: values, dtypes, layouts, aliasing, effects."""

import importlib
import inspect
import pickle
import subprocess
import sys
import types
import warnings

import numpy
import pytest

import lazytensor
from tests.helpers import assert_same, check_same, counting_hook

SUBMODULES = [
    "linalg", "fft", "random", "polynomial", "polynomial.polynomial", "polynomial.chebyshev", "polynomial.hermite",
    "polynomial.hermite_e", "polynomial.laguerre", "polynomial.legendre", "polynomial.polyutils", "ma", "ma.core",
    "ma.extras", "char", "strings", "rec", "ctypeslib", "lib", "lib.stride_tricks", "lib.array_utils", "lib.format",
    "lib.introspect", "lib.mixins", "lib.npyio", "lib.recfunctions", "lib.scimath", "testing", "exceptions", "dtypes",
    "typing", "f2py", "version", "matlib",
]  # fmt: skip


# ---------------------------------------------------------------- names


def test_no_public_name_is_missing():
    assert lazytensor.__all__ == list(numpy.__all__)
    assert [name for name in numpy.__all__ if not hasattr(lazytensor, name)] == []
    assert set(numpy.__all__) <= set(dir(lazytensor))


@pytest.mark.parametrize("name", SUBMODULES)
def test_submodules_have_the_names_of_numpys(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        real = importlib.import_module(f"numpy.{name}")
        own = importlib.import_module(f"lazytensor.{name}")
        public = getattr(real, "__all__", None) or [n for n in dir(real) if not n.startswith("_")]
        assert isinstance(own, types.ModuleType)
        assert [n for n in public if not hasattr(own, n)] == []
    assert sys.modules[f"lazytensor.{name}"] is own


def test_star_import_gives_what_numpys_gives():
    real, own = {}, {}
    exec("from numpy import *", real)
    exec("from lazytensor import *", own)
    assert real.keys() == own.keys()
    assert own["sum"] is lazytensor.sum and own["abs"] is lazytensor.abs


@pytest.mark.parametrize("use", [
    "eval('sin(x) + pi', vars(np), {'x': 0.5})", "np.__dict__.get('cos')(1.0)", "'tan' in vars(np)",
    "vars(np) is vars(np)", "len({**vars(np)}) > 400",
    "sorted(name for name in vars(np) if name in np.__all__ and type(vars(np)[name]) is np.ufunc)",
    "[np.sin, vars(np)['sin'](0.5)][1]", "setattr(np, 'cosh', 7), vars(np)['cosh'], np.cosh"])
def test_the_dict_of_the_module_has_all_names(use):
    """Which are made when they are first used, otherwise; in a process that has used none yet."""
    said = [subprocess.run([sys.executable, "-c", f"import {module} as np; print({use})"], capture_output=True,
                           text=True, check=True).stdout for module in ("numpy", "lazytensor")]
    assert said[0] == said[1]


def test_names_are_those_of_a_plain_module_when_plans_pay():
    code = """if True:
        import types
        import lazytensor as np
        from lazytensor.run import startup
        sine, names = np.sin, [name for name in np.__all__ if name not in ("linalg", "fft")]
        np.tan = 7
        assert type(np) is not types.ModuleType and isinstance(np, types.ModuleType)
        assert startup.pays(1e15)
        assert type(np) is types.ModuleType and np.sin is sine is vars(np)["sin"] and np.tan == 7
        assert [name for name in names if not hasattr(np, name)] == [] and "cos" in vars(np)
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_constants_and_types_are_numpys():
    for name in ("pi", "nan", "inf", "newaxis", "float64", "generic", "dtype", "errstate", "nditer", "matrix", "poly1d",
                 "seterr", "set_printoptions", "printoptions", "sctypeDict", "True_", "s_"):  # fmt: skip
        assert getattr(lazytensor, name) is getattr(numpy, name), name
    assert lazytensor.typing is numpy.typing and lazytensor.exceptions is numpy.exceptions
    assert lazytensor.__version__ == numpy.__version__


def test_aliases_are_one_object():
    for one, other in [("concat", "concatenate"), ("abs", "absolute"), ("permute_dims", "transpose")]:
        assert getattr(lazytensor, one) is getattr(lazytensor, other)
    assert lazytensor.emath is lazytensor.lib.scimath
    assert lazytensor.linalg.norm is importlib.import_module("lazytensor.linalg").norm


def test_functions_keep_their_documentation():
    for name in ("tile", "median", "sum", "array", "where", "linalg.norm", "fft.fft", "sin"):
        own, real = lazytensor, numpy
        for part in name.split("."):
            own, real = getattr(own, part), getattr(real, part)
        assert own.__doc__.startswith(real.__doc__.rstrip()) and own.__name__ == real.__name__
        assert "With lazytensor" in own.__doc__[len(real.__doc__.rstrip()) :] and own.__wrapped__ is real
    assert inspect.signature(lazytensor.median) == inspect.signature(numpy.median)


@pytest.mark.parametrize("name", ["sin", "sum", "tile", "array", "linalg.norm", "fft.fft", "strings.upper", "vectorize",
                                  "r_", "abs", "random.default_rng", "testing.assert_equal"])  # fmt: skip
def test_functions_are_pickled_by_name(name):
    value = lazytensor
    for part in name.split("."):
        value = getattr(value, part)
    assert pickle.loads(pickle.dumps(value)) is value


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sqr", "module 'lazytensor' has no attribute 'sqr'. Did you mean: 'sqrt'?"),
        ("zzzz_nothing_like_it", "module 'lazytensor' has no attribute 'zzzz_nothing_like_it'"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(AttributeError) as caught:
        getattr(lazytensor, name)
    assert str(caught.value) == message
    assert not hasattr(lazytensor, "__wrapped__")


@pytest.mark.parametrize("name", ["float_", "Inf", "cast", "object", "int", "alltrue", "NaN"])
def test_removed_names_say_what_numpy_says(name):
    def outcome(module):
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            try:
                kind = callable(getattr(module, name))
            except AttributeError as error:
                kind = str(error)
        return kind, [(w.category, str(w.message), w.filename) for w in given]

    assert outcome(lazytensor) == outcome(numpy)


def test_importing_loads_nothing_that_is_not_needed():
    code = ("import numpy, sys; before = set(sys.modules); import lazytensor; new = set(sys.modules) - before; "
            "print(sorted(n for n in ('networkx', 'llvmlite', 'inspect', 'numpy.random', 'numpy.ma', 'numpy.testing', "
            "'logging', 'difflib', 'dataclasses') if n in new), sorted(n for n in new if "
            "n.startswith(tuple('lazytensor.' + x for x in ('lower', 'schedule', 'optimise', 'hybrid', 'see')))))")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[] []"


# ---------------------------------------------------------------- results


def table():
    return numpy.arange(1.0, 13.0).reshape(3, 4).copy()


EXPRESSIONS = """
np.tile(a, 2) | np.median(a, axis=0) | np.percentile(a, [10, 50]) | np.nanmean(a, 1) | np.unique(a > 3) | np.trace(a)
np.unique_counts(a) | np.unique(v, return_index=True, return_counts=True) | np.histogram(v, 3) | np.gradient(a)
np.linalg.svd(a) | np.linalg.svd(a).S | np.linalg.qr(a) | np.linalg.norm(a, axis=1) | np.linalg.lstsq(a, a[:, 0])
np.linalg.inv(a[:, :3] + 10 * np.eye(3)) | np.linalg.eigh(a.T @ a) | np.linalg.det(np.eye(2) * a[0, 0])
np.fft.fft(a) | np.fft.rfft2(a) | np.fft.fftfreq(8) | np.fft.fftshift(v) | np.concatenate([a, a])
np.stack([a, a], -1) | np.vstack((v, v)) | np.hstack([a, a]) | np.block([[a, a], [a, a]]) | np.append(a, v)
np.insert(v, 1, v[:2]) | np.delete(a, 1, 0) | np.where(a > 3) | np.nonzero(a > 3) | np.argwhere(a > 3)
np.flatnonzero(v) | np.take(a, [0, 2], 1) | np.take_along_axis(a, np.argsort(a, 1), 1)
np.choose([0, 1, 0, 1], a[:2]) | np.select([a > 3, a > 1], [a, -a], 9) | np.einsum("ij,kj->ik", a, a)
np.tensordot(a, a, ((0,), (0,))) | np.kron(v, v) | np.outer(v, v) | np.inner(a, a) | np.cross(a[:, :3], a[:, 1:])
np.vdot(v, v) | np.convolve(v, v) | np.correlate(v, v[:2]) | np.interp([1.5, 3], v, v) | np.cov(a) | np.corrcoef(a)
np.average(a, 0, weights=[1, 2, 3]) | np.diff(a) | np.ediff1d(v) | np.trapezoid(v) | np.polyfit(v, v * 2, 1)
np.polyval([1, 2], v) | np.roots([1, 0, -1]) | np.poly1d([1, 2])(v) | np.digitize(v, [1, 3])
np.bincount(v.astype(int)) | np.searchsorted(v, [2, 3]) | np.partition(v, 2) | np.argpartition(v, 1)
np.lexsort((v, -v)) | np.isin(v, [1, 2]) | np.union1d(v, v + 1) | np.setdiff1d(v, [1]) | np.intersect1d(v, [2, 3])
np.roll(a, 1) | np.pad(a, 1) | np.triu(a) | np.tril(a, 1) | np.vander(v) | np.diag(v) | np.diag(a) | np.diagflat(v)
np.eye(3, k=1) | np.identity(2) | np.repeat(v, 2) | np.resize(v, (2, 3)) | np.trim_zeros([0, 1, 0]) | np.rot90(a)
np.flip(a, 1) | np.fliplr(a) | np.flipud(a) | np.zeros((2, 3), "f4") | np.ones(3, int) | np.full((2, 2), 7)
np.arange(3, 9, 2) | np.linspace(0, 1, 5) | np.logspace(0, 1, 3) | np.zeros_like(a) | np.ones_like(a, int)
np.full_like(a, v[0]) | np.full_like(a, v) | np.empty_like(a).shape | np.meshgrid(v, v) | np.mgrid[0:2, 0:3]
np.ogrid[:2, :3] | np.r_[v, 1:3] | np.c_[v, v] | np.indices((2, 3)) | np.ix_([0], [1, 2])
np.indices((2, 2), sparse=True) | np.tri(3) | np.tril_indices(3) | np.triu_indices_from(a[:, :3])
np.unravel_index(5, (2, 3)) | np.ravel_multi_index(([1], [2]), (2, 3)) | np.fromfunction(lambda i, j: i + j, (2, 3))
np.fromiter((x for x in v), float) | np.apply_along_axis(np.sort, 1, -a) | np.apply_over_axes(np.sum, a, [0])
np.piecewise(v, [v > 2], [lambda x: -x, 0]) | np.vectorize(lambda x: x + 1)(a)
np.vectorize(lambda x, y: x > y)(a, v) | np.frompyfunc(lambda x: x * 2, 1, 1)(v) | np.nan_to_num(v / 0) | np.nansum(a)
np.nanmax(a, 0) | np.cumulative_sum(v) | np.round(a / 7, 2) | np.fix(a / 3) | np.i0(v) | np.sinc(v) | np.unwrap(v)
np.angle(v * 1j) | np.real_if_close(v + 0j) | np.emath.sqrt(-v) | np.clip(a, 2, v) | np.array_equal(a, a)
np.array_equiv(a, a) | np.allclose(a, a + 1e-9) | np.isclose(a, v) | np.count_nonzero(a > 2) | np.shape(a)
np.ndim([[1]]) | np.size(a, 1) | np.isscalar(v[0]) | np.iscomplexobj(a) | np.result_type(a, 1)
np.can_cast(a.dtype, "i4") | np.min_scalar_type(300) | np.common_type(a, v) | np.promote_types("i4", "f4")
np.broadcast_shapes((3, 1), (4,)) | np.iterable(a) | np.strings.upper(np.array(["a", "bc"]))
np.char.add(["a"], ["b"]) | np.strings.str_len(np.array(["a", "bc"])) | np.base_repr(5) | np.array2string(a)
np.array_repr(v) | np.array_str(a) | np.format_float_positional(v[1]) | np.binary_repr(3) | repr(a) | str(a)
np.arange(1, 5).prod(dtype=object)
np.packbits([1, 0, 1]) | np.unpackbits(np.array([7], "u1")) | np.datetime_as_string(np.array(["2020-01-01"], "M8[D]"))
np.busday_count("2020-01", "2020-02") | np.is_busday(np.array(["2020-01-01"], "M8[D]"))
np.polynomial.polynomial.polyval(v, [1, 2]) | np.polynomial.chebyshev.chebfit(v, v, 1)
np.polynomial.chebyshev.chebdomain | np.lib.stride_tricks.sliding_window_view(a, 2, 1) | np.split(a, 2, 1)
np.array_split(v, 3) | np.hsplit(a, 2) | np.dsplit(a[None], 2) | np.atleast_1d(3) | np.atleast_2d(v, a)
np.atleast_3d(a) | np.expand_dims(a, 1) | np.squeeze(a[None]) | np.moveaxis(a, 0, 1) | np.rollaxis(a, 1)
np.swapaxes(a, 0, 1) | np.matrix_transpose(a) | np.broadcast_to(v, (2, 4)) | np.broadcast_arrays(a, v) | np.ravel(a)
np.ravel(a, "F") | np.reshape(a, (4, 3)) | np.unstack(a) | np.diagonal(a) | np.real(a) | np.imag(a * 1j)
np.permute_dims(a, (1, 0)) | np.copy(a, "F") | np.astype(a, int) | np.sort_complex(v) | np.array([a, a])
np.array([v[0], v.sum()]) | np.array([[v.sum(), 1], [2, v.max()]]) | np.array([[v, v], [v, v]]) | np.asarray([v])
np.array(a, ndmin=4) | np.array(a.T, order="C") | np.array(a.T) | np.asarray(a, "f4") | np.asarray(a, order="F")
np.array(a, "U9") | np.ascontiguousarray(a.T) | np.asfortranarray(a) | np.ascontiguousarray(v[0])
np.require(a.T, float, "C") | np.array(a, object) | np.asanyarray(a.T, dtype=int, order="F")
np.array(a, dtype="M8[s]") | np.array(v, dtype=complex, ndmin=2) | np.array(3.0) | np.asarray(a, "bool")
np.random.default_rng(1).normal(v) | np.random.default_rng(2).permutation(a) | np.random.default_rng(2).choice(v, 3)
np.ma.masked_where(a > 3, a).sum() | np.ma.masked_array(v, v > 2).filled(0) | np.matrix(a).sum()
np.rec.fromarrays([v, v]).f0 | np.lib.recfunctions.structured_to_unstructured(np.zeros(2, "f8,f8"))
np.nested_iters(a, [[0], [1]])[0].ndim | np.isneginf(v) | np.bmat('a, a; a, a')
"""  # fmt: skip
PROGRAMS = [part.strip() for line in EXPRESSIONS.split("\n") for part in line.split(" | ") if part.strip()]


@pytest.mark.parametrize("expression", PROGRAMS)
def test_results_are_numpys(expression):
    code = compile(expression, "<expression>", "eval")
    importlib.import_module("lazytensor.lib.recfunctions")

    def program(np, a, v):
        return eval(code, {"np": np, "a": a + 0, "v": v + 0})  # sums, so that the operands are pending

    check_same(program, table(), numpy.array([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize("name", sorted("""
    split array_split hsplit atleast_3d expand_dims moveaxis rollaxis flip fliplr flipud rot90 broadcast_to zeros_like
    ones_like empty_like full_like result_type size iscomplexobj array asarray asfortranarray require copy
    """.split()))  # fmt: skip
def test_views_and_shapes_run_nothing(name):
    more = {"split": (3,), "array_split": (2,), "hsplit": (2,), "expand_dims": (0,), "moveaxis": (0, 1),
            "full_like": (1,), "rollaxis": (1,), "broadcast_to": ((2, 3, 4),), "require": (float, "W")}  # fmt: skip
    pending = lazytensor.array(table()) + 1
    with counting_hook() as executed:
        result = getattr(lazytensor, name)(pending, *more.get(name, ()))
        assert executed == []
    if name != "empty_like":
        assert_same(getattr(numpy, name)(table() + 1, *more.get(name, ())), result)
