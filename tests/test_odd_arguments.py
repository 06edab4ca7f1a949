"""Odd arguments: empty, without axes, of the wrong shape, huge, of text, dates and records: NumPy's result or words."""

import numpy as real
import pytest

from tests.helpers import check_same, module_under_test, same_bits

# a: text; d: dates; r: records; i: small integers; f: float16; e: empty; x: a matrix of floats; q: in Fortran order
SOURCES = {
    "a": real.array(["a", "bc"]), "s": real.array([b"x", b"yz"]), "d": real.array(["2020-01-01", "NaT"], "M8[D]"),
    "r": real.array([(1, 2.5), (3, 4.5)], "i4,f8"), "i": real.array([3, 1, 2], "i1"), "h": real.array([1.5, 2.5], "f2"),
    "e": real.zeros((0, 3)), "x": real.arange(6.0).reshape(2, 3), "z": real.array(True), "o": real.zeros(3),
    "q": real.asfortranarray(real.arange(6.0).reshape(2, 3)), "n": real.array([real.nan, 1, real.inf]),
    "m": real.array([1, 2, 3], "m8[s]"), "u": real.array([1, 2], "u1"),
}
ROWS = """
np.dstack(a); np.vstack(a); np.take(a, 1); np.hstack(s, dtype=complex, casting='unsafe'); np.hstack(a)
np.repeat(a, 2); np.transpose(x, []); np.transpose(x, ()); np.transpose(x, [1, 0])
np.percentile(n, np.longdouble('3.0')); np.percentile(x, np.longdouble('3.0')); np.nanpercentile(x, q)
np.putmask(h, d, e); np.place(h, d, e); np.histogram(i, range=(real.nan, 1), weights=u)
np.histogram(i, bins=[2, 1], weights=u); np.histogram(i, [2, 1]); np.nan_to_num(z, False); np.nan_to_num(i, False)
np.nan_to_num(x[0, 0:1][0], False); np.greater(m, -2**65); m > 2**70; np.arctan(-7, out=o, casting='no')
np.log10(2**70, out=o, casting='unsafe'); np.add(1, 2, out=o); np.less(2**70, i); np.searchsorted([], d)
np.searchsorted(d, d); np.asarray(x, float, order='F', copy=False); np.array(r, 'f4', copy=False)
np.array(x, 'f4', copy=False); np.asanyarray(x, order='F', copy=False); np.logical_or(i, 2**64 - 1); i & 2**70
np.logical_and(2**64, x); np.take_along_axis([1, 2, 3], i % 2, 0); np.take_along_axis(x, [[0], [1]], 1)
np.select([x > 1, [True]], [x, 1]); np.choose([0, 1], [i]); np.ravel(q.T, 'K'); np.clip(i, -200, 300)
np.clip(i, 2, 300); np.clip(u, -1, 1); np.clip(i, None, 1000); i.clip(-1000, 2); np.unstack(z); np.unstack(e)
np.broadcast_arrays(x, i, u); np.meshgrid(i, u, copy=False, indexing='x'); np.atleast_2d(); np.add.at(x, 5, 1)
np.add.at(i, [0, 1], 2.5); np.add.at(x, ([0, 1], [0]), [1, 2]); np.add.at(x, real.array([9, 0]), 1)
np.add.at(x, 0, i); np.full((2, -1), i.sum())
np.full_like(i, x[0]); np.dot(i); np.linspace(i[0:1].sum(), 5, -1); np.linspace(0, i.sum(), 2.5)
np.sum(x, axis=0, out=u); np.cumsum(x, out=o); np.array([i, x]); np.array([i, i.sum()]); np.array([i.sum(), 'a'])
np.array([i.sum(), None]); np.array([i.sum(), 2**70]); np.array([i.sum(), 1.5], dtype='i1')
np.array([[i.sum(), 1], [2]]); np.array([x.sum(), 1j]); x[:, [5]]; x[[0, 1], [5, 1]]; x[[[0], [1]], [0, 1]]
x[:, [True, False, True]]; x[[True], [0, 1]]; x[d]; x[[]]; x[..., [0], :]; e[[], :]; x[1.5]
x.__setitem__([0, 5], 1); x.__setitem__([0, 1], i); x.__setitem__([0, 1], u); r.__setitem__('f0', i)
r.__setitem__('g', 1); r.__setitem__('f1', [1, 2]); r.__setitem__('f0', 'a'); np.histogram2d(i, u, [[0, 1], [1, 0]])
np.histogramdd(x, [[0, 1]]); np.r_[i, x]; np.c_[i, u]; np.r_['a', i]; np.polyadd(x, i); np.nanargmax(n[:1])
np.linalg.norm(n[None], 2); np.linalg.qr(i); np.cov(x, fweights=[1, 2]); np.cov(x, aweights=[1, -1, 2])
np.sort(x, kind='stable', stable=True); x.partition(5); x.partition([0, 1]); np.matmul(x, x, out=x)
x.__imatmul__(x); divmod(i.sum(), 0); i.sum() ** -1; np.apply_along_axis(lambda v: v[::-1] * v[1:, None], 0, x)
np.apply_along_axis(len, 5, x); np.imag(x); x.byteswap()
x.std(correction=1); x.var(correction=1); np.var(x, correction=1); np.all(x, 0, None, None, True); x.any(0, None, True)
np.any(x, 0, None, True); np.all(x, 1, o[:2] > 1); x.all(0, None, o > 1); x.sum(out=(o[0, None],)); x.any(0, bool)
np.argmax(x, 0, None, True); x.argmax(0, (i,)); x.mean(0, out=(o,)); np.add.reduce(x, 0, None, (o,)); np.any(x, 0, bool)
np.add.reduce(x, 0, out=(o,)); np.cumsum(x, out=(o,)); np.any(x, keepdims=True); x.all(keepdims=True)
x.fill(i); x.fill([1, 2, 3]); x.fill(i[0:1].sum()); x.fill(z); i.choose(u, u); (i % 2).choose(u[:1], i); x.fill('a')
np.where(np.ones(3) > 0, np.ones(4), 0.5); np.clip(np.ones(3), np.ones(4), 0); np.ones(3).clip(2, np.ones(4))
np.sin(x, (0, 1)); np.add(x, 1, (o,)); np.add(x, 1, (), where=x > 1); np.maximum(i, 1, (i,)); np.sinh(x, o, out=None)
np.exp(x, o, order='x'); np.exp(x, x, order='x'); np.exp(x, x.copy(), order='C'); np.dot(i, i, out=(o,))
np.matmul.outer(x, x); np.array(0, o); np.asarray(i, o); np.asanyarray(1, i); np.ascontiguousarray(i, i)
np.asfortranarray(x, i); np.array(x, o); np.require(x, o); np.full(3, 1.5, o); np.full(2, x.sum(), o); x.astype(i)
x.view(i); x.getfield(i); np.add(x, 1, dtype=i); x.sum(dtype=i); np.zeros(3, i); np.ones_like(x, i)
np.arange(3, dtype=i); np.concatenate([x, x], dtype=i); np.cumsum(x, dtype=i); np.mean(x, dtype=i); np.eye(3, dtype=i)
np.linspace(0, 1, dtype=i); np.fromiter(i, i); np.frombuffer(b'abcd', u); np.stack([x, x], dtype=i)
np.full_like(x, 1, i); np.add(i, 1, casting='equiv'); np.add(i, 1, i, casting='equiv')
np.power(x, 2.0, casting='equiv'); np.add(x, 1, out=x.copy(), where=[1, 0, 1])
np.add(2, i, casting='no'); np.multiply(h, 2, casting='equiv', dtype='f8'); np.sin(x, casting='equiv')
np.asanyarray(i.sum(), order='x'); np.array(i.sum(), order=['C']); np.add(i, 1, o, where=(True, 0, 2.5))
np.add(i, 1, o, where=i % 2); np.add(i, 1, out=o, where=[[1, 0, 1], [0, 0, 1]]); np.isnan(n, o, where=[1, 0, 'a'])
np.modf(x, out=(x.copy(),)); np.divmod(x, 2, out=()); np.modf(x, out=(None, None)); np.modf(x, out=x)
np.add(x, 1, dtype=None, signature=None); np.sin(x, dtype=None, signature='d->d')
np.less(x, True, casting='equiv'); np.add(x, 1.5, x, casting='equiv', where=x > 1)
i.choose(); i.choose(mode='wrap'); x.sum(0, keepdims=np.True_); np.max(x, keepdims=np.True_); x.std(keepdims=1.0)
x.sum(0, keepdims=2); np.add.reduce(x, keepdims=None); x.argmax(0, keepdims=np.int64(1))
"""
TABLE = [pytest.param(row.strip(), id=row.strip()) for line in ROWS.strip().splitlines() for row in line.split("; ")]


