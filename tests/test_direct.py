"""Calls that the extension hands to NumPy (api/direct.py) are what the Python functions behind them do."""

import math
import sys
import warnings

import numpy as real
import pytest

from .helpers import assert_same, module_under_test

pytestmark = pytest.mark.skipif(not hasattr(module_under_test(), "config"), reason="of lazytensor alone")


def arrays(np):
    """Small arrays by name; `p` is one operation from its value, `v` a view, `big` no small array."""
    x = np.array([3.0, -1.0, 2.5, 0.0, 7.0, 2.5])
    return {"np": np, "x": x, "i": np.array([0, 2, 1]), "m": np.array([True, False, True, False, True, True]),
            "A": np.array([[1.0, 2.0], [3.0, 5.0]]), "F": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], order="F"),
            "p": x * 2, "v": x[::2], "e": np.zeros((0, 3)), "z": np.array(4.0), "k": np.array(["b", "a", "c"]),
            "c": np.array([1 + 2j, 3 - 1j]), "big": np.arange(3000.0), "n": np.array([1.0, real.nan]),
            "r": np.zeros(2, "i4,f8"), "o": np.array([1, "s", None], object),
            "s": real.float64(0.3), "t": real.float32(-2.5), "h": real.float16("inf")}


CALLS = """
np.sort(x) | np.sort(x, descending=True) | np.sort(F, axis=0) | np.argsort(x) | x.argsort() | np.take(x, i)
x.take(i) | x.take([9]) | x.take(i, mode="wrap") | x.repeat(2) | np.repeat(x, 3) | x.nonzero() | np.nonzero(m)
np.flatnonzero(m) | np.concatenate([x, x]) | np.concatenate((x, v)) | np.concatenate([x, A]) | np.vstack([x, x])
np.stack([x, p], axis=1) | x.copy() | F.copy() | F.copy("K") | F.copy("F") | x.astype("i4") | n.astype("i8")
c.astype("f8") | x.astype("f8", copy=False) | x.astype(bool) | F.astype("f4", order="C") | x.tolist() | A.tolist()
z.tolist() | x.item(2) | z.item() | x.item() | x.item(99) | x.tobytes() | F.flatten() | F.flatten("F") | x.byteswap()
A @ A | A.dot(A) | np.dot(x, x) | x @ A | A @ [1.0, 2.0] | x @ 2 | x[i] | x[m] | A[i[:1]] | x[i + 9] | x[m[:2]]
x[z] | k[i] | np.size(x) | np.zeros_like(x) | np.zeros_like(F) | np.ones_like(p) | np.zeros(3)
np.zeros((2, 1), order="F") | np.arange(4) | np.arange(5, dtype="f4") | np.linspace(0, 1, 5) | np.eye(2)
np.linspace(0, 1, 5, retstep=True) | np.zeros(-1) | np.zeros("a") | np.array([1, 2.5]) | np.array([[1, 2], [3, 4]])
np.array(x) | np.array([x, x]) | np.array(x, copy=False) | np.array(x, ndmin=2) | np.array(F) | np.unique(x)
np.bincount(i) | np.interp(.5, x, x) | np.searchsorted(x, [1, 2]) | x.searchsorted(2.5) | np.linalg.inv(A)
np.linalg.eig(A) | np.linalg.inv(A * 0) | np.fft.fft(x) | np.histogram(x) | np.percentile(x, 50)
np.median(x, None, None, True) | np.convolve(x, v) | np.tile(x, 2) | np.isin(x, [0]) | np.kron(A, A) | np.vdot(x, x)
np.roll(x, 1) | np.pad(x, 1) | np.count_nonzero(m) | np.can_cast("f4", "f8") | np.trace(A) | x.reshape(2, 3)
x.reshape((3, 2)) | x.reshape(-1) | x.reshape(6) | x.reshape(4) | F.reshape(6) | x.ravel() | F.ravel() | A.T | A.T[0]
A.T[0, 1] | v[1:] | v[0] | v[()] | A.T.reshape(4) | F.T.ravel() | A.swapaxes(0, 1) | A.transpose(1, 0)
A.transpose((1, 0)) | A.transpose(5) | e.ravel() | e.reshape(3, 0) | z.reshape(1) | k.copy() | k.tolist()
r.tolist() | r.copy() | o.tolist() | o.copy() | o.take([0]) | np.sort(k) | big.copy() | np.sort(big) | big[i]
big.take(i) | p.copy() | p.tolist() | np.sort(p) | x.sort() | F.sort(0) | v.sort() | np.average(x, weights=x)
np.cov(A) | np.take(x, i, out=np.zeros(3)) | np.dot(A, A, np.zeros((2, 2))) | x.trace() | np.linalg.norm(x)
np.clip(s, 0, 1) | np.clip(t, s, 2.5) | np.clip(s, 1, None) | np.clip(s, 0, 1, dtype="f4") | np.clip(1j, 0, 1)
np.where(s > 0, s, t) | np.where(True, 1, 2.5) | np.where(s) | np.sum(s) | np.mean(t) | np.max(3) | np.cumsum(s)
np.dot(s, t) | np.inner(h, False) | np.argmax(s) | np.concatenate(s) | np.sort(s) | np.any(s) | np.var(h) | np.ravel(s)
np.array([s, t]) | np.array([[s, 1], [t, 2]]) | np.array([s, h, 1j]) | np.array((s, True)) | np.array([s, [t]])
np.einsum("i,i", x, x) | np.squeeze(A[None]) | np.copy(x) | np.block([[A, A]]) | np.array_equal(x, x)
"""
WRITES = """
x[i] = 5 | x[m] = 5.5 | x[i] = i | x[m] = m | x[i + 9] = 1 | x[i] = x[:3] | x[x > 0] = 0 | i[i] = 2.5 | i[i] = x[i]
x[i] = n | i[m[:3]] = n[1] | x[m] = x | x[i] = p | A[i[:1]] = 7 | F[m[:2]] = 1 | k[i] = "z" | v[i] = 1 | x[z] = 1
big[i] = 4
"""


