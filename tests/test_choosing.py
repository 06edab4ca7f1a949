"""What a mask picks, computed and put back where it is true: NumPy's values, warnings and memory."""

import gc
import threading
import warnings

import numpy as real
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytensor.api import choosing
from lazytensor.lower import fused, native

from .helpers import check_same, module_under_test, plan_soon, same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")
SHAPES = [(47, 53), (2500,), (3, 30, 41)]


@pytest.fixture(autouse=True)
def at_once():
    np = module_under_test()
    plan_soon(np)
    choosing._lines.clear()
    with np.config(engine="llvm", small=0):
        yield


@pytest.fixture
def wholes(monkeypatch):
    """What was computed for all elements."""
    made, compute = [], choosing.realize
    monkeypatch.setattr(choosing, "realize", lambda nodes: made.append(compute(nodes)))
    return made


def numbers(shape, dtype, special=False):
    rng = real.random.default_rng(5)
    with real.errstate(all="ignore"):
        found = (rng.normal(size=shape) * 3 + (1j * rng.normal(size=shape) if dtype in "FD" else 0)).astype(dtype)
        if special:
            found.reshape(-1)[::7] = real.nan
            found.reshape(-1)[1::7] = -real.inf
            found.reshape(-1)[2::7] = -0.0
    return found


PROGRAMS = {
    "power": lambda z, m, c: z[m] ** 2 + c[m], "product": lambda z, m, c: z[m] * c[m] - z[m],
    "moved": lambda z, m, c: c[m], "number": lambda z, m, c: 3 + z[m],
    "times a number": lambda z, m, c: z[m] * 2 - c[m],
    "negative": lambda z, m, c: -z[m] * c[m], "itself": lambda z, m, c: z[m] - z[m],
}


@pytest.mark.parametrize("dtype", "hifdFD")
@pytest.mark.parametrize("special", [False, True], ids=["plain", "special"])
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.usefixtures("lines_wait")
def test_programs(name, dtype, special, wholes):
    np, program = module_under_test(), PROGRAMS[name]

    def run(np, z, c, x):
        m = x > 0
        kept = z + 0
        for _ in range(6):
            z[m] = program(z, m, c)
            m = m & (x < 2)
        return z, kept, m
    for shape in SHAPES:
        z, c = numbers(shape, dtype, special and dtype in "fdFD"), numbers(shape, dtype)[..., ::-1].copy()
        x = numbers(shape, "d")
        with real.errstate(all="ignore"):
            expected = run(real, z.copy(), c, x)
        with np.errstate(all="ignore"):
            for _ in range(2):
                for e, g in zip(expected, run(np, np.array(z), np.array(c), np.array(x)), strict=True):
                    assert same_bits(e, real.asarray(g)) and e.strides == g.strides
    assert wholes


def test_views_and_other_names_see_what_is_put(wholes):
    np = module_under_test()

    def run(np):
        z = np.linspace(-2, 2, 3000).reshape(60, 50) * 1
        m, rows, seen = z > 0, z[3:], []
        for _ in range(4):
            before = z * 1
            other = z
            z[m] = z[m] * 0.5
            seen += [before, rows + 0, other.sum(), z.T.copy()]
            rows[...] = rows * 1.5
        picked = z[m]
        z[m] = picked + 1
        return [*seen, picked, z]
    expected = run(real)
    for e, g in zip(expected, run(np), strict=True):
        assert same_bits(real.asarray(e), real.asarray(g))
    assert wholes


def test_what_is_not_chosen_raises_no_warning(monkeypatch):
    """Overflow where the mask is false is nobody's; where it is true there is one, of the line and operation."""
    np = module_under_test()

    def run(np, bad):
        x = np.full(4000, 1.5)
        x[::5] = 1e300
        m = x < 2
        if bad:
            m[10] = True
        for _ in range(5):
            x[m] = x[m] * x[m]
        return x
    for bad in (False, True):
        seen = []
        for module in (real, np):
            given = []
            with monkeypatch.context() as patched, warnings.catch_warnings():
                warnings.simplefilter("always")
                patched.setattr(warnings, "_showwarnmsg_impl", lambda m, given=given: given.append(
                    (str(m.message), m.lineno)))
                made = real.asarray(run(module, bad))
            seen.append((made, given))
        (e, expected), (g, got) = seen
        assert same_bits(e, g) and sorted(set(expected)) == sorted(set(got)) and bool(expected) == bad


