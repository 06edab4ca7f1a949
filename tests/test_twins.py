"""The vector loops that stand for NumPy's have its bits and flags, and one that has not is refused.

LAZYTENSOR_THOROUGH=1 compares at every length from 1 to 1100; `make certify` on many millions of values.
"""

import os
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest

from lazytensor.lower import exponential, fidelity, lanes, loops, native, pair_loops, quotients, trig, twins
from lazytensor.run import kernels

from .helpers import module_under_test, plan_soon

pytestmark = pytest.mark.skipif(
    not native.available() or not loops.available() or not fidelity._X86, reason="no compiler for kernels here")

NAMES = sorted(twins.TWINS)
THOROUGH = os.environ.get("LAZYTENSOR_THOROUGH") == "1"
LENGTHS = fidelity.LENGTHS if THOROUGH else (*range(1, 40), 63, 64, 65, 255, 300, 513, 1027)


def known(name, char):
    """A ufunc, its twin, NumPy's loop, and the twin compiled; skips where this machine's library is another."""
    ufunc, twin = getattr(np, name), twins.TWINS[name, char]
    dtypes = twins.dtypes_of(ufunc, twin)
    own, made = loops.strided_loop(ufunc, dtypes), twins.loop_of(ufunc, dtypes)
    if made.loop == own.loop:
        pytest.skip(f"NumPy's {name} is not as the twin here")
    return ufunc, twin, own, made


@pytest.mark.parametrize(("name", "char"), NAMES)
def test_bits_and_flags(name, char):
    ufunc, twin, _, made = known(name, char)
    seed = zlib.crc32(f"{name} {char}".encode())
    for scalar in (None, 0, 1) if ufunc.nin == 2 else (None,):
        assert fidelity.certify(ufunc, twins.dtypes_of(ufunc, twin), seed, LENGTHS, scalar, (), made) == []
    for k in range(3):
        assert twins.differences(ufunc, twin, made, twins.MANY, seed + k) == []


@pytest.mark.parametrize(("name", "char"), NAMES)
def test_the_programs_error_state_hears_nothing_of_the_comparison(name, char):
    ufunc, twin, _, made = known(name, char)
    with np.errstate(all="raise"):
        assert twins.differences(ufunc, twin, made, twins.FEW) == []


@pytest.mark.parametrize(("name", "char"), NAMES)
def test_other_strides_are_left_to_numpy(name, char):
    ufunc, twin, _, made = known(name, char)
    rng = np.random.default_rng(1)
    for steps in ((2, 1, 1), (1, 3, 1), (1, 1, 2), (-1, -1, 1), (1, 0, 1), (0, 0, 1), (2, 0, 1)):
        if ufunc.nin == 1 and steps[0] == 0:
            continue
        steps = (*steps[:ufunc.nin], steps[2])
        raw = [rng.uniform(0.5, 9, 4 * 33).astype(c) for c in twins.dtypes_of(ufunc, twin)]
        views = [np.lib.stride_tricks.as_strided(a[64:], (17,), (step * a.itemsize,))
                 for a, step in zip(raw, steps, strict=True)]
        wanted = ufunc(*views[:-1])
        made.call([v.ctypes.data for v in views], [17], [v.strides[0] for v in views])
        assert np.array_equal(views[-1], wanted), steps


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("bad", [1, 5, 8, 15, 16, 20])
def test_elements_beyond_the_vectors_do_not_spoil_their_neighbours(name, bad):
    ufunc, _, _, made = known(name, "d")
    for value in (np.inf, np.nan, 1e300, 5e-324, 2e8, 0.0, -0.0):
        x = np.linspace(-7, 7, 21)
        x[bad] = value
        with np.errstate(all="ignore"):
            wanted = ufunc(x)
        for out in (np.empty_like(x), x):
            made.call([x.ctypes.data, out.ctypes.data], [21], [8, 8])
            assert np.array_equal(out, wanted, equal_nan=True)
            assert np.array_equal(np.signbit(out[~np.isnan(out)]), np.signbit(wanted[~np.isnan(out)]))


# ---- what is wrong is refused

def _table(change):
    """The table with one number changed."""
    def spoil(monkeypatch):
        columns = [list(column) for column in trig.table()]
        change(columns)
        monkeypatch.setattr(trig, "table", lambda: columns)
    return spoil


def _next_entry(column, k):
    def change(columns):
        columns[column][k] = np.nextafter(columns[column][k], 9)
    return _table(change)


def _no_low_parts(columns):
    columns[1][:] = [0.0] * len(columns[1])


