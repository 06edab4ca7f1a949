"""Functions without a lazy form: which memory their results share, what they write to, and what they draw."""

import copy
import io
import pickle
import warnings

import numpy
import pytest

import lazytensor
from tests.helpers import assert_same, check_same, module_under_test


def table():
    return numpy.arange(1.0, 13.0).reshape(3, 4).copy()


# ---------------------------------------------------------------- aliasing and effects


def ravel_writes_through(np, a):
    np.ravel(a)[0] = 100
    np.atleast_3d(a)[1] *= 2
    np.expand_dims(a, 0)[..., 1] = -1
    return a


def split_gives_views(np, a):
    early = a * 2
    left, right = np.split(a, 2, axis=1)
    left[:] = 7
    right += left
    np.array_split(a[0], 3)[0][:] = 5
    return early, a, left, right, left.base is not None


def flips_are_views(np, a):
    np.flip(a)[0, 0] = -5
    np.rot90(a)[0, :] = 3
    np.rot90(a, 2)[1, 1:] *= 2
    np.moveaxis(a, 0, 1)[2] += 1
    np.fliplr(a)[:, 0] = np.flipud(a)[:, 3]
    return a


def views_of_no_axes(np, a):
    cell = np.array(a.sum())
    views = [np.atleast_1d(cell), np.atleast_3d(cell), np.expand_dims(cell, 0), np.broadcast_to(cell, (2, 2))]
    views.append(np.flip(cell))
    cell[...] = 9
    return views, np.squeeze(cell), np.moveaxis(cell, (), ()), np.zeros_like(cell), np.size(cell), np.transpose(cell)


def strided_windows(np, a):
    windows = np.lib.stride_tricks.sliding_window_view(a, (2, 2))
    corner = np.lib.stride_tricks.as_strided(a, (2, 2), (a.strides[0] * 2, a.strides[1] * 3))
    corner += 100
    writeable = np.lib.stride_tricks.sliding_window_view(a, 2, axis=1, writeable=True)
    writeable[0, 0, 0] = 9
    return a, windows, corner, windows.flags.writeable, windows.sum((2, 3))


def read_only_results(np, a):
    views = [np.broadcast_to(a, (2, 3, 4)), np.diagonal(a), np.diag(a)]
    views.append(np.lib.stride_tricks.sliding_window_view(a, 2, 1))
    a[0, 0] = 50
    errors = 0
    for view in views:
        try:
            view[0] = 1
        except ValueError:
            errors += 1
    return views, errors


def views_of_what_is_read_only(np, a):
    a.flags.writeable = False
    return [np.split(a, 2, 1)[0], np.flip(a), np.atleast_1d(a), np.trim_zeros(a[0]), np.ravel(a)], a


def mutators(np, a):
    early = a + 1
    np.put(a, [0, 5], [-1, -2])
    np.place(a, a > 10, [44, 55])
    np.putmask(a, a < 0, 0)
    np.copyto(a[1], 3.5, where=a[1] > 5)
    np.fill_diagonal(a, 8)
    np.put_along_axis(a, np.array([[1], [2], [3]]), 6, axis=1)
    middle = a * 1
    np.copyto(a[:, 1:], a[:, :-1])
    a[0, 0] = np.nan
    np.nan_to_num(a, copy=False, nan=2.5)
    return early, middle, a


def medians_that_overwrite(np, a):
    early = a - 1
    return np.median(a, axis=0, overwrite_input=True), np.percentile(a[0], 30, overwrite_input=True), early, a.sum()


def given_back(np, a):
    """`out=` is returned itself, whether given by name or by place, and is written."""
    out, row = np.zeros((3, 4)), np.zeros(4)
    same = [np.fix(a / 2, out) is out, np.take(a, [0, 2], 0, out[:2]) is not out, np.cumsum(a, out=out.ravel()).shape]
    same += [np.concatenate([a[:1], a[1:]], out=out) is out, np.round(a, 1, out) is out]
    same += [np.dot(a.T, a[:, 0], row) is row]
    same += [np.einsum("ij->j", a, out=row) is row, np.median(a, 0, out=row) is row, np.clip(a, 2, 5, out) is out]
    same += [np.nanmean(a, axis=0, out=row) is row, np.choose([0, 1, 2, 0], a, row) is row, np.fft.fft(a[0]).dtype]
    same += [np.random.default_rng(1).random(out=row) is row]
    return same, out, row


