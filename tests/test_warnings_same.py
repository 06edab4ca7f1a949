"""Every warning that NumPy gives is given once, of the same category and words, and at the user's line where NumPy has
it there: for all calls of the table of lazy functions, and for `OTHERS`, which warn.

Where NumPy points into its own files, those or the user's line will do. Warnings are recorded here, so that everything
runs when written; how pending work warns is tested in `test_warnings`.
"""

import re
import warnings

import numpy as real
import pytest

from tests.helpers import module_under_test
from tests.test_lazy_forms import TABLE
from tests.test_lazy_functions import rows, sources

WARNING = """
np.mean(x, dtype=float); np.cumsum(x, dtype=float); np.sum(x, dtype=float); np.sum(x, where=m, dtype='f4')
np.histogram(x); np.histogram(x, [0, 1, 2]); np.histogram(x, 3, weights=y); x.mean(dtype='f4'); x.cumsum(dtype='f8')
x.astype('f8'); x.astype('i4'); np.var(x[:0]); np.mean(x[:0]); np.nanmean(x * real.nan); np.nanmedian(x * real.nan)
np.std(x, ddof=99); np.var(x, axis=0, ddof=9); np.nanvar(x, ddof=99); np.median(x[:0]); np.divide(x, 0); x / 0; x // 0
x % 0; np.log(-x); np.sqrt(-x); np.arcsin(x + 9); x.sum() / 0; np.exp(x * 1e4); np.power(x, 400.0); 1 / (x - x)
np.nanmax(x * real.nan); np.nanmin(x * real.nan, axis=0); np.cov(x, ddof=99); np.corrcoef(x * 0); np.put(x, 0, 1j)
np.average(x * real.inf - x * real.inf); np.copyto(x, 1j, casting='unsafe'); x.__setitem__(0, 1j); x.fill(1j)
np.full(3, 1j, 'f8'); np.full_like(x, 1j); np.array(x, dtype='f8'); np.asarray(x, 'i4'); np.array([x, x], dtype='f4')
np.asarray([t, t], dtype='f4'); np.concatenate([x, x], dtype='f8', casting='unsafe'); np.histogram2d(u, u, 3)
np.histogramdd(x[:, :2], 2); np.linalg.norm(x * real.inf); np.gradient(x * real.inf); np.interp(u * real.nan, b, b)
np.unwrap(x * real.inf); np.trapezoid(x * real.inf); np.cross(x[:, :2], y[:, :2]); np.polyfit(u, v, 5)
np.fft.rfft(x); np.fft.irfft(x); np.fft.rfftn(x, s=[4, 5]); np.hstack([x, x], dtype='f8', casting='unsafe')
np.copyto(x.astype('i2'), x, casting='unsafe'); np.linspace(0, x[0], 3, dtype=int); np.linspace(0, u, 3, dtype='f4')
np.trace(x, dtype=float); np.nansum(x, dtype='f4'); np.nanprod(x, dtype='i4'); np.add.reduce(x, dtype=float)
np.add.accumulate(x, dtype='f4'); np.add.reduceat(x, [0, 2], dtype='f4')
np.multiply(x, y, dtype='f4', casting='unsafe'); t * np.float32(3) * 1e38; t * np.int8(2) / np.uint64(0)
np.row_stack([x, x]); np.insert(u, 1, 1j); np.append(u, 1j); np.fill_diagonal(x, 1j); np.place(x, m, 1j)
np.putmask(x, m, 1j); np.add.at(x, 0, 1j); np.choose(0, [u, v]); np.quantile(x, 0.5, interpolation='lower')
np.percentile(x * real.nan, 5); np.ptp(x * real.inf); np.dot(x * 1e300, x.T * 1e300); np.reciprocal(x * 0)
np.fmod(x, 0); np.divmod(x, 0); divmod(x, 0); np.divmod(x, y, z, x); t / 0; t // 0; t % 0; divmod(t, 0); t * 1e308 * 10
t ** 400; np.sqrt(-t - 9); np.random.random_integers(1, 6, 3); np.random.RandomState(3).random_integers(5)
np.random.random_integers(1, x.size, 3); np.random.multivariate_normal([0, 0], [[1, 2], [3, 4]])
np.random.default_rng(0).multivariate_normal([0, 0], [[1, 2], [3, 4]]); np.fromstring('1 x', sep=' ')
np.maximum(u, v, v); np.minimum(u, 1, u); np.nansum([1, 2], np.array([0], 'u1')); np.less(u, 1, out=None, where=u > 0)
np.percentile(x, np.array([3, 1], 'u1')); np.take(u, np.array([-128, 1], 'i1'), mode='wrap')
"""
OTHERS = [pytest.param(row, id=row) for line in WARNING.strip().splitlines() for row in rows(line, "")]


def caught(row, np, names):
    """The warnings of a row that stands on the third line of a program, and its error."""
    code = compile(f"\n\n{row}\n", "program.py", "exec")
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            exec(code, {"np": np, "real": real, "__name__": "program", **names})
            error = None
        except Exception as raised:
            error = type(raised), str(raised)
    return [(x.category, str(x.message), x.filename, x.lineno) for x in given], error


@pytest.mark.parametrize("row", [pytest.param(p.values[0], id=p.values[0]) for p in TABLE] + OTHERS)
def test_warns_as_numpy_does(row):
    for dtype in ("f8", "i4", "c16", "?"):
        check_warnings(row, dtype)


def check_warnings(row, dtype):
    np = module_under_test()
    given = {k: v for k, v in sources(5, 6, dtype).items() if re.search(rf"\b{k}\b", row) or k == "u"}
    names = {k: v.copy("K") for k, v in given.items()}
    pending = {k: np.array(v, order="K").copy("K") for k, v in given.items()}
    for module in (names, pending):
        with real.errstate(all="ignore"):
            module["t"] = module["u"][1:3].sum()
    expected, error = caught(row, real, names)
    found, raised = caught(row, np, pending)
    assert raised == error
    assert [x[:2] for x in found] == [x[:2] for x in expected]
    for (*_, file, line), (*_, own, at) in zip(expected, found, strict=True):
        inside = "numpy" in file and "numpy" in own
        assert (own, at) in ((file, line), ("program.py", 3)) or inside
