"""Memory that other code writes to, and other kinds of arrays: iterators, `out=`, subclasses, protocols, pickles."""

import copy
import gc
import io
import pickle
import warnings
import weakref

import numpy as real
import pytest

from tests.helpers import assert_same, check_same, module_under_test

# ---------------------------------------------------------------- iterators and functions that write


def test_iterators_write_through():
    def program(np):
        t = np.arange(6.0).reshape(2, 3) * 2
        early, flat = t + 1, t.flat
        flat[2], flat[3:5] = 100, [7, 8]
        t[0, 0] = -1
        seen = [float(v) for v in flat][:3], flat.index, len(flat), flat.copy(), flat[[0, 5]]
        with real.nditer([t, None], op_flags=[["readwrite"], ["writeonly", "allocate"]]) as it:
            for x, y in it:
                y[...] = x * 2
                x[...] = x + 1
            double = it.operands[1]
        for x in np.nditer(t, op_flags=["readwrite"]):
            x[...] = -x
        for index, value in np.ndenumerate(t):
            t[index] = value + index[0]
        for row in t:
            row += 10
        t.flat = [1, 2]
        for row, value in zip(t, (5, 6)):
            row[0] = value
        return early, seen, real.asarray(double), t, [k for k in np.ndindex(t.shape)]

    check_same(program)


WRITERS = """
real.add(h, 1, out=t); real.add(t, h, t); real.exp(h, out=t[...]); real.multiply(t, t, out=h)
real.add(t, 1, out=h, where=h > 2); real.copyto(t, h); real.copyto(h, t, where=t > 1); real.dot(h, h, out=t)
real.matmul(t, h, out=t); t.sum(0, out=h[0]); real.einsum('ij,jk->ik', t, h, out=t); real.sum(h, axis=0, out=t[0])
real.cumsum(h, axis=1, out=t); real.put(t, [1, 2], h); real.clip(t, 1, 2, out=t); real.round(h / 3, 1, out=t)
real.fill_diagonal(t, 8); real.place(t, h > 1, [1, 2]); t.sort(0); real.putmask(h, t > 1, t)
real.take(h, [0, 1, 2], 0, out=t); real.stack([t[0], h[0], t[1]], out=t); real.ndarray.sort(h)
real.concatenate([t[:1], h[:2]], out=t); real.add.at(t, ([0, 0],), 1); real.add.reduce(t, out=t[2]); t.__iadd__(h)
h.__iadd__(t); h.__setitem__(0, t[1]); t.__setitem__((slice(None), 0), h[0]); real.divmod(t, 2, out=(t, h))
real.modf(h, t, h); real.mean(t, 0, out=h[1]); np.random.default_rng(3).random(out=t)
np.random.default_rng(3).shuffle(t); real.nan_to_num(t, copy=False); real.maximum(t, h, out=(t,))
real.median(t, axis=0, out=h[0]); real.linalg.multi_dot([t, h, t], out=t); real.choose([0, 1, 0], [t, h], out=t)
real.put_along_axis(t, real.array([[0], [1], [2]]), h, 1); h.sort(axis=0), t.partition(1)
real.add.accumulate(h, out=t); real.lib.stride_tricks.sliding_window_view(t, 2, 0, writeable=True)[0].fill(3)
np.add(h, t, out=h); np.copyto(h, t); np.multiply(h, 2, out=t); np.cumsum(h, out=t.reshape(-1)); np.dot(h, t, out=h)
h.put(3, t[0, 1]); real.logical_and(t, h, out=t, casting='unsafe'); real.sqrt(h, out=t, where=t > 3)
"""


def rows(table):
    return [row for line in table.strip().splitlines() for row in line.split("; ")]


@pytest.mark.parametrize("row", rows(WRITERS))
@pytest.mark.parametrize("pending", [True, False])
def test_numpys_functions_write_into_our_arrays_and_ours_into_theirs(row, pending):
    def program(np):
        t, host = np.arange(9.0).reshape(3, 3).copy(), real.arange(9.0).reshape(3, 3)[::-1] + 0.5
        if pending:
            t = t + 1
        view, readers = t[1:], [t * 2, host + t, t.sum()]
        result = eval(row, {"t": t, "h": host, "np": np, "real": real})
        return readers, result, t, view, host, t + host

    check_same(program)


