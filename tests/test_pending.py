"""What stays pending when it is written, and what must run: one table of each, a test for every row.

A row is Python text over the names of `SOURCES`, every one of them the pending value of an array. The hook counts what
is executed while the row is written; afterwards all names and the result must have NumPy's values.
"""

import warnings

import numpy as real
import pytest

from lazytensor.api import indexing
from tests.helpers import assert_same, check_same, counting_hook, module_under_test

pytestmark = pytest.mark.usefixtures("everything_waits")

SOURCES = {
    "x": real.arange(1.0, 13.0).reshape(3, 4),
    "y": real.linspace(-2, 2, 12).reshape(3, 4)[::-1].copy(),
    "v": real.array([0.5, -1.0, 3.0, 2.0]),
    "w": real.arange(12.0).reshape(4, 3).copy(),
    "f": real.arange(12, dtype="f4").reshape(3, 4),
    "h": real.arange(12, dtype="f2").reshape(3, 4) / real.float16(3),
    "n": real.arange(-5, 7).reshape(3, 4),
    "k": real.array([3, 1, 2, 2]),
    "u": real.arange(12, dtype="u1").reshape(3, 4) * real.uint8(20),
    "m": real.arange(12).reshape(3, 4) % 3 == 0,
    "c": (real.arange(12.0) * (1 - 2j)).reshape(3, 4),
    "e": real.zeros((0, 4)),
    "z": real.array(2.5),
    "r": real.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "d": real.array(["2020-01-02", "2021-03-04"], dtype="M8[D]"),
}

