"""Every function of the table of lazy calls: pending inputs stay pending, and the result is NumPy's, bit for bit.

`CALLS` has for each row of `rows.TABLE` how it is called: Python text over the names of `SOURCES`. From these come a
counting-hook test for short and for long axes, and a Hypothesis test over dtypes, layouts and lengths.
"""

import importlib

import hypothesis.strategies as st
import numpy as real
import pytest
from hypothesis import HealthCheck, given, settings

from tests.helpers import assert_same, check_same, counting_hook, module_under_test
from tests.strategies import LAYOUTS, with_layout
from tests.strategies import values as values_of

pytestmark = pytest.mark.usefixtures("everything_waits")

table = importlib.import_module("lazytensor.api.rows")

# x, y, m, z: one shape; t: a lazy scalar; r: structured; s: square; u, v: as long as x has columns; w: as long as it
# has rows; b: bins, increasing.
REDUCTION = "np.{0}(x, where=m); np.{0}(x, axis=0, where=m); np.{0}(x, 1, keepdims=True, where=u > 0)"
NAN = "np.{0}(x); np.{0}(x, axis=0); np.{0}(x, -1, keepdims=True); np.{0}(x, axis=(0, 1))"
CALLS = {
    **{name: REDUCTION for name in ("sum", "prod", "any", "all", "mean", "var", "std")},
    **{name: "np.{0}(x, initial=1, where=m); np.{0}(x, 0, initial=2, where=m)"
       for name in ("max", "min", "amax", "amin")},
    **{name: NAN for name in ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd", "ptp", "median",
                              "nanmedian")},
    "argmax": "np.argmax(x[:, ::2]); x.argmax(axis=0)", "argmin": "np.argmin(x); x.argmin(1)",
    **{name: "np.{0}(x); np.{0}(x, axis=0); np.{0}(x, 1)" for name in ("cumsum", "cumprod", "nancumsum", "nancumprod")},
    **{name: "np.{0}(x, 0.3); np.{0}(x, [0.1, 0.5], axis=0); np.{0}(x, 0.5, 1, method='lower', keepdims=True)"
       for name in ("quantile", "percentile", "nanquantile", "nanpercentile")},
    **{name: "np.{0}(x, axis=0); np.{0}(u)" for name in ("cumulative_sum", "cumulative_prod")},
    "array": "np.array([u, v]); np.array([t, u[1:3].sum()]); np.array([x, y], dtype='f4'); np.array([[t, 1], [2, t]]);"
             "np.asarray((u, v)); np.asarray([w, w], order='F'); np.sum([t, t]); np.maximum([t, 2], u[:2])",
    "linspace": "np.linspace(0, t, 5); np.linspace(u, v, 4); np.linspace(t, 9, endpoint=False, retstep=True)",
    "logspace": "np.logspace(0, u / 9, 3); np.logspace(u / 9, 1, 4, base=2.0)",
    "average": "np.average(x); np.average(x, axis=0); np.average(x, axis=0, returned=True)",
    "cov": "np.cov(x); np.cov(x, y); np.cov(u, v)", "corrcoef": "np.corrcoef(x); np.corrcoef(u, v)",
    "count_nonzero": "np.count_nonzero(x, axis=0); np.count_nonzero(x, 1, keepdims=True)",
    "sort": "np.sort(x); np.sort(x, axis=0); np.sort(x, None)",
    "argsort": "np.argsort(x); x.argsort(axis=0, kind='stable'); np.argsort(x, axis=None)",
    "lexsort": "np.lexsort((u, v)); np.lexsort([x, y])", "searchsorted": "np.searchsorted(b, x); np.searchsorted(b, 1)",
    "sort_complex": "np.sort_complex(u)", "partition": "np.partition(x, 1); np.partition(x, 0, axis=0)",
    "argpartition": "np.argpartition(x, 1); x.argpartition(0, axis=0)",
    "digitize": "np.digitize(x, [0, 1, 2]); np.digitize(x, real.array([2.0, 1.0]), right=True)",
    "isin": "np.isin(x, y); np.isin(x, [1, 2], invert=True)",
    "where": "np.where(m, x, y); np.where(m, x, u); np.where(x, 1, 0)",
    "select": "np.select([m, x > y], [x, y]); np.select([m], [x], default=7)",
    "choose": "np.choose(real.arange(x.shape[1]) % 2, [u, v]); np.choose(real.arange(3) % 3, (1, 2, u[0:1]))",
    "take": "np.take(x, [0, 1, 0]); x.take([1, -1], axis=1); np.take(x, real.array([[0, 2]]), axis=0, mode='clip')",
    "take_along_axis": "np.take_along_axis(x, real.zeros((x.shape[0], 2), int), 1)",
    "clip": "np.clip(x, u, 2); x.clip(0, 3); np.clip(x, None, y)",
    "nan_to_num": "np.nan_to_num(x); np.nan_to_num(x, nan=5)",
    **{name: "np.{0}([x, y]); np.{0}((x, y, x), axis=1)" for name in ("concatenate", "stack")},
    **{name: "np.{0}([x, y]); np.{0}((u, v))" for name in ("vstack", "hstack", "dstack", "column_stack")},
    "diag": "np.diag(u); np.diag(u, -2); np.diag(x, 1)", "diagflat": "np.diagflat(u); np.diagflat(x, 1)",
    "astype": "np.astype(x, 'c16')", "meshgrid": "np.meshgrid(u, w); np.meshgrid(u, w, indexing='ij', sparse=True)",
    "block": "np.block([[x, y], [y, x]]); np.block([u, 1, v])", "append": "np.append(x, u); np.append(x, y, axis=0)",
    "tile": "np.tile(x, 2); np.tile(u, (3, 2))", "repeat": "np.repeat(x, 2); x.repeat(3, axis=0)",
    "resize": "np.resize(x, (3, 7))", "roll": "np.roll(x, 2); np.roll(x, -1, axis=0); np.roll(x, (1, 2), axis=(0, 1))",
    "pad": "np.pad(x, 1); np.pad(x, ((1, 2), (3, 0)), mode='edge'); np.pad(u, 3, 'linear_ramp');"
           "np.pad(x, 2, 'reflect')",
    "insert": "np.insert(x, 1, 2, axis=0); np.insert(u, [0, 2], 3); np.insert(x, 0, u, axis=0)",
    "delete": "np.delete(x, 1, axis=0); np.delete(u, [0, 2]); np.delete(x, slice(0, 2), 1)",
    **{name: "np.{0}(x); np.{0}(x, 1); np.{0}(x, -2)" for name in ("tril", "triu")},
    "vander": "np.vander(u); np.vander(u, 3, increasing=True)",
    "diff": "np.diff(x); np.diff(x, axis=0, n=2); np.diff(x, prepend=1); np.diff(u, append=v)",
    "ediff1d": "np.ediff1d(x); np.ediff1d(u, to_begin=u[:2])",
    "gradient": "np.gradient(x); np.gradient(x, 2.0, axis=0); np.gradient(u, v, edge_order=2)",
    "trapezoid": "np.trapezoid(x); np.trapezoid(x, dx=0.5, axis=0); np.trapezoid(x, u)",
    "unwrap": "np.unwrap(x); np.unwrap(x, axis=0)", "interp": "np.interp(x, b, b * 2); np.interp(u, b, b, left=-1)",
    **{name: "np.{0}(u, w); np.{0}(u, w, 'full'); np.{0}(w, u, 'same'); np.{0}(u, v, 'valid')"
       for name in ("convolve", "correlate")},
    **{name: "np.{0}(x)" for name in ("sinc", "i0", "fix", "isposinf", "isneginf", "iscomplex", "isreal")},
    "angle": "np.angle(x); np.angle(x, deg=True)", "isclose": "np.isclose(x, y); np.isclose(x, u, equal_nan=True)",
    **{name: "np.{0}(x); np.{0}(x, 2); np.{0}(x, -1)" for name in ("round", "around")},
    "inner": "np.inner(x, y); np.inner(u, v)", "vdot": "np.vdot(x, y)", "outer": "np.outer(u, w); np.outer(x, u)",
    "kron": "np.kron(u, w); np.kron(x, u)", "dot": "np.dot(x, y.T); np.dot(u, v)",
    "tensordot": "np.tensordot(x, y); np.tensordot(x, y, axes=([0], [0])); np.tensordot(u, w, 0)",
    "cross": "np.cross(x[:, :3], y[:, :3])", "trace": "np.trace(x); x.trace(offset=1); np.trace(s, dtype=complex)",
    "einsum": "np.einsum('ij,ij->i', x, y); np.einsum('ij,j', x, u); np.einsum('ii', s); np.einsum('ij,i->ji', x, w);"
              "np.einsum('ij,kj->ik', x, y, optimize=True)",
    "linalg.norm": "np.linalg.norm(x); np.linalg.norm(x, axis=0); np.linalg.norm(x, 1); np.linalg.norm(u, 3);"
                   "np.linalg.norm(x, real.inf, axis=1, keepdims=True)",
    "linalg.matrix_norm": "np.linalg.matrix_norm(x); np.linalg.matrix_norm(x, ord=1, keepdims=True)",
    "linalg.vector_norm": "np.linalg.vector_norm(x); np.linalg.vector_norm(x, axis=1, ord=1)",
    "linalg.trace": "np.linalg.trace(x)", "linalg.det": "np.linalg.det(s)", "linalg.slogdet": "np.linalg.slogdet(s)",
    "linalg.matrix_power": "np.linalg.matrix_power(s, 3); np.linalg.matrix_power(s, 0)",
    "linalg.qr": "np.linalg.qr(x); np.linalg.qr(s, 'r')",
    "linalg.multi_dot": "np.linalg.multi_dot([x, y.T, x])", "linalg.outer": "np.linalg.outer(u, w)",
    "linalg.cross": "np.linalg.cross(x[:, :3], y[:, :3])", "linalg.tensordot": "np.linalg.tensordot(x, y, axes=2)",
    "linalg.vecdot": "np.linalg.vecdot(x, y); np.linalg.vecdot(x, y, axis=0)",
    "linalg.matmul": "np.linalg.matmul(x, y.T)",
    **{f"fft.{name}": "np.{0}(x); np.{0}(x, axis=0); np.{0}(u, 5); np.{0}(x, norm='ortho')"
       for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{f"fft.{name}": "np.{0}(x); np.{0}(x, axes=(1, 0)); np.{0}(x, norm='forward')"
       for name in ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "irfft2", "rfftn", "irfftn")},
    **{f"fft.{name}": "np.{0}(x); np.{0}(x, axes=0)" for name in ("fftshift", "ifftshift")},
    "polyval": "np.polyval(w, x); np.polyval([1, 2, 3], x); np.polyval(u, 2)",
    "polyder": "np.polyder(u); np.polyder(u, 2)",
    "polyint": "np.polyint(u); np.polyint(u, 2)",
    **{name: "np.{0}(u, w); np.{0}(u, [1, 2])" for name in ("polyadd", "polysub")},
    "polynomial.polynomial.polyvalfromroots": "np.polynomial.polynomial.polyvalfromroots(x, u[:3])",
    "polynomial.polyutils.mapdomain": "np.polynomial.polyutils.mapdomain(x, [0, 1], [2, 5])",
}
SERIES = {"val": "(x, c); (u, [1, 2]); (u, x, tensor=False)", "val2d": "(x, y, x)",
          "val3d": "(u, v, u, e)", "grid2d": "(u, w, x)", "grid3d": "(c, c, c, e)", "vander": "(x, 3); (u, 2)",
          "vander2d": "(x, y, [1, 2])", "vander3d": "(u, v, u, [1, 2, 1])", "der": "(u); (x, 1, axis=1)",
          "int": "(u); (x, 2)"}