def operands_that_overlap_the_output(np, a):
    np.take(a[0], [1, 2, 3], out=a[0, :3])
    np.cumsum(a[1, 1:], out=a[1, :-1])
    np.concatenate([a[2, 2:], a[2, :2]], out=a[2])
    return a


def same_array_back(np, a):
    same = [np.asarray(a) is a, np.asanyarray(a) is a, np.asarray(a, dtype=float) is a, np.asarray(a, order="C") is a]
    same += [np.ascontiguousarray(a) is a, np.array(a, copy=False) is a, np.array(a, copy=None) is a]
    same += [np.require(a, float, ["C", "W"]) is a, np.atleast_1d(a) is a, np.atleast_2d(a) is a, np.array(a) is a]
    same += [np.asfortranarray(a) is a, np.asfortranarray(a.T).flags.f_contiguous, np.asarray(a, dtype="f4") is a]
    same += [np.array(a, ndmin=3, copy=False).base is a, np.asarray(a, dtype=int) is a, np.asarray(a, copy=True) is a]
    b = np.asarray(a[1:])
    b[0] = 0
    c = np.array(a, ndmin=3, copy=None)
    c[0, 2] = -1
    return same, a, b, c


def copies_that_are_refused(np, a):
    failed = []
    for how in ({"dtype": "f4"}, {"order": "F"}, {"dtype": "U5"}, {"dtype": object}, {"order": "C"}, {"ndmin": 4}):
        try:
            failed.append(np.array(a, copy=False, **how).shape)
        except ValueError as error:
            failed.append(str(error))
    return failed


def arrays_of_pending_parts(np, a):
    row, total = a[0] + 1, a.sum()
    nested = np.array([[row, row * 2], [row, -row]])
    mixed = np.array([[total, 1], (2, total)])
    a[0] = 0
    return nested, mixed, np.array([row, a[0]]), np.asarray((total, a.max())), np.stack([row, a[1]]), np.array(total)


def shared_memory_questions(np, a):
    b, c = a[1:], a + 0
    return [np.shares_memory(a, b), np.may_share_memory(b, a), np.shares_memory(a, c), np.shares_memory(np.ravel(a), a),
            np.shares_memory(np.array(a), a), np.shares_memory(np.split(a, 3)[1], b)]  # fmt: skip


def subclasses_stay(np, a):
    matrix = np.asmatrix(a)
    matrix[0, 0] = 77
    masked = np.ma.array(a, mask=np.asarray(a) > 5)
    record = np.rec.array([(1, 2.0)], dtype="i4,f8")
    kinds = [type(x).__name__ for x in (matrix, masked, record, np.asanyarray(matrix), np.sin(matrix), masked + 1)]
    return kinds, a, np.asarray(matrix), masked.sum(), record.f1, np.array(matrix, subok=False)


def iterators(np, a):
    early = a + 1
    for cell in np.nditer(a, op_flags=["readwrite"]):
        cell[...] = cell * 2
    pairs = [(index, float(x)) for index, x in np.ndenumerate(a[:2, :2])]
    return early, a, pairs, np.broadcast(a, a[0]).shape, list(np.ndindex(2, 1))


def callbacks(np, a):
    """Functions of the user's get arrays that they may write to or keep, and may give back anything."""
    kept = []

    def keep(row):
        kept.append(row)
        row[0] = 40
        return np.sort(row)[::-1]

    ordered = np.apply_along_axis(keep, 1, a)
    return a, ordered, np.piecewise(a, [a > 5, a <= 5], [np.sqrt, lambda x: np.ones(1)]), len(kept)


def along_an_axis(np, a):
    """Functions of NumPy's own get its arrays, with what follows them; one of the program's gets ours."""
    a[0] = -a[0]
    found = [np.apply_along_axis(fn, axis, a) for fn in (np.sum, np.sort, np.median, np.cumsum, np.abs, np.array)
             for axis in (0, 1)]
    return *found, np.apply_along_axis(np.convolve, 1, a, a[0], "same"), np.apply_along_axis(
        np.sum, 0, a, keepdims=True), np.apply_along_axis(lambda row: row - np.mean(row), 1, a), a