# ---------------------------------------------------------------- NumPy's own kinds of arrays


def test_subclasses_matrix_masked_and_record_arrays_stay_numpys():
    np = module_under_test()

    class Named(np.ndarray):
        def __array_finalize__(self, source):
            self.name = getattr(source, "name", "none")

    t = np.arange(6.0).reshape(2, 3) + 1
    kinds = [t.view(Named), np.matrix(t), np.asmatrix(t), np.ma.array(t, mask=t > 3), t.view(np.matrix),
             np.ma.masked_less(t, 2), np.rec.fromarrays([t[0], t[1]]),
             np.char.array(["a"]), np.zeros(3, "f4,i4").view(np.recarray)]
    for x in kinds:
        assert isinstance(x, np.ndarray) and isinstance(x, real.ndarray) and type(x) is not type(t)
        assert type(x + x if x.dtype.names is None else x[:1]) is type(x)
        assert type(copy.copy(x)) is type(x) is type(x[:1])
    assert issubclass(Named, np.ndarray) and issubclass(Named, real.ndarray) and issubclass(real.matrix, np.ndarray)
    assert isinstance(t, np.ndarray) and not isinstance(t, Named) and not isinstance([1], np.ndarray)
    named = kinds[0]
    named.name = "length"
    assert (named * t).name == (t[0] + named).name == named[1:].name == "length"
    named[0, 0] = 99
    assert t[0, 0] == 99
    assert Named((2, 2)).shape == np.ndarray((2, 2)).shape and type(np.ndarray((2, 2))) is type(t)


def test_mixing_with_numpys_kinds_gives_what_numpy_gives():
    def program(np):
        t = np.arange(4.0).reshape(2, 2) + 1
        m, masked = real.matrix([[1, 2], [3, 4]]), real.ma.array([[1.0, 2], [3, 4]], mask=[[0, 1], [0, 0]])
        mixed = [t + m, m * t, t * m, m @ t, t @ m, t + masked, masked * t, np.add(t, masked), np.exp(m), t < m, t - m]
        t += m
        return [(type(x).__name__, real.asarray(x).tolist()) for x in mixed], masked.mask.tolist(), t

    check_same(program)


def test_other_libraries_protocols_are_asked_as_numpy_asks_them():
    class Unit:
        """An array-like that takes ufuncs and functions over."""

        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return ufunc.__name__, method, [type(x).__name__ for x in inputs]

        def __array_function__(self, func, types, args, kwargs):
            return func.__name__, len(args)

    class Refusing:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "mine"

        __rmul__ = __rmatmul__ = __req__ = __radd__

    class Early:
        __array_priority__ = 1000

        def __radd__(self, other):
            return "early"

    class Arraylike:
        def __array__(self, dtype=None, copy=None):
            return real.array([1.0, 2.0], dtype)

    def program(np):
        t, s = np.arange(2.0) + 1, (np.arange(2.0) + 1).sum()
        asked = [t + Unit(), np.add(t, Unit()), np.add.reduce(Unit()), np.multiply.outer(t, Unit()), np.sum(Unit()),
                 np.concatenate([t, Unit()]), np.mean(Unit()), t + Refusing(), t * Refusing(), t @ Refusing(),
                 t + Early(), s + Refusing(), s + Early(), t + Arraylike(), np.add(Arraylike(), t)]
        return [x if not isinstance(x, tuple) else tuple(str(p) for p in x) for x in asked]

    check_same(program)


def test_functions_of_numpys_stay_lazy_and_give_our_arrays():
    np = module_under_test()
    t = np.arange(4.0) + 1
    for x in (real.exp(t), real.add(t, 1), real.add(real.ones(4), t), real.sum(t, keepdims=True), real.ones(4) * t,
              real.concatenate([t, t]), real.where(t > 1, t, 0), real.sort(t), real.outer(t, t)):
        assert type(x) is type(t)
    assert real.exp(t)._value.buffer is None and (real.ones(4) - t)._value.buffer is None


# ---------------------------------------------------------------- copies of other kinds


KINDS = (
    lambda np: np.arange(6.0).reshape(2, 3) * 2,
    lambda np: (np.arange(6) * 2)[::-2],
    lambda np: (np.ones((2, 3)) + 1).T,
    lambda np: np.zeros(2, "i4,f8"),
    lambda np: np.array([None, [1]], object),
)