for _module, _prefix in table.SERIES.items():
    for _suffix, _calls in SERIES.items():
        _name = f"polynomial.{_module}.{_prefix}{_suffix}"
        CALLS[_name] = "; ".join(f"np.{_name}{call.strip()}" for call in _calls.split(";"))

WRITES = {
    "copyto": "np.copyto(x, y); np.copyto(x, u, where=m); np.copyto(x[1:], 3); np.copyto(x, y, casting='unsafe')",
    "put": "np.put(x, [0, -1], [1, 2]); x.put(real.array([1]), 5); np.put(x[1:], [9, 8], u, mode='wrap')",
    "putmask": "np.putmask(x, m, y); np.putmask(x, m, u); np.putmask(x, m, 3); np.putmask(x, m, [1, 2])",
    "place": "np.place(x, m, u); np.place(x, m, [1, 2, 3])",
    "at": "np.add.at(x, [0, 1, 0], 2); np.maximum.at(u, real.array([0, 0, 1]), v[:3]); np.negative.at(x, [0, 1]);"
          "np.subtract.at(x, (slice(None), real.array([1, 1])), w[:, None]); np.add.at(u, real.array([[0, -1]]), 2.5)",
    "nan_to_num": "np.nan_to_num(x, copy=False); np.nan_to_num(x[1:], False, nan=3.5)",
    "put_along_axis": "np.put_along_axis(x, real.zeros((x.shape[0], 1), int), 1, 1)",
    "fill_diagonal": "np.fill_diagonal(x, 1); np.fill_diagonal(x, u, wrap=True)",
}
OTHERS = {
    "histogram": "np.histogram(x, [0, 1, 2, 5]); np.histogram(x, 7, (0, 3)); np.histogram(x, [0, 1], density=True)",
    "histogram2d": "np.histogram2d(u, v, [[0, 1, 2], [0, 3]]); np.histogram2d(u, v, 3, [[0, 1], [0, 1]])",
    "histogramdd": "np.histogramdd(x[:, :2], [[0, 1, 2], [0, 3]]); np.histogramdd((u, v), 2, [[0, 1], [0, 4]], True)",
    "views of several": "np.broadcast_arrays(x, u, t); np.unstack(x, axis=1); np.atleast_3d(u, x, t);"
                        "np.meshgrid(u, w, copy=False); np.meshgrid(u, w, copy=False, sparse=True, indexing='ij')",
    "full": "np.full((2, 3), t); np.full((2, u.shape[0]), u, 'f4'); np.full_like(x, u); np.full_like(x, t, order='F')",
    "joined by an index": "np.r_[u, 5, v]; np.r_[t, u]; np.c_[u, v]; np.c_[w, x]",
    "series": "np.polynomial.Polynomial([1, 2, 3])(x); np.polynomial.Chebyshev([1, 2])(u); np.poly1d([1, 2, 3])(x);"
              "np.polynomial.Hermite([0.5, 1], [0, 2])(t)",
    "index": "x[:, [0, 2]]; x[[0, 1], [1, 2]]; x[real.array([[0], [1]]), real.array([0, 2])]; x[1:, [0, -1]];"
             "x[real.arange(x.shape[0]) % 2 == 0]; x[None, [0, 1]]; x[[0, 1]][:, [2]]; x[..., [1, 0], None];"
             "x[real.arange(x.size).reshape(x.shape) % 3 == 0]",
    "part": "x.__setitem__((1, 2), x[0, 1:2].max()); x.__setitem__(real.array([0, 0]), u); r.__setitem__('a', 5);"
            "r.__setitem__('b', r['a'] * 2); x.__setitem__((slice(None), [0, 1]), 2)",
    "written": "np.sum(x, axis=0, out=z[0]); np.cumsum(x, 1, out=z); np.median(x, axis=1, out=z[:, 0]); x.max(0, z[1]);"
               "np.concatenate([x[:1], y[1:]], out=z); np.clip(x, 0, 1, out=x); np.matmul(x, s, out=z);"
               "np.dot(x, s, z); np.round(x, out=z.T[:].T); np.einsum('ij,ij->i', x, y, out=z[:, 1]);"
               "np.stack([u, v], out=z[:2]); np.outer(w, u, out=z); np.cumsum(x, 0, out=x);"
               "np.add.reduce(x, 0, None, z[2]); np.take(x, [1, 0], out=z[0, :2])",
    "in place": "x.partition(1); x.sort(0, stable=True); x.__imatmul__(s); x.put([0, 1], 2)",
    "with an order": "np.add(x, y, order='F'); np.multiply(x, y, order='C'); np.sqrt(x, order='A')",
    "out of bounds": "x > -10000; x == 2**31; np.less(x, 1e3); -2**20 < x; x != 70000",
    "scalars": "divmod(t, 2); t ** 2; divmod(7, t); t % 2",
    "methods": "x.flatten('K'); x.ravel('K'); x.byteswap(); x.imag; x.clip(-200, 300); x.clip(1, 1000)",
    "reduceat": "np.add.reduceat(x, [0, 2], axis=1); np.maximum.reduceat(u, [0, 1])",
    "reduce": "np.add.reduce(x, where=m); np.multiply.reduce(x, axis=1, initial=2)",
    "of two outputs": "np.modf(x); np.modf(x, out=(z, None)); np.divmod(x, y, z, x);"
                      "np.divmod(x, 3); np.frexp(x); divmod(x, y)",
    "with a signature": "np.vecdot(x, y); np.matvec(x, u); np.vecmat(w, x)",
}


