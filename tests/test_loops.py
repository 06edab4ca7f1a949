"""NumPy's inner loops, called directly, against NumPy's own calls."""

import subprocess
import sys

import numpy as np
import pytest

from lazytensor.lower import loops

RNG = np.random.default_rng(0)


def test_the_door_is_there():
    assert loops.available()


@pytest.mark.parametrize("ufunc, dtypes", [
    (np.exp, "dd"), (np.exp, "ff"), (np.exp, "ee"), (np.exp, "gg"), (np.exp, "DD"), (np.add, "fff"), (np.add, "lll"),
    (np.less, "dd?"), (np.divide, "ddd"), (np.floor_divide, "lll"), (np.divmod, "dddd"), (np.frexp, "ddi"),
    (np.ldexp, "dld"), (np.bitwise_and, "BBB"), (np.logical_or, "dd?"), (np.less, "lL?"), (np.hypot, "fff")])
def test_loops_give_what_numpy_gives(ufunc, dtypes):
    loop = loops.strided_loop(ufunc, dtypes)
    assert loop is not None and not loop.needs_gil
    inputs = [RNG.uniform(1, 20, 100).astype(char) for char in dtypes[:ufunc.nin]]
    outputs = [np.zeros(100, char) for char in dtypes[ufunc.nin:]]
    arrays = [*inputs, *outputs]
    assert loop.call([a.ctypes.data for a in arrays], [100], [a.itemsize for a in arrays]) == 0
    wanted = ufunc(*inputs)
    for out, want in zip(outputs, wanted if ufunc.nout > 1 else (wanted,)):
        np.testing.assert_array_equal(out, want, strict=True)


def test_datetimes_carry_their_unit():
    dtypes = ("M8[ns]", "m8[ns]", "M8[ns]")
    loop = loops.strided_loop(np.add, dtypes)
    x, y, out = np.arange(5).astype("M8[ns]"), np.arange(5).astype("m8[ns]"), np.zeros(5, "M8[ns]")
    loop.call([a.ctypes.data for a in (x, y, out)], [5], [8] * 3)
    np.testing.assert_array_equal(out, x + y)
    assert loop.symbol == "add_M8_ns_m8_ns_M8_ns"
    assert loops.strided_loop(np.add, ("M8[s]", "m8[s]", "M8[s]")).symbol != loop.symbol


def test_gufuncs():
    loop = loops.strided_loop(np.matmul, "ddd")
    a, b, out = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 5)), np.zeros((3, 5))
    loop.call([x.ctypes.data for x in (a, b, out)], [1, 3, 4, 5], [0, 0, 0, *a.strides, *b.strides, *out.strides])
    np.testing.assert_array_equal(out, a @ b)


def test_scipy():
    special = pytest.importorskip("scipy.special")
    for ufunc in (special.erf, special.gammaln, special.log1p):
        loop = loops.strided_loop(ufunc, "dd")
        x, out = np.linspace(0.1, 3, 50), np.zeros(50)
        loop.call([x.ctypes.data, out.ctypes.data], [50], [8, 8])
        np.testing.assert_array_equal(out, ufunc(x))
    assert loops.strided_loop(special.log1p, "dd").symbol != loops.strided_loop(np.log1p, "dd").symbol


@pytest.mark.parametrize("ufunc, dtypes", [
    (np.exp, "fd"), (np.add, "dd"), (np.add, [">f8"] * 3), (np.add, ["M8[s]", "m8[ns]", "M8[ns]"]), (np.add, "dld"),
    (np.bitwise_and, "ddd"), (np.sin, "SS"), (len, "dd")])
def test_none_where_numpy_would_cast_or_refuse(ufunc, dtypes):
    assert loops.strided_loop(ufunc, dtypes) is None


def test_symbols_are_stable_and_different():
    script = ("import numpy as np; from lazytensor.lower import loops\n"
              "for u, d in ((np.exp, 'dd'), (np.exp, 'ff'), (np.less, 'll?'), (np.multiply, 'DDD')): "
              "print(loops.strided_loop(u, d).symbol)")
    run = lambda: subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert run() == run() == "exp_d_d\nexp_f_f\nless_l_l_bool\nmultiply_D_D_D\n"
    seen = {}
    for ufunc in (np.add, np.subtract, np.exp, np.less, np.divmod):
        for types in ufunc.types:
            loop = loops.strided_loop(ufunc, types.replace("->", "").replace("M", "U"))
            if loop is not None and not loop.needs_gil:
                assert seen.setdefault(loop.symbol, loop) is loop and loop.symbol.isidentifier()
    assert len(seen) > 40


def test_loops_are_remembered_except_those_over_objects():
    assert loops.strided_loop(np.exp, "dd") is loops.strided_loop(np.exp, (np.float64, float))
    assert loops.strided_loop(np.add, "OOO").needs_gil
    before = len(loops._cache), len(loops._symbols)
    for _ in range(10):
        assert loops.strided_loop(np.frompyfunc(lambda x: x, 1, 1), "OO").needs_gil
    assert (len(loops._cache), len(loops._symbols)) == before


@pytest.mark.parametrize("broken", ["capsule", "answer", "absent"])
def test_another_numpy_has_no_door(monkeypatch, broken):
    monkeypatch.setattr(loops, "_works", None)
    monkeypatch.setattr(loops, "_cache", {})
    if broken == "capsule":
        monkeypatch.setattr(loops, "_CAPSULE", b"numpy_3.0_ufunc_call_info")
    elif broken == "answer":
        monkeypatch.setattr(loops.Loop, "call", lambda *_: 0)
    else:
        monkeypatch.setattr(loops, "_open", lambda *_: (_ for _ in ()).throw(AttributeError("_get_strided_loop")))
    assert not loops.available()
    assert loops.strided_loop(np.exp, "dd") is None
