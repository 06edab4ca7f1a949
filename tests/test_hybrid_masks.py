"""What masks pick in a jitted function: how many elements are chosen is no guard where they are put back computed."""

import warnings

import numpy as real
import pytest

import lazytensor as np
from lazytensor.config import current
from lazytensor.lower import fused

from .helpers import difference, same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
N = 3000


def turns(np, z, c, m):
    """A loop that goes on where it has not ended."""
    count = np.zeros(z.shape, dtype=np.int32)
    for i in range(5):
        near = np.less(abs(z), 2.0)
        count[near] = i
        z[near] = z[near] ** 2 + c[near]
    return count, z


def many_turns(np, z, c, m):
    for _ in range(150):
        near = abs(z) < 2
        z[near] = z[near] ** 2 * 0.5 + c[near]
    return z


def many_turns_that_use_what_is_picked(np, z, c, m):
    total = np.zeros(3, z.dtype)
    for _ in range(90):
        near = abs(z) < 2
        p = z[near]
        z[near] = p * 0.99 + c[near]
        total += p.sum()
    return z, total


def once(np, z, c, m):
    z[m] = z[m] * 2 + c[m]
    return z


def used_later(np, z, c, m):
    p = z[m]
    z[m] = p * 2
    return z, p.sum(), p


def used_before(np, z, c, m):
    p = z[m]
    total = (p + 1).sum()
    z[m] = p * 2
    return z, total


def result_used(np, z, c, m):
    p = z[m] * 2
    z[m] = p
    return z, p.sum()


def length_read(np, z, c, m):
    p = z[m]
    z[m] = p * p.shape[0]
    return z


def length_read_later(np, z, c, m):
    p = z[m]
    z[m] = p * 2
    return z * len(p)


def moved(np, z, c, m):
    z[m] = c[m]
    return z


def changed_between(np, z, c, m):
    p, q = z[m], c[m]
    z[...] = 1
    c += 1
    z[m] = p * 2 + q
    return z


def written_between(np, z, c, m):
    p = z[m]
    p[0] = 5
    z[m] = p * 2
    return z


def other_mask_of_as_many(np, z, c, m):
    z[m] = z[m[::-1].copy()] * 2
    return z


def mask_changed(np, z, c, m):
    p = z[m]
    m[1] = m[1]
    z[m] = p * 2
    return z


def decides(np, z, c, m):
    p = z[m] * 2
    if abs(p.sum()) > 1e3:
        z[m] = p
    return z


def given_back(np, z, c, m):
    return z[m], c[m] * 2


def twice_and_whole(np, z, c, m):
    z[m] = z[m] * 2
    c[m] = z[m] + c[m]
    k = ~m
    z[k] = c[k] * 3
    return z, c, (z * c).sum()


def few(np, z, c, m):
    k = m & (abs(z) < 0.01)
    z[k] = z[k] * 2
    return z


PROGRAMS = [turns, many_turns, many_turns_that_use_what_is_picked, once, used_later, used_before, result_used,
            length_read, length_read_later, moved, changed_between, written_between, other_mask_of_as_many,
            mask_changed, decides, given_back, twice_and_whole, few]


def inputs(seed, dtype, share):
    rng = real.random.default_rng(seed)
    z, c = ((rng.normal(size=N) + (1j * rng.normal(size=N) if dtype in "FD" else 0)).astype(dtype) for _ in range(2))
    return z, c, rng.random(N) < share


