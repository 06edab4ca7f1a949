"""The operations that kernels write out give NumPy's bits: on special values, at every length around a vector's."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from lazytensor.lower import fused
from lazytensor.lower.inline import COMPLEX, FORMS, INTEGERS, NAMED
from lazytensor.lower.kernel import ARRAY, NUMBER, Input, Kernel, Step
from lazytensor.lower.pairs import PAIRS, form_of, may_cast, product
from lazytensor.run import launch, launcher, pool

from .helpers import same_bits

pytestmark = pytest.mark.skipif(not fused.available(), reason="no compiler for kernels here")

LENGTHS = (1, 7, 8, 15, 16, 17, 33, 64, 257)


def special(char):
    """Values at which operations differ, if they do."""
    dtype = np.dtype(char)
    if char == "?":
        return np.array([False, True])
    if char in INTEGERS:
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 3, 7, info.max, info.max - 1, info.min, info.min + 1, info.max // 2], dtype)
    info = np.finfo(dtype)
    if char in COMPLEX:
        least = info.smallest_subnormal
        parts = np.array([0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, info.max, -least, 3], char.lower())
        return np.array(list(itertools.product(parts, repeat=2))).view(char).ravel()
    values = [0.0, 1.0, 0.5, 1.5, 2.5, 3.0, np.pi, info.max, info.tiny, info.smallest_subnormal, info.eps, np.inf, 1e10]
    return np.array([*values, *[-v for v in values], np.nan], dtype)


def operands(char, count, length):
    """Every special value against every other, cut or repeated to a length."""
    sets = np.array(list(itertools.product(special(char), repeat=count)), char)
    rows = np.resize(sets, (max(length, len(sets)) if length == LENGTHS[-1] else length, count))
    return [np.ascontiguousarray(column) for column in rows.T]


def run(kernel, inputs, outputs, numbers=()):
    bound = launch.bind(kernel, np.broadcast_shapes(*[a.shape for a in inputs]), [*inputs, *outputs])
    assert launch.run(bound, [*inputs, *outputs], list(numbers)) != launcher.REFUSED


CASES = [(name, char) for name, form in FORMS.items() for char in form.chars if (name, char) not in {
    ("clip", "f"), ("clip", "d")}] + [(name, char) for name, form in PAIRS.items() for char in form.chars]


@pytest.mark.parametrize("char", "fd")
def test_clip_of_floats_between_numbers(char):
    inputs = Input(ARRAY, char), Input(NUMBER, char), Input(NUMBER, char)
    kernel = Kernel(inputs, (Step("clip", char, (0, 1, 2)),), (3,))
    for length in LENGTHS:
        x = np.resize(special(char), length)
        for low, high in itertools.product(special(char), repeat=2):
            with np.errstate(all="ignore"):
                expected = NAMED["clip"](x, low, high)
            out = np.empty(length, char)
            run(kernel, [x], [out], (low, high))
            assert same_bits(expected, out), (low, high)


@pytest.mark.parametrize(("name", "char"), CASES)
def test_forms(name, char):
    ufunc = NAMED.get(name, getattr(np, name))
    result = (PAIRS if char in COMPLEX else FORMS)[name].result or char
    if form_of(ufunc, (char,) * ufunc.nin + (result,)) is None:
        pytest.skip("not on this CPU")
    kernel = Kernel((Input(ARRAY, char),) * ufunc.nin, (Step(name, result, tuple(range(ufunc.nin))),), (ufunc.nin,))
    for length in LENGTHS:
        values = operands(char, ufunc.nin, length)
        with np.errstate(all="ignore"):
            expected = ufunc(*values)
        out = np.empty(values[0].shape, result)
        assert expected.dtype == out.dtype
        run(kernel, values, [out])
        assert same_bits(expected, out), (name, char, length)


@pytest.mark.parametrize("char", COMPLEX)
@pytest.mark.parametrize("name", ["multiply", "square"])
def test_products(name, char):
    """Of special values, and of many that are rounded in one way or another."""
    way, ufunc = product(name, char), getattr(np, name)
    assert way in (name, f"{name} fused")
    kernel = Kernel((Input(ARRAY, char),) * ufunc.nin, (Step(way, char, tuple(range(ufunc.nin))),), (ufunc.nin,))
    rng = np.random.default_rng(0)
    several = [operands(char, ufunc.nin, length) for length in LENGTHS]
    several.append([(rng.normal(size=40_000) + 1j * rng.normal(size=40_000)).astype(char) for _ in range(ufunc.nin)])
    for values in several:
        with np.errstate(all="ignore"):
            expected = ufunc(*values)
        out = np.empty_like(expected)
        run(kernel, values, [out])
        assert same_bits(expected, out)


@pytest.mark.parametrize("without", ["", "X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"])
def test_products_as_numpys_on_lesser_cpus(without):
    script = """
import numpy as np
from tests import test_inline
for char in "FD":
    for name in ("multiply", "square"): test_inline.test_products(name, char)
print(test_inline.product("multiply", "D"))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True,
                          env={**os.environ, "NPY_DISABLE_CPU_FEATURES": without})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("multiply", "multiply fused")