@pytest.mark.parametrize("make", KINDS)
def test_pickle_copy_and_files(make):
    def program(np):
        t = make(np)
        made = [pickle.loads(pickle.dumps(t, protocol)) for protocol in range(6)]
        made += [copy.copy(t), copy.deepcopy(t), *copy.deepcopy([t, t]), copy.deepcopy((t, 1))[0], t.__copy__()]
        file = io.BytesIO()
        np.save(file, t, allow_pickle=True)
        file.seek(0)
        made.append(np.load(file, allow_pickle=True))
        if t.dtype != object:
            t[...] = 1
        twice = pickle.loads(pickle.dumps([t, t]))
        return made, t, twice[0] is twice[1]

    check_same(program)


def test_weak_references_and_lifetime():
    np = module_under_test()
    t = np.arange(5.0) * 2
    gone, view = weakref.ref(t), weakref.proxy(t)
    assert view.shape == (5,) and gone() is t
    out = real.asarray(t)
    del t
    gc.collect()
    assert gone() is None
    assert_same(real.arange(5.0) * 2, out)


def test_class_of_an_array_is_what_the_author_of_a_module_knows():
    np = module_under_test()
    t = np.arange(3) * 2
    source = "def found(): return t.__class__, isinstance(t, numpy.ndarray), isinstance(t, (int, float, str, list))"
    rooms = {"a_program": (np, {"np": np, "numpy": real}), "a_library": (real, {"np": real}),
             "a_library_with_a_name": (real, {"ndarray": real.ndarray}), "einops._backends": (real, {}),
             "numpy.lib._made_up": (np, {"np": real})}  # fmt: skip
    for name, (known, held) in rooms.items():
        scope = {"__name__": name, "t": t, **held}
        exec(source, scope)
        scope["numpy"] = real
        assert scope["found"]() == (known.ndarray, known is real, False), name
    assert type(t) is np.ndarray and isinstance(t, np.ndarray) and isinstance(real.zeros(1), np.ndarray)


def test_broadcast_arrays_give_no_warning():
    def program(np):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return [x + 1 for x in np.broadcast_arrays(np.arange(3), np.ones((2, 1)))]

    check_same(program)


def test_an_array_of_a_lazy_scalar_may_be_written_to():
    def program(np):
        x = np.arange(3.0) + 1
        scalars = x.sum(), (x > 1).any(), (x + 1j).sum(), np.arange(3).max(), x.astype("f4").mean()
        made = [real.asarray(s) for s in scalars] + [real.array(scalars[0]), real.asarray(scalars[0], dtype="f4")]
        for array in made:
            array[...] = 0
        return made, scalars, [array.flags.writeable for array in made], bytes(memoryview(scalars[0]))

    check_same(program)


def test_a_matrix_has_the_layout_of_numpys():
    def program(np):
        x = np.arange(6.0).reshape(2, 3) + 1
        seen = []
        for v in (x, x.T, x[:, ::2], (x + 1).T, x.sum(), [[x.sum(), 1]]):
            for m in (np.matrix(v), np.asmatrix(v), np.matrix(v, copy=False), np.matrix(v, dtype="f4"), real.matrix(v)):
                shared = np.shares_memory(m, v) if type(v) is not list else None
                seen.append((type(m).__name__, m.strides, m.flags.num, m.tolist(), m.dtype.str, shared))
        m = np.asmatrix(x)
        x[0, 0] = 9
        return seen, m[0, 0], np.bmat([[x], [x]]).strides

    check_same(program)


def test_the_base_of_a_flat_iterator_is_the_array():
    def program(np):
        x = np.arange(6.0).reshape(2, 3) + 1
        flat = x.T.flat
        return x.flat.base is x, flat.base.shape, flat.base.base is x, list(flat)

    check_same(program)


def test_sqlite_takes_lazy_scalars_as_numpys():
    import sqlite3

    np = module_under_test()
    connection = sqlite3.connect(":memory:")
    for dtype in ("f8", "f4", "i8", "?"):
        rows = [connection.execute("select typeof(?), ?", (s, s)).fetchall()
                for s in (m.ones(2, dtype).max() for m in (np, real))]
        assert rows[0] == rows[1], dtype
    connection.close()