OPERATORS = """
x + y; x - y; x * y; x / y; x // y; x % y; x ** y; x ** 2; x ** -1; x ** 0.5; x ** 3.5; 2.0 ** x; x + v; v + x
n ** u; x > 2**40; u < -1; n == 2**63
x + x[:, :1]; x + 1; 1 + x; x + 2.5; 2.5 - x; x * True; x + 2j; 1 / x; x // 2; 7 % x; x + np.float32(3)
np.float64(3) - x; f + 3.5; f * np.float64(2); h + 1; h * 60000.0; n + 1.5; n + u; u + 200; n << 2; n >> 1; n & 6
n | u; n ^ u; 5 & n; ~n; m & m; m | m; m ^ True; ~m; n ** 2; u ** 3; n // 3; n % 4; n // 0; n % 0; x / 0; -x; +x
abs(n); -n; abs(c); c * c; c / 2; c ** 2; c + x; x < y; x <= 2; x == y; x != y; x > v; 3 >= n; c == c; m == True
u < 255; n == 2.5; d == d; d < d; x + [1, 2, 3, 4]; x * (1, 2, 3, 4); x.T + y.T; x[::-1] * y[::-1]; x.T + w; e + 1
z + 1; z * x; z ** 2
"""
UFUNCS = """
np.add(x, y); np.exp(x); np.sin(v); np.sqrt(y); np.log1p(f); np.cbrt(h); np.arctan2(x, y); np.hypot(x, 3)
np.add(x, 1, dtype='f4', casting='same_kind'); np.add(n, n, dtype=float); np.exp(n, dtype='f4')
np.add(u, 1, dtype='i8'); np.multiply(x, 2, casting='unsafe'); np.maximum(x, y); np.fmin(x, np.nan); np.isnan(x)
np.isfinite(y); np.signbit(y); np.logical_and(m, x); np.logical_not(n); np.bitwise_or(n, 1); np.left_shift(n, 1)
np.gcd(n, 6); np.invert(u); np.floor(x); np.rint(y); np.trunc(y); np.sign(n); np.copysign(x, y); np.nextafter(x, y)
np.ldexp(x, 2); np.conjugate(c); np.absolute(c); c.conj(); np.square(h); np.reciprocal(x); np.positive(n)
np.add.outer(v, v); np.multiply.outer(v, k); np.subtract.outer(k, v); np.greater(x, y); np.float_power(x, 2)
np.clip(x, 2, 5); x.clip(2.0); x.clip(max=4.0); np.degrees(x); np.heaviside(y, 0.5); np.logaddexp(x, y)
"""
IN_PLACE = """
x += y; x -= 1; x *= y; x /= 2; x //= 2; x %= 3; x **= 2; n += 1; n <<= 1; n &= 3; m |= m; m ^= True; u += 3; x += x
x += x[::-1]; x[1:] += x[:-1]; x.T[:] += y.T; x[0] += 1; x[:, 1] *= v[:3]; c *= c; c += 1j; f += x; h *= 2
np.add(x, y, out=x); np.exp(x, out=y); np.exp(x, y); np.add(x, 1, out=x[...]); np.multiply(x, y, out=w.T)
np.add(x, y, out=x, where=m); np.sqrt(x, out=f, casting='same_kind'); np.add(x, y, x[:, ::-1]); z += 1
"""
REDUCTIONS = """
x.sum(); x.sum(axis=0); x.sum(axis=1, keepdims=True); x.sum((0, 1)); n.sum(dtype='f4'); u.sum(); m.sum()
np.sum(x, -1); x.prod(); x.max(); x.min(axis=1); np.max(x, axis=0, keepdims=True); m.any(); m.all(axis=0); np.any(x)
x.argmax(); x.argmin(axis=1); np.argmax(n, axis=0, keepdims=True); x.mean(); h.mean(axis=0); n.mean(); x.var(ddof=1)
x.std(axis=0); np.var(x, axis=1, keepdims=True); np.std(x, ddof=1); x.cumsum(); np.cumsum(x, axis=1)
n.cumprod(axis=0); np.mean(x, 0); np.add.reduce(x); np.add.reduce(x, axis=None)
np.multiply.reduce(x, axis=1, keepdims=True); np.maximum.reduce(x, axis=(0, 1)); np.logical_or.reduce(m)
np.add.accumulate(x); np.add.accumulate(x, axis=1); np.minimum.accumulate(n); c.sum(axis=1); x[::2].sum(axis=0)
x.T.sum(axis=0); (x + x.T.copy().T).mean(); np.amax(x); np.amin(x, axis=0); f.sum(dtype=float)
"""
VIEWS = """
x[1:]; x[::-1, 1]; x[:, ::2]; x[..., 0]; x[None, 1]; x[-1]; x[1:1]; x.T; x.mT; x.transpose(1, 0); x.swapaxes(0, 1)
x.reshape(4, 3); x.reshape(-1); x.reshape((2, 6), order='F'); x.ravel(); x.ravel('F'); x.T.reshape(12)
np.reshape(x, (6, 2)); x.squeeze(); x[None].squeeze(0); c.real; c.imag; x.real; x.diagonal(); x.diagonal(1)
np.diagonal(x); x.view(); x.view('i8'); x.view('u1'); x[0].view('f4'); r['a']; r[['a', 'b']]; r['b'][1:]
x.getfield('f4', 4); np.transpose(x); np.swapaxes(x, 0, 1); np.squeeze(x[None]); [row for row in x]; list(x.T)
x[1:][0]; x.base is None; x[1:].base is x; x.T.shape; x[:, 1].strides; x.flags.c_contiguous; x.T.flags.f_contiguous
len(x); x.size; x.nbytes; x.itemsize; x.ndim; np.shape(x); np.ndim(x); np.broadcast_to(v, (2, 4))
np.expand_dims(x, 0); np.moveaxis(x, 0, 1); np.atleast_2d(v); np.asarray(x) is x; np.ascontiguousarray(x) is x
np.asanyarray(x) is x; np.result_type(x, f); x.dtype; d[1:]; d.view('i8')
"""
WRITES = """
x[0] = 5; x[1, 2] = 7.5; x[...] = v; x[:, 1] = n[:, 0]; x[::2] = y[::2]; x[:] = 0; x[1:] = x[:-1]; x[None, 0] = 1
x[m] = 0; x[m] = 2.5; n[m] = -1; x[[0, 2]] = 1; x[[0, 2], [1, 1]] = 9; x[:, [1, 2]] = 3; x[np.array([2, 0])] = y[:2]
x[0], x[1] = x[1].copy(), x[0].copy(); x.T[1] = 4; x.fill(3); c.real = x; c.imag = x; c.real[0] = 7; x.sort()
x.sort(axis=0); n.sort(kind='stable'); r['b'][0] = 2; x.reshape(-1)[3] = 8; f[0] = x[0]; n[0] = 3; u[1] = 255
m[0] = True; x[0] = [1, 2, 3, 4]
"""
COPIES = """
x.copy(); x.copy('F'); np.copy(x); np.copy(x.T, order='K'); np.array(x); np.array(x, copy=True, order='F')
x.flatten(); x.flatten('F'); x.astype('f4'); x.astype(int); np.asarray(x, dtype='f4'); np.array(n, float)
x.astype(bool); x.T.astype('f4'); x.astype(float, copy=False) is x; n.astype(complex); m.astype('u1'); np.round(x)
x.round(1); np.around(y, 2); np.sort(x); np.sort(x, axis=0); np.sort(x, axis=None); np.where(m, x, y)
np.where(m, x, 0); np.where(x > 3, 1.5, n); np.where(m, f, 2); np.full_like(x, 2); np.zeros_like(x); np.ones_like(n)
np.empty_like(x).shape; c.conj(); x.conj() is x; x[[0, 1]]; x.flatten()[1:]; np.ascontiguousarray(x.T)
np.asfortranarray(x); np.require(x, requirements='F'); x.__copy__(); np.real(c); np.imag(c)
"""
PRODUCTS = """
x @ w; w @ x; x @ v; v @ w; v @ v; x @ x.T; np.matmul(x, w); np.dot(x, w); x.dot(v); np.dot(v, v); f @ f.T; n @ n.T
c @ w; h @ h.T; x @ w @ x; np.dot(n, k)
"""
SCALARS = """
x.sum() + 1; x.sum() * x.max(); -x.sum(); abs(y.min()); x.mean() / 3; x.sum() ** 2; x.sum() > 3; 2 - n.sum()
n.max() // 2; x * x.sum(); x - x.mean(); (x - x.mean()) / x.std(); x.sum() + np.float32(1); f.max() + 1.5; h.sum() * 2
x.max() - x.min(); np.sqrt(x.sum()); np.exp(f.max()); np.maximum(x.sum(), 3); x.sum() == y.sum(); n.sum() & 3
n.sum() % 5; x.sum().dtype; x.sum().shape; isinstance(x.sum(), np.floating); x[0] * x.max(); x + (x.sum() + 1)
m.any() & True; ~m.any(); v @ v + 1
"""
ASKED_FOR = """
x.item(3); x.tolist(); x[1, 2]; v[-1]; float(x.sum()); int(n.max()); bool(x.sum() > 3); complex(c.sum()); repr(x)
str(x.max()); f'{x.sum():.3f}'; hash(x.sum()); {x.sum(): 1}; round(x.mean(), 2); list(v); sorted(v); 3.0 in x
tuple(k); [0] * k.max(); real.asarray(x).sum(); memoryview(x).nbytes; bytes(v); x.tobytes(); len(real.from_dlpack(x))
range(k.max()); x[:n.max()]; np.zeros(k.max()); np.array_equal(x, x); np.allclose(x, y); x.sum() in (78.0,); max(v)
sum(list(v)); z.item(); float(z); 'yes' if x.any() else 'no'; v[k.max()]; np.ones(3)[k.min()]; x.sum().item()
"""
OF_UNKNOWN_SHAPE = """
x[m]; x[x > 3]; n[n % 2 == 0]; x.nonzero(); np.nonzero(m); np.unique(n); np.flatnonzero(m); np.argwhere(m)
np.where(m); np.extract(m, x); np.compress([True, False, True], x, axis=0); np.union1d(n, u); np.arange(k.max())
np.linspace(0, 1, k.max())
"""
DEPENDING_ON_VALUES = """
k ** k; np.power(k, k); 2 ** k; np.repeat(v, k); np.bincount(k); np.linalg.inv(x @ w + np.eye(3))
np.linalg.solve(x @ w + np.eye(3), w[1:]); np.linalg.cholesky(np.eye(3) * x[0, 0]); x.astype(object); x.astype('U5')
np.vectorize(abs)(x); np.frompyfunc(abs, 1, 1)(x); np.apply_along_axis(sum, 0, x)
np.random.default_rng(1).choice(4, p=v ** 2 / (v ** 2).sum()); np.fromiter(v, float); x.astype('M8[s]')
"""
TABLES = {"operators": OPERATORS, "ufuncs": UFUNCS, "in place": IN_PLACE, "reductions": REDUCTIONS, "views": VIEWS,
          "writes": WRITES, "copies": COPIES, "products": PRODUCTS, "scalars": SCALARS}