def rows(calls, name):
    return [call.strip() for call in calls.replace("{0}", name).split(";")]


EVERY = [pytest.param(row, id=row) for name, calls in {**CALLS, **WRITES, **OTHERS}.items()
         for row in rows(calls, name)]


def test_each_row_of_the_table_is_called_here():
    assert set(CALLS) == set(table.TABLE)


def sources(rows=5, columns=6, dtype="f8", layout="c", pool=None):
    """Arrays of one dtype and layout, their values taken from a pool in turn."""
    pool = real.arange(-3, 9) / 2 if pool is None else pool
    shapes = {"x": (rows, columns), "y": (rows, columns), "s": (columns, columns), "u": (columns,), "v": (columns,),
              "w": (rows,), "c": (3,), "e": (3, 3, 3)}
    found = {}
    for k, (name, shape) in enumerate(shapes.items()):
        size = int(real.prod(shape))
        with real.errstate(all="ignore"):
            array = pool[(real.arange(size) * 7 + k) % len(pool)].astype(dtype).reshape(shape)
        found[name] = with_layout(array, layout if array.size else "c")
    found["z"] = with_layout(real.zeros((rows, columns), dtype), layout if rows and columns else "c")
    found["r"] = real.array([(1, 2.5), (3, 4.5), (5, 6.5)], [("a", "i4"), ("b", "f8")])
    found["b"] = real.arange(columns).astype(dtype)
    found["m"] = with_layout((real.arange(rows * columns) % 3 != 1).reshape(rows, columns), layout)
    return found


