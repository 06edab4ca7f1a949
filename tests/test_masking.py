"""Masks pick and put what NumPy's do, for items of every size."""

import itertools

import numpy as real
import pytest

from lazytensor.lower import compress, native
from lazytensor.run import masking, moving, pool, workers

from .helpers import check_same, module_under_test, same_bits

pytestmark = pytest.mark.skipif(not native.available(), reason="no compiler here")


@pytest.fixture(autouse=True, params=["this CPU's", "any CPU's"])
def native_engine(request, monkeypatch):
    """Elements are packed by what this CPU has for it, and by what any CPU has."""
    if request.param == "any CPU's":
        monkeypatch.setattr(compress, "suits", lambda size: False)
    moving._compiled.cache_clear()
    with module_under_test().config(engine="llvm"):
        yield
    moving._compiled.cache_clear()


def masks(n):
    rng = real.random.default_rng(n)
    for share in (0.0, 0.02, 0.5, 0.98, 1.0):
        yield rng.random(n) < share
    runs = real.zeros(n, bool)
    runs[n // 3: n // 2] = True
    runs[-1] = True
    yield runs


DTYPES = ["?", "b", "H", "f", "d", "F", "D", "g", "M8[s]", "S3", "S16", "U5", [("a", "i4"), ("b", "f8")]]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [2048, 2049, 2055, 4099])
def test_elements(dtype, n):
    x = real.frombuffer(real.random.default_rng(0).bytes(n * real.dtype(dtype).itemsize), dtype)
    if dtype in ("?", "U5"):
        x = real.arange(n).astype(dtype)
    for mask in masks(n):
        got = masking.picked(x, mask)
        assert got.dtype == x.dtype and got.shape == x[mask].shape and got.tobytes() == x[mask].tobytes()
        values, a, b = x[mask][::-1].copy(), x.copy(), x.copy()
        a[mask] = values
        assert masking.put(b, mask, values) and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("shape", [(2100, 3), (50, 60), (50, 60, 2), (2100, 0), (3000, 1, 7)])
def test_rows_and_several_axes(shape):
    rng = real.random.default_rng(1)
    x = rng.normal(size=shape)
    axes = 1 if shape[0] > 2000 else 2
    for flat in masks(real.prod(shape[:axes])):
        mask = flat.reshape(shape[:axes])
        got = masking.picked(x, mask)
        assert same_bits(x[mask], got) and got.shape == x[mask].shape
        values, a, b = x[mask] * 2, x.copy(), x.copy()
        a[mask] = values
        assert masking.put(b, mask, values) and same_bits(a, b)


def test_the_rest_is_left_to_numpy():
    n = 4096
    x, mask = real.arange(float(n)), real.arange(n) % 3 == 0
    assert masking.picked(x[::-1], mask) is None and masking.picked(x, mask[::-1]) is None
    assert masking.picked(x.astype(object), mask) is None and masking.picked(x[:10], mask[:10]) is None
    assert masking.picked(x[:-1], mask) is None and masking.picked(x, mask.view("b")) is None
    values = x[mask]
    assert not masking.put(x, mask, values[:-1]) and not masking.put(x, mask, values.astype("f"))
    assert not masking.put(x, mask, x[:len(values)]) and not masking.put(x, mask, values[:1])
    frozen = x.copy()
    frozen.flags.writeable = False
    assert not masking.put(frozen, mask, values)
    with module_under_test().config(engine="numpy"):
        assert masking.picked(x, mask) is None


@pytest.mark.parametrize("dtype", "fdFDiB")
def test_programs(dtype):
    np = module_under_test()
    rng = real.random.default_rng(2)
    x, y = (rng.normal(size=(60, 70)).astype(dtype) for _ in range(2))

    def program(np, x, y):
        x, y = np.array(x), np.array(y)
        near = abs(x) < abs(y)
        z = x + y
        view = z[2:4]
        z[near] = z[near] * 2 + y[near]
        first = z[near]
        z[near.T.copy().T] = first[::-1].copy()
        row = z[near[:, 0]]
        z[near[:, 0]] = row + 1
        return first, row, z, view
    for _ in range(3):
        for e, g in zip(program(real, x, y), program(np, x, y), strict=True):
            assert same_bits(e, real.asarray(g))
    a = np.array(x)
    with pytest.raises(IndexError):
        a[real.ones((61, 70), bool)]
    with pytest.raises(ValueError, match="cannot assign"):
        a[real.ones((60, 70), bool)] = real.ones(7)


@pytest.mark.parametrize("part", [0, 64, 192, 1024, 4096])
def test_nothing_is_touched_beyond_the_chosen_ones(part):
    """By one thread, and by several that take `part` elements of the mask at a time."""
    way = workers.entry(3) if part else 0, part
    for dtype, n in itertools.product(["u1", "u2", "f4", "f8", "c16"], [2048, 2049, 2111]):
        x = real.arange(n).astype(dtype)
        for mask in masks(n):
            count = int(mask.sum())
            room = real.full(count * x.itemsize + 128, 9, "u1")
            target = room[64:64 + count * x.itemsize].view(dtype)
            pick, put = (moving.function(name, x.itemsize) for name in ("pick", "put"))
            pick(target, x, mask, n, count, x.itemsize, *way)
            assert target.tobytes() == x[mask].tobytes() and set(room[:64]) == {9} == set(room[64 + target.nbytes:])
            around = real.full(n * x.itemsize + 128, 9, "u1")
            whole = around[64:64 + n * x.itemsize].view(dtype)
            wanted = whole.copy()
            wanted[mask] = target
            put(whole, target, mask, n, count, x.itemsize, *way)
            assert whole.tobytes() == wanted.tobytes() and set(around[:64]) == {9} == set(around[64 + whole.nbytes:])