def _coefficient(name, k):
    def spoil(monkeypatch):
        given = list(getattr(trig, name))
        given[k] = (float.fromhex(given[k]) * (1 + 2**-30)).hex()
        monkeypatch.setattr(trig, name, tuple(given))
    return spoil


def _not_fused(monkeypatch):
    monkeypatch.setattr(lanes.Lanes, "fma", lambda v, a, b, c: v.op("fadd", v.op("fmul", a, b), c))


def _no_large_x(monkeypatch):
    monkeypatch.setattr(trig, "LIMIT", 0x7FF0000000000000)


def _tiny_x(monkeypatch):
    monkeypatch.setattr(trig, "LEAST", 1)


@pytest.mark.parametrize("spoil", [
    _next_entry(0, 17), _next_entry(0, 128 + 50), _next_entry(2, 31), _next_entry(2, 128 + 99), _table(_no_low_parts),
    _coefficient("_EVEN", 1), _coefficient("_EVEN", 2), _coefficient("_ODD", 1), *[
        _coefficient("_TAYLOR", k) for k in range(2, 5)], *[_coefficient("_PARTS", k) for k in range(4)],
    *[_coefficient("_HALF_PI", k) for k in range(2)], _not_fused, _no_large_x, _tiny_x])
def test_what_is_not_the_same_is_refused(spoil, monkeypatch, tmp_path):
    known("sin", "d"), known("cos", "d")
    monkeypatch.setenv("LAZYTENSOR_CACHE", str(tmp_path))
    monkeypatch.setattr(twins, "_loops", {})
    spoil(monkeypatch)
    used = [twins.loop_of(ufunc, "dd").loop == loops.strided_loop(ufunc, "dd").loop for ufunc in (np.sin, np.cos)]
    assert any(used)


@pytest.mark.parametrize(("name", "constant", "k"), [
    *[("exp", "_EXP_ABOVE", k) for k in range(6)], *[("exp", "_EXP_BELOW", k) for k in range(3)],
    *[("exp", "_MINUS_LOG_2", k) for k in range(2)], *[("log", "_LOG_ABOVE", k) for k in range(5)],
    *[("log", "_LOG_BELOW", k) for k in range(6)]])
def test_another_coefficient_is_seen(name, constant, k, monkeypatch):
    ufunc, twin, own, _ = known(name, "f")
    given = list(getattr(exponential, constant))
    given[k] = float(np.float32(float.fromhex(given[k]) * (1 + 2**-12))).hex()
    monkeypatch.setattr(exponential, constant, tuple(given))
    assert twins.differences(ufunc, twin, twins.compiled(twins.text_of(twin), own), twins.MANY)


@pytest.mark.parametrize(("name", "constant", "bits"), [
    ("exp", "MOST", 0x42C80000), ("exp", "_INFINITE", 0xFFC00000), ("exp", "_LEAST_EXPONENT", 0xC2C80000),
    ("log", "_LEAST", 1), ("log", "_ROOT_HALF", 0x3F3504F4), ("log", "_INFINITY", 0x7F800001)])
def test_another_range_is_seen(name, constant, bits, monkeypatch):
    ufunc, twin, own, _ = known(name, "f")
    monkeypatch.setattr(exponential, constant, bits)
    assert twins.differences(ufunc, twin, twins.compiled(twins.text_of(twin), own), twins.MANY)


@pytest.mark.parametrize("name", ["exp", "log"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0, 1e-45, -1e-45, -104, -90, 60, 89, 3e38])
def test_a_number_that_is_not_ordinary_among_others(name, bad):
    ufunc, _, _, made = known(name, "f")
    for place in (0, 7, 15, 16, 40):
        x = np.linspace(0.5, 9, 41, dtype="f")
        x[place] = bad
        seen = []
        with np.errstate(all="call", call=lambda error, flags, seen=seen: seen.append(error)):
            wanted = ufunc(x)
        fidelity.clear()
        made.call([x.ctypes.data, x.ctypes.data], [41], [4, 4])
        left = fidelity.raised()
        fidelity.clear()
        assert left == fidelity.flags_of(seen)
        assert fidelity.first_difference(x, wanted) is None


def test_a_quotient_that_is_one_too_large_is_seen(monkeypatch):
    ufunc, twin, own, _ = known("fmod", "d")

    def without_correction(v, a, b):
        above, below = v.to_float(v.size(a)), v.to_float(v.size(b))
        q = v.intrinsic("trunc", v.op("fdiv", above, below))
        return below, q, v.fma(v.minus(q), below, above)
    monkeypatch.setattr(quotients, "_parts", without_correction)
    assert twins.differences(ufunc, twin, twins.compiled(twins.text_of(twin), own), twins.MANY)