def rows(table):
    return [row.strip() for line in table.strip().splitlines() for row in line.split("; ")]


PROMISED = [pytest.param(row, id=f"{name}: {row}") for name, table in TABLES.items() for row in rows(table)]


RUNS = [pytest.param(row, id=f"{name}: {row}") for name, table in {
    "asked for": ASKED_FOR, "of unknown shape": OF_UNKNOWN_SHAPE, "depending on values": DEPENDING_ON_VALUES,
}.items() for row in rows(table)]


def pending_names(np, row):
    """The names that a row uses, each a pending copy of its source."""
    code = compile(row, "<row>", "exec")
    return {name: np.array(source, order="K").copy("K") for name, source in SOURCES.items() if name in code.co_names}


def node_of(array):
    """The node of a Tensor or of its root."""
    value = array._value
    return value if hasattr(value, "buffer") else value.root._value


def written(np, row, names):
    """Runs a row; gives its value, or None for a statement."""
    scope = {"np": np, "real": real, **names}
    try:
        code = compile(row, "<row>", "eval")
    except SyntaxError:
        exec(compile(row, "<row>", "exec"), scope)
        result = None
    else:
        result = eval(code, scope)
    names.update({name: scope[name] for name in names})
    return result


def expected_of(row):
    names = pending_names(real, row)
    with real.errstate(all="ignore"):
        return written(real, row, names), names