def outcome(np, row, call):
    """What a row gives with fresh arrays, all its names afterwards, and what it warned of or raised, with the line."""
    names = arrays(np)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            result = call(compile(row.strip(), "a line of the user's", "exec" if " = " in row else "eval"), names)
        except Exception as error:
            result = type(error).__name__, str(error)
    told = [(w.category.__name__, str(w.message), w.filename) for w in given]
    return result, {name: names[name] for name in names if name != "np" and name[0] != "_"}, told


@pytest.mark.parametrize("row", [row.strip() for line in CALLS.strip().splitlines() for row in line.split("|")])
def test_gives_what_numpy_gives(row):
    expected, got = outcome(real, row, eval), outcome(module_under_test(), row, eval)
    if not row.startswith("np.sort(x, desc"):
        assert_same(expected, got)
    if hasattr(expected[0], "flags") and isinstance(expected[0], real.ndarray):
        assert got[0].flags.owndata == expected[0].flags.owndata and (got[0].base is None) == (expected[0].base is None)


@pytest.mark.parametrize("row", [row.strip() for line in WRITES.strip().splitlines() for row in line.split("|")])
def test_writes_what_numpy_writes(row):
    assert_same(outcome(real, row, exec), outcome(module_under_test(), row, exec))


@pytest.mark.parametrize("row", """
np.sort(x) | np.take(x, i) | np.concatenate([x, x]) | x.copy() | x.tolist() | x.item(2) | A @ A | A.dot(A) | x[i]
x[m] | A.T | x.reshape(2, 3) | A.T[0] | A.ravel() | np.zeros(3) | np.arange(4) | np.array([1.0, 2.0]) | x.nonzero()
x.astype("f4") | np.nonzero(e) | np.flatnonzero(e) | e.nonzero() | np.clip(s, 0, 1) | np.where(True, s, t) | np.sum(s)
np.array([s, t])
""".replace("\n", "|").strip("|").split("|"))
def test_needs_no_python(row):
    np = module_under_test()
    if "lazytensor.hot" not in sys.modules or sys.modules["lazytensor.hot"].native is None:
        pytest.skip("the extension is not there")
    names = {name: value for name, value in arrays(np).items()}
    for value in names.values():
        if hasattr(value, "realize"):
            value.realize()
    code = compile(row.strip(), "<row>", "eval")
    eval(code, names)
    called = []

    def seen(frame, event, arg):
        if event == "call" and "lazytensor" in str(frame.f_globals.get("__name__")):
            called.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        eval(code, names)
    finally:
        sys.setprofile(before)
    allowed = {"x.nonzero()": None, "A.T": {"_get_transposed"}, "A.T[0]": {"_get_transposed"}}.get(row.strip(), set())
    assert allowed is None or set(called) <= allowed