def test_flags_are_compared(monkeypatch):
    ufunc, twin, own, _ = known("hypot", "d")
    never = twin.function._replace(outside=lambda v, a, b: v.all("i1 false"))
    lines = twins.differences(ufunc, twin, twins.compiled(lanes.loop_text(never), own), twins.MANY)
    assert any("raises" in line or "flags" in line for line in lines)


@pytest.mark.parametrize("spoil", [
    ("size_outside", lambda v, *parts: v.all("i1 false")), ("_LEAST", 0), ("_larger", lambda v, a, b: tuple(
        v.to_float(v.size(x)) for x in (a, b)))], ids=lambda s: s[0])
def test_sizes_that_are_not_numpys_are_seen(spoil, monkeypatch):
    ufunc, twin, own, _ = known("absolute", "D")
    if spoil[0] == "size_outside":
        function = twin.function._replace(outside=spoil[1])
    else:
        monkeypatch.setattr(pair_loops, *spoil)
        function = twin.function
    made = twins.compiled(pair_loops.loop_text(function), own)
    assert twins.differences(ufunc, twin, made, twins.MANY)


def test_a_reciprocal_that_is_not_rounded_is_seen(monkeypatch):
    """Its first step alone, and no second correction."""
    ufunc, twin, own, _ = known("absolute", "D")
    fused, calls = lanes.Lanes.fma, []

    def fewer(v, a, b, c):
        calls.append(1)
        return c if len(calls) in (4, 6, 10) else fused(v, a, b, c)
    monkeypatch.setattr(lanes.Lanes, "fma", fewer)
    assert twins.differences(ufunc, twin, twins.compiled(twins.text_of(twin), own), twins.MANY)


@pytest.mark.parametrize("char", "FD")
def test_overflow_of_what_a_quotient_does_not_need(char):
    """NumPy's compiled loop adds where it has to subtract, too, and raises that sum's flag."""
    ufunc, twin, own, made = known("divide", char)
    most = np.finfo(char).max
    a = np.resize(np.array([complex(-most / 2, most), complex(most, most / 2), complex(most, -most), 1 + 1j], char), 64)
    b = np.resize(np.array([5e10 + 2e12j, 3 + 0.5j, 2e12 - 5e10j], char), 64)
    left = []
    for loop in (own, made):
        out = np.empty_like(a)
        fidelity.clear()
        loop.call([a.ctypes.data, b.ctypes.data, out.ctypes.data], [64], [a.itemsize] * 3)
        left.append((fidelity.raised(), out.tobytes()))
    fidelity.clear()
    assert left[0] == left[1]


# ---- when it is compared

@pytest.fixture
def counted(monkeypatch, tmp_path):
    """The numbers of values that were compared, with an empty cache on disk and in the process."""
    counts, compare = [], twins.differences
    monkeypatch.setenv("LAZYTENSOR_CACHE", str(tmp_path))
    monkeypatch.setattr(twins, "_loops", {})
    monkeypatch.setattr(twins, "differences", lambda u, t, m, n: counts.append(n) or compare(u, t, m, n))
    return counts


def test_the_verdict_is_kept_on_disk(counted, monkeypatch):
    first = twins.loop_of(np.hypot, "ddd")
    assert twins.loop_of(np.hypot, "ddd") is first
    assert counted == [twins.MANY, twins.FEW]
    monkeypatch.setattr(twins, "_loops", {})
    twins.loop_of(np.hypot, "ddd")
    assert counted == [twins.MANY, twins.FEW, twins.FEW]
    monkeypatch.setattr(twins, "_loops", {})
    monkeypatch.setattr(twins, "identity", lambda calls: "another library")
    twins.loop_of(np.hypot, "ddd")
    assert counted[3:] == [twins.MANY, twins.FEW]


