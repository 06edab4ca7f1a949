"""Single calls on arrays of 30,000 elements and more: what runs when it is written, and what that leaves alone."""

import gc
import os
import threading
import time
import warnings

import numpy as real
import pytest

from lazytensor.hybrid import fusing

from .helpers import module_under_test, same_bits

LENGTH = 40_000


@pytest.fixture
def np():
    module = module_under_test()
    with module.config(eager_after=0):
        yield module


def native(np):
    return getattr(np, "_native", None) is not None


def there(t):
    value = t._node if hasattr(type(t), "_node") else t._value
    return (value.root._value if hasattr(value, "root") else value).buffer is not None


def arrays(np):
    rng = real.random.default_rng(5)
    x, y = rng.normal(size=(2, LENGTH))
    given = {"x": x, "y": y, "z": x[:LENGTH // 2] + 1j * y[:LENGTH // 2], "k": rng.integers(0, 100, LENGTH),
             "X": x.reshape(-1, 100), "F": real.asfortranarray(y.reshape(-1, 100)), "w": y.copy(),
             "i": rng.permutation(LENGTH)[:LENGTH // 3], "J": rng.permutation(LENGTH // 100)[:50], "v": x[:LENGTH // 3],
             "m": x > 0.5, "g": rng.normal(size=90_000) + 1j}
    own = {name: np.array(value, order="K") for name, value in given.items()}
    if np is not real:
        for array in own.values():
            np.realize(array)
    return own


CALLS = """
    x + y; 2 - x; x < y; -x; abs(z); ~k; x ** 2; X * X[0]; X.T + F.T; F + X; (X.T + 1) + X.T; z * z; (z + 1) * z
    (g * 2) * g; g * (g + 1); (g + 1) * (g - 1); (F + 1) + X; X + (F * 2); (F * 2) * X; X - (F - 1); -(F * 2)
    x.sum(); k.max(); x.argmax(); X.mean(axis=0); X.argmax(axis=1); X.sum(axis=-1, keepdims=True); (x > 9).any()
    np.count_nonzero(x > 0.5); np.where(m)[0]; np.nonzero(X > 1); np.flatnonzero(m); np.argwhere(X > 1)
    x[i]; X[J]; X[:, [3, 5]]; X[:, J % 100]; X[J, 3]; X[J, J % 100]; X[J[:, None], J[:5] % 100]; X[[1, 2]][:, [3]]
    np.unravel_index(i, X.shape); X.T.reshape(-1); np.ravel(F); np.ravel(X.T); X[::2].copy(); X.T.copy()
    np.split(x, 4); np.array_split(x, 7)[2] + 1; np.hsplit(X, 2); np.flip(X, 1) * 2; np.rot90(X); np.fliplr(F)
    np.expand_dims(x, (0, 2)); np.squeeze(x[None]); np.swapaxes(F, 0, 1); np.moveaxis(X, 0, 1); np.atleast_2d(x)
    np.broadcast_to(x, (2, LENGTH)); np.transpose(X); np.diagonal(X); np.atleast_3d(X).shape
    np.add.reduce(X, axis=1); np.maximum.accumulate(x); np.add.reduceat(x, J); np.multiply.outer(x[:100], y[:50])
    np.logical_or.reduce(m); np.bitwise_xor.reduce(k); np.subtract.outer(k[:9], x[:9]); np.add.reduce(x)
    np.sort(k); np.sort(F, axis=0); np.nan_to_num(x); z.conj(); x.conj() is x; x.clip(0.0); x.clip(-1, 1); x.round(1)
    np.ravel_multi_index((k, k), (100, 100)); np.roll(x, 3); np.cumsum(X, axis=1); np.diff(x)
"""
WRITES = """
    w[i] = v; w[i] = 0; w[i] += 1; w[i] = w[i[::-1]]; w[1:] = w[:-1]; w[::2] = x[::2]; w[:] = w[::-1]; w[10:-10] = 1.0
    w += x; w *= 0.5; w += w; w[1:] += w[:-1]; w -= w[::-1]; X[J] = X[J][::-1]; X[2] = X[5]; X[J, 1] = 0
    np.add.at(w, i, 1.0); np.add.at(w, i, w[i]); np.put(w, i, v); np.put(w, [1, 2], w[3:5]); np.place(w, m, v)
    np.putmask(w, m, x); np.copyto(w, x); np.copyto(w, w[::-1]); np.copyto(w, x, where=m); np.fill_diagonal(X, 3)
    np.maximum(w, 0.0, out=w); np.add(w, w, out=w); np.add(w[1:], w[:-1], out=w[1:]); np.exp(x, out=w); w.fill(2)
    w[m] = 0.0; w[w > 1] = 1.0; w[i] = 2 * v
    F[:, J % 100] = 1; w[1:][i - 1] = 3; w[1:-1] = x[1:-1] + 1; np.nan_to_num(w, copy=False); w[[1, 2, -1]] = [5, 6, 7]
"""


def lines(text):
    return [call.strip() for line in text.strip().splitlines() for call in line.split(";")]


def parts_of(found):
    return [x for each in found for x in parts_of(each)] if isinstance(found, (tuple, list)) else [found]


def assert_same(found, expected):
    for a, b in zip(parts_of(found), parts_of(expected), strict=True):
        assert same_bits(real.asarray(b), real.asarray(a))
        if isinstance(b, real.ndarray) and b.size and 1 not in b.shape:
            assert a.strides == b.strides and a.flags.writeable == b.flags.writeable


@pytest.mark.parametrize("call", lines(CALLS))
def test_calls_give_what_numpy_gives(np, call):
    scope = {"LENGTH": LENGTH}
    expected = eval(call, {"np": real, **arrays(real), **scope})
    for module in (np, np):  # reductions are known from the second time on
        assert_same(eval(call, {"np": module, **arrays(module), **scope}), expected)


@pytest.mark.parametrize("call", lines(WRITES))
def test_writes_leave_what_numpy_leaves(np, call):
    own, given = arrays(np), arrays(real)
    pending = own["w"] * 2 if "w" in call else own["X"] * 2  # read before the write
    view, expected_view = own["w"][3:], given["w"][3:]
    exec(call, {"np": np, **own})
    exec(call, {"np": real, **given})
    for name in ("w", "X", "F", "x"):
        assert_same(own[name], given[name])
    assert_same(view, expected_view)
    assert_same(pending, arrays(real)["w" if "w" in call else "X"] * 2)
    exec(call, {"np": np, **own})
    exec(call, {"np": real, **given})
    for name in ("w", "X", "F", "x"):
        assert_same(own[name], given[name])


@pytest.mark.parametrize("call", lines(WRITES))
def test_writes_do_not_reach_what_waits(np, call):
    own = arrays(np)
    with np.config(eager_after=None):
        before = own["w"] + 1, own["X"] + 1, own["F"] + 1
    exec(call, {"np": np, **own})
    given = arrays(real)
    assert_same(before, (given["w"] + 1, given["X"] + 1, given["F"] + 1))


def ran_at_once(np, f, *given, runs=12):
    with np.config(eager_after=4):
        for _ in range(runs):
            np.realize(*[x for x in parts_of(f(*given)) if hasattr(type(x), "realize")])
        return all(there(x) for x in parts_of(f(*given)) if hasattr(type(x), "realize"))


@pytest.mark.skipif(not native(module_under_test()) or not fusing.possible(), reason="needs both")
def test_what_is_alone_runs_at_once_and_what_fuses_waits(np):
    given = arrays(np)
    x, y = given["x"], given["y"]
    large = np.zeros(80_000)
    np.realize(large)
    alone = (lambda: x + y), (lambda: np.exp(x)), (lambda: np.sort(x)), (lambda: (x > 9).any()), (
        lambda: np.argsort(large))
    fused = (lambda: ((x - y) ** 2).mean()), (lambda: (x * y + x - 0.5 * y) * x + y), (lambda: large + 1), (
        lambda: x.var()), (lambda: x.mean())
    assert [ran_at_once(np, f) for f in alone] == [True] * 5
    assert [ran_at_once(np, f) for f in fused] == [False] * 5


@pytest.mark.skipif(not native(module_under_test()) or not fusing.possible(), reason="needs both")
def test_a_product_with_a_large_matrix_does_not_keep_small_steps_waiting(np):
    x = real.random.default_rng(7).normal(size=(300, 300))

    def by_operators(module, matrix, v):
        for _ in range(3):
            v = matrix @ v
            v = v / module.linalg.norm(v)
        return v

    def in_place(module, matrix, v):
        for _ in range(3):
            v = matrix.dot(v)
            v /= module.sqrt((v * v).sum())
        return v

    def in_chains(module, matrix, v):
        y = (matrix @ v)[:, None] * matrix
        return (y * 2.0 - 1.0) * y
    own, v = np.array(x), np.array(real.ones(300))
    np.realize(own, v)
    for f, expected in (by_operators, True), (in_place, True), (in_chains, False):
        assert ran_at_once(np, f, np, own, v, runs=20) is expected
        assert same_bits(real.asarray(f(np, own, v)), f(real, x, real.ones(300)))


@pytest.mark.skipif(not native(module_under_test()), reason="the extension does it")
@pytest.mark.parametrize("several", [
    lambda x, y: (x.sum(), x.mean(), x.var(), x.min(), x.max()), lambda x, y: (x.min(), x.max()),
    lambda x, y: (y.sum(), y.std())])
def test_reductions_of_one_array_wait_for_each_other(np, several):
    given = arrays(np)
    with np.config(eager_after=4):
        for _ in range(20):
            results = several(given["x"], given["y"])
            np.realize(*results)
        assert not any(map(there, several(given["x"], given["y"])))
    expected = several(real.asarray(given["x"]), real.asarray(given["y"]))
    assert all(same_bits(real.asarray(a), b) for a, b in zip(results, expected, strict=True))


@pytest.mark.skipif(not native(module_under_test()), reason="the extension does it")
def test_a_line_that_came_to_be_part_of_a_chain_waits_again(np):
    x = arrays(np)["x"]

    def twice(a):
        return a * 2.0
    with np.config(eager_after=4):
        for _ in range(12):
            np.realize(twice(x))
        assert there(twice(x))
        for _ in range(400):
            np.realize(twice(twice(twice(twice(x)))))
        assert not there(twice(twice(twice(twice(x)))))


@pytest.mark.skipif(not native(module_under_test()), reason="the extension does it")
def test_writes_by_index_arrays_are_done_in_the_array_itself(np):
    given = arrays(np)
    w, i, v = given["w"] * 2, given["i"], given["v"]
    np.realize(w)
    with np.config(eager_after=None):
        address = w._value.buffer.ctypes.data
        w[i] = v
        w[i] = v * 2
        np.put(w, i, 1.0)
        np.add.at(w, i, 1.0)
        assert there(w) and w._value.buffer.ctypes.data == address


def test_what_is_counted_shares_its_memory_as_numpys_does(np):
    given, own = arrays(real), arrays(np)
    assert own["X"][:, [1, 2]].base.shape == given["X"][:, [1, 2]].base.shape
    for f in (lambda m, a: m.nonzero(a["X"] > 1), lambda m, a: m.unravel_index(a["i"], (400, 100))):
        rows, columns = f(np, own)
        real_rows, _ = f(real, given)
        assert rows.base.shape == real_rows.base.shape and not np.shares_memory(rows, columns)
        rows[:3] = 0
        rows += 1
        real_rows[:3] = 0
        real_rows += 1
        assert_same(rows, real_rows)
        del own["X"]
        gc.collect()
        own, given = arrays(np), arrays(real)
        assert_same(rows, real_rows)


@pytest.mark.parametrize("call", ["np.split(x, 3)", "np.flip(x, 2)", "np.swapaxes(x, 0, 1)", "np.expand_dims(x, 5)",
                                  "np.split(x)", "np.flip(x, axes=1)", "np.moveaxis(x, 1, 0)", "np.put(x, [99999], 1)",
                                  "np.add.at(x, [99999], 1)", "x[i + LENGTH]", "x[[LENGTH]]", "np.copyto(x, 'a')",
                                  "np.add.reduce(x, axis=3)", "np.add.outer(x)", "np.maximum(x, y, out=X)",
                                  "np.sort(x, axis=4)", "np.place(x, m, [])", "np.copyto(k, x)"])
def test_errors_are_numpys(np, call):
    errors = []
    for module in (real, np):
        own = arrays(module)
        with pytest.raises(Exception) as raised:  # noqa: PT011
            eval(call, {"np": module, "LENGTH": LENGTH, **own})
        errors.append((type(raised.value), str(raised.value)))
        assert_same(own["x"], arrays(real)["x"])
    assert errors[0] == errors[1]


def test_views_of_read_only_arrays_are_read_only(np):
    x = np.broadcast_to(np.arange(3.0), (4, 3))
    expected = real.broadcast_to(real.arange(3.0), (4, 3))
    for f in (lambda m, a: m.flip(a, 0), lambda m, a: m.split(a, 2)[0], lambda m, a: m.expand_dims(a, 0)):
        assert f(np, x).flags.writeable == f(real, expected).flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            f(np, x)[...] = 0
    one, its = np.array([[1]]), real.array([[1]])
    for m, a in ((np, one), (real, its)):
        assert not m.broadcast_to(a[..., None], (3, 1, 1, 1)).reshape(-1).flags.writeable
    y = np.arange(6.0)
    y.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        np.flip(y)[0] = 1


@pytest.mark.parametrize("pending", [False, True])
def test_read_only_arrays_refuse_their_own_parts(np, pending):
    x = np.arange(5.0) + 1
    if not pending:
        np.realize(x)
    part, view = slice(1, 3), x[...]
    x.flags.writeable = False
    for index, value in ((..., view), (..., x[...]), (part, x[part])):
        with pytest.raises(ValueError, match="assignment destination is read-only"):
            x[index] = value


@pytest.mark.parametrize("warm", [0, 100])
def test_warnings_of_copyto_name_the_line(warm):
    np = module_under_test()
    k = np.zeros(LENGTH, int)
    x = np.full(LENGTH, real.nan)
    np.realize(k, x)

    def write():
        np.copyto(k, x, casting="unsafe")
        np.realize(k)
    for _ in range(warm):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write()
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        write()
    assert {(w.category, w.lineno, w.filename) for w in given} == {
        (RuntimeWarning, write.__code__.co_firstlineno + 1, __file__)}


def test_threads_that_write_to_one_array_take_turns(np):
    w = np.zeros(50_000)
    np.realize(w)

    def work():
        one = np.ones(50_000)
        np.realize(one)
        for _ in range(40):
            w.__iadd__(one)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert real.asarray(w).min() == real.asarray(w).max() == 120


def _place(np, x, i, v):
    x[i] = v


@pytest.mark.parametrize("write", [_place, lambda np, x, i, v: np.put(x, i, v),
                                   lambda np, x, i, v: np.maximum.at(x, i, v)])
def test_threads_write_to_other_places_of_a_small_array(np, write):
    few, many = 50, 2_000_000
    i, v, y = np.array(real.arange(many) % few), np.array(real.arange(many) + 1.0), np.ones(10)
    np.realize(i, v, y)
    for _ in range(4):
        x = np.zeros(100)
        np.realize(x)

        def work(own, begun):
            begun.wait()
            time.sleep(0.002)
            own[60:70] = y + 1
            float(own[65])
        begun = threading.Event()
        thread = threading.Thread(target=work, args=(x, begun))
        thread.start()
        begun.set()
        write(np, x, i, v)
        thread.join()
        assert real.asarray(x)[:few].min() == many - few + 1
        assert (real.asarray(x)[60:70] == 2).all()


@pytest.mark.parametrize("dtype", ["?", "b", "u2", "i4", "q", "e", "f", "d", "g", "F", "D", "G", ">d"])
@pytest.mark.parametrize("number", [0, True, 2.5, 300, -1, 1e300, 1j])
def test_a_number_where_a_mask_is_true(np, dtype, number):
    rng = real.random.default_rng(1)
    start = rng.normal(size=10_003).astype(dtype)
    bits = rng.integers(0, 256, start.size).astype(real.uint8)
    for mask in (bits > 99, bits > 254, bits >= 0, bits < 0, (bits % 3).view("?"), (bits > 99)[:, None][:, 0]):
        results = []
        for module in (real, np):
            array, own = module.array(start), module.array(mask)
            kept = array[1:]
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    array[own] = number
            except (OverflowError, TypeError) as error:
                results.append((type(error), str(error)))
            else:
                results.append((str(array.tolist()), str(kept.tolist()), [str(w.message) for w in caught]))
        assert results[0] == results[1]


def test_a_mask_that_is_the_array_itself_or_still_waits(np):
    results = []
    for module in (real, np):
        given = module.array(real.arange(20_001) % 7)
        bools = given > 2
        bools[bools] = False
        halves = module.array(real.arange(40_000) % 3 == 0)
        halves[:20_000][halves[20_000:]] = True
        doubled = given * 2
        given[doubled > 5] = 0
        before = given + 1
        given[given == 0] = 9
        results.append([real.asarray(x).tobytes() for x in (bools, halves, given, doubled, before)])
    assert results[0] == results[1]


def test_an_array_copied_from_numpys_is_its_own(np):
    for length in (100, 40_000, 200_000):
        given = real.arange(2.0 * length).reshape(2, length)
        for array in (np.array(given), np.array(given[1]), np.array(given[:1]), np.array(given[:, :0])):
            if np is not real:
                assert array._state is None
        view = array = np.array(given[1])
        view[0] = -1
        assert given[1, 0] == length and array[0] == -1 and array.flags.owndata and array.base is None


def test_arrays_of_arrays_and_where_they_are(np):
    results = []
    for module in (real, np):
        x, y = module.array(real.arange(40_000.0)), module.array(real.arange(300_000.0))
        taken = []
        for _ in range(2):
            a, b = module.meshgrid(x[:90], x[:400])
            c, d = module.meshgrid(x[:90], x[:400], copy=False)
            taken += [module.array([x, x]), module.array((x, x[::-1])), a, b, c, d, module.ravel(x.reshape(-1, 4).T)]
            taken += [*module.histogram(x, 7), *module.histogram(x, [1.0, 5, 9]), module.linalg.norm(y)]
            taken += [module.bitwise_xor.reduce(y.astype(int)), module.add.reduceat(y, [0, 9, 7]), module.roll(y, 3)]
            edges = module.array([0.0, 5, 9])
            assert module.histogram(x, edges)[1] is edges
            taken += [module.may_share_memory(x, x[3:]), module.may_share_memory(x, y), module.may_share_memory(x, 1),
                      module.shares_memory(x[::2], x[1::2]), module.may_share_memory(x[::2], x[1::2])]
            x[0] += 1
            taken.append(module.may_share_memory(x, x))
        results.append(taken)
    for found, expected in zip(results[1], results[0], strict=True):
        assert type(found) is bool if type(expected) is bool else found.dtype == expected.dtype
        assert real.array_equal(real.asarray(found), expected)


def test_writes_to_large_arrays_alone_run_at_once_from_lines_that_did():
    np = module_under_test()
    results = []
    for module in (real, np):
        with np.config(eager_after=3, threads=2):  # which share a large operation
            x = module.array(real.arange(150_000.0))
            w, kept, steps = module.array(x), [], []
            for i in range(12):
                w += x
                if module is np:
                    np.realize(w)
                w *= 0.5
                if module is np:
                    np.realize(w)
                if i % 5 == 4:
                    kept.append(w + 1)  # waits for the value that the next line writes over
                    kept.append(w[3:])
                module.maximum(w, i, out=w)
                if module is np:
                    steps.append(w._value.buffer is not None)
                    np.realize(w)
                module.copyto(w, x)
                w[w > 9e4] = i
            results.append([real.asarray(a).tobytes() for a in (w, *kept)])
    assert results[0] == results[1]
    if native(np) and os.environ.get("LAZYTENSOR_ENGINE") != "numpy":
        assert steps[6:9] == [True] * 3