@pytest.mark.parametrize("row", PROMISED)
def test_stays_pending_and_then_has_numpys_value(row):
    np = module_under_test()
    names = pending_names(np, row)
    roots = list(names.values())
    with np.errstate(all="ignore"), counting_hook() as executed:
        result = written(np, row, names)
        assert executed == [], "ran while it was written"
        assert all(node_of(root).buffer is None for root in roots)
        expected, expected_names = expected_of(row)
        assert_same(expected, result)
        assert_same(expected_names, names)
        assert executed, "the hook is dead or nothing was pending"


def same_as_expected(row, result, names):
    expected, expected_names = expected_of(row)
    assert_same(expected, result)
    assert_same(expected_names, names)


@pytest.mark.parametrize("row", RUNS)
def test_runs_when_written(row):
    np = module_under_test()
    names = pending_names(np, row)
    with np.errstate(all="ignore"), counting_hook() as executed:
        result = written(np, row, names)
        assert executed, "nothing ran"
    same_as_expected(row, result, names)


@pytest.mark.parametrize("wanted", ["realize", "numpy", "realize together"])
def test_runs_when_lazytensors_own_names_ask(wanted):
    np = module_under_test()
    x = np.array(SOURCES["x"]) * 2
    with counting_hook() as executed:
        x.realize() if wanted == "realize" else x.numpy() if wanted == "numpy" else np.realize(x, x)
    assert [node.op.name for node in executed] == ["multiply"]


STATES = {
    "raise": lambda np: np.errstate(divide="raise"),
    "call": lambda np: np.errstate(all="call", call=lambda *_: None),
    "log": lambda np: np.errstate(over="log", call=Log()),
    "print": lambda np: np.errstate(under="print"),
    "recorder": lambda np: warnings.catch_warnings(record=True),
}


class Log:
    def write(self, text):
        pass


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("row", ["x + y", "x += y", "np.exp(x)", "x.sum()", "x[1:] *= 2", "x.T @ x", "x.sum() + 1"])
def test_runs_when_written_where_errors_and_warnings_must_come_at_once(row, state):
    np = module_under_test()
    names = pending_names(np, row)
    with counting_hook() as executed:
        with STATES[state](np):
            result = written(np, row, names)
        assert executed, "nothing ran"
        again = len(executed)
        np.exp(names["x"] + 1)
        assert len(executed) == again, "still eager after the block"
    same_as_expected(row, result, names)


def test_runs_when_written_where_a_warning_is_an_error():
    np = module_under_test()
    x = np.arange(3.0)
    with warnings.catch_warnings(), counting_hook() as executed:
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="divide by zero encountered in divide"):
            1 / x
        x + 1
    assert [node.op.name for node in executed] == ["divide", "add"]


@pytest.mark.parametrize("row", ["x + 1", "np.exp(x)", "x.sum(axis=0)", "x[1:] * x[:-1]", "x * x", "x @ x.T"])
@pytest.mark.parametrize("share", ["numpy", "asarray"])
def test_what_reads_shared_memory_runs_when_written(row, share):
    np = module_under_test()
    memory = real.arange(12.0).reshape(3, 4) + 1
    if share == "numpy":
        x = np.array(memory) * 2
        memory = x.numpy()
    else:
        x = np.asarray(memory)
    expected = written(real, row, {"x": memory.copy()})
    with counting_hook() as executed:
        result = written(np, row, {"x": x})
        assert executed, "nothing ran"
        memory[...] = -1
    assert_same(expected, result)


def test_memory_that_nobody_holds_any_more_is_lazy_again():
    np = module_under_test()
    x = np.arange(12.0) + 1
    memory = x.numpy()
    memory[0] = 7
    del memory
    with counting_hook() as executed:
        y = x * 2
        x += 1
        assert executed == []
    assert_same([14.0, 8.0], [float(y[0]), float(x[0])])


