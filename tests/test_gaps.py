"""What is said of operands whose elements lie apart holds on this NumPy and this CPU.

LAZYTENSOR_THOROUGH=1 compares more values, and loops that kernels do not call.
"""

import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytensor.lower import fidelity, gaps, loops, native
from lazytensor.lower.gaps import ANY, FORWARD, INNERMOST, NOWHERE, TOGETHER

from .test_fidelity import find, kinds

THOROUGH = os.environ.get("LAZYTENSOR_THOROUGH") == "1"
CALLED = ("exp sin cos tan log log1p log10 log2 expm1 exp2 tanh sinh cosh arctan arcsin arccos arctanh arcsinh arccosh "
          "cbrt arctan2 power float_power hypot logaddexp logaddexp2 fmod remainder floor_divide absolute multiply "
          "square divide gcd nextafter copysign heaviside ldexp").split()

pytestmark = pytest.mark.skipif(not loops.available() or not native.available() or not fidelity._X86,
                                reason="no loops, or an unknown machine")


def disagreements(names, seeds):
    """Every way in which what is said is wrong."""
    for name in names:
        for types in kinds(find(name)):
            for scalar in (None, 0, 1) if find(name).nin == 2 else (None,):
                reach = gaps.reach(find(name), types, scalar)
                if reach > TOGETHER and fidelity.certified(find(name), types, False):
                    for seed in seeds:
                        yield from gaps.differences(find(name), types, scalar, reach == ANY, seed)


@pytest.mark.parametrize("name", sorted(fidelity.NUMPY) if THOROUGH else CALLED)
def test_calls_on_elements_apart_give_those_on_copies(name):
    assert list(disagreements([name], range(10) if THOROUGH else (1, 2))) == []


@pytest.mark.parametrize("without", ["X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"])
def test_lesser_cpus(without):
    """The loops that NumPy picks without AVX-512, and without AVX2."""
    script = f"from tests.test_gaps import *; print(*disagreements({CALLED!r}, [1]), sep='\\n', end='')"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True,
                          env={**os.environ, "NPY_DISABLE_CPU_FEATURES": without, "LAZYTENSOR_THOROUGH": ""})
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("name", ["exp", "log", "power", "arctan2", "tan", "absolute", "multiply", "log1p"])
def test_the_comparison_notices_another_way(name):
    """Where NumPy has vectors of 64 bytes, the loops of the table do differ backwards."""
    if "AVX512_SKX" not in [k for k, on in np._core._multiarray_umath.__cpu_features__.items() if on]:
        pytest.skip("no AVX-512")
    char = "F" if name == "multiply" else "D" if name == "absolute" else "d"
    types = next(types for types in kinds(find(name)) if types[0].char == char)
    assert any(gaps.differences(find(name), types, None, True))
    assert gaps.reach(find(name), types) == (INNERMOST if len(types) == 2 else FORWARD)


@pytest.mark.parametrize("char", "fd")
@pytest.mark.parametrize("name", sorted(gaps.OTHERWISE_BACKWARDS["d"] - {"power", "arctan2"}))
def test_loops_that_go_backwards_over_tiles(name, char):
    if gaps.turned(find(name), (char, char)):
        for seed in range(40 if THOROUGH else 3):
            assert list(gaps.differences_backwards(find(name), (char, char), seed)) == []
    assert gaps.turned(find(name), (char, char)) == ((name, char) not in {("exp", "f"), ("log", "f")})


def test_the_comparison_notices_the_way_forwards(monkeypatch):
    real = loops.Loop.call
    monkeypatch.setattr(loops.Loop, "call", lambda self, data, n, strides: real(
        self, [a + (n[0] - 1) * s for a, s in zip(data, strides, strict=True)], n, [-s for s in strides]))
    if gaps.reach(np.log1p, ("d", "d")) == INNERMOST and any(gaps.differences(np.log1p, "dd", None, True)):
        assert any(gaps.differences_backwards(np.log1p, "dd"))


@pytest.mark.parametrize("shape, strides, row", [
    ((4,), (-8,), True), ((4,), (-24,), True), ((4,), (8,), False), ((3, 4), (-32, -8), True),
    ((3, 4), (-8, -24), True), ((3, 4), (-40, -8), False), ((3, 4), (32, -8), False), ((3, 1), (-8, 64), True),
    ((1,), (-8,), False), ((3, 4), (0, -8), False), ((3, 4), None, False), ((2, 3, 4), (-96, -32, -8), True)])
def test_what_is_one_row_backwards(shape, strides, row):
    assert gaps.fits(shape, strides, 8, gaps.BACKWARDS) is row


def test_float16_has_another_way_for_any_gaps():
    assert gaps.reach(np.tanh, "ee") == gaps.reach(np.exp, "ee") == TOGETHER