@pytest.mark.parametrize("dtype", "? i1 u2 i4 q u8 f2 f4 f8 g c8 c16 G >i4 >f8 >c16 U3 S2 O M8[D] m8[s]".split())
def test_an_array_as_an_element_of_a_real_array_raises_numpys_error(dtype):
    np = module_under_test()
    for value in ([True, False], [[1.5]], [1, 2], [1j, 2], ["a", "b"], []):
        found = []
        for module in (real, np):
            whole = real.zeros((2, 3), dtype)
            try:
                whole[0, -1] = module.array(value)
                found.append(whole.tolist() if dtype != "O" else None)
            except Exception as error:
                found.append((type(error), str(error), repr(error.__cause__), error.__context__))
        assert found[0] == found[1], value


@pytest.mark.parametrize("value", [[1, 2], [[1.5]], [], ["a"], real.array(3.5)])
def test_an_array_as_a_record_with_objects(value):
    def program(np, x, by):
        whole = np.array(real.zeros(3, [("a", "O")]))
        try:
            if by == "fill":
                whole.fill(np.array(x))
            else:
                whole[by] = np.array(x)
        except ValueError as error:
            return str(error)
        return [type(x) for x in whole["a"]], whole["a"].tolist()

    for by in ("fill", 1, slice(1, 2)):
        check_same(program, value, by)


class TakesOver:
    """Says what it is handed."""

    def __array_function__(self, func, types, args, kwargs):
        return "function", func.__name__, len(args), sorted(kwargs), [kind.__name__ for kind in types]

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return "ufunc", ufunc.__name__, method, len(inputs), sorted(kwargs)


TAKEN_OVER = """
clip(x, o, None); clip(x, 0, o); clip(x, 0, 1, out=o); clip(x, min=o, max=3); clip(o, x, 1); x.clip(o)
broadcast_arrays(x, o); broadcast_arrays(o, x, subok=True); meshgrid(x, o); meshgrid(o, x, copy=False); roll(o, 1)
roll(o, 1, 0); roll(x, o); sum(x, out=o); sum(x, where=o); sum(x, initial=o); max(x, 0, o)
prod(x, where=o); any(x, out=o); all(x, where=o); mean(x, out=o); var(x, where=o); std(x, mean=o); cumsum(x, out=o)
cumprod(x, 0, None, o); argmax(x, out=o); around(x, out=o); round(x, 1, o); dot(x, x, out=o); dot(x, o)
sort(o); take(x, [0], out=o); array(3, like=o); array(3, 'f4', ndmin=2, like=o); asarray([1], like=o); zeros(3, like=o)
arange(3, like=o)
require(x, like=o); ascontiguousarray(x, like=o); full(3, 1.0, like=o); where(x, o, 1); concatenate([x, o]); pad(x, o)
array(3, like=x).tolist(); sum(x, out=np.zeros(()).view(Own)).tolist(); clip(x, np.zeros(3).view(Own), 2).tolist()
"""


class Own(real.ndarray):
    pass


@pytest.mark.parametrize("row", [row for line in TAKEN_OVER.strip().splitlines() for row in line.split("; ")])
def test_a_class_that_takes_functions_over_is_handed_what_was_given(row):
    def program(np, source):
        return [eval(source, {"np": np, "o": TakesOver(), "x": x, "Own": Own})
                for x in (np.arange(3.0), np.arange(3.0) + 1)]

    check_same(program, row if row.startswith("x.") else f"np.{row}", messages=True)


class Declines:
    __array_ufunc__ = None


class Prior:
    __array_priority__ = 1000


@pytest.mark.parametrize("kind", [Declines, Prior])
def test_dot_is_no_operator_that_a_class_may_decline(kind):
    def program(np, other, source):
        x = np.arange(3.0)
        return eval(source, {"np": np, "x": x, "o": other})

    for source in ("np.dot(x, o)", "np.dot(o, x)", "x.dot(o)", "x @ o", "x * o"):
        check_same(program, kind(), source)


def test_the_method_dot_is_taken_over_by_no_class():
    class Takes(real.ndarray):
        def __array_function__(self, *args):
            return "taken"

    def program(np):
        x, other = np.arange(6.0), real.arange(6.0).view(Takes)
        return float(x.dot(other)), np.dot(x, other)

    assert program(module_under_test()) == program(real) == (55.0, "taken")