def test_a_list_that_holds_itself():
    def program(np):
        itself = []
        itself.append(itself)
        found = np.array([itself, itself], dtype=object)
        try:
            np.array([np.arange(3).sum(), itself])
        except ValueError as error:
            return found.shape, str(error)

    check_same(program)


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("row", TABLE)
def test_result_or_words_are_numpys(row, pending):
    names = [name for name in SOURCES if name in compile(row, "", "eval").co_names + compile(
        f"lambda: ({row})", "", "eval").co_consts[0].co_names]
    program = eval(f"lambda np, {', '.join(names)}: ({row})" if not pending else
                   f"lambda np, {', '.join(names)}: (lambda {', '.join(names)}: ({row}))("
                   f"{', '.join(f'{name}.copy({chr(75)!r})' for name in names)})", {"real": real})
    with real.errstate(all="ignore"):
        check_same(program, *[SOURCES[name] for name in names], messages=True)


@pytest.mark.parametrize("keepdims", [1, 0, 2, real.True_, real.int64(1), 1.0, None, "x", ()])
@pytest.mark.parametrize("name", ["sum", "max", "mean", "std", "any", "argmax", "ptp", "add.reduce"])
def test_keepdims_of_large_arrays_too(name, keepdims):
    def program(np, keepdims):
        x = np.arange(40000.0).reshape(4, -1) + 1
        function = np.add.reduce if name == "add.reduce" else getattr(np, name)
        return [function(x, axis=0, keepdims=k).shape for k in (True, keepdims, False, keepdims)]

    check_same(program, keepdims, messages=True)


@pytest.mark.parametrize("product", ["tensordot(a, b, 1)", "dot(a, b)", "inner(a, b.T)", "matmul(a, b)", "vdot(a, b.T)",
                                     "einsum('ij,jk', a, b)", "linalg.multi_dot([a, b, b.T])", "linalg.matmul(a, b)"])
def test_the_memory_of_a_real_array_stays_one_in_products(product):
    """BLAS takes another routine for the product of an array and its own transpose."""
    np, rng = module_under_test(), real.random.default_rng(0)
    for _ in range(30):
        n, m = rng.integers(2, 9, 2)
        r = rng.normal(size=(n, m)) + 1j * rng.normal(size=(n, m))
        expected, found = [eval(f"M.{product}", {"M": M, "a": M.asarray(r.T), "b": r}) for M in (real, np)]
        assert same_bits(real.asarray(expected), real.asarray(found))
