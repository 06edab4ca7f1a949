"""The table of certified loops holds on this NumPy and this CPU.

LAZYTENSOR_THOROUGH=1 tries every length from 1 to 1100 for every loop (many minutes).
"""

import ctypes
import os
import random
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest

from lazytensor.lower import fidelity, loops

try:
    import scipy.special as special
except ImportError:
    special = None

UNITS = {"M": "M8[ns]", "m": "m8[ns]"}
EDGES = (1, 1, 2, 3, 15, 16, 17, 19, 63, 64, 65, 255, 256, 257, 300, 511, 512, 513, 769, 1025)
NUMPY = sorted(name for name, ufunc in {**vars(np), "clip": np._core.umath.clip}.items()
               if isinstance(ufunc, np.ufunc) and ufunc.__name__ == name)
SCIPY = sorted(name for name, ufunc in vars(special).items()
               if isinstance(ufunc, np.ufunc) and ufunc.__name__ == name) if special else []

pytestmark = pytest.mark.skipif(not loops.available() or not fidelity._X86, reason="no loops, or an unknown machine")


def find(name):
    return np._core.umath.clip if name == "clip" else getattr(np, name)


def kinds(ufunc):
    """Operand dtypes of each loop of a ufunc, each once."""
    found = {}
    for types in ufunc.types:
        if "O" not in types:
            found.setdefault(tuple(np.dtype(UNITS.get(char, char)) for char in types.replace("->", "")), types)
    return found


def lengths(rng, several):
    if os.environ.get("LAZYTENSOR_THOROUGH") == "1":
        return fidelity.LENGTHS
    return several + tuple(rng.sample(fidelity.LENGTHS, 6))


def disagreements(ufunc, several, flavours=()):
    """Every way in which the table is wrong about a ufunc."""
    for dtypes, types in kinds(ufunc).items():
        rng = random.Random(zlib.crc32(f"{ufunc.__name__} {types}".encode()))
        for scalar in (None, 0, 1) if ufunc.nin == 2 else (None,):
            said = (fidelity.certified(ufunc, dtypes, in_place=False) if scalar is None else
                    fidelity.certified_scalar(ufunc, dtypes, scalar, in_place=False))
            if said:
                for line in fidelity.certify(ufunc, dtypes, rng.randrange(1 << 30), lengths(rng, several), scalar,
                                             flavours):
                    yield f"{ufunc.__name__} {types} {line}"


@pytest.mark.parametrize("name", NUMPY)
def test_numpys_loops(name):
    assert list(disagreements(find(name), EDGES)) == []


@pytest.mark.skipif(special is None, reason="no SciPy")
@pytest.mark.parametrize("name", SCIPY)
def test_scipys_loops(name):
    with warnings.catch_warnings(action="ignore"):  # of deprecated argument types
        assert list(disagreements(getattr(special, name), (1, 2, 65, 257, 513))) == []


def test_the_table_names_what_there_is():
    assert fidelity.NUMPY <= set(NUMPY)
    assert not special or fidelity.SCIPY <= set(SCIPY)
    known = [name for name in NUMPY if any(fidelity.certified(find(name), d, False) for d in kinds(find(name)))]
    assert {name for name in NUMPY if find(name).signature is None} == set(known) == fidelity.NUMPY


@pytest.mark.parametrize("ufunc, dtypes", [
    (np.matmul, "ddd"), (np.power, "lll"), (np.power, "bbb"), (np.add, "OOO"), (np.add, ["S3", "S3", "S6"]),
    (np.exp, "fd"), (np.add, [">f8"] * 3), (np.frompyfunc(lambda x: x, 1, 1), "OO"), (np.power, "ddd"),
    (np.multiply, "DDD"), (np.square, "FF"), (np.exp, "dd"), (np.maximum, "ddd"), (np.divide, ["m8[s]", "l", "m8[s]"])])
def test_what_is_not_certified(ufunc, dtypes):
    assert not fidelity.certified(ufunc, dtypes)
    assert not fidelity.certified_scalar(ufunc, dtypes, 0)