def used(row, given):
    names = compile(row, "<row>", "eval").co_names
    return {name: array for name, array in given.items() if name in names or name == "u" and "t" in names}


def with_scalar(names):
    """The arrays by name, and `t`, the sum of two numbers: a lazy scalar where they are Tensors."""
    return names if "u" not in names else {**names, "t": names["u"][1:3].sum()}


def check_stays_pending(row, given):
    np = module_under_test()
    names = {name: np.array(array, order="K").copy("K") for name, array in used(row, given).items()}
    copies = with_scalar({name: array.copy("K") for name, array in names.items()})
    code = compile(row, "<row>", "eval")
    with np.errstate(all="ignore"), counting_hook() as executed:
        result = eval(code, {"np": np, "real": real, **copies})
        assert executed == [], "ran while it was written"
        again = with_scalar({name: array.copy("K").copy("K") for name, array in used(row, given).items()})
        expected = eval(code, {"np": real, "real": real, **again})
        assert_same(expected, result)
        assert_same(again, copies)
        assert executed, "the hook is dead or nothing was pending"


@pytest.mark.parametrize("row", EVERY)
def test_stays_pending_and_then_has_numpys_value(row):
    check_stays_pending(row, sources())


@pytest.mark.parametrize("row", EVERY)
def test_stays_pending_where_axes_are_long(row):
    """Longer than `sampling.SHORT`: the geometry is that of shorter arrays, carried over."""
    check_stays_pending(row, sources(19, 13))