def files(np, a):
    stream, archive, text = io.BytesIO(), io.BytesIO(), io.StringIO()
    np.save(stream, a + 1)
    np.savez(archive, a, named=a.T)
    np.savetxt(text, a)
    for file in (stream, archive, text):
        file.seek(0)
    loaded = np.load(archive)
    named = loaded["named"]
    kind = isinstance(loaded, np.lib.npyio.NpzFile)
    return np.load(stream), loaded["arr_0"], named * 2, np.loadtxt(text), sorted(loaded.files), kind, loaded.f.named


def test_functions_of_the_testing_module():
    a = lazytensor.arange(3.0)
    lazytensor.testing.assert_allclose(a + 1, [1, 2, 3])
    lazytensor.testing.assert_equal({"a": [a]}, {"a": [numpy.arange(3.0)]})
    lazytensor.testing.assert_raises(ValueError, lambda x: x.reshape(2, 2), a)
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 3"):
        lazytensor.testing.assert_array_equal(a, [0, 1, 3])


EFFECTS = [
    ravel_writes_through, split_gives_views, flips_are_views, views_of_no_axes, strided_windows, read_only_results,
    views_of_what_is_read_only, mutators, medians_that_overwrite, given_back, operands_that_overlap_the_output,
    same_array_back, copies_that_are_refused, arrays_of_pending_parts, shared_memory_questions, subclasses_stay,
    iterators, callbacks, along_an_axis, files,
]  # fmt: skip


@pytest.mark.parametrize("program", EFFECTS, ids=lambda program: program.__name__)
def test_aliasing_and_effects_are_numpys(program):
    check_same(program, table())


@pytest.mark.parametrize("program", EFFECTS, ids=lambda program: program.__name__)
def test_aliasing_and_effects_of_shared_and_of_viewed_memory(program):
    wide = numpy.arange(40.0).reshape(5, 8)
    check_same(lambda np, w: (program(np, w[1:4, 2:6]), w), wide)


@pytest.mark.parametrize("name", ["mean", "tile", "sort", "split", "fft.fft", "linalg.inv", "concatenate", "cov"])
def test_numpys_own_functions_give_tensors(name):
    function = numpy
    for part in name.split("."):
        function = getattr(function, part)
    real = numpy.arange(9.0).reshape(3, 3) + numpy.eye(3)
    more = {"tile": (2,), "split": (3,)}.get(name, ())
    result = function(lazytensor.array(real), *more)
    assert type(result[0] if name == "split" else result).__module__ == "lazytensor"
    assert_same(function(real, *more), result)


def test_warnings_name_the_line_of_the_user():
    nothing = lazytensor.array([[lazytensor.nan]])
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        lazytensor.nanmean(nothing, axis=1)
        lazytensor.polyfit([1.0, 1.0], [1.0, 2.0], 3)
    assert [w.filename for w in given] == [__file__] * 2
    assert given[1].lineno == given[0].lineno + 1


# ---------------------------------------------------------------- random numbers


def drawn_in_order(np):
    rng = np.random.default_rng(7)
    first = rng.normal(size=(2, 3))
    second = rng.integers(0, 10, 4)
    order = np.arange(6.0) * 2
    rng.shuffle(order)
    rows = np.arange(12).reshape(4, 3)
    rng.shuffle(rows[1:], axis=1)
    both = rng.choice(order, 2), rng.choice(rows, 2, axis=1), rng.permutation(rows), rng.permuted(rows, axis=1)
    rng.permuted(rows, out=rows)
    words = ["a", order, "c", "d"]
    rng.shuffle(words)
    places = [i for i, word in enumerate(words) if not isinstance(word, str)]
    out = np.zeros(3)
    rng.standard_normal(out=out)
    third = rng.normal(order, first[0, 0] ** 2), rng.multivariate_normal(np.zeros(2), np.eye(2)), rng.random()
    return second + 1, first, order, rows, both, places, out, third, rng.bytes(4), rng