def test_a_refusal_is_kept_on_disk(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setenv("LAZYTENSOR_CACHE", str(tmp_path))
    monkeypatch.setattr(twins, "differences", lambda u, t, m, n: asked.append(n) or ["wrong"])
    for _ in range(2):
        monkeypatch.setattr(twins, "_loops", {})
        assert twins.loop_of(np.sin, "dd").loop == loops.strided_loop(np.sin, "dd").loop
    assert asked == [twins.MANY]


def test_one_process_may_have_another_library(monkeypatch, tmp_path):
    """A verdict from disk is not enough where the process' own values differ."""
    known("sin", "d")
    monkeypatch.setenv("LAZYTENSOR_CACHE", str(tmp_path))
    monkeypatch.setattr(twins, "_loops", {})
    assert twins.loop_of(np.sin, "dd").loop != loops.strided_loop(np.sin, "dd").loop
    monkeypatch.setattr(twins, "_loops", {})
    real = twins._compare
    monkeypatch.setattr(twins, "_compare", lambda u, m, operands: [*real(u, m, operands), "differs"])
    assert twins.loop_of(np.sin, "dd").loop == loops.strided_loop(np.sin, "dd").loop


def test_flags_that_were_up_stay_up(counted):
    fidelity.clear()
    fidelity._raise_all()
    before = fidelity.raised()
    twins.loop_of(np.cos, "dd")
    assert fidelity.raised() == before and counted
    fidelity.clear()


def test_other_ufuncs_and_dtypes_have_none():
    def sin(x):
        return x
    assert twins.twin_of(np.sin, "ff") is None and twins.twin_of(np.exp, "dd") is None
    assert twins.twin_of(np.frompyfunc(sin, 1, 1), "dd") is None
    assert twins.loop_of(np.exp, "dd") is loops.strided_loop(np.exp, "dd")
    assert twins.loop_of(np.sin, "ii") is None


def test_without_a_cpu_with_fused_operations(tmp_path):
    """Where the C library takes another way, whatever is used has NumPy's bits."""
    code = ("import numpy as np; from lazytensor.lower import twins, loops; "
            "x = np.linspace(-9, 9, 1000); out = np.empty_like(x); loop = twins.loop_of(np.sin, 'dd'); "
            "loop.call([x.ctypes.data, out.ctypes.data], [1000], [8, 8]); assert (out == np.sin(x)).all(); "
            "print(loop.loop != loops.strided_loop(np.sin, 'dd').loop)")
    tunables = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2_Usable,-AVX2,-FMA4", "LAZYTENSOR_CACHE": str(tmp_path)}
    for more in ({"LAZYTENSOR_CACHE": str(tmp_path)}, tunables):
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **more}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


# ---- in programs

@pytest.fixture
def lazy(monkeypatch):
    """The module, planning and compiling soon; and how often kernels ran."""
    module, runs, run = module_under_test(), [], kernels._launched
    plan_soon(module)
    monkeypatch.setattr(kernels, "_launched", lambda *args: runs.append(run(*args)) or runs[-1])
    with module.config(engine="llvm"):
        yield module, runs


@pytest.mark.parametrize("name", ["sin", "cos", "fmod", "remainder", "floor_divide", "hypot"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_programs(name, dtype, lazy):
    module, runs = lazy
    for n in (5, 1000, 30_001):
        x = np.linspace(-30, 30, n).astype(dtype)
        y = np.linspace(0.5, 4, n).astype(dtype)
        operands = ((x,), (x + y,)) if getattr(np, name).nin == 1 else ((x, y), (x, 1.5), (2.5, y))
        for given in operands:
            wanted = getattr(np, name)(*given) * 2 + x
            for _ in range(4):
                lazies = [module.asarray(a.copy()) if isinstance(a, np.ndarray) else a for a in given]
                got = getattr(module, name)(*lazies) * 2 + module.asarray(x)
                assert np.array_equal(got.numpy(), wanted)
    assert runs


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_programs_of_pairs(dtype, lazy):
    module, runs = lazy
    for n in (5, 1000, 30_001):
        x = (np.linspace(-3, 3, n) + 1j * np.linspace(4, -4, n)[::-1]).astype(dtype)
        y = (np.linspace(0.5, 4, n) - 0.25j).astype(dtype)
        wanted = abs(x) + 1, x / y - x, (3 - 1j) / y + x, x / (1.5 + 2j) + y, x / 2.5
        for _ in range(4):
            a, b = module.asarray(x.copy()), module.asarray(y.copy())
            got = abs(a) + 1, a / b - a, (3 - 1j) / b + a, a / (1.5 + 2j) + b, a / 2.5
            for e, g in zip(wanted, got, strict=True):
                assert e.dtype == g.dtype and e.tobytes() == g.numpy().tobytes()
    assert runs


def test_warnings(lazy):
    module, _ = lazy
    x = np.linspace(1, 9, 30_000)
    x[777] = np.inf
    for _ in range(4):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            got = np.asarray(module.sin(module.asarray(x)) * 2)
        assert [str(w.message) for w in seen] == ["invalid value encountered in sin"]
        assert np.isnan(got[777]) and np.isfinite(np.delete(got, 777)).all()


def test_a_large_array_alone_has_a_kernel(lazy):
    module, runs = lazy
    x = module.asarray(np.linspace(0, 9, 70_000))
    for _ in range(4):
        assert np.array_equal((x + x).numpy(), x.numpy() * 2)
    assert not runs  # NumPy's addition is as fast as memory
    for _ in range(4):
        assert np.array_equal(module.sin(x).numpy(), np.sin(x.numpy()))
    assert runs