def several(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_other_numbers_of_elements_at_each_call(program, dtype):
    f = np.jit(lambda z, c, m: program(np, z, c, m))
    with real.errstate(all="ignore"), np.errstate(all="ignore"):
        for call in range(8):
            arrays = inputs(call // 2, dtype, (0.5, 0.9, 0.2, 0.5)[call // 2])
            own = [np.array(x) for x in arrays]
            expected = several(program(real, *arrays))
            got = several(f(*own))
            for e, g in zip((*expected, *arrays), (*got, *own), strict=True):
                assert same_bits(real.asarray(e), real.asarray(g)), call


@pytest.mark.parametrize("program", [turns, many_turns, once, twice_and_whole], ids=lambda p: p.__name__)
def test_one_path_for_all_masks(program):
    f = np.jit(lambda z, c, m: program(np, z, c, m))
    with np.errstate(all="ignore"), np.config(engine="llvm"):
        for call in range(6):
            f(*[np.array(x) for x in inputs(call, "D", 0.3 + 0.1 * call)])
    info = f.cache_info()
    assert info["compiled"] == info["paths"] == 1


def test_lengths_that_do_not_match_raise_at_later_calls():
    def program(z, m, n):
        z[m] = z[n] * 2
        return z

    def unused(z, m, n):
        _ = z[m] + z[n]
        z[m] = z[m] * 2
        return z
    for body in (program, unused):
        f, z = np.jit(body), real.linspace(0, 1, N)
        half, other, more = z < 0.5, z >= 0.5, z < 0.7
        for m, n in ((half, other), (half, other), (half, more), (more, half), (half, other)):
            own = np.array(z)
            try:
                expected = body(z.copy(), m, n)
            except ValueError:
                with pytest.raises(ValueError):
                    f(own, np.array(m), np.array(n))
                assert same_bits(z, real.asarray(own))
            else:
                assert same_bits(expected, real.asarray(f(own, np.array(m), np.array(n))))


@pytest.mark.parametrize("bad", [False, True])
def test_warnings_are_those_of_what_is_chosen(bad):
    def program(x, m):
        for _ in range(3):
            x[m] = x[m] * x[m]
        return x
    f = np.jit(program)
    x = real.full(N, 1.5)
    x[::5] = 1e300
    m = x < 2
    m[10] |= bad
    for _ in range(6):
        with warnings.catch_warnings(record=True) as expected:
            warnings.simplefilter("always")
            wanted = program(x.copy(), m)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            got = f(np.array(x), np.array(m))
            got = real.asarray(got)
        assert same_bits(wanted, got)
        assert [str(w.message) for w in seen] == [str(w.message) for w in expected]


def test_an_error_state_that_raises():
    def program(x, m):
        x[m] = x[m] * x[m]
        return x
    f, x = np.jit(program), real.full(N, 1.5)
    x[::5] = 1e300
    m = x < 2
    with np.errstate(all="raise"), real.errstate(all="raise"):
        for bad in (False, False, False, True, False):
            m[10] = bad
            if bad:
                with pytest.raises(FloatingPointError):
                    f(np.array(x), np.array(m)).sum().item()
            else:
                assert same_bits(program(x.copy(), m), real.asarray(f(np.array(x), np.array(m))))


def test_in_a_generated_loop():
    def program(z, c):
        def body(i, z):
            m = abs(z) < 2
            z[m] = z[m] ** 2 + c[m]
            return z
        return np.fori_loop(0, 12, body, z)

    def plain(z, c):
        for _ in range(12):
            m = abs(z) < 2
            z[m] = z[m] ** 2 + c[m]
        return z
    f = np.jit(program)
    for call in range(4):
        z, c, _ = inputs(call, "d", 0.5)
        assert same_bits(plain(z.copy(), c), real.asarray(f(np.array(z), np.array(c))))


def test_picked_elements_written_down_in_another_order():
    """A mask that picks nothing has its mean taken at once, so what it picks is written down before other picks."""
    def program(np, wrap):
        def f(a, b, c, m):
            b[m] = a[m] - a[m].mean()
            if c[m].sum() > 0:
                c[m] = c[m] * 3

        f = wrap(f)
        r = real.random.default_rng(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for share, sign in [(0, 1), (0.9, -1), (1, 1), *[(0.5, s) for s in (-1, 1, 1, 1)], (1, -1), (1, 1)]:
                a, b = r.normal(size=2304), real.zeros(2304, "f4")
                c = (abs(r.normal(size=2304)) * 5).astype("i4") * sign
                given = [np.array(x) for x in (a, b, c, r.random(2304) < share)]
                f(*given)
                yield given
        yield f

    *expected, _ = program(real, lambda f: f)
    *found, f = program(np, np.jit)
    assert difference(expected, found) is None and "something else" not in str(f.cache_info()["python"])


@pytest.mark.parametrize("n", [1, 7, 60, 500, 4000])
def test_few_elements_and_few_arrays_have_one_program(n):
    """The mask of the first call is true for none, for one or for a few: other numbers of them come later."""
    def f(x):
        y = x.copy()
        m = y < 0
        y[m] = y[m] * -2 + 1
        return y
    for first in (0, 1, 3):
        jitted = np.jit(f)
        for turn in range(30):
            x = real.abs(real.random.default_rng([n, turn]).standard_normal(n))
            x[:first if turn == 0 else turn % (n + 1)] *= -1
            assert same_bits(f(x), real.asarray(jitted(np.array(x))))
        info = jitted.cache_info()
        if current.engine == "llvm":
            assert info["compiled"] == info["paths"] == 1 and not info["reasons"] and info["calls"] >= 29, info


def test_few_elements_of_which_others_would_warn():
    """Computed for all elements it would divide by zero: those that are chosen are picked."""
    def f(x):
        y = x.copy()
        m = y > 0
        y[m] = 1 / y[m]
        return y
    jitted = np.jit(f)
    for turn in range(12):
        x = real.zeros(100)
        x[:turn] = turn + 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = f(x)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("default")
            found = real.asarray(jitted(np.array(x)))
        assert same_bits(expected, found) and not seen