REFUSED = """
x + np.ones(5); x @ x; x.reshape(5); x.sum(axis=3); x[5]; x[:, 9]; x[np.array([7])]; x[0] = [1, 2]; u[0] = 300
x.swapaxes(0, 5); x.view('S3'); x.T.shape = 12; np.add(x, y, out=v); x.diagonal(0, 1, 1); x['a']
np.where(m, x, np.ones(5)); del x[0]; hash(x); len(z); iter(z); x.astype('i4', casting='safe'); x.transpose(0, 0)
x.mean(axis=(0, 0)); x.nothing; len(x.sum()); x[0] = y; np.transpose(x)[9] = 1; np.squeeze(x, 0); x.argmax(axis=2)
np.dot(x, y); x += np.ones((2, 3, 4)); x[:, 0] = v; x[0:2, 0, 0]; x.squeeze(axis=1); x.prod(axis='a')
np.add.reduce(x, axis=2); x.flags.nothing; x.astype('nothing')
"""
REFUSED_AFTER_A_LOOK = """
x += 1j; n += 0.5; u + 300; x[0] = 'a'; -m; m - m; np.exp(x, out=n); np.add(x, y, casting='no', dtype='f4'); x & x; ~x
c // c; x.sort(axis=4); np.float64(1) @ x; x[1, 2, 3]; x[[0, 5]] = 1; n ** -1; n ** -u.astype(int); np.repeat(v, -k)
np.bincount(n[0]); np.linalg.inv(w[:3]); np.linalg.cholesky(-np.eye(3) * x.sum()); int(x); float(v); bool(x)
complex(x); k[x.sum()]; range(x.sum()); f'{x:.2f}'; [1][x.sum()]; x.item(); x.item(99); x[m.T]; x[m[:, :3]] = 0
np.array(['a']).astype(float); x.clip(1, np.ones(5)); x.copy('Z'); x.ravel('Z'); np.matmul(x, z)
x[d]; x + 'a'; x + None; x < object(); x @ 2
divmod(x, 'a'); x.partition(9); x.put(99, 1); np.array([x, v]) @ 1
"""


@pytest.mark.parametrize("row", rows(REFUSED))
def test_mistakes_are_refused_when_written_and_nothing_runs(row):
    assert check_refusal(row) == []


@pytest.mark.parametrize("row", rows(REFUSED_AFTER_A_LOOK))
def test_mistakes_are_refused_when_written(row):
    check_refusal(row)


def check_refusal(row):
    """Both refuse the row, with one type, and leave the arrays alone; gives what ran until then."""
    np = module_under_test()
    names, sources = pending_names(np, row), pending_names(real, row)
    with pytest.raises(Exception) as expected:
        written(real, row, sources)
    with counting_hook() as executed, pytest.raises(expected.type) as refused:
        written(np, row, names)
    early = list(executed)
    assert refused.type is expected.type
    assert_same(sources, names)
    return early


INDICES = {
    "ints": lambda real: (real.array([[0, 3], [-4, 2]]),), "bytes": lambda real: (real.array([3, 1, 0], "u1"),),
    "pair": lambda real: (real.array([3, 1, -4]), real.array([0, -5, 4], "i2")),
    "below": lambda real: (real.array([0, -5]),), "above": lambda real: (real.array([4, 0], "u1"),),
    "second above": lambda real: (real.array([3, 1]), real.array([0, 5])),
    "small below": lambda real: (real.array([0, -100], "i1"),),
    "huge": lambda real: (real.array([0, 2**64 - 1], "u8"),),
    "transposed": lambda real: (real.array([[0, 3, 1], [2, 2, 3]]).T,), "one": lambda real: (real.array([[2]]),),
    "none": lambda real: (real.zeros(0, int),), "other order": lambda real: (real.array([0, 3], ">i4"),),
    "stretched": lambda real: (real.array([[0], [3]]), real.array([0, 1, 4])),
    "masked": lambda real: (real.ones(4, bool),),
}


@pytest.mark.parametrize("kind", INDICES)
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 1), (4, 5, 0)])
@pytest.mark.parametrize("order", "CF")
def test_what_index_arrays_pick_of_a_pending_array(kind, shape, order):
    index = INDICES[kind](real)

    def program(np):
        x = np.array(real.arange(real.prod(shape)).reshape(shape), order=order)
        y = (x * 2)[tuple([np.asarray(part) for part in index])]
        return y, y.strides, y + 1, y.sum(0)

    check_same(program, messages=True)


def test_index_arrays_are_checked_without_picking(monkeypatch):
    np = module_under_test()
    x = np.arange(300.0) * 2
    monkeypatch.setattr(indexing, "_over_little_memory", None)
    assert (x + 1)[np.array([[0, 299], [-300, 5]])].tolist() == [[1.0, 599.0], [1.0, 11.0]]
    assert (x + 1)[np.array([0, 255], "u1")].tolist() == [1.0, 511.0]
    assert (x + 1)[np.array([-1, -128], "i1")].tolist() == [599.0, 345.0]