def children_and_copies(np):
    rng = np.random.default_rng(3)
    rng.random(2)
    copies = [pickle.loads(pickle.dumps(rng)), copy.deepcopy(rng), *rng.spawn(2)]
    same = [isinstance(r, np.random.Generator) for r in copies] + [np.random.default_rng(rng) is rng]
    twin = np.random.Generator(np.random.PCG64(rng.integers(5)))
    return [r.normal(size=3) * 2 for r in copies], same, rng.random(2), twin.random(2), repr(rng)[:16]


def legacy_stream(np):
    state = np.random.get_state()
    np.random.seed(42)
    values = [np.random.rand(2, 2), np.random.randn(3), np.random.normal(size=2), np.random.randint(0, 9, 5)]
    order = np.arange(5)
    np.random.shuffle(order)
    values += [order, np.random.permutation(4), np.random.choice([1, 2, 3], 2), np.random.uniform(size=np.int64(2))]
    np.random.set_state(state)
    rs = np.random.RandomState(5)
    rs.randn(1)
    twin = pickle.loads(pickle.dumps(rs))
    return values, rs.randn(2), twin.randn(2), copy.deepcopy(twin).rand(2), isinstance(twin, np.random.RandomState)


@pytest.mark.parametrize("program", [drawn_in_order, children_and_copies, legacy_stream], ids=lambda p: p.__name__)
def test_streams_are_numpys(program):
    check_same(program)


def test_generators_are_numpys_and_draw_tensors():
    rng = lazytensor.random.default_rng(1)
    assert isinstance(rng, numpy.random.Generator)
    assert isinstance(numpy.random.default_rng(), lazytensor.random.Generator)
    assert issubclass(numpy.random.RandomState, lazytensor.random.RandomState)
    assert not isinstance(lazytensor.random.RandomState(1), lazytensor.random.Generator)
    assert type(rng.normal(size=2)) is lazytensor.ndarray and type(rng.spawn(1)[0]) is type(rng)
    lazytensor.random.seed(4)
    ours = lazytensor.random.rand(3)
    numpy.random.seed(4)
    assert_same(numpy.random.rand(3), ours)


@pytest.mark.parametrize("name", ["squeeze", "swapaxes", "atleast_1d", "atleast_2d", "atleast_3d", "diagonal", "hsplit",
                                  "ones_like", "zeros_like", "expand_dims", "size", "shape", "ndim"])  # fmt: skip
def test_functions_of_masked_arrays_look_at_elements_unlike_their_namesakes(name):
    def program(np):
        pending = np.arange(6.0).reshape(2, 3) * 2 + 1
        result = getattr(np.ma, name)(pending, *{"swapaxes": (0, 1), "hsplit": (3,), "expand_dims": (0,)}.get(name, ()))
        parts = result if isinstance(result, list) else [result]
        return [x if isinstance(x, (int, tuple)) else (type(x).__name__ == "MaskedArray", x.tolist()) for x in parts]

    check_same(program)


DRAWS = {
    "choice of a number": lambda np, rng: rng.choice(4), "of an array": lambda np, rng: rng.choice(np.arange(3.0)),
    "of no axes": lambda np, rng: rng.choice(np.array(4)),
    "of a scalar": lambda np, rng: rng.choice(np.arange(4).sum()),
    "with weights": lambda np, rng: rng.choice(3, p=[0.2, 0.3, 0.5]),
    "of rows": lambda np, rng: rng.choice(np.eye(3)[0], 2),
    "without axes": lambda np, rng: rng.choice(4, ()), "replaced": lambda np, rng: rng.choice(9, 3, replace=False),
    "permutation": lambda np, rng: rng.permutation(5),
    "normal": lambda np, rng: rng.multivariate_normal([0, 0], np.eye(2)),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("make", ["default_rng", "RandomState"])
def test_draws_that_draw_in_turn_are_of_numpys_kind(name, make):
    """`choice` draws integers with a method of its generator, and looks whether it got an array of NumPy's."""
    def program(np, call):
        rng = getattr(np.random, make)(3)
        return [call(lambda: DRAWS[name](np, rng)) for _ in range(5)], rng.normal()

    check_same(lambda np: program(np, lambda draw: draw()))
    jitted = {}
    assert_same(program(numpy, lambda draw: draw()), program(
        module_under_test(), lambda draw: jitted.setdefault(0, module_under_test().jit(draw))()))