CHARS = "?bhilqBHILQfdFD"


@pytest.mark.parametrize(("source", "target"), [(a, b) for a in CHARS for b in CHARS if may_cast(a, b) and a != b])
def test_casts(source, target):
    kernel = Kernel((Input(ARRAY, source),), (Step("cast", target, (0,)),), (1,))
    for length in LENGTHS:
        values = np.resize(special(source), length)
        with np.errstate(all="ignore"):
            expected = values.astype(target)
        out = np.empty(length, target)
        run(kernel, [values], [out])
        assert same_bits(expected, out)


LAYOUTS = {
    "C": lambda a: a,
    "reversed": lambda a: a[..., ::-1],
    "both reversed": lambda a: a[::-1, ::-1],
    "transposed": lambda a: a.T,
    "every other": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
    "row": lambda a: a[:1],
    "column": lambda a: a[:, :1],
    "one": lambda a: a[:1, :1],
    "Fortran": np.asfortranarray,
    "part": lambda a: np.pad(a, 3)[3:-3, 3:-3],
}


@pytest.mark.parametrize("x_layout", LAYOUTS)
@pytest.mark.parametrize("y_layout", LAYOUTS)
@pytest.mark.parametrize("out_layout", ["C", "Fortran", "part", "reversed", "every other"])
def test_layouts(x_layout, y_layout, out_layout):
    """One kernel with a called step, a number and two outputs of different dtypes."""
    d = np.dtype("d")
    kernel = Kernel((Input(ARRAY, "d"), Input(ARRAY, "f"), Input(NUMBER, "d")), (
        Step("cast", "d", (1,)), Step("multiply", "d", (0, 2)), Step("add", "d", (4, 3)),
        Step("call", "d", (5,), (np.tanh, (d, d))), Step("greater", "?", (6, 3)), Step("subtract", "d", (6, 0))),
        (8, 7))
    rng = np.random.default_rng(0)
    base = rng.normal(size=(19, 19)) * 3
    x, y = LAYOUTS[x_layout](base), LAYOUTS[y_layout](rng.normal(size=(19, 19)).astype("f"))
    outs = [LAYOUTS[out_layout](np.zeros((19, 19), c)) for c in "d?"]
    bound = launch.bind(kernel, (19, 19), [x, y, *outs])
    assert launch.run(bound, [x, y, *outs], [0.3]) >= 0
    value = np.tanh(np.ascontiguousarray(x) * 0.3 + y)
    assert same_bits(np.broadcast_to(value - x, (19, 19)), outs[0])
    assert same_bits(np.broadcast_to(value > y, (19, 19)), outs[1])


@pytest.mark.parametrize("x_layout", LAYOUTS)
@pytest.mark.parametrize("out_layout", ["C", "Fortran", "part", "reversed", "every other"])
@pytest.mark.parametrize("char", COMPLEX)
def test_layouts_of_pairs(x_layout, out_layout, char):
    """Complex elements with real ones, a called step and a number."""
    d, real = np.dtype(char), char.lower()
    kernel = Kernel((Input(ARRAY, char), Input(ARRAY, real), Input(NUMBER, char)), (
        Step("cast", char, (1,)), Step("subtract", char, (0, 3)), Step("call", char, (4,), (np.square, (d, d))),
        Step("equal", "?", (0, 3)), Step("add", char, (5, 2)), Step("where", char, (6, 0, 7))), (8, 6))
    rng = np.random.default_rng(0)
    x = LAYOUTS[x_layout]((rng.integers(-2, 3, (19, 19)) + 1j * rng.integers(0, 2, (19, 19))).astype(char))
    y = rng.integers(-2, 3, (19, 19)).astype(real)
    outs = [LAYOUTS[out_layout](np.zeros((19, 19), c)) for c in (char, "?")]
    bound = launch.bind(kernel, (19, 19), [x, y, *outs])
    assert launch.run(bound, [x, y, *outs], [0.25 - 3j]) >= 0
    same = np.broadcast_to(x == y, (19, 19))
    assert same_bits(np.where(same, x, np.square(x - y) + d.type(0.25 - 3j)), outs[0])
    assert same_bits(same, outs[1])


def test_more_axes_than_a_kernel_takes_and_no_elements():
    kernel = Kernel((Input(ARRAY, "d"),), (Step("negative", "d", (0,)),), (1,))
    assert launch.bind(kernel, (0, 3), [np.zeros((0, 3)), np.zeros((0, 3))]) is None
    deep = np.zeros((3,) * 11)[(slice(0, 2),) * 11]
    assert launch.bind(kernel, deep.shape, [deep, np.zeros(deep.shape)]) is None


def test_an_address_that_is_not_aligned_is_refused():
    kernel = Kernel((Input(ARRAY, "d"),), (Step("negative", "d", (0,)),), (1,))
    raw = np.zeros(8 * 12 + 8, np.uint8)
    x = raw[(-raw.ctypes.data) % 8 + 1:][:80].view("d")
    out = pool.empty((10,), np.dtype("d"))
    bound = launch.bind(kernel, (10,), [out, out.copy()])
    assert launch.run(bound, [x, out], []) == launcher.REFUSED