@pytest.mark.parametrize("row", EVERY)
def test_is_numpys_in_other_layouts(row):
    for layout in ("fortran", "negative", "interleaved"):
        given = sources(12, 10, layout=layout)
        check_same(program_of(row, given), *used(row, given).values())


def program_of(row, given):
    """The row as a function of NumPy or what stands for it, and of the arrays that it uses."""
    names = ", ".join(used(row, given))
    scalar = "(lambda t: {})(u[1:3].sum())" if " t " in f" {' '.join(compile(row, '', 'eval').co_names)} " else "({})"
    return eval(f"lambda np, {names}: {scalar.replace('{}', row)}", {"real": real})


DTYPES = ("f8", "f4", "f2", "g", "c16", "c8", "i8", "i4", "i2", "i1", "u1", "u8", "?", ">f8", ">i4")


@pytest.mark.parametrize("row", EVERY)
@settings(max_examples=10, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_is_numpys_over_dtypes_and_layouts(row, data):
    dtype = data.draw(st.sampled_from(DTYPES))
    pool = values_of(dtype) if data.draw(st.booleans()) else real.arange(1, 9).astype(dtype)
    least = int("fft" in row)  # NumPy reads memory at random where it has nothing to transform
    lengths = st.one_of(st.integers(least, 7), st.integers(8, 24))
    given = sources(data.draw(lengths), data.draw(lengths), dtype, data.draw(st.sampled_from(LAYOUTS)), pool)
    with real.errstate(all="ignore"):
        check_same(program_of(row, given), *used(row, given).values())