def test_a_reader_made_before_a_write_at_once_keeps_its_value():
    np = module_under_test()
    x, i = np.arange(4.0).realize(), np.array([1, 2]).realize()
    later, view = x * 2, x[1:]
    x[i] = 9
    assert later.tolist() == [0, 2, 4, 6] and view.tolist() == [9, 9, 3]
    later = x + 1
    x.sort()
    assert later.tolist() == [1, 10, 10, 4] and x.tolist() == [0, 3, 9, 9]


def test_what_is_written_in_place_is_not_seen_by_readers_made_before():
    np = module_under_test()
    x = np.array([1, 2, 3], ">i4").realize()
    before = x * 1
    x.byteswap(True)
    assert before.tolist() == [1, 2, 3] and x.tolist() == [1 << 24, 2 << 24, 3 << 24]


def test_a_compiled_function_and_its_python_agree_on_what_is_a_view():
    np = module_under_test()
    f = np.jit(lambda x: (np.array(x, ndmin=3), x.ravel(), np.sort(x), x.copy(), x.T))
    for call in range(6):
        f(np.arange(4.0) + call)
    assert f.cache_info()["compiled"]


def test_a_result_of_objects_is_computed_once():
    """Where it holds numbers only, none of them can be an array that was lent."""
    counts = []
    for np in (real, module_under_test()):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            x = np.full((2, 3), 1e300) + 0
            assert np.nanprod(x, axis=1, dtype=object, initial=math.inf).tolist() == [math.inf] * 2
            assert np.nanprod(x - x, axis=1, dtype=object, initial=math.inf).dtype == object
        counts.append([str(w.message) for w in found])
    assert counts[0] == counts[1] and len(counts[0]) == 1


FOUND_NOTHING = """m.nonzero(f)[0] | m.where(f)[0] | f.nonzero()[0] | m.flatnonzero(f) | m.argwhere(f)
m.nonzero(f.reshape(5, 4))[1] | m.argwhere(f.reshape(5, 4)) | m.linalg.eigvals(m.zeros((0, 0)))
m.tensordot(m.zeros((0, 3)), m.zeros((3, 0)), 1) | m.nonzero(x[:0])[0] | m.split(x, [0])[0] | m.split(x[:0], 3)[1]
m.nonzero(m.zeros((3, 0, 2)))[2] | m.unique(x[:0]) | m.tile(x[:0], 3) | m.unravel_index(m.zeros(0, int), (3, 4))[1]
m.where(m.zeros((0, 4)))[1] | m.flip(x[:0]) | m.array_split(x[3:3], 2)[0]
m.where(x > 9)[0] | m.sort(m.zeros((0, 3)))"""


@pytest.mark.parametrize("call", FOUND_NOTHING.replace("\n", " | ").split(" | "))
def test_arrays_without_elements_are_as_numpys(call):
    """What they are, what reads and writes them, and what shares their memory."""
    results = []
    for np in (real, module_under_test()):
        names = {"m": np, "f": np.zeros(20, bool), "x": np.array(real.arange(20.0) / 5)}
        for _ in range(3):
            a = eval(call, names)
            said = [a.shape, a.strides, a.dtype, a.flags.writeable, a.flags.c_contiguous, a.flags.owndata,
                    a.base if a.base is None else a.base.shape]
            b, v = a.copy(), a[:0]
            if a.flags.writeable:
                a += 1
                a[:] = 3
                a[...] = b
            said += [real.asarray(x).tolist() for x in (a, b, v, a + 1, a * 2.5, a.T, a.reshape(-1), np.sort(a))]
            said += [int(a.size), float(a.sum()), bool(a.any()), len(a), real.asarray(a).shape, np.shares_memory(a, v)]
            said.append(real.asarray(names["x"][a] if a.dtype == int else a.astype("f4")).shape)
        results.append(said)
    assert results[0] == results[1]