def test_flags_of_others_are_waited_for():
    """A line that keeps computing what raises flags picks for a while."""
    np = module_under_test()
    with np.errstate(over="warn"):
        x = np.full(4000, 1.5)
        x[::5] = 1e300
        m = x < 2
        for _ in range(20):
            x[m] = x[m] * x[m] * 0.25
        line = [line for line in choosing._lines.values() if line.penalty]
        assert line and line[0].penalty > 1
    assert same_bits(real.asarray(x)[::5], real.full(800, 1e300))


def test_lines_that_do_not_put_back_pick_at_once():
    np = module_under_test()
    x = np.linspace(0, 1, 5000)
    m = x > 0.2
    for _ in range(40):
        y = x[m]
        assert y._value.buffer is not None
        x[m] = 1 - y
        line = next(line for line in choosing._lines.values() if line.learned or not line.wait)
        if line.learned:
            break
    for _ in range(60):
        y = x[m]
        total = float(y.sum())
    assert total and y._value.buffer is not None


def test_an_array_that_is_given_out_is_written_itself():
    np = module_under_test()
    x, out = np.linspace(-1, 1, 4000), []
    m = x > 0
    for k in range(6):
        if k == 3:
            out.append(real.asarray(x))
        x[m] = x[m] * 0.5
    assert same_bits(out[0], real.asarray(x))
    del out
    gc.collect()
    x[m] = x[m] + 1
    assert (real.asarray(x)[real.asarray(m)] >= 1).all()


def test_masks_that_choose_little_pick():
    np = module_under_test()
    x = np.linspace(0, 1, 5000)
    for _ in range(5):
        m = x > 0.999
        x[m] = x[m] - 1.0
        x[~m] = x[~m] + 0.0
    y = real.linspace(0, 1, 5000)
    for _ in range(5):
        m = y > 0.999
        y[m] = y[m] - 1.0
        y[~m] = y[~m] + 0.0
    assert same_bits(y, real.asarray(x))


@pytest.mark.skipif(not native.available(), reason="no compiler here")
def test_errors_are_those_of_numpy():
    def program(np):
        x = np.linspace(-1, 1, 4000)
        m, n = x > 0, x > 0.5
        for _ in range(3):
            x[m] = x[m] * 0.5
        return [m.sum(), check_raises(lambda: x.__setitem__(n, x[m] * 0.5)), x]

    def check_raises(call):
        try:
            call()
        except ValueError as error:
            return str(error)
        return ""
    check_same(program)


def turns(np, z, c, x, moves):
    """Turns of a loop in which the mask, what is picked from, and what is put change."""
    other, seen = z * 1, []
    for share, source, form, keeps in moves:
        m = x < share
        a = (z, c, other)[source]
        value = (a[m] * c[m] - z[m] if form == 0 else -a[m] if form == 1 else a[m] ** 2 * 0.5 if form == 2 else
                 c[m] / 2.0 + a[m])
        if keeps:
            seen.append(value)
        z[m] = value
        if keeps:
            m[:3] = False
            other[m] = z[m]
    return [z, other, *seen]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from("fdFD"), st.booleans(), st.sampled_from([(2500,), (47, 53)]), st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0, 9.0]), st.integers(0, 2), st.integers(0, 3), st.booleans()),
    min_size=1, max_size=8))
def test_loops(dtype, special, shape, moves):
    np = module_under_test()
    z, c, x = numbers(shape, dtype, special), numbers(shape, dtype)[..., ::-1].copy(), numbers(shape, "d")
    with real.errstate(all="ignore"):
        expected = turns(real, z.copy(), c, x, moves)
    with np.config(engine="llvm"), np.errstate(all="ignore"):
        for _ in range(2):
            got = turns(np, np.array(z), np.array(c), np.array(x), moves)
            for e, g in zip(expected, got, strict=True):
                assert same_bits(e, real.asarray(g))


def test_threads_share_lines_and_arrays():
    np = module_under_test()
    c, x = numbers((60, 70), "D") / 9, numbers((60, 70), "d")

    def run(np, c, x):
        z = c * 0
        for k in range(30):
            m = x < k / 10
            z[m] = z[m] ** 2 + c[m]
        return z
    expected, shared, wrong = run(real, c, x), (np.array(c), np.array(x)), []

    def check():
        for _ in range(5):
            if not same_bits(expected, real.asarray(run(np, *shared))):
                wrong.append(1)
    threads = [threading.Thread(target=check) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