def test_in_place_of_one_element():
    for ufunc, dtypes in ((np.power, "ddd"), (np.multiply, "DDD"), (np.square, "FF"), (np.exp, "dd")):
        assert fidelity.certified(ufunc, dtypes, in_place=False) and not fidelity.certified(ufunc, dtypes)
    for ufunc, dtypes in ((np.add, "ddd"), (np.multiply, "fff"), (np.power, "LLL"), (np.sqrt, "dd"), (np.add, "DDD")):
        assert fidelity.certified(ufunc, dtypes)
    assert fidelity.certified_scalar(np.power, "fff", 1, in_place=False)
    assert not fidelity.certified_scalar(np.exp, "dd", 0, in_place=False)


def test_exact_loops_in_place_of_one_element():
    """Many values, one at a time: what differs, differs rarely."""
    rng, count = np.random.default_rng(0), 150
    for name in NUMPY:
        for dtypes in kinds(find(name)):
            if name == "power" or not fidelity.certified(find(name), dtypes) or dtypes[0] != dtypes[-1]:
                continue
            inputs = [fidelity._values(t, count, "special", rng) for t in dtypes[:find(name).nin]]
            with np.errstate(all="ignore"):
                wanted, got = find(name)(*inputs), inputs[0].copy()
                for k in range(count) if find(name).nout == 1 else ():
                    one = got[k:k + 1]
                    find(name)(one, *(a[k:k + 1] for a in inputs[1:]), out=one)
            assert find(name).nout > 1 or fidelity.first_difference(got, wanted) is None, (name, dtypes)


def test_clearing_of_flags():
    assert fidelity.clears_flags(np.less, "dd?") and fidelity.clears_flags(np.matmul, "ddd")
    assert not fidelity.clears_flags(np.add, "ddd") and not fidelity.clears_flags(np.exp, "dd")


# ---- this test would notice

def test_it_notices_another_rounding(monkeypatch):
    real = loops.Loop.call

    def call(self, data, dimensions, strides):
        result = real(self, data, dimensions, strides)
        if dimensions == [513 - 512]:
            last = ctypes.c_double.from_address(data[-1])
            last.value = np.nextafter(last.value, 9)
        return result
    monkeypatch.setattr(loops.Loop, "call", call)
    assert any("tiles of 512: [512]" in line for line in fidelity.certify(np.add, "ddd", 0, [513]))
    assert fidelity.certify(np.add, "ddd", 0, [512, 514]) == []


def test_it_notices_lost_flags_and_missing_ones(monkeypatch):
    monkeypatch.setattr(fidelity, "clears_flags", lambda *_: False)
    assert any("clears flags" in line for line in fidelity.certify(np.less, "dd?", 0, [5]))
    monkeypatch.setattr(fidelity, "raised", lambda: 0)
    assert any("flags [] instead of" in line for line in fidelity.certify(np.divide, "ddd", 0, [300]))


def test_it_notices_what_numpy_does_in_place(monkeypatch):
    monkeypatch.setattr(fidelity, "_exact", lambda *_: True)
    assert any("NumPy, output 0 in place" in line for line in fidelity.certify(np.multiply, "DDD", 0, [1] * 9))
    assert fidelity.certified(np.multiply, "DDD")


def test_it_notices_exceptions():
    assert any("raised ValueError" in line for line in fidelity.certify(np.power, "lll", 0, [300]))
    assert fidelity.certify(np.matmul, "ddd", 0) == fidelity.certify(np.add, "OOO", 0) != []


@pytest.mark.parametrize("without", ["X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"])
def test_lesser_cpus(without):
    """The loops that NumPy picks without AVX-512, and without AVX2."""
    names = ("exp log sin cos tan tanh arctan2 log1p expm1 cbrt power multiply absolute square sqrt divide maximum "
             "fmin less floor_divide remainder reciprocal exp2 logaddexp hypot")
    script = f"""
import numpy as np
from tests.test_fidelity import disagreements, find
for name in {names!r}.split(): print(*disagreements(find(name), (1, 19, 300, 513)), sep='\\n', end='')
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True,
                          env={**os.environ, "NPY_DISABLE_CPU_FEATURES": without, "LAZYTENSOR_THOROUGH": ""})
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