@pytest.mark.parametrize("ufunc, dtypes, reach", [
    (np.exp, "dd", INNERMOST), (np.exp, "ff", ANY), (np.sin, "dd", ANY), (np.power, "ddd", FORWARD),
    (np.gcd, "lll", ANY),
    (np.exp, "DD", ANY), (np.absolute, "Dd", INNERMOST), (np.add, ("M8[s]", "m8[s]", "M8[s]"), TOGETHER)])
def test_reach(ufunc, dtypes, reach):
    assert gaps.reach(ufunc, tuple(dtypes)) == reach
    if ufunc is np.power:
        assert gaps.reach(ufunc, tuple(dtypes), 1) == INNERMOST


def test_what_differs_is_not_copied(monkeypatch):
    """The verdict is that of the comparison, kept for the NumPy and the CPU."""
    monkeypatch.setattr(gaps, "differences", lambda *args: iter(["something"]))
    monkeypatch.setattr(gaps.twins, "identity", lambda calls: "another NumPy")
    gaps.reach.cache_clear()
    try:
        assert gaps.reach(np.cos, ("d", "d")) == TOGETHER
        monkeypatch.setattr(gaps, "differences", lambda *args: 1 / 0)
        gaps.reach.cache_clear()
        assert gaps.reach(np.cos, ("d", "d")) == TOGETHER  # as was kept
    finally:
        gaps.reach.cache_clear()


def test_a_comparison_leaves_flags_as_they_were():
    fidelity.clear()
    fidelity._raise_all()
    before = fidelity.raised()
    assert list(gaps.differences(np.exp, "dd", None, False)) == []
    assert fidelity.raised() == before
    fidelity.clear()
    assert list(gaps.differences(np.log, "dd", None, False)) == []
    assert fidelity.raised() == 0


@pytest.mark.parametrize("shape, strides, spread", [
    ((3, 4), None, TOGETHER), ((3, 4), (40, 8), TOGETHER), ((3, 1), (8, 64), TOGETHER), ((3, 4), (8, 24), FORWARD),
    ((4,), (16,), FORWARD), ((3, 4), (8, 8), FORWARD), ((3, 4), (-32, 8), INNERMOST), ((3, 4), (8, -24), INNERMOST),
    ((3, 4), (32, -8), ANY), ((4,), (-16,), ANY), ((3, 4), (8, -8), ANY), ((3, 4), (-8, -8), ANY),
    ((3, 1, 4), (32, -8, 8), TOGETHER),
    ((1, 1), (0, 0), NOWHERE), ((1,), None, NOWHERE), ((1,), (-16,), NOWHERE), ((3, 4), (0, 8), NOWHERE),
    ((), (), NOWHERE)])
def test_spread(shape, strides, spread):
    assert gaps.spread(shape, strides, 8) == spread


@pytest.mark.parametrize("char", "fdFD")
def test_strides_of_any_size(char):
    """NumPy's loops have limits of 2 MB and of 32 bits for the offsets of a vector's elements."""
    with mmap.mmap(-1, 20 << 28, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000) as memory:  # MAP_NORESERVE
        for name in ("exp", "log", "sin", "tan", "arctan") + (("cbrt", "log2") if char in "fd" else ()):
            values = np.random.default_rng(0).normal(size=38).view("D").astype(char) if char in "FD" else (
                np.random.default_rng(0).uniform(0.1, 5, 19).astype(char))
            for step in (1 << 20, (1 << 21) - 16, 1 << 21, (1 << 21) + 16, 1 << 26, (1 << 27) + 16, 1 << 28):
                apart = np.ndarray(19, char, memory, 0, (step,))
                apart[...] = values
                assert fidelity.first_difference(getattr(np, name)(apart), getattr(np, name)(values)) is None
                del apart


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(CALLED), data=st.data(), n=st.integers(2, 70), seed=st.integers(0, 1 << 20))
def test_any_strides(name, data, n, seed):
    """Calls over one axis, with strides of whole elements and others."""
    types = data.draw(st.sampled_from([t for t in kinds(find(name)) if fidelity.certified(find(name), t, False)]))
    ufunc, scalar = find(name), data.draw(st.sampled_from([None, 0, 1])) if find(name).nin == 2 else None
    reach = gaps.reach(ufunc, types, scalar)
    if reach == TOGETHER:
        return
    rng = np.random.default_rng(seed)
    flavour = data.draw(st.sampled_from(fidelity.FLAVOURS))
    copies, apart = [], []
    for k, dtype in enumerate(types[:ufunc.nin]):
        values = fidelity._values(dtype, n, flavour, rng)
        step = dtype.itemsize + dtype.alignment * data.draw(st.integers(0, 70))
        backwards = reach == ANY and data.draw(st.booleans())
        memory = np.zeros(n * step, np.uint8)
        lying = np.ndarray(n, dtype, memory.data, (n - 1) * step if backwards else 0, (-step if backwards else step,))
        lying[...] = values
        copies.append(values[0] if k == scalar else values)
        apart.append(values[0] if k == scalar else lying)
    assert gaps._same(gaps._called(ufunc, apart, types), gaps._called(ufunc, copies, types))