@pytest.mark.parametrize("shape", [(3, 4), (3,)])
def test_rows_that_threads_share(shape):
    n = 3000
    x = real.random.default_rng(0).random((n, *shape))
    for mask in masks(n):
        count, size = int(mask.sum()), x[0].nbytes
        pick, put = (moving.function(name, size) for name in ("pick", "put"))
        target, whole = real.empty((count, *shape)), -x
        pick(target, x, mask, n, count, size, workers.entry(3), 512)
        assert same_bits(x[mask], target)
        put(whole, target, mask, n, count, size, workers.entry(2), 512)
        wanted = -x
        wanted[mask] = x[mask]
        assert same_bits(wanted, whole)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_arrays_on_threads(threads):
    np = module_under_test()
    rng = real.random.default_rng(5)
    for n in (16_384, 100_001):
        x, mask = rng.normal(size=n) + 1j, rng.random(n) < 0.5
        with np.config(threads=threads):
            z = np.array(x)
            taken = z[mask]
            z[~mask] = -z[~mask]
            assert same_bits(x[mask], real.asarray(taken))
            assert same_bits(real.where(mask, x, -x), real.asarray(z))


def test_what_waits_keeps_what_it_read():
    def program(np):
        z = np.arange(5000.0)
        near = z % 3 == 0
        before, view, alias = z * 2, z[10:20], z
        z[near] = z[near] ** 2 + 1
        between = z[near]
        z[near] = 5
        count = np.zeros(5000, "i4")
        count[near] = 7
        late = count + 1
        count[near] = before[near].astype("i4")
        z[near] = view.sum()
        z[near] = between
        return z, near, before, view, alias, between, count, late

    for _ in range(3):
        check_same(program)


def test_errors_of_masks_are_numpys():
    def program(np):
        z, near = np.arange(5000.0), np.arange(5000) % 3 == 0
        found = []
        for write in (lambda: z.__setitem__(near, np.ones(7)), lambda: z.__setitem__(near[:-1], np.ones(7)),
                      lambda: z[near[:-1]], lambda: np.zeros(5000, "i1").__setitem__(near, 300),
                      lambda: z.__setitem__(near[:-1], 2.0)):
            try:
                write()
            except (ValueError, IndexError, OverflowError) as error:
                found.append((type(error), str(error)))
        z.flags.writeable = False
        for value in (2.0, np.ones(1667)):
            try:
                z[near] = value
            except ValueError as error:
                found.append(str(error))
        return found, z

    check_same(program)


def test_memory_of_what_shrinks_is_reused():
    np = module_under_test()
    x = np.arange(200_000.0)
    pool.trim()
    made = pool.info()["made"]
    for n in range(190_000, 150_000, -1000):
        (x[x < n] * 2).realize()
    assert pool.info()["made"] - made < 12


@pytest.mark.parametrize("n", [1, 10, 100, 1000])
def test_a_few_elements_are_picked_and_put_without_giving_their_memory_out(n):
    """An array whose memory has been given out runs each operation at once, on the long way."""
    np = module_under_test()
    x = real.random.default_rng(n).normal(size=n)
    z = np.array(x)
    for _ in range(3):
        mask, chosen = z > 0.3, x > 0.3
        z[mask] = z[mask] * 2
        x[chosen] = x[chosen] * 2
        assert z._state is None and same_bits(x, z.numpy().copy())


def test_few_elements_of_every_kind():
    def program(np, x, y, flags):
        kept, other = x + 0, x.T[::-1]
        x[x > 1] = x[x > 1] - 1
        y[y > 3] = np.arange(len(y[y > 3]), dtype="f4")
        flags[flags] = ~flags[flags]
        x[x[::-1] > 1] = x[::-1][x[::-1] > 1]
        other[other > 0] = other[other > 0]
        text, days = np.array(["a", "bb", "c"]), np.arange("2020-01", "2020-04", dtype="M8[M]")
        text[text > "a"] = text[text > "a"][::-1]
        days[days > days[0]] = days[1:] + 12
        empty, none = np.zeros((0, 3)), np.array(2.5)
        empty[empty > 1] = empty[empty > 1]
        none[none > 1] = none[none > 1] * 2
        return kept, x, y, flags, text, days, empty, none, x[x > 1].flags.owndata, x[x > 1].base

    x = real.arange(12.0).reshape(3, 4)
    check_same(program, x, real.arange(6.0), real.arange(5) % 2 > 0)
    check_same(program, real.asfortranarray(x), real.arange(6), real.arange(4) > 5)


@pytest.mark.parametrize("put", [
    lambda np, x: x.__setitem__(x > 1, np.ones(2)), lambda np, x: x.__setitem__(x > 1, np.ones((1, 4))),
    lambda np, x: x.__setitem__(np.ones(5) > 0, np.ones(5)), lambda np, x: x[np.ones(5) > 0],
    lambda np, x: x.__setitem__(x > 1, np.array(7.0)), lambda np, x: x.__setitem__(x > 1, np.ones(4) * 1j),
    lambda np, x: (x.setflags(write=False), x.__setitem__(x > 1, np.ones(4))),
])
def test_errors_of_few_elements(put):
    check_same(lambda np, x: (put(np, x), x), real.arange(6.0), messages=True)
